//! `pvf diff`: sizes, functions and candidates of two runtimes, and what makes the exit code 1.

mod common;

use common::{fixture, pvf, write};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const BEFORE: &str = r#"(module
    (import "env" "memory" (memory 2))
    (import "env" "ext_allocator_malloc_version_1" (func (param i32) (result i32)))
    (global (export "__heap_base") i32 (i32.const 65536))
    (func $kept (result i32) (i32.const 1))
    (func $_ZN4team5grown17hacf5396c97d665faE (result i32) (i32.const 1))
    (func $gone (result i32) (i32.const 5))
    (func (export "validate_block") (param i32 i32) (result i64)
        (i64.extend_i32_u (call $_ZN4team5grown17hacf5396c97d665faE))))"#;

/// The same with another hash in a name, a function that has grown by 5 operators, and another import.
const AFTER: &str = r#"(module
    (import "env" "memory" (memory 2))
    (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
    (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
    (global (export "__heap_base") i32 (i32.const 65536))
    (func $kept (result i32) (i32.const 1))
    (func $_ZN4team5grown17h0123456789abcdefE (result i32) (local i64 i64)
        (call $free (call $malloc (i32.const 8))) (drop (i32.const 2)) (i32.const 1))
    (func $new (result i32) (i32.const 6))
    (func (export "validate_block") (param i32 i32) (result i64)
        (i64.extend_i32_u (call $_ZN4team5grown17h0123456789abcdefE))))"#;

fn two(name: &str) -> (String, String) {
    let file = |which: &str, text: &str| write("diff", &format!("{name}-{which}.wat"), text);
    (file("before", BEFORE), file("after", AFTER))
}

#[test]
fn functions_are_matched_by_name_without_hashes() {
    let (before, after) = two("functions");
    let ran = pvf(["diff", "--json", &before, &after]);
    assert_eq!(
        ran.code, 0,
        "differences alone are no failure: {}",
        ran.stderr
    );
    let json = ran.json();
    let kinds = |name: &str| {
        let functions = json["functions"].as_array().expect("functions");
        let change = functions.iter().find(|it| it["name"] == name)?;
        let bytes = |side: &str| change[side]["wasm_bytes"].as_u64();
        Some((bytes("before"), bytes("after")))
    };
    // A body without locals: a count of locals, `i32.const` of 2 bytes, `end`.
    assert_eq!(kinds("gone"), Some((Some(4), None)));
    assert_eq!(kinds("new"), Some((None, Some(4))));
    // One group of locals (3 bytes in place of 1), 3 calls and constants of 2 bytes each more, a drop.
    assert_eq!(
        kinds("team::grown"),
        Some((Some(4), Some(4 + 2 + 3 * 2 + 3)))
    );
    assert_eq!(kinds("kept"), None);
    assert_eq!(json["imports_removed"], serde_json::json!([]));
    let added = "env:ext_allocator_free_version_1 [i32] -> []";
    assert_eq!(json["imports_added"], serde_json::json!([added]));
    assert_eq!(json["version"], 1);

    // The text names the same.
    let text = pvf(["diff", &before, &after]).text();
    for part in [
        "1 added",
        "1 removed",
        "team::grown",
        "+ import env:ext_allocator_free",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_runtime_is_like_itself_in_any_form() {
    let (plain, compressed) = (
        fixture("adder/code.wasm"),
        fixture("adder/code.compressed.wasm"),
    );
    let candidates = ["adder/add-1.params", "adder/wrong-state.params"].map(fixture);
    let paths = [&plain, &compressed, &candidates[0], &candidates[1]];
    let arguments = [
        "diff",
        "--json",
        "--fail-above",
        "gas=0",
        "--fail-above",
        "code=0%",
    ]
    .into_iter();
    let ran = pvf(arguments.chain(paths.map(String::as_str)));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["functions"], serde_json::json!([]));
    for (candidate, outcome) in json["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["valid", "invalid"])
    {
        assert_eq!(candidate["before"]["outcome"], outcome);
        assert_eq!(
            candidate["before"]["outcome_digest"],
            candidate["after"]["outcome_digest"]
        );
        for change in candidate["changes"].as_array().unwrap() {
            assert_eq!(change["before"], change["after"], "{change}");
        }
        assert_eq!(candidate["host_calls"], serde_json::json!([]));
    }
    // What a candidate uses is what `validate` says.
    let validated = pvf([
        "validate",
        "--json",
        "--gas",
        "unlimited",
        &plain,
        &candidates[0],
    ])
    .json();
    let changes = json["candidates"][0]["changes"].as_array().unwrap();
    let of =
        |metric: &str| changes.iter().find(|it| it["metric"] == metric).unwrap()["after"].clone();
    for (metric, key) in [
        ("gas", "gas_used"),
        ("native-stack", "stack_native_peak"),
        ("logical-stack", "stack_logical_peak"),
        ("memory", "memory_pages_peak"),
    ] {
        assert_eq!(of(metric), validated[key], "{metric}");
    }
}

#[test]
fn growth_and_worse_verdicts_fail() {
    let (before, after) = two("ceilings");
    let run = |more: &[&str]| {
        let arguments = ["diff", "--json", &before, &after].into_iter();
        pvf(arguments.chain(more.iter().copied()))
    };
    let failures = |ran: &common::Ran| ran.json()["failures"].as_array().unwrap().len();
    let grown = run(&["--fail-above", "bodies=5%", "--fail-above", "data=0"]);
    assert_eq!((grown.code, failures(&grown)), (1, 1));
    assert_eq!(run(&["--fail-above", "bodies=100000"]).code, 0);
    for wrong in ["fuel=5", "gas", "gas=-1%", "gas=5%"] {
        assert_eq!(run(&["--fail-above", wrong]).code, 2, "{wrong}");
    }

    // A candidate that was valid is not any more.
    let (adder, constant) = (fixture("adder/code.wasm"), fixture("constant/code.wat"));
    let params = fixture("adder/wrong-state.params");
    let ran = pvf(["diff", "--json", &constant, &adder, &params]);
    assert_eq!((ran.code, failures(&ran)), (1, 1), "{}", ran.stderr);
    assert_eq!(
        pvf(["diff", &adder, &constant, &params]).code,
        0,
        "better is no failure"
    );

    // Code that a node turns down.
    let rejected = write(
        "diff",
        "rejected.wat",
        "(module (func (result i32) (i32.extend8_s (i32.const 1))))",
    );
    let ran = pvf(["diff", "--json", &adder, &rejected]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.json()["after"]["rejection"]["outcome"], "rejected");
}

#[test]
fn markdown_is_for_a_comment() {
    let (before, after) = two("markdown");
    let params = fixture("adder/add-1.params");
    let ran = pvf(["diff", "--markdown", &before, &after, &params]);
    let text = ran.text();
    for part in [
        "| size in bytes | before | after | |",
        "`team::grown` | grown",
        "<details>",
        "`add-1.params`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Each row of a table has as many cells as its head.
    let mut columns = None;
    for line in text.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        match (line.starts_with('|'), columns) {
            (true, None) => columns = Some(cells),
            (true, Some(columns)) => assert_eq!(cells, columns, "{line}"),
            (false, _) => columns = None,
        }
    }
    assert_eq!(
        pvf(["diff", "--markdown", "--json", &before, &after]).code,
        2
    );
}

/// The composite action: what it says it takes is what its steps use, and its script does what it says.
#[test]
fn the_action_is_consistent_and_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../actions/pvf-diff");
    let text = std::fs::read_to_string(folder.join("action.yml")).expect("the action is there");
    let yaml = yaml_rust2::YamlLoader::load_from_str(&text).expect("YAML");
    let action = &yaml[0];
    assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
    let inputs = action["inputs"].as_hash().expect("inputs");
    let inputs: Vec<&str> = inputs
        .keys()
        .map(|key| key.as_str().expect("a name"))
        .collect();
    let mut used = Vec::new();
    for (at, _) in text.match_indices("inputs.") {
        let rest = &text[at + "inputs.".len()..];
        let end = rest
            .find(|c: char| !(c.is_ascii_lowercase() || c == '-'))
            .unwrap();
        used.push(&rest[..end]);
    }
    for input in &inputs {
        assert!(used.contains(input), "{input} is not used");
    }
    for input in used {
        assert!(inputs.contains(&input), "{input} is not declared");
    }
    let steps = action["runs"]["steps"].as_vec().expect("steps");
    let ids: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["id"].as_str())
        .collect();
    for step in steps {
        let (run, uses) = (step["run"].as_str(), step["uses"].as_str());
        assert!(run.is_some() != uses.is_some(), "a step runs or uses");
        assert_eq!(
            run.is_some(),
            step["shell"].as_str() == Some("bash"),
            "a step that runs names its shell"
        );
        assert!(
            !run.unwrap_or("").contains("${{"),
            "an input would be read as a command"
        );
    }
    for (at, _) in text.match_indices("steps.") {
        let id = text[at + "steps.".len()..].split('.').next().unwrap();
        assert!(ids.contains(&id), "there is no step {id}");
    }

    // The script, as a runner would start it.
    let (before, after) = two("action");
    let output = write("diff", "action-output", "");
    let summary = write("diff", "action-summary", "");
    let run = |candidates: &str, fail_above: &str| {
        let mut command = Command::new(folder.join("compare"));
        let command = command
            .env("PVF", env!("CARGO_BIN_EXE_pvf"))
            .env("BEFORE", &before)
            .env("AFTER", &after)
            .env("CANDIDATES", candidates)
            .env("FAIL_ABOVE", fail_above)
            .env("RUNNER_TEMP", env!("CARGO_TARGET_TMPDIR"))
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_STEP_SUMMARY", &summary);
        let ran = command.output().expect("it starts");
        let said = std::fs::read_to_string(&output).unwrap();
        std::fs::write(&output, "").unwrap();
        (ran.status.code(), said)
    };
    if std::env::var_os("PVF_TEST_RUNNER").is_some() {
        return;
    }
    let candidates = fixture("adder/add-*.params");
    let (code, said) = run(&candidates, "gas = 1000000%\n\nblob=1000000%\n");
    assert_eq!(code, Some(0));
    assert!(said.contains("passed=true"), "{said}");
    let text = std::fs::read_to_string(&summary).unwrap();
    assert!(
        text.contains("`add-1.params`") && text.contains("`add-2.params`"),
        "{text}"
    );
    let (code, said) = run("", "bodies=1%");
    assert_eq!(code, Some(1));
    assert!(said.contains("passed=false"), "{said}");
    assert_eq!(run("/nowhere/*.params", "").0, Some(2));
    assert_eq!(run("", "$(touch x)=1").0, Some(2));
}

/// Real runtimes, where there are any: the version of one release before and after.
#[test]
fn real_runtimes_say_their_versions() {
    let code = |name| {
        let chain = pvf_corpus::recorded_chain(name).expect("the folder can be read");
        chain.map(|chain| chain.code.display().to_string())
    };
    let (Some(before), Some(after)) = (code("coretime-kusama"), code("coretime-polkadot")) else {
        return;
    };
    let json = pvf(["diff", "--json", &before, &after]).json();
    let name = |side: &str| json[side]["spec_name"].as_str().map(str::to_owned);
    assert_eq!(name("before").as_deref(), Some("coretime-kusama"));
    assert_eq!(name("after").as_deref(), Some("coretime-polkadot"));
    let size = std::fs::metadata(&before).unwrap().len();
    assert_eq!(json["before"]["blob_bytes"], Value::from(size));
}

//! Seeing the code: `inspect --html`, `profile`, `--perf`.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{assert_keys, fixture, program, pvf, scratch, write};
use serde_json::Value;
use std::io::Read;
use std::process::Stdio;

/// A packed part of a page.
fn unpacked(packed: &str) -> String {
    let bytes = STANDARD.decode(packed.trim()).expect("base64");
    let mut text = String::new();
    let mut decoder = flate2::read::DeflateDecoder::new(&*bytes);
    decoder.read_to_string(&mut text).expect("deflated text");
    text
}

fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let start = format!("<script type=\"text/plain\" id=\"{id}\">");
    let (_, rest) = page.split_once(&start).expect("the part is there");
    rest.split_once("</script>").expect("and ends").0
}

/// Index and listings of a module's page.
fn page(test: &str, code: &str, more: &[&str]) -> (Value, Vec<String>) {
    let file = scratch(test, "page.html").display().to_string();
    let mut args = vec!["inspect", code, "--html", &file];
    args.extend(more);
    let ran = pvf(args);
    // Modules that are refused are shown as well.
    assert!(ran.code <= 1, "{}", ran.stderr);
    let page = std::fs::read_to_string(file).expect("the page is there");
    for outside in ["http://", "https://", "src="] {
        assert!(!page.contains(outside), "the page needs nothing else");
    }
    let index = serde_json::from_str(&unpacked(part(&page, "index-data"))).expect("JSON");
    let chunks = part(&page, "chunk-data").trim().lines();
    let listings = chunks
        .flat_map(|chunk| {
            unpacked(chunk)
                .split('\0')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    (index, listings)
}

/// Offset, what stands between length and text, text.
type Line = (u64, String, String);

/// The lines of a listing: Wasm, code.
fn lines(listing: &str) -> (Vec<Line>, Vec<Line>) {
    let mut lines = listing.lines();
    let head: Vec<u64> = lines
        .next()
        .expect("a head")
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let (mut offset, mut code_offset) = (head[0], head[1]);
    let parse = |line: &str, at: &mut u64| {
        let (mark, text) = line.split_once(' ').expect("a text");
        let digits = mark
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(mark.len());
        let parsed = (*at, mark[digits..].to_owned(), text.to_owned());
        *at += mark[..digits].parse::<u64>().expect("a length");
        parsed
    };
    let wasm = lines.by_ref().take(head[2] as usize).collect::<Vec<_>>();
    let wasm = wasm
        .into_iter()
        .map(|line| parse(line, &mut offset))
        .collect();
    let code = lines.map(|line| parse(line, &mut code_offset)).collect();
    (wasm, code)
}

const MODULE: &str = r#"(module
    (import "env" "host" (func $host))
    (memory 1)
    (func $choose (export "choose") (param $which i32) (result i32)
        (block $a (block $b (block $c
            (br_table $a $b $c (local.get $which)))
            (call $host))
            (return (i32.load (local.get $which))))
        (i32.const 7))
    (func (export "again") (param i32) (result i32)
        (call $choose (i32.add (local.get 0) (i32.const 1)))))"#;

#[test]
fn a_page_shows_wasm_gas_and_code() {
    let code = write("page", "module.wat", MODULE);
    let (index, listings) = page("page", &code, &["--target", "x86_64"]);
    assert_eq!(
        index["names"],
        serde_json::json!(["host", "choose", "again"])
    );
    assert_eq!(index["function"], serde_json::json!([1, 2, -1]));
    assert_eq!(listings.len(), 3);

    let (wasm, code) = lines(&listings[0]);
    let texts: Vec<&str> = wasm.iter().map(|(_, _, text)| &**text).collect();
    let expected = [
        "block $a",
        "block $b",
        "block $c",
        "local.get $which",
        "br_table $a $b $c",
        "end",
        "call 0",
        "end",
        "local.get $which",
        "i32.load",
        "return",
        "end",
        "i32.const 7",
        "end",
    ];
    assert_eq!(texts[1..], expected);
    assert!(
        texts[0].contains("(param $which i32) (result i32)"),
        "{}",
        texts[0]
    );
    let gas: Vec<(&str, &str)> = wasm
        .iter()
        .filter(|(_, gas, _)| !gas.is_empty())
        .map(|(_, gas, text)| (&**gas, &**text))
        .collect();
    let expected = [
        ("$5", "block $a"),
        ("$1", "call 0"),
        ("$3", "local.get $which"),
        ("$1", "i32.const 7"),
    ];
    assert_eq!(gas, expected);
    assert_eq!(index["gas"][0], 10);

    let texts: Vec<&str> = code.iter().map(|(_, _, text)| &**text).collect();
    assert!(texts.contains(&"call @0"), "{texts:?}");
    let entries = texts
        .iter()
        .filter(|text| text.starts_with(".long L"))
        .count();
    assert_eq!(entries, 2, "a jump table is data: {texts:?}");
    assert!(
        texts
            .iter()
            .any(|text| text.ends_with("; memory_out_of_bounds"))
    );
    assert!(!listings.iter().any(|listing| listing.contains("(bad)")));
}

/// The same code for the other machine, whatever this one is.
#[test]
fn a_page_shows_code_of_aarch64() {
    let code = write("page-aarch64", "module.wat", MODULE);
    let (index, listings) = page("page-aarch64", &code, &["--target", "aarch64"]);
    assert_eq!(index["target"], "aarch64");
    let (_, code) = lines(&listings[0]);
    let texts: Vec<&str> = code.iter().map(|(_, _, text)| &**text).collect();
    let count = |start: &str| texts.iter().filter(|text| text.starts_with(start)).count();
    assert_eq!(count("bl @0"), 1, "{texts:?}");
    assert_eq!(count("br x"), 1, "{texts:?}");
    assert_eq!(count(".long L"), 3, "a jump table is data: {texts:?}");
    assert_eq!(count(".word"), 0, "everything else decodes: {texts:?}");
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("ldr w") && text.ends_with("; memory_out_of_bounds")),
        "{texts:?}"
    );
}

/// What the page says of a large module is what the artifact and `inspect` say.
#[test]
fn a_page_matches_the_artifact() {
    let code = fixture("ledger/code.wasm");
    let ran = pvf(["inspect", &code, "--functions", "--json"]);
    let json = ran.json();
    for meters in [&[][..], &["--meter", "gas", "--meter", "logical-stack"]] {
        let (index, listings) = page("matches", &code, meters);
        let functions = json["functions"].as_array().expect("functions");
        let mut end = 0;
        for (at, function) in functions.iter().enumerate() {
            assert_eq!(index["function"][at], function["index"]);
            assert_eq!(index["wasm"][at], function["wasm_bytes"]);
            assert_eq!(index["frame"][at], function["frame_bytes"]);
            assert_eq!(index["gas"][at], function["gas"]);
            assert_eq!(index["logical"][at], function["logical_cost"]);
            if meters.is_empty() {
                assert_eq!(index["code"][at], function["code_bytes"]);
            }
            let (wasm, code) = lines(&listings[at]);
            assert!(wasm.len() > 1 && !code.is_empty());
            assert!(code[0].0 >= end, "functions follow each other");
            end = code[0].0 + index["code"][at].as_u64().expect("bytes");
            assert!(code.last().expect("code").0 < end);
            let steps = code.iter().filter_map(|(_, mark, _)| mark.split_once(','));
            let (mut line, mut furthest) = (0, 0);
            for (_, step) in steps {
                line += step.parse::<i64>().expect("a step");
                assert!((0..wasm.len() as i64).contains(&line));
                furthest = furthest.max(line);
            }
            assert!(
                furthest > 0 || wasm.len() < 3,
                "code is for more than the head"
            );
        }
        assert_eq!(listings.len(), functions.len() + 1, "and the stubs");
    }
}

#[test]
fn a_page_of_a_module_without_code() {
    let code = write("empty", "empty.wat", "(module)");
    let (index, listings) = page("empty", &code, &[]);
    assert_eq!(index["function"], serde_json::json!([-1]));
    assert_eq!(listings.len(), 1);
    let missing = scratch("empty", "no-folder").join("page.html");
    let ran = pvf(["inspect", &code, "--html", &missing.display().to_string()]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}

/// Meters refuse some valid code; it runs without them, and is shown.
#[test]
fn a_page_of_a_function_that_a_meter_refuses() {
    let text = "(module (func unreachable i32.add i32.add drop) (func nop))";
    let (index, _) = page("refused", &write("refused", "module.wat", text), &[]);
    assert_eq!(index["logical"][0], Value::Null);
    assert_eq!(index["logical"][1], 2);
    assert_eq!(index["gas"], serde_json::json!([4, 1, null]));
    let schedule = write("refused", "schedule.toml", "per_local = 4294967295");
    let two = write("refused", "locals.wat", "(module (func (local i32 i32)))");
    let (index, _) = page("refused", &two, &["--metering-schedule", &schedule]);
    assert_eq!(index["gas"][0], Value::Null);
    assert_eq!(index["blocks"][0], Value::Null);
}

/// Sum of the numbers of a folded profile.
fn sum(folded: &str) -> u64 {
    let numbers = folded
        .lines()
        .map(|line| line.rsplit_once(' ').expect("a number").1);
    numbers
        .map(|number| number.parse::<u64>().expect("a number"))
        .sum()
}

#[test]
fn a_profile_sums_up_to_the_gas_of_the_run() {
    let cases = [
        ("ledger", "transfer", 0),
        ("ledger", "wrong-root", 1),
        ("hostcalls", "hashing", 0),
        ("hostcalls", "bad-pointer", 1),
        ("forth", "sieve", 0),
        ("forth", "too-deep", 1),
    ];
    for (name, case, exit) in cases {
        let code = fixture(&format!("{name}/code.wasm"));
        let params = fixture(&format!("{name}/{case}.params"));
        let run = pvf(["validate", &code, &params, "--gas", "unlimited", "--json"]).json();
        let ran = pvf(["profile", &code, &params]);
        assert_eq!(ran.code, exit, "{name}/{case}: {}", ran.stderr);
        assert_eq!(run["gas_used"], sum(&ran.text()), "{name}/{case}");
        let json = pvf(["profile", &code, &params, "--json"]).json();
        for key in ["outcome", "outcome_digest", "gas_used", "reason"] {
            assert_eq!(json[key], run[key], "{name}/{case}: {key}");
        }
        assert_keys(&json, &["calls", "by", "output", "functions", "stacks"]);
        let functions = json["functions"].as_array().expect("functions");
        let gas = |it: &Value| it["gas"].as_u64().expect("gas");
        assert_eq!(functions.iter().map(gas).sum::<u64>(), sum(&ran.text()));
    }
}

#[test]
fn a_limit_ends_a_profile_where_it_ends_the_run() {
    let code = fixture("forth/code.wasm");
    let params = fixture("forth/endless.params");
    let limit = ["--gas", "100000"];
    let run = pvf(["validate", &code, &params, "--json"]
        .into_iter()
        .chain(limit))
    .json();
    let json = pvf(["profile", &code, &params, "--json"]
        .into_iter()
        .chain(limit))
    .json();
    assert_eq!(run["trap"], "out_of_gas");
    assert_eq!(json["outcome_digest"], run["outcome_digest"]);
    assert_eq!(json["gas_used"], run["gas_used"]);
}

#[test]
fn a_profile_of_an_invoked_function_names_host_functions_by_calls() {
    let code = write("invoked", "module.wat", MODULE);
    let ran = pvf(["profile", &code, "--invoke", "again", "0"]);
    assert_eq!(ran.text(), "again 4\nagain;choose 8\n", "{}", ran.stderr);
    let file = scratch("invoked", "calls").display().to_string();
    let args = [
        "profile", &code, "--invoke", "again", "1", "--by", "calls", "-o", &file,
    ];
    let ran = pvf(args);
    // The imported function does not exist here.
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let folded = std::fs::read_to_string(&file).expect("the profile is there");
    assert_eq!(folded, "again 1\nagain;choose 1\nagain;choose;host 1\n");
    assert!(ran.text().contains("again"), "{}", ran.text());
    assert_eq!(pvf(["profile", &code]).code, 2);
    assert_eq!(pvf(["profile", &code, "--invoke", "nothing"]).code, 2);
}

#[test]
fn perf_is_told_and_the_outcome_is_the_same() {
    let (code, params) = (
        fixture("ledger/code.wasm"),
        fixture("ledger/transfer.params"),
    );
    let plain = pvf(["validate", &code, &params, "--json"]).json();
    let folder = scratch("perf", "dumps");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for (kind, other) in [("map", "/tmp"), ("jitdump", "")] {
        let child = program()
            .args(["validate", &code, &params, "--json", "--perf", kind])
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvf starts");
        let name = match kind {
            "map" => format!("perf-{}.map", child.id()),
            _ => format!("jit-{}.dump", child.id()),
        };
        let told = child.wait_with_output().expect("pvf ends");
        let json: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        assert_eq!(json["outcome_digest"], plain["outcome_digest"]);
        let file = folder.join(other).join(name);
        let bytes = std::fs::read(&file).expect("the file is there");
        std::fs::remove_file(file).expect("the file can be removed");
        for name in ["validate_block", "<ledger::Ledger>::credit"] {
            let found = bytes
                .windows(name.len())
                .any(|window| window == name.as_bytes());
            assert!(found, "{kind} names {name}");
        }
    }
    assert_eq!(pvf(["validate", &code, &params, "--perf", "other"]).code, 2);
}

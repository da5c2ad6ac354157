//! The commands on PVFs: `validate`, `prepare`, `execute`, `measure`, `inspect`.

mod common;

use common::{assert_keys, fixture, pvf, pvf_with_stdin, scratch, write};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// What `CASE.result` of the adder says, as `pvf` shows it.
fn expected(case: &str) -> String {
    let path = fixture(&format!("adder/{case}.result"));
    hex(&std::fs::read(path).expect("the fixture is there"))
}

fn params(case: &str) -> String {
    fixture(&format!("adder/{case}.params"))
}

#[test]
fn every_case_of_the_fixtures() {
    let mut classes = BTreeSet::new();
    for chain in pvf_corpus::chains(&pvf_corpus::fixtures(), "").expect("can be read") {
        let code = chain.code.display().to_string();
        for case in &chain.cases {
            // The fixtures are made for the protocol's own limits.
            let protocol = ["--network", "protocol"];
            let params = case.params.display().to_string();
            let ran = pvf([&["validate", "--json", &code, &params], &protocol[..]].concat());
            let json = ran.json();
            let what = format!("{}/{}: {json}", chain.name, case.name);
            if let Some(result) = case.result().expect("can be read") {
                assert_eq!(ran.code, 0, "{what}");
                assert_eq!(json["outcome"], "valid", "{what}");
                assert_eq!(json["result"], hex(&result), "{what}");
            } else {
                assert_eq!(ran.code, 1, "{what}");
                assert_eq!(json["outcome"], "invalid", "{what}");
                assert!(json["trap"].is_string(), "{what}");
            }
            classes.insert(ran.code);
        }
    }
    assert_eq!(classes, BTreeSet::from([0, 1]), "valid and invalid ones");
}

#[test]
fn validate_takes_code_in_every_form() {
    for form in ["code.wasm", "code.compressed.wasm", "chain-spec.json"] {
        let code = fixture(&format!("adder/{form}"));
        let ran = pvf(["validate", &code, &params("add-1"), "--json"]);
        assert_eq!(ran.code, 0, "{form}: {}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["result"], expected("add-1"), "{form}");
        assert_eq!(json["gas_used"], json!(null));
        assert!(json["stack_logical_peak"].as_u64() > Some(0));
        assert!(json["stack_native_peak"].as_u64() > Some(0));
        assert!(json["memory_pages_peak"].as_u64() > Some(0));
        assert!(json["wasm_bytes"].as_u64() > Some(0));
        assert!(json["code_bytes"].as_u64() > Some(0));
    }
}

#[test]
fn validate_reads_the_standard_input_and_zstd() {
    let code = fixture("adder/code.wasm");
    let candidate = std::fs::read(params("add-2")).expect("the fixture is there");
    let compressed = zstd::encode_all(&*candidate, 3).expect("zstd compresses");
    for stdin in [&candidate, &compressed] {
        let ran = pvf_with_stdin(["validate", &code, "-", "--json"], stdin);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.json()["result"], expected("add-2"));
    }
    let code = std::fs::read(&code).expect("the fixture is there");
    let ran = pvf_with_stdin(["validate", "-", &params("add-2"), "--json"], &code);
    assert_eq!(ran.json()["result"], expected("add-2"));
    let path = write("validate-zstd", "candidate", &compressed);
    let ran = pvf(["validate", &fixture("adder/code.wasm"), &path]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.text().starts_with("valid\n"), "{}", ran.text());
}

#[test]
fn validate_honours_its_limits() {
    let code = fixture("adder/code.wasm");
    let validate = |flags: &[&str]| {
        let params = params("add-1");
        let mut args = vec!["validate", &code, &params, "--json"];
        args.extend(flags);
        let ran = pvf(args);
        (ran.code, ran.json())
    };
    let (_, json) = validate(&[]);
    let peak = json["stack_native_peak"].as_u64().expect("a number");
    let (code, _) = validate(&["--stack-native-max", &peak.to_string()]);
    assert_eq!(code, 0, "the peak is enough");
    let (code, json) = validate(&["--stack-native-max", &(peak - 1).to_string()]);
    assert_eq!((code, &json["trap"]), (1, &json!("stack_overflow")));
    let (_, json) = validate(&[]);
    let logical = json["stack_logical_peak"].as_u64().expect("a number");
    let (code, _) = validate(&["--stack-logical-max", &logical.to_string()]);
    assert_eq!(code, 0, "the logical peak is enough");
    let (code, json) = validate(&["--stack-logical-max", &(logical - 1).to_string()]);
    assert_eq!((code, &json["trap"]), (1, &json!("stack_overflow")));
    let (_, json) = validate(&["--stack-logical-max", "off", "--gas", "unlimited"]);
    assert_eq!(json["stack_logical_peak"], json!(null));
    let gas = json["gas_used"].as_u64().expect("a number");
    let (code, json) = validate(&["--gas", &gas.to_string()]);
    assert_eq!(
        (code, &json["gas_used"]),
        (0, &json!(gas)),
        "all of it may be used"
    );
    let (code, json) = validate(&["--gas", &(gas - 1).to_string()]);
    assert_eq!((code, &json["trap"]), (1, &json!("out_of_gas")));
    let schedule = write(
        "validate-schedule",
        "schedule.toml",
        b"default = 3\nper_local = 3\n",
    );
    let (_, json) = validate(&["--metering-schedule", &schedule]);
    assert_eq!(json["gas_used"], json!(3 * gas));
    let (code, json) = validate(&["--max-memory-pages", "1"]);
    assert_eq!((code, &json["outcome"]), (1, &json!("rejected")));
    assert_eq!(json["stage"], "construct");
}

#[test]
fn blobs_that_are_no_modules_are_rejected() {
    let module = std::fs::read(fixture("adder/code.wasm")).expect("the fixture is there");
    let compressed = std::fs::read(fixture("adder/code.compressed.wasm")).expect("is there");
    for (name, bytes) in [
        ("truncated", &module[..module.len() / 2]),
        ("truncated-zstd", &compressed[..compressed.len() / 2]),
        ("simd", b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7b"),
    ] {
        let code = write("validate-rejected", name, bytes);
        let ran = pvf(["validate", &code, &params("add-1"), "--json"]);
        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["outcome"], "rejected", "{name}");
        assert_eq!(json["stage"], "prepare", "{name}");
        assert!(json["reason"].is_string(), "{name}");
        for args in [
            &["inspect", &code, "--json"][..],
            &["measure", &code, "--json"],
        ] {
            let ran = pvf(args);
            assert_eq!(ran.code, 1, "{name} {args:?}");
            assert_eq!(ran.json()["outcome"], "rejected", "{name} {args:?}");
        }
    }
}

#[test]
fn prepare_then_execute() {
    let out = scratch("prepare", "artifact").display().to_string();
    let ran = pvf(["prepare", &fixture("adder/code.wasm"), "-o", &out, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let prepared = ran.json();
    assert_keys(
        &prepared,
        &[
            "artifact",
            "artifact_digest",
            "wasm_bytes",
            "code_bytes",
            "functions",
            "prepare_ns",
            "peak_rss_bytes",
            "threads",
            "target",
        ],
    );
    assert_eq!(prepared["artifact"], out);
    assert_eq!(prepared["artifact_digest"].as_str().map(str::len), Some(66));

    let validated = pvf([
        "validate",
        &fixture("adder/code.wasm"),
        &params("add-1"),
        "--json",
    ])
    .json();
    let ran = pvf(["execute", &out, &params("add-1"), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let executed = ran.json();
    assert_eq!(executed["result"], expected("add-1"));
    for key in ["outcome_digest", "wasm_bytes", "code_bytes", "target"] {
        assert_eq!(executed[key], validated[key], "{key}");
    }
    let ran = pvf(["execute", &out, &params("wrong-state")]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);

    let artifact = std::fs::read(&out).expect("the artifact is there");
    let ran = pvf_with_stdin(["execute", "-", &params("add-1"), "--json"], &artifact);
    assert_eq!(ran.json()["result"], expected("add-1"));
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("truncated", artifact[..artifact.len() / 2].to_vec()),
        ("flipped", {
            let mut flipped = artifact.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            flipped
        }),
    ] {
        let path = write("prepare", name, bytes);
        let ran = pvf(["execute", &path, &params("add-1")]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
    }
}

#[test]
fn artifacts_do_not_depend_on_threads() {
    let digest = |threads: &str| {
        let out = scratch("prepare-threads", threads).display().to_string();
        let code = fixture("ledger/code.wasm");
        let json = pvf(["prepare", &code, "-o", &out, "--json", "--threads", threads]).json();
        assert_eq!(
            json["threads"].as_u64().map(|n| n.to_string()).as_deref(),
            Some(threads)
        );
        json["artifact_digest"].clone()
    };
    let one = digest("1");
    assert!(one.is_string());
    assert_eq!(one, digest("2"));
    assert_eq!(one, digest("7"));
}

#[test]
fn prepare_says_why_not() {
    let code = write("prepare-rejected", "code", b"\0asm\x02\0\0\0");
    let out = scratch("prepare-rejected", "artifact")
        .display()
        .to_string();
    let ran = pvf(["prepare", &code, "-o", &out, "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["outcome"], "rejected");
    assert!(!std::path::Path::new(&out).exists());
}

const MEASURE_KEYS: [&str; 10] = [
    "compile_ns",
    "compile_cpu_ns",
    "instantiate_ns",
    "exec_ns",
    "exec_cpu_ns",
    "code_size",
    "artifact_size",
    "result",
    "outcome_digest",
    "peak_rss_kib",
];

fn length(json: &Value, key: &str) -> usize {
    json[key].as_array().expect("a list").len()
}

#[test]
fn measure_with_a_candidate() {
    let code = fixture("adder/code.wasm");
    let args = ["--runs", "3", "--instantiations", "2", "--json"];
    let mut all = vec!["measure".to_owned(), code.clone(), params("add-1")];
    all.extend(args.map(str::to_owned));
    let ran = pvf(&all);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_keys(&json, &MEASURE_KEYS);
    assert_eq!(length(&json, "exec_ns"), 3);
    assert_eq!(length(&json, "exec_cpu_ns"), 3);
    assert_eq!(length(&json, "instantiate_ns"), 2);
    let validated = pvf(["validate", &code, &params("add-1"), "--json"]).json();
    assert_eq!(json["outcome_digest"], validated["outcome_digest"]);
    let ran = pvf(["measure", &code, &params("wrong-state")]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}

#[test]
fn measure_without_a_candidate() {
    let text = r#"(module
        (global $n (mut i64) (i64.const 0))
        (func (export "initialize") (global.set $n (i64.const 40)))
        (func (export "run") (result i64)
            (global.set $n (i64.add (global.get $n) (i64.const 2)))
            (global.get $n)))"#;
    let code = write("measure", "module.wat", text);
    let ran = pvf(["measure", &code, "--runs", "4", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_keys(&json, &MEASURE_KEYS);
    assert_eq!(json["result"], 42);
    assert_eq!(length(&json, "exec_ns"), 4);
    assert_eq!(length(&json, "instantiate_ns"), 1);

    let trapping = r#"(module (func (export "run") unreachable))"#;
    let code = write("measure", "trapping.wat", trapping);
    let ran = pvf(["measure", &code, "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["outcome"], "invalid");

    let ran = pvf(["measure", &fixture("adder/code.wasm"), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["result"], json!(null));
    assert_eq!(length(&ran.json(), "exec_ns"), 0);
}

#[test]
fn inspect_shows_what_a_module_is() {
    let code = fixture("hostcalls/code.wasm");
    let ran = pvf(["inspect", &code, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["kind"], "wasm");
    assert_eq!(length(&json, "functions"), 10);
    let frames = json["functions"].as_array().expect("a list");
    let frames: Vec<u64> = frames
        .iter()
        .filter_map(|f| f["frame_bytes"].as_u64())
        .collect();
    assert!(frames.is_sorted_by(|a, b| a >= b), "{frames:?}");
    let imports = json["imports"].as_array().expect("a list");
    let known = |name: &str| {
        let found = imports.iter().find(|import| import["name"] == name);
        found.map(|import| import["known"].clone())
    };
    assert_eq!(known("ext_allocator_malloc_version_1"), Some(json!(true)));

    let ran = pvf(["inspect", &code, "--json", "--functions"]);
    let all = ran.json();
    assert_eq!(json!(length(&all, "functions")), all["defined_functions"]);
    let ran = pvf(["inspect", &code]);
    assert_eq!(ran.code, 0);
    assert!(ran.text().contains("deepest frames"));
}

#[test]
fn inspect_prices_functions() {
    let text = r#"(module
        (func $plain (param i32) (local i64 i64) (loop (br_if 0 (local.get 0))) (drop (i32.const 1)))
        (func $deep (result i64) (local i64 i64 i64 i64)
            (i64.add (i64.const 1) (i64.add (i64.const 2) (i64.const 3))))
        (func $refused (unreachable) (i32.add) (i32.add) (drop)))"#;
    let code = write("inspect-prices", "prices.wat", text);
    let inspect = |more: &[&str]| pvf([&["--json", "inspect", &code], more].concat()).json();
    let json = inspect(&["--functions"]);
    let functions = json["functions"].as_array().expect("a list");
    let charges = |index: usize| {
        let function = &functions[index];
        assert_eq!(function["index"], json!(index));
        ["frame_bytes", "logical_cost", "gas_blocks", "gas"].map(|key| function[key].as_u64())
    };
    // Two blocks: the body with two locals, whose rest comes behind the loop too, and the loop. Heights count from 2.
    assert_eq!(charges(0), [Some(48), Some(5), Some(2), Some(7)]);
    assert_eq!(charges(1), [Some(80), Some(9), Some(1), Some(9)]);
    let [_, logical, ..] = charges(2);
    assert_eq!(logical, None);
    let reason = functions[2]["unmetered"].as_str().expect("a reason");
    assert!(reason.contains("unreachable code"), "{reason}");
    assert_eq!(json["deepest_frames"][0], 1);
    assert_eq!(json["totals"]["frame_bytes_max"], 80);
    assert_eq!(json["totals"]["logical_cost_max"], 9);

    let schedule = write("inspect-prices", "s.toml", "default = 10\nper_local = 1");
    let priced = inspect(&["--functions", "--metering-schedule", &schedule]);
    assert_eq!(priced["functions"][1]["gas"], 54);
    let deepest = inspect(&["--top", "1"]);
    assert_eq!(length(&deepest, "functions"), 1);
    assert_eq!(deepest["functions"][0]["name"], "deep");
    let shown = pvf(["inspect", &code, "--functions"]).text();
    assert!(
        shown.contains("metered blocks") && shown.contains("deepest frames"),
        "{shown}"
    );
}

#[test]
fn inspect_knows_what_the_host_does_not_have_and_survives_names() {
    let text = r#"(module
        (import "env" "ext_storage_get_version_1" (func (param i64) (result i64)))
        (import "env" "ext_hashing_blake2_256_version_1" (func (param i32)))
        (import "a\1b[31m" "\u{202e}\n\00" (func))
        (func (@name "\u{1b}]0;x\07") (export "\u{7f}")))"#;
    let code = write("inspect", "names.wat", text);
    let ran = pvf(["inspect", &code, "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for import in ran.json()["imports"].as_array().expect("a list") {
        assert_eq!(import["known"], false, "{import}");
    }
    let ran = pvf(["inspect", &code]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!ran.text().contains(control), "{:?}", ran.text());
}

/// Artifacts can be made for any machine and are executed on their own kind.
#[test]
fn artifacts_are_for_one_kind_of_machine() {
    let digest = |target: &[&str]| {
        let out = scratch("targets", "artifact").display().to_string();
        let code = fixture("ledger/code.wasm");
        let args = [&["prepare", &*code, "-o", &out, "--json"], target].concat();
        let json = pvf(args).json();
        let ran = pvf(["execute", &out, &fixture("ledger/transfer.params")]);
        (json["artifact_digest"].clone(), json["target"].clone(), ran)
    };
    let (own, name, ran) = digest(&[]);
    assert_eq!(name, std::env::consts::ARCH);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for target in ["x86_64", "aarch64"] {
        let (of_target, name, ran) = digest(&["--target", target]);
        assert_eq!(name, target);
        let is_own = target == std::env::consts::ARCH;
        assert_eq!(of_target == own, is_own);
        if !is_own {
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            let said = format!("the artifact is for {target}, this machine is");
            assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        }
    }
}

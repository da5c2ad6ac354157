//! `pvf run`: calls, traps, literals, features, limits.

mod common;

use common::{assert_keys, pvf, pvf_with_stdin, write};
use serde_json::json;

const KEYS: [&str; 16] = [
    "outcome",
    "result",
    "trap",
    "reason",
    "function",
    "gas_used",
    "stack_native_peak",
    "stack_logical_peak",
    "memory_pages_peak",
    "outcome_digest",
    "prepare_ns",
    "instantiate_ns",
    "execute_ns",
    "wasm_bytes",
    "code_bytes",
    "target",
];

const MODULE: &str = r#"(module
    (import "nowhere" "nothing" (func $missing))
    (memory 1 3)
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
    (func (export "div") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1)))
    (func (export "deep") (call 4))
    (func $deep (call $deep))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "missing") (call $missing))
    (func (export "extend") (param i32) (result i32) (i32.extend8_s (local.get 0)))
    (global (export "global") i32 (i32.const 1)))"#;

fn module(test: &str) -> String {
    write(test, "module.wat", MODULE)
}

#[test]
fn calls_with_typed_and_bare_arguments() {
    let module = module("run-calls");
    let ran = pvf(["run", &module, "--invoke", "add", "i32:2", "3", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_keys(&json, &KEYS);
    assert_eq!(json["outcome"], "valid");
    assert_eq!(json["result"], json!(["i32:5"]));
    assert_eq!(json["trap"], json!(null));
    assert_eq!(json["gas_used"], json!(null));
    assert_eq!(json["stack_logical_peak"], json!(null));
    assert_eq!(json["memory_pages_peak"], 1);
    assert_eq!(json["target"], std::env::consts::ARCH);
    // Two parameters have homes with the caller; two operands make the frame.
    assert_eq!(json["stack_native_peak"], 32);

    let ran = pvf(["run", &module, "--invoke", "half", "f64:-3", "--json"]);
    assert_eq!(ran.json()["result"], json!(["f64:-1.5"]));
    let ran = pvf(["run", &module, "--invoke", "half", "nan", "--json"]);
    assert_eq!(ran.json()["result"], json!(["f64:nan"]));
    let ran = pvf(["run", &module, "--invoke", "add", "-2", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.text().contains("i32:-1"), "{}", ran.text());
}

#[test]
fn traps_are_invalid() {
    let module = module("run-traps");
    let ran = pvf(["run", &module, "--invoke", "div", "1", "0", "--json"]);
    assert_eq!(ran.code, 1);
    let json = ran.json();
    assert_eq!(json["outcome"], "invalid");
    assert_eq!(json["trap"], "integer_divide_by_zero");
    assert_eq!(json["function"], 3);
    assert_eq!(json["result"], json!(null));

    let ran = pvf(["run", &module, "--invoke", "missing", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["trap"], "host_error");
}

#[test]
fn the_native_stack_limit_is_exact() {
    let module = module("run-stack");
    let deep = |limit: &str| {
        let ran = pvf([
            "run",
            &module,
            "--invoke",
            "deep",
            "--json",
            "--stack-native-max",
            limit,
        ]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["trap"], "stack_overflow");
        json["stack_native_peak"].as_u64().expect("a number")
    };
    // Frames of 16 bytes: all of the limit is used.
    assert_eq!(deep("65536"), 65536);
    assert_eq!(deep("65551"), 65536);
    assert_eq!(deep("65552"), 65552);
}

#[test]
fn memory_grows_to_the_smaller_limit() {
    let module = module("run-memory");
    let grow = |pages: &str, limit: &[&str]| {
        let mut args = vec!["run", &module, "--json", "--invoke", "grow", pages];
        args.extend(limit);
        let json = pvf(args).json();
        (json["result"][0].clone(), json["memory_pages_peak"].clone())
    };
    assert_eq!(grow("2", &[]), (json!("i32:1"), json!(3)));
    assert_eq!(grow("3", &[]), (json!("i32:-1"), json!(1)));
    let limit = ["--max-memory-pages", "2"];
    assert_eq!(grow("2", &limit), (json!("i32:-1"), json!(1)));
    assert_eq!(grow("1", &limit), (json!("i32:1"), json!(2)));
    // Polkadot does not look at what the module declares.
    let limit = ["--profile", "polkadot", "--sign-extension"];
    assert_eq!(grow("9", &limit), (json!("i32:1"), json!(10)));
}

#[test]
fn features_can_be_switched() {
    let module = module("run-features");
    let extend = |flags: &[&str]| {
        let mut args = vec!["run", &module, "--json", "--invoke", "extend", "255"];
        args.extend(flags);
        let ran = pvf(args);
        (ran.code, ran.json())
    };
    let (code, json) = extend(&[]);
    assert_eq!((code, &json["result"]), (0, &json!(["i32:-1"])));
    for flags in [&["--sign-extension=false"][..], &["--profile", "polkadot"]] {
        let (code, json) = extend(flags);
        assert_eq!((code, &json["outcome"]), (1, &json!("rejected")));
        let reason = json["reason"].as_str().expect("a reason");
        assert!(reason.contains("sign-extension"), "{reason}");
    }
    let (code, _) = extend(&["--profile", "polkadot", "--sign-extension"]);
    assert_eq!(code, 0);
}

#[test]
fn the_outcome_digest_is_that_of_the_outcome() {
    let module = module("run-digest");
    let digest = |args: &[&str]| {
        let mut all = vec!["run", &module, "--json", "--invoke"];
        all.extend(args);
        pvf(all).json()["outcome_digest"].clone()
    };
    let five = digest(&["add", "2", "3"]);
    assert_eq!(five, digest(&["add", "4", "1", "--threads", "1"]));
    assert_ne!(five, digest(&["add", "2", "2"]));
    assert_eq!(five.as_str().map(str::len), Some(66));
}

#[test]
fn reads_the_standard_input() {
    let ran = pvf_with_stdin(
        ["run", "-", "--invoke", "add", "1", "1", "--json"],
        MODULE.as_bytes(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["result"], json!(["i32:2"]));
}

#[test]
fn modules_that_cannot_be_instantiated_are_rejected() {
    for (name, text) in [
        (
            "segment",
            r#"(module (memory 1) (data (i32.const 65536) "x") (func (export "f")))"#,
        ),
        (
            "start",
            r#"(module (func $s unreachable) (start $s) (func (export "f")))"#,
        ),
        (
            "table",
            r#"(module (import "a" "b" (table 1 funcref)) (func (export "f")))"#,
        ),
    ] {
        let module = write("run-rejected", name, text);
        let ran = pvf(["run", &module, "--invoke", "f", "--json"]);
        assert_eq!(ran.code, 1, "{name}: {}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["outcome"], "rejected", "{name}");
        assert_eq!(json["stage"], "construct", "{name}");
    }
}

#[test]
fn wrong_calls_are_wrong_usage() {
    let module = module("run-usage");
    for args in [
        &["nothing"][..],
        &["global"],
        &["add"],
        &["add", "1"],
        &["add", "1", "2", "3"],
        &["add", "1", "two"],
        &["add", "1", "i64:2"],
        &["add", "1", "f32:2"],
        &["add", "--bogus", "2"],
        &["add", "1", "2", "--gas", "1.5"],
        &["add", "1", "2", "--stack-logical-max", "none"],
        &["add", "1", "2", "--metering-schedule", "no such file"],
        &["add", "1", "2", "--threads", "0"],
        &["add", "1", "2", "--profile", "other"],
    ] {
        let mut all = vec!["run", &module, "--invoke"];
        all.extend(args);
        let ran = pvf(&all);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

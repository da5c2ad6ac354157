//! A candidate that never ends, in every command that runs code: with a time there is no verdict, with gas there is one, and neither
//! takes for ever.

mod common;

use common::{Ran, assert_keys, program, pvf, scratch, write};
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Candidates that never end, each in another way.
const BODIES: [(&str, &str); 3] = [
    ("loop", "(loop (br 0))"),
    // In a host function nearly all of the time.
    (
        "host",
        "(loop (drop (call $hash (i64.const 0x400000_00000000))) (br 0))",
    ),
    (
        "memory",
        "(loop (drop (memory.grow (i32.const 0))) (i64.store (i32.const 8) (i64.const 7)) (br 0))",
    ),
];

fn module(name: &str, body: &str) -> String {
    let text = format!(
        r#"(module
            (import "env" "ext_hashing_keccak_256_version_1" (func $hash (param i64) (result i32)))
            (memory (export "memory") 64)
            (global (export "__heap_base") i32 (i32.const 65536))
            (func (export "validate_block") (param i32 i32) (result i64) {body} (unreachable)))"#
    );
    write("endless", &format!("{name}.wat"), text)
}

/// An export that never ends and needs no host.
fn plain() -> String {
    let text = r#"(module
        (func (export "run") (loop (br 0)))
        (func (export "stop")))"#;
    write("endless", "plain.wat", text)
}

fn candidate() -> String {
    write("endless", "candidate", [0; 38])
}

/// What no run may take, whatever the machine is doing besides: far beyond every multiple of the time given.
const TOO_LONG: Duration = Duration::from_secs(120);

/// The time given, on the command line.
const TIME: &str = "--timeout=300ms";

fn ended(args: &[&str]) -> (i32, Value, Duration) {
    let began = Instant::now();
    let mut child = program()
        .args(args)
        .arg("--json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pvf starts");
    while child.try_wait().expect("it can be asked").is_none() {
        if began.elapsed() > TOO_LONG {
            child.kill().expect("it runs");
            panic!("{args:?} goes on and on");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("it has ended");
    let ran = Ran {
        code: output.status.code().expect("pvf is not killed"),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    (ran.code, ran.json(), began.elapsed())
}

/// The commands that judge candidates.
fn commands<'a>(code: &'a str, candidate: &'a str, artifact: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["validate", code, candidate],
        vec!["execute", artifact, candidate],
        vec!["arbitrate", code, candidate],
        vec!["measure", code, candidate],
        vec!["profile", code, candidate],
    ]
}

#[test]
fn without_gas_there_is_no_verdict() {
    let candidate = candidate();
    for (name, body) in BODIES {
        let code = module(name, body);
        let artifact = scratch("endless", &format!("{name}.artifact"));
        let artifact = artifact.to_str().expect("UTF-8");
        assert_eq!(pvf(["prepare", &code, "-o", artifact]).code, 0);
        for command in commands(&code, &candidate, artifact) {
            let (exit, json, _) = ended(&[&command[..], &[TIME]].concat());
            assert_eq!(exit, 3, "{command:?}: {json}");
            assert_keys(&json, &["error", "exit_code", "outcome", "timed_out"]);
            assert_eq!(json["outcome"], Value::Null, "{command:?}: {json}");
            assert_eq!(json["timed_out"], true, "{command:?}: {json}");
            let error = json["error"].as_str().expect("a text");
            assert!(error.contains("did not end within 300ms"), "{error}");
        }
    }
}

#[test]
fn with_gas_there_is_a_verdict() {
    let candidate = candidate();
    let (name, body) = BODIES[0];
    let code = module(name, body);
    let artifact = scratch("endless", "gas.artifact");
    let artifact = artifact.to_str().expect("UTF-8");
    let gas = ["--gas", "100000", "--timeout", "20"];
    let prepared = pvf([&["prepare", &code, "-o", artifact], &gas[..2]].concat());
    assert_eq!(prepared.code, 0, "{}", prepared.stderr);
    for command in commands(&code, &candidate, artifact) {
        let (exit, json, _) = ended(&[&command[..], &gas].concat());
        assert_eq!(
            (exit, &json["outcome"]),
            (1, &json!("invalid")),
            "{command:?}: {json}"
        );
    }
    let (_, json, _) = ended(&[&["arbitrate", &code, &candidate], &gas[..]].concat());
    assert_eq!(json["rule"], "GAS-8", "{json}");
    assert_eq!(json["limit"], "gas", "{json}");
    // A far larger limit changes nothing but how far it comes.
    assert_eq!(json["without_limit"]["trap"], "out_of_gas", "{json}");
    assert!(
        json["without_limit"]["gas_used"].as_u64() > Some(1_999_000_000),
        "{json}"
    );
}

/// A limit stops it, and without the limit it never ends.
#[test]
fn what_a_limit_stops_has_a_verdict_and_a_rule() {
    let candidate = candidate();
    for (name, body, rule) in [
        // Without enough memory it gives up.
        (
            "memory-or-never",
            "(if (i32.eq (memory.grow (i32.const 10000)) (i32.const -1)) (then (unreachable))) (loop (br 0))",
            "MEM-2",
        ),
        // Host functions use no gas, so that no gas limit ends it.
        (
            "memory-or-hashing",
            "(if (i32.eq (memory.grow (i32.const 10000)) (i32.const -1)) (then (unreachable)))
             (loop (drop (call $hash (i64.const 0x400000_00000000))) (br 0))",
            "TRAP-1",
        ),
    ] {
        let code = module(name, body);
        let (exit, json, took) = ended(&["arbitrate", &code, &candidate, "--timeout=2"]);
        assert_eq!((exit, &json["outcome"]), (1, &json!("invalid")), "{json}");
        assert_eq!(json["deterministic"], true, "{json}");
        assert_eq!(json["rule"], rule, "{name}: {json}");
        assert!(
            !json["unfinished"].as_array().expect("a list").is_empty(),
            "{json}"
        );
        assert!(took < TOO_LONG);
    }
}

#[test]
fn another_engine_that_never_answers_is_given_up() {
    let code = module("adder", "(unreachable)");
    let engine = write("endless", "engine.sh", "#!/bin/sh\nexec sleep 1000\n");
    let command = format!("/bin/sh {engine}");
    let (exit, json, _) = ended(&[
        "arbitrate",
        &code,
        &candidate(),
        "--against",
        &command,
        "--timeout=1",
    ]);
    assert_eq!((exit, &json["timed_out"]), (3, &json!(true)), "{json}");
}

#[test]
fn plain_modules_end_as_well() {
    let code = plain();
    let script = "(module (func (export \"f\") (loop (br 0))))\n(assert_return (invoke \"f\"))";
    let script = write("endless", "script.wast", script);
    for command in [
        &["run", &code, "--invoke", "run"][..],
        &["measure", &code],
        &["profile", &code, "--invoke", "run"],
        &["wast", &script],
    ] {
        let (exit, json, _) = ended(&[command, &[TIME]].concat());
        assert_eq!(
            (exit, &json["timed_out"]),
            (3, &json!(true)),
            "{command:?}: {json}"
        );
    }
    for command in [
        &["run", &code, "--invoke", "run"][..],
        &["measure", &code],
        &["profile", &code, "--invoke", "run"],
    ] {
        let (exit, json, _) = ended(&[command, &["--gas", "100000"]].concat());
        assert_eq!(
            (exit, &json["outcome"]),
            (1, &json!("invalid")),
            "{command:?}: {json}"
        );
    }
    let start = write(
        "endless",
        "start.wat",
        "(module (func $s (loop (br 0))) (start $s) (func (export \"f\")))",
    );
    let (exit, json, _) = ended(&["run", &start, "--invoke", "f", TIME]);
    assert_eq!((exit, &json["timed_out"]), (3, &json!(true)), "{json}");
}

/// What ends in time is not touched.
#[test]
fn a_time_changes_no_outcome() {
    let code = common::fixture("ledger/code.wasm");
    let candidate = common::fixture("ledger/transfer.params");
    let digest = |flags: &[&str]| {
        let json = pvf([&["validate", "--json", &code, &candidate], flags].concat()).json();
        json["outcome_digest"].clone()
    };
    let expected = digest(&["--timeout", "off"]);
    assert!(expected.is_string());
    for time in ["60", "30s", "20000ms"] {
        assert_eq!(digest(&["--timeout", time]), expected);
    }
    for wrong in ["0", "never", "-1"] {
        let args = ["validate", &code, &candidate, "--timeout", wrong];
        assert_eq!(pvf(args).code, 2, "{wrong}");
    }
}

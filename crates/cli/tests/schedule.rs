//! `--metering-schedule` and `--gas` on every command that compiles or runs.

mod common;

use common::{fixture, pvf, scratch, write};
use serde_json::{Value, json};

const ADD: &str = r#"(module (func (export "run") (result i64) (local i64 i64)
    (i64.add (i64.const 1) (i64.const 2))))"#;

/// Instructions 2, locals 10: the function above uses 3 * 2 + 2 * 10.
const TOML: &str = "default = 2 # each\nper_local = 10\n";
const JSON: &str = r#"{"default": 2, "per_local": 10}"#;

fn json(args: &[&str]) -> (i32, Value) {
    let ran = pvf([&["--json"], args].concat());
    (ran.code, ran.json())
}

#[test]
fn run_and_measure() {
    let code = write("schedule", "run.wat", ADD);
    for (name, text) in [("s.toml", TOML), ("s.json", JSON)] {
        let schedule = write("schedule", name, text);
        let priced = ["--metering-schedule", &schedule];
        let run = |more: &[&str]| json(&[&["run", &code, "--invoke", "run"], more].concat());
        assert_eq!(run(&[]).1["gas_used"], Value::Null);
        assert_eq!(run(&["--gas", "unlimited"]).1["gas_used"], 5);
        assert_eq!(run(&priced).1["gas_used"], 26);
        let (exit, ended) = run(&[&priced[..], &["--gas", "25"]].concat());
        assert_eq!((exit, &ended["trap"]), (1, &json!("out_of_gas")));
        let (exit, ended) = run(&[&priced[..], &["--gas", "26"]].concat());
        assert_eq!((exit, &ended["gas_used"]), (0, &json!(26)));
        let measure = |gas: &str| json(&[&["measure", &code, "--gas", gas], &priced[..]].concat());
        assert_eq!(measure("26").1["result"], 3);
        assert_eq!(measure("25").0, 1);
    }
}

#[test]
fn validate_is_prepare_and_execute() {
    let (code, params) = (fixture("adder/code.wasm"), fixture("adder/add-1.params"));
    let schedule = write("schedule-execute", "s.toml", TOML);
    let other = write("schedule-execute", "other.toml", "default = 3");
    let same = write("schedule-execute", "same.json", JSON);
    let priced = ["--metering-schedule", schedule.as_str()];
    let gas = |args: &[&str]| {
        let (exit, ended) = json(args);
        assert_eq!(exit, 0, "{ended}");
        ended["gas_used"].as_u64()
    };
    let expected = gas(&[&["validate", &code, &params], &priced[..]].concat());
    assert!(expected > gas(&["validate", &code, &params, "--gas", "unlimited"]));

    let path = scratch("schedule-execute", "priced.artifact");
    let artifact = path.to_str().expect("a path in UTF-8");
    gas(&[&["prepare", &code, "-o", artifact], &priced[..]].concat());
    assert_eq!(gas(&["execute", artifact, &params]), expected);
    assert_eq!(
        gas(&["execute", artifact, &params, "--gas", "unlimited"]),
        expected
    );
    assert_eq!(
        gas(&["execute", artifact, &params, "--metering-schedule", &same]),
        expected
    );
    let enough = expected.expect("it is counted").to_string();
    assert_eq!(
        gas(&["execute", artifact, &params, "--gas", &enough]),
        expected
    );
    let too_little = (expected.expect("it is counted") - 1).to_string();
    let (exit, ended) = json(&["execute", artifact, &params, "--gas", &too_little]);
    assert_eq!((exit, &ended["trap"]), (1, &json!("out_of_gas")));
    let wrong = pvf(["execute", artifact, &params, "--metering-schedule", &other]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("another --metering-schedule"),
        "{}",
        wrong.stderr
    );

    let path = scratch("schedule-execute", "plain.artifact");
    let artifact = path.to_str().expect("a path in UTF-8");
    gas(&[
        "prepare",
        &code,
        "-o",
        artifact,
        "--stack-logical-max",
        "off",
    ]);
    for more in [
        &["--gas", "unlimited"][..],
        &["--gas", "1000"],
        &priced,
        &["--stack-logical-max", "65536"],
    ] {
        let wrong = pvf([&["execute", artifact, &params], more].concat());
        assert_eq!(wrong.code, 2, "{more:?}: {}", wrong.stderr);
    }
    assert_eq!(
        gas(&["execute", artifact, &params, "--stack-logical-max", "off"]),
        None
    );
}

#[test]
fn instrument_charges_its_prices() {
    let code = write("schedule-instrument", "run.wat", ADD);
    let schedule = write("schedule-instrument", "s.json", JSON);
    let path = scratch("schedule-instrument", "metered.wasm");
    let metered = path.to_str().expect("a path in UTF-8");
    for (gas, exit) in [("26", 0), ("25", 1)] {
        let (done, _) = json(&[
            "instrument",
            &code,
            "-o",
            metered,
            "--metering-schedule",
            &schedule,
            "--gas",
            gas,
        ]);
        assert_eq!(done, 0);
        assert_eq!(json(&["run", metered, "--invoke", "run"]).0, exit, "{gas}");
    }
    let (_, counted) = json(&[
        "instrument",
        &code,
        "-o",
        metered,
        "--metering-schedule",
        &schedule,
    ]);
    assert_eq!(counted["gas_limit"], u64::MAX);
}

#[test]
fn scripts_run_with_meters() {
    let script = write(
        "schedule-wast",
        "meters.wast",
        r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))
           (assert_return (invoke "f" (i32.const 1)) (i32.const 1))"#,
    );
    let schedule = write("schedule-wast", "s.toml", TOML);
    for (gas, exit) in [("4", 0), ("1", 1)] {
        let (done, counted) = json(&[
            "wast",
            &script,
            "--metering-schedule",
            &schedule,
            "--gas",
            gas,
        ]);
        assert_eq!(done, exit, "{counted}");
    }
}

#[test]
fn a_bad_schedule_is_unreadable_input() {
    let code = write("schedule-bad", "run.wat", ADD);
    for (name, text, says) in [
        ("unknown.toml", "[instruction]\n\"i32.div\" = 1", "i32.div"),
        (
            "twice.json",
            r#"{"class": {"load": 1, "load": 2}}"#,
            "two prices",
        ),
        ("line.toml", "default = 1\nper_page = 1", "line 2"),
    ] {
        let schedule = write("schedule-bad", name, text);
        let ran = pvf([
            "run",
            &code,
            "--invoke",
            "run",
            "--metering-schedule",
            &schedule,
        ]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
        let ran = pvf(["inspect", &code, "--metering-schedule", &schedule]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
}

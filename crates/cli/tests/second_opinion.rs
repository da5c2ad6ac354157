//! `arbitrate` and `doctor`.

mod common;

use common::{assert_keys, fixture, pvf, scratch, write};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

fn case(name: &str) -> [String; 2] {
    [
        fixture("ledger/code.wasm"),
        fixture(&format!("ledger/{name}.params")),
    ]
}

#[test]
fn a_valid_candidate_is_valid_in_every_run() {
    let [code, params] = case("transfer");
    let ran = pvf(["arbitrate", &code, &params, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_keys(
        &json,
        &[
            "outcome",
            "trap",
            "reason",
            "deterministic",
            "rule",
            "limit",
            "outcome_digest",
            "headroom",
            "execute_ns",
            "runs",
            "differences",
            "without_limit",
            "against",
        ],
    );
    assert_eq!(
        (&json["outcome"], &json["deterministic"]),
        (&json!("valid"), &json!(true))
    );
    let runs = json["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 4);
    for run in runs {
        assert_eq!(run["outcome_digest"], json["outcome_digest"]);
    }
    let text = pvf(["arbitrate", &code, &params]).text();
    assert!(text.starts_with("valid, and every machine"), "{text}");
}

#[test]
fn a_limit_that_decides_is_named() {
    let [code, params] = case("transfer");
    let ran = pvf(["arbitrate", &code, &params, "--json", "--gas", "100"]);
    assert_eq!(ran.code, 1);
    let json = ran.json();
    assert_eq!(
        (&json["rule"], &json["limit"]),
        (&json!("GAS-8"), &json!("gas"))
    );
    assert_eq!(json["without_limit"]["outcome"], "valid");
    let text = pvf(["arbitrate", &code, &params, "--gas", "100"]).text();
    assert!(text.contains("GAS-8: the gas limit was reached"), "{text}");
}

#[test]
fn a_blob_that_is_none_is_rejected() {
    let blob = write("second-opinion", "none.wasm", b"\0asm\x01\0\0\0\x7f");
    let [_, params] = case("transfer");
    let json = pvf(["arbitrate", &blob, &params, "--json"]).json();
    assert_eq!(json["outcome"], "rejected");
    assert_eq!(json["deterministic"], true);
}

/// An engine that gives this answer to everything.
fn engine(name: &str, answer: &str) -> String {
    let script = format!("#!/bin/sh\nread question\necho '{answer}'\n");
    let path = write("second-opinion", name, script);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scratch("second-opinion", name), executable).expect("ours");
    path
}

#[test]
fn another_engine_is_compared() {
    let [code, params] = case("transfer");
    let json = pvf(["arbitrate", &code, &params, "--json"]).json();
    let gas = json["runs"][0]["gas_used"].as_u64().expect("gas");
    let result = pvf(["validate", &code, &params, "--json"]).json()["result"].clone();
    let answer = |gas: u64, outcome: &str| {
        json!({"engine": "another", "outcome": outcome, "result": result, "trap": null,
               "reason": null, "gas_used": gas})
        .to_string()
    };
    let engines = [
        ("same", answer(gas, "valid"), 0, json!(null)),
        ("gas", answer(gas + 1, "valid"), 1, json!("gas_used")),
        ("class", answer(gas, "invalid"), 1, json!("outcome")),
    ];
    for (name, answer, code_wanted, difference) in engines {
        let against = engine(name, &answer);
        let ran = pvf(["arbitrate", &code, &params, "--json", "--against", &against]);
        assert_eq!(ran.code, code_wanted, "{name}: {}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["against"]["first_difference"], difference, "{name}");
        assert_eq!(json["against"]["other"]["engine"], "another");
    }
    let broken = [
        ("failing", r#"{"failure": "no"}"#, 3),
        ("babbling", "hello", 3),
    ];
    for (name, answer, code_wanted) in broken {
        let against = engine(name, answer);
        let ran = pvf(["arbitrate", &code, &params, "--against", &against]);
        assert_eq!(ran.code, code_wanted, "{name}: {}", ran.stderr);
    }
    let ran = pvf(["arbitrate", &code, &params, "--against", "nobody"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// What a machine lacks is its own affair; what has to be there for these very tests is.
#[test]
fn the_doctor_looks_at_everything() {
    let ran = pvf(["doctor", "--json"]);
    let json = ran.json();
    let checks = json["checks"].as_array().expect("checks");
    assert_eq!(checks.len(), 8);
    for check in &checks[..3] {
        assert_eq!(check["passed"], true, "{check}");
    }
    for check in checks {
        assert_eq!(
            check["passed"] == true,
            check["missing"].is_null(),
            "{check}"
        );
    }
    for check in checks {
        // What is optional says what is missing without it.
        assert_eq!(
            check["optional"] == true,
            check["without"].is_string(),
            "{check}"
        );
    }
    let fine = |check: &Value| check["passed"] == true || check["optional"] == true;
    let all = checks.iter().all(fine);
    assert_eq!((ran.code == 0, &json["fit"]), (all, &json!(all)));
    assert!(pvf(["doctor"]).text().contains("workers for node"));
}

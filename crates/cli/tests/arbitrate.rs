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
    let blob = write("arbitrate", "none.wasm", b"\0asm\x01\0\0\0\x7f");
    let [_, params] = case("transfer");
    let json = pvf(["arbitrate", &blob, &params, "--json"]).json();
    assert_eq!(json["outcome"], "rejected");
    assert_eq!(json["deterministic"], true);
}

/// An adapter that declares these features and gives the same answer to every question.
fn adapter(name: &str, features: &[&str], answer: &str) -> String {
    let hello = json!({"engine": "another", "version": "1", "features": features});
    let script = format!(
        "#!/bin/sh\nread hello\necho '{hello}'\nwhile read question; do echo '{answer}'; done\n"
    );
    let path = write("arbitrate", name, script);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scratch("arbitrate", name), executable).expect("ours");
    path
}

const VALIDATES: [&str; 2] = ["pvf", "host-functions"];

#[test]
fn another_engine_is_compared() {
    let [code, params] = case("transfer");
    let json = pvf(["arbitrate", &code, &params, "--json"]).json();
    let gas = json["runs"][0]["gas_used"].as_u64().expect("gas");
    let result = pvf(["validate", &code, &params, "--json"]).json()["result"].clone();
    let answer = |gas: Option<u64>, outcome: &str| {
        json!({"outcome": outcome, "result": result, "trap": null, "reason": null, "gas_used": gas})
            .to_string()
    };
    let engines = [
        ("same", answer(Some(gas), "valid"), 0, json!(null)),
        ("no-gas", answer(None, "valid"), 0, json!(null)),
        ("gas", answer(Some(gas + 1), "valid"), 1, json!("gas_used")),
        ("class", answer(Some(gas), "invalid"), 1, json!("outcome")),
    ];
    for (name, answer, code_wanted, difference) in engines {
        let against = adapter(name, &VALIDATES, &answer);
        let ran = pvf(["arbitrate", &code, &params, "--json", "--against", &against]);
        assert_eq!(ran.code, code_wanted, "{name}: {}", ran.stderr);
        let json = ran.json();
        assert_eq!(json["against"]["first_difference"], difference, "{name}");
        assert_eq!(json["against"]["other"]["engine"], "another");
        // Gas has no limit here, so an engine without gas leaves out nothing.
        let not_asked = json!([
            "network",
            "memory-limit",
            "ignore-declared-maximum",
            "stack-native",
            "stack-logical"
        ]);
        assert_eq!(json["against"]["not_asked"], not_asked);
    }
    let broken = [
        ("failing", &VALIDATES[..], r#"{"failure": "no"}"#, 3),
        ("babbling", &VALIDATES, "hello", 3),
        ("without-an-outcome", &VALIDATES, "{}", 3),
        ("no-candidates", &[], "{}", 2),
    ];
    for (name, features, answer, code_wanted) in broken {
        let against = adapter(name, features, answer);
        let ran = pvf(["arbitrate", &code, &params, "--against", &against]);
        assert_eq!(ran.code, code_wanted, "{name}: {}", ran.stderr);
    }
    let ran = pvf(["arbitrate", &code, &params, "--against", "nobody"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// This executor behind the adapter protocol, which carries every parameter: outcome, trap and gas are the same.
#[test]
fn the_protocol_carries_every_parameter() {
    let ours = format!("{} conformance adapter", env!("CARGO_BIN_EXE_pvf"));
    let forth = |name: &str| {
        [
            fixture("forth/code.wasm"),
            fixture(&format!("forth/{name}.params")),
        ]
    };
    let prices = write(
        "arbitrate",
        "prices.toml",
        "default = 3\nper_local = 2\nmemory_grow_per_page = 500\n",
    );
    let cases: [([String; 2], &[&str], &str); 6] = [
        (case("transfer"), &[], "valid"),
        (forth("div-zero"), &[], "integer_divide_by_zero"),
        (case("transfer"), &["--gas", "100"], "out_of_gas"),
        (
            case("transfer"),
            &["--stack-logical-max", "10"],
            "stack_overflow",
        ),
        (
            case("transfer"),
            &["--stack-native-max", "500"],
            "stack_overflow",
        ),
        (
            case("transfer"),
            &["--gas", "100000000", "--metering-schedule", &prices],
            "valid",
        ),
    ];
    for ([code, params], flags, ending) in cases {
        let command = ["arbitrate", &code, &params, "--json", "--against", &ours];
        let ran = pvf([&command, flags].concat());
        let json = ran.json();
        let against = &json["against"];
        assert_eq!(
            against["first_difference"],
            Value::Null,
            "{flags:?}: {against}"
        );
        assert_eq!(against["not_asked"], json!([]));
        let other = &against["other"];
        let ended = other["trap"].as_str().or(other["outcome"].as_str());
        assert_eq!(ended, Some(ending), "{flags:?}: {other}");
        assert!(other["gas_used"].is_u64(), "{flags:?}: {other}");
    }
    // Prices that three numbers cannot say are not asked for; with a limit of gas there is nothing to compare.
    let prices = write("arbitrate", "classes.toml", "[class]\ndivision = 20\n");
    let [code, params] = case("transfer");
    let command = [
        "arbitrate",
        &code,
        &params,
        "--json",
        "--against",
        &ours,
        "--metering-schedule",
        &prices,
    ];
    let limited = pvf([&command[..], &["--gas", "100000000"]].concat());
    assert_eq!(limited.code, 2, "{}", limited.stderr);
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

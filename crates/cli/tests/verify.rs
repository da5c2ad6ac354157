//! `pvf verify`: exit codes and JSON.

mod common;

use common::{fixture, pvf, scratch};
use std::fs;

fn prepared(name: &str) -> String {
    let artifact = scratch("verify", name).display().to_string();
    let ran = pvf([
        "prepare",
        &fixture("adder/code.wasm"),
        "--target",
        "x86_64",
        "-o",
        &artifact,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    artifact
}

#[test]
fn an_artifact_and_its_module() {
    let artifact = prepared("good");
    let ran = pvf(["verify", "--json", &artifact, &fixture("adder/code.wasm")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["verified"], true);
    assert!(json["functions"].as_u64().is_some_and(|count| count > 0));
    assert!(json["invariant"].is_null());
}

#[test]
fn an_artifact_of_another_module() {
    let artifact = prepared("other");
    let ran = pvf(["verify", "--json", &artifact, &fixture("ledger/code.wasm")]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["verified"], false);
    assert_eq!(json["invariant"], 0);
    assert_eq!(json["name"], "claims");
}

#[test]
fn a_module_with_every_meter() {
    let ledger = fixture("ledger/code.wasm");
    let mut args = vec!["verify", "--target", "x86_64", ledger.as_str()];
    for meter in [None, Some("gas"), Some("logical-stack")] {
        args.extend(meter.map(|_| "--meter"));
        args.extend(meter);
        let ran = pvf(&args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.text(), ran.stderr);
        assert!(ran.text().starts_with("verified: "), "{}", ran.text());
    }
}

#[test]
fn an_artifact_alone_and_a_damaged_one() {
    let artifact = prepared("alone");
    let ran = pvf(["verify", "--json", &artifact]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["verified"], true);
    assert_eq!(json["module_compared"], false);
    let mut bytes = fs::read(&artifact).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&artifact, bytes).unwrap();
    let ran = pvf(["verify", &artifact, &fixture("adder/code.wasm")]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

//! `pvf wast`: counts, exit codes, reasons.

mod common;

use common::{pvf, pvf_with_stdin, write};
use serde_json::json;

const GOOD: &str = r#"
(module (func (export "one") (result i32) (i32.const 1)))
(assert_return (invoke "one") (i32.const 1))
(assert_invalid (module (func (result i32) (i64.const 1))) "type mismatch")
(module (table 1 externref))
(assert_return (invoke "one") (i32.const 1))
"#;

const BAD: &str = r#"
(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "trap") unreachable))
(assert_return (invoke "one") (i32.const 2))
(assert_trap (invoke "trap") "integer overflow")
(assert_trap (invoke "trap") "unreachable")
"#;

#[test]
fn counts_what_passed_failed_and_was_skipped() {
    let good = write("wast", "good.wast", GOOD);
    let bad = write("wast", "bad.wast", BAD);
    let ran = pvf(["wast", &good, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["passed"], 3);
    assert_eq!(json["failed"], 0);
    assert_eq!(json["skipped"], 2);
    let reason = "outside the accepted language: reference-types";
    assert_eq!(json["files"][0]["skip_reasons"], json!({ reason: 2 }));

    let ran = pvf(["wast", &good, &bad, "--json"]);
    assert_eq!(ran.code, 1);
    let json = ran.json();
    assert_eq!((&json["passed"], &json["failed"]), (&json!(5), &json!(2)));
    let failures = json["files"][1]["failures"].as_array().expect("a list");
    assert!(
        failures[0]
            .as_str()
            .is_some_and(|f| f.contains("bad.wast:5:")),
        "{failures:?}"
    );

    let ran = pvf(["wast", &good]);
    assert!(
        ran.text()
            .contains("good.wast: 3 passed, 0 failed, 2 skipped"),
        "{}",
        ran.text()
    );
}

#[test]
fn reads_the_standard_input() {
    let ran = pvf_with_stdin(["wast", "-", "--json"], GOOD.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["passed"], 3);
}

#[test]
fn a_script_that_does_not_parse_is_unreadable() {
    let script = write("wast-syntax", "bad.wast", "(module) (assert_retur");
    let ran = pvf(["wast", &script]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("bad.wast: 1:"), "{}", ran.stderr);
}

//! The runner itself: what has to fail fails, what cannot be said is skipped.

use pvf_wast::{Feature, Options, Report, Shared, SkipReason, run_script};

fn run(script: &str) -> Report {
    run_script(script, &Options::default()).expect("the script parses")
}

#[track_caller]
fn assert_counts(report: &Report, passed: u64, failed: u64, skipped: u64) {
    let counts = (report.passed, report.failed(), report.skipped());
    assert_eq!(counts, (passed, failed, skipped), "{report:#?}");
}

#[test]
fn wrong_expectations_fail() {
    let report = run(r#"
        (module
          (func (export "one") (result i32) (i32.const 1))
          (func (export "nan") (result f32) (f32.div (f32.const 0) (f32.const 0)))
          (func (export "trap") unreachable)
          (func $deep (export "deep") (call $deep)))
        (assert_return (invoke "one") (i32.const 1))
        (assert_return (invoke "one") (i32.const 2))
        (assert_return (invoke "one"))
        (assert_return (invoke "one") (i64.const 1))
        (assert_return (invoke "trap"))
        (assert_return (invoke "missing"))
        (assert_return (invoke "one" (i32.const 1)) (i32.const 1))
        (assert_return (get "one") (i32.const 1))
        (assert_return (invoke "nan") (f32.const nan:canonical))
        (assert_return (invoke "nan") (f32.const -nan))
        (assert_trap (invoke "one") "unreachable")
        (assert_trap (invoke "trap") "integer overflow")
        (assert_trap (invoke "trap") "a text that stands for nothing")
        (assert_exhaustion (invoke "deep") "call stack exhausted")
        (assert_exhaustion (invoke "trap") "call stack exhausted")
        (assert_invalid (module) "valid")
        (assert_malformed (module quote "(func)") "well-formed")
        (assert_unlinkable (module (import "spectest" "print" (func))) "linkable")
        (invoke "trap")"#);
    assert_counts(&report, 4, 16, 0);
    assert!(
        report.failures[0].starts_with("8:10: expected [i32:2]"),
        "{report:?}"
    );
}

#[test]
fn a_module_that_should_load_fails_with_all_that_follows() {
    let report = run(r#"
        (module (func (export "f") (result i32) (i64.const 1)))
        (assert_return (invoke "f") (i32.const 1))
        (module (import "spectest" "unknown" (func)))
        (module (func $start unreachable) (start $start))"#);
    assert_counts(&report, 0, 4, 0);
}

#[test]
fn what_the_language_does_not_have_is_skipped_by_name() {
    let report = run(r#"
        (module (table 1 externref) (func (export "f")))
        (assert_return (invoke "f"))
        (module (func (param v128)))
        (assert_invalid (module (table 1 externref) (func (result i32))) "type mismatch")
        (module definition $d (memory 1) (memory 1))
        (module instance $i $d)"#);
    assert_counts(&report, 1, 0, 5);
    let reasons: Vec<_> = report.skips.keys().copied().collect();
    let features = [Feature::ReferenceTypes, Feature::Simd, Feature::MultiMemory];
    assert_eq!(reasons, features.map(SkipReason::OutsideLanguage));
}

#[test]
fn definitions_have_many_instances() {
    let report = run(r#"
        (module definition $d
          (global $n (mut i32) (i32.const 0))
          (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (global.get $n)))
        (module instance $a $d)
        (module instance $b $d)
        (assert_return (invoke $a "next") (i32.const 1))
        (assert_return (invoke $a "next") (i32.const 2))
        (assert_return (invoke $b "next") (i32.const 1))
        (module instance $c $unknown)"#);
    assert_counts(&report, 6, 1, 0);
}

const EXPORTER: &str = r#"
    (module $exporter
      (memory (export "memory") 1)
      (global (export "constant") i32 (i32.const 7))
      (global (export "variable") (mut i32) (i32.const 7))
      (func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1)))
      (func (export "load") (result i32) (i32.load (i32.const 0)))
      (func (export "div") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))
    (register "exporter" $exporter)"#;

#[test]
fn instances_import_functions_and_constants_of_others() {
    let report = run(&format!(
        r#"{EXPORTER}
        (module
          (import "exporter" "add" (func $add (param i32 i32) (result i32)))
          (import "exporter" "div" (func $div (param i32) (result i32)))
          (import "exporter" "constant" (global $constant i32))
          (export "again" (func $add))
          (func (export "f") (result i32) (call $add (global.get $constant) (i32.const 1)))
          (func (export "trap") (result i32) (call $div (i32.const 0))))
        (assert_return (invoke "f") (i32.const 8))
        (assert_return (invoke "again" (i32.const 2) (i32.const 3)) (i32.const 5))
        (assert_trap (invoke "trap") "integer divide by zero")
        (assert_return (invoke "f") (i32.const 8))
        (assert_unlinkable (module (import "exporter" "add" (func))) "incompatible import type")
        (assert_unlinkable (module (import "exporter" "load" (memory 1))) "incompatible import type")
        (assert_unlinkable (module (import "exporter" "memory" (memory 2))) "incompatible")
        (assert_unlinkable (module (import "nobody" "add" (func))) "unknown import")"#
    ));
    assert_counts(&report, 10, 0, 0);
}

#[test]
fn an_instance_that_would_share_is_skipped_and_its_partner_is_not_trusted_any_more() {
    let report = run(&format!(
        r#"{EXPORTER}
        (assert_return (invoke "load") (i32.const 0))
        (module $importer (import "exporter" "load" (func (result i32)))
          (export "load" (func 0)))
        (module (import "exporter" "memory" (memory 1)) (data (i32.const 0) "x"))
        (assert_return (invoke $exporter "load") (i32.const 120))
        (assert_return (invoke $importer "load") (i32.const 120))"#
    ));
    assert_counts(&report, 3, 0, 3);
    let reasons: Vec<_> = report.skips.keys().copied().collect();
    assert_eq!(reasons, [SkipReason::SharedState(Shared::Memory)]);
}

#[test]
fn a_mutable_global_is_not_shared_either() {
    let report = run(&format!(
        r#"{EXPORTER}
        (module (import "exporter" "variable" (global (mut i32))))
        (assert_return (get $exporter "variable") (i32.const 7))"#
    ));
    assert_counts(&report, 1, 0, 2);
}

#[test]
fn nans_that_are_only_moved_keep_their_sign() {
    let report = run(r#"
        (module
          (func (export "neg") (param f64) (result f64) (f64.neg (local.get 0)))
          (func (export "sub") (param f64) (result f64)
            (f64.sub (f64.const -0) (local.get 0))))
        (assert_return (invoke "neg" (f64.const nan)) (f64.const nan:canonical))
        (assert_return (invoke "neg" (f64.const nan)) (f64.const -nan))
        (assert_return (invoke "neg" (f64.const -nan:0x1)) (f64.const nan:0x1))
        (assert_return (invoke "sub" (f64.const -nan)) (f64.const nan:canonical))
        (assert_return (invoke "sub" (f64.const -nan:0x1)) (f64.const nan:arithmetic))
        (assert_return (invoke "sub" (f64.const -nan:0x1)) (f64.const nan))"#);
    assert_counts(&report, 7, 0, 0);
}

#[test]
fn what_is_no_script_is_an_error_with_a_place() {
    let error = run_script("(module)\n(assert_retur", &Options::default()).expect_err("no script");
    assert_eq!((error.line, error.column), (2, 2));
}

//! Candidates that fail for every kind of reason, and what the arbiter says of each.

use pvf_arbiter::{Limit, Question, Ruling, Variant, arbitrate};
use pvf_executor::{Outcome, RuleId};
use std::path::{Path, PathBuf};

/// A validation function with this body; what it calls comes along.
fn pvf(functions: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
            (memory (export "memory") 20)
            (global (export "__heap_base") i32 (i32.const 1024))
            {functions})"#
    );
    wat::parse_str(text).expect("a module")
}

fn validate_block(body: &str) -> Vec<u8> {
    pvf(&format!(
        r#"(func $validate (export "validate_block") (param i32 i32) (result i64) {body})"#
    ))
}

fn rule(wasm: &[u8], change: impl FnOnce(&mut Question<'_>)) -> Ruling {
    let mut question = Question::new(wasm, b"candidate");
    change(&mut question);
    let ruling = arbitrate(&question).expect("this machine can");
    assert_eq!(ruling.differences, [], "every run is the same");
    assert!(ruling.is_deterministic());
    for variant in Variant::SAME {
        assert!(ruling.runs.iter().any(|run| run.variant == variant));
    }
    ruling
}

/// The rule and the limit that decided.
fn decided(ruling: &Ruling) -> (Option<&str>, Option<Limit>) {
    let cause = ruling.cause.as_ref().expect("it fails");
    assert!(!cause.what.is_empty());
    (cause.rule.map(RuleId::as_str), cause.limit)
}

#[test]
fn traps_have_their_rules() {
    let bodies = [
        ("unreachable", "TRAP-1"),
        ("i64.const 1 i64.const 0 i64.div_u", "TRAP-4"),
        ("f64.const nan i64.trunc_f64_s", "TRAP-5"),
        ("i32.const -1 i64.load", "MEM-6"),
        ("i32.const 99999999 call $malloc i64.extend_i32_u", "HOST-9"),
    ];
    for (body, expected) in bodies {
        let ruling = rule(&validate_block(body), |_| ());
        assert_eq!(decided(&ruling), (Some(expected), None), "{body}");
        assert_eq!(ruling.without_limit, None);
    }
}

/// Each recursion ends at one of the two limits; without that one it ends elsewhere.
#[test]
fn the_stack_limit_that_decided_is_named() {
    let shallow = pvf(r#"(func $down (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (i32.add (i32.const 1)
                        (call $down (i32.sub (local.get 0) (i32.const 1)))))
                    (else (i32.const 0))))
            (func (export "validate_block") (param i32 i32) (result i64)
                (drop (call $down (i32.const 40000))) (i64.const 0))"#);
    let ruling = rule(&shallow, |_| ());
    assert_eq!(
        decided(&ruling),
        (Some("LOGICAL-6"), Some(Limit::LogicalStack))
    );
    let lifted = ruling.without_limit.expect("it was run without");
    assert!(lifted.stack.logical > Some(65_536));
    assert_eq!(lifted.trap_kind(), None);

    let ruling = rule(&shallow, |question| {
        question.parameters.execution.stack_logical_max = None;
        question.parameters.execution.stack_native_max = 100_000;
    });
    assert_eq!(
        decided(&ruling),
        (Some("STACK-5"), Some(Limit::NativeStack))
    );
    let native = ruling.headroom[0];
    assert!(native.peak <= 100_000 && native.share.expect("limited") > 0.99);

    let ruling = rule(&shallow, |question| {
        question.parameters.execution.stack_native_max = 100_000;
    });
    assert_eq!(
        decided(&ruling),
        (Some("STACK-5"), Some(Limit::NativeStack))
    );
}

#[test]
fn gas_and_memory_limits_are_named() {
    let ruling = rule(
        &validate_block(
            "(local i32) (loop (br_if 0 (i32.lt_u (local.tee 2 (i32.add (local.get 2) (i32.const 1))) (i32.const 1000)))) unreachable",
        ),
        |question| question.parameters.execution.gas_limit = Some(500),
    );
    assert_eq!(decided(&ruling), (Some("GAS-8"), Some(Limit::Gas)));
    assert!(ruling.without_limit.expect("it ends").gas_used > Some(500));

    let greedy = validate_block("(drop (call $malloc (i32.const 8000000))) (i64.const 0)");
    let ruling = rule(&greedy, |question| {
        question.parameters.execution.max_memory_pages = 30;
    });
    assert_eq!(decided(&ruling), (Some("MEM-2"), Some(Limit::Memory)));
}

#[test]
fn modules_that_are_turned_down() {
    let invalid = b"\0asm\x01\0\0\0\x01";
    assert_eq!(decided(&rule(invalid, |_| ())), (Some("NET-2"), None));
    let feature = wat::parse_str("(module (func (result i32) i32.const 1 i32.extend8_s))");
    let feature = feature.expect("a module");
    assert_eq!(decided(&rule(&feature, |_| ())), (Some("LANG-2"), None));
    let stage = rule(&validate_block("i64.const 0"), |_| ())
        .execution
        .outcome;
    assert!(matches!(stage, Outcome::Invalid { trap: None, .. }));
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn a_valid_candidate_has_no_cause() {
    let folder = repository().join("fixtures/ledger");
    let wasm = std::fs::read(folder.join("code.wasm")).expect("a fixture");
    let candidate = std::fs::read(folder.join("transfer.params")).expect("a fixture");
    let ruling = arbitrate(&Question::new(&wasm, &candidate)).expect("this machine can");
    assert!(ruling.is_deterministic());
    assert_eq!(ruling.cause, None);
    assert_eq!(ruling.runs.len(), Variant::SAME.len());
    assert!(matches!(ruling.execution.outcome, Outcome::Valid(_)));
    assert_eq!(ruling.headroom.len(), 4);
    for headroom in &ruling.headroom {
        assert!(headroom.peak > 0, "{headroom:?}");
    }
}

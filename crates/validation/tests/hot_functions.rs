//! The statically bound functions against the general ones, which are `sp-io`'s: a run with a trace
//! uses the general functions, and all its observable results equal those of a run without a trace.

mod common;

use common::*;
use proptest::prelude::*;
use pvf_rules::TrapKind;
use pvf_validation::{ExecutionParameters, HostParameters, Outcome, Pvf};
use sp_core::{Pair, sr25519};
use std::cell::Cell;

/// Hash functions with one fat pointer as parameter and the address of the digest as result.
const HASHES: [&str; 7] = [
    "blake2_128",
    "blake2_256",
    "keccak_256",
    "sha2_256",
    "twox_64",
    "twox_128",
    "twox_256",
];

/// Bytes of memory from [`HEAP_BASE`] on that a run returns as the head data of its result.
const SHOWN: u32 = 8192;

/// A module that executes the steps in the candidate, 12 bytes each: kind and two operands. Kind 0
/// allocates, 1 frees an address, 2 frees the result of the last step, 3 and above hash.
fn script_runner() -> Pvf {
    let mut imports = String::from(
        r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))
           (import "env" "ext_allocator_free_version_1" (func $free (param i32)))
           (import "env" "ext_logging_max_level_version_1" (func $level (result i32)))"#,
    );
    let mut steps = String::new();
    for (kind, name) in (3..).zip(HASHES) {
        imports += &format!(
            r#"(import "env" "ext_hashing_{name}_version_1" (func ${name} (param i64) (result i32)))"#
        );
        steps += &step(
            kind,
            &format!("(local.set $last (call ${name} (i64.load offset=4 (local.get $at))))"),
        );
    }
    let malloc = step(
        0,
        "(local.set $last (call $malloc (i32.load offset=4 (local.get $at))))",
    );
    let free = step(1, "(call $free (i32.load offset=4 (local.get $at)))");
    let free_last = step(2, "(call $free (local.get $last))");
    let prefix = SHOWN << 2 | 1;
    let body = format!(
        "(local $end i32) (local $last i32)
        (local.set $end (i32.add (local.get $at) (local.get $bytes)))
        (block $done (loop $step
            (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
            {malloc} {free} {free_last} {steps}
            (local.set $at (i32.add (local.get $at) (i32.const 12)))
            (br $step)))
        (i32.store16 (i32.const {before}) (i32.const {prefix}))
        (i64.store (i32.const {behind}) (i64.const 0))
        (i32.store offset=7 (i32.const {behind}) (call $level))
        (i64.const {result})",
        before = HEAP_BASE - 2,
        behind = HEAP_BASE + SHOWN,
        result = u64::from(2 + SHOWN + 11) << 32 | u64::from(HEAP_BASE - 2),
    );
    let execution = ExecutionParameters {
        max_memory_pages: 20,
        ..ExecutionParameters::POLKADOT
    };
    pvf_with(
        &module(&imports, &body, ""),
        HostParameters {
            execution,
            ..HostParameters::default()
        },
    )
}

fn step(kind: u32, what: &str) -> String {
    format!("(if (i32.eq (i32.load (local.get $at)) (i32.const {kind})) (then {what}))")
}

fn steps() -> impl Strategy<Value = Vec<[u32; 3]>> {
    let near = || 0_u32..66_000;
    let length = || prop_oneof![8 => 0_u32..200, 2 => 0_u32..3000, 1 => any::<u32>()];
    let step = prop_oneof![
        40 => (3_u32..10, near(), 0_u32..300).prop_map(|(kind, at, bytes)| [kind, at, bytes]),
        1 => (3_u32..10, near(), length()).prop_map(|(kind, at, bytes)| [kind, at, bytes]),
        1 => (3_u32..10, any::<u32>(), length()).prop_map(|(kind, at, bytes)| [kind, at, bytes]),
        20 => (0_u32..3000).prop_map(|bytes| [0, bytes, 0]),
        2 => (0_u32..400_000).prop_map(|bytes| [0, bytes, 0]),
        1 => any::<u32>().prop_map(|bytes| [0, bytes, 0]),
        1 => near().prop_map(|at| [1, at, 0]),
        1 => Just([2, 0, 0]),
    ];
    proptest::collection::vec(step, 0..60)
}

#[test]
fn results_with_and_without_a_trace_are_equal() {
    let pvf = script_runner();
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (valid, trapped) = (Cell::new(0_u32), Cell::new(0_u32));
    proptest!(config, |(steps in steps())| {
        let candidate: Vec<u8> = steps.iter().flatten().flat_map(|word| word.to_le_bytes()).collect();
        let (general, recorder) = pvf
            .run_traced(&candidate, Recorder::default())
            .expect("no failure of the host");
        let hot = pvf.run(&candidate).expect("no failure of the host");
        prop_assert_eq!(&hot.execution, &general.execution);
        prop_assert_eq!(hot.memory_pages, general.memory_pages);
        prop_assert_eq!(hot.heap, general.heap);
        match &hot.execution.outcome {
            Outcome::Valid(result) => {
                prop_assert_eq!(result.len() as u32, SHOWN + 13);
                prop_assert_eq!(recorder.calls.len(), steps.len() + 1);
                valid.update(|count| count + 1);
            }
            Outcome::Invalid { trap: Some(trap), .. } => {
                prop_assert_eq!(trap.kind, TrapKind::HostError);
                prop_assert!(trap.message.is_some() && trap.offset.is_some());
                trapped.update(|count| count + 1);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    });
    let (valid, trapped) = (valid.get(), trapped.get());
    assert!(
        valid > 300 && trapped > 300,
        "{valid} valid, {trapped} trapped: too few"
    );
}

#[test]
fn digests_are_equal_for_lengths_up_to_several_blocks() {
    let pvf = script_runner();
    for kind in 3..10 {
        for length in 0..300_u32 {
            // The input begins before the candidate and extends past its 12 bytes into zeros.
            let words = [kind, 2000, length];
            let candidate: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let (general, _) = pvf
                .run_traced(&candidate, Recorder::default())
                .expect("no failure of the host");
            let hot = pvf.run(&candidate).expect("no failure of the host");
            assert_eq!(hot.execution, general.execution);
            assert!(matches!(hot.execution.outcome, Outcome::Valid(_)));
        }
    }
}

#[test]
fn memory_is_inaccessible_in_the_start_function_with_and_without_a_trace() {
    for (import, call) in [
        (
            r#""ext_allocator_malloc_version_1" (func $f (param i32) (result i32))"#,
            "(drop (call $f (i32.const 1)))",
        ),
        (
            r#""ext_allocator_free_version_1" (func $f (param i32))"#,
            "(call $f (i32.const 1))",
        ),
        (
            r#""ext_hashing_twox_64_version_1" (func $f (param i64) (result i32))"#,
            "(drop (call $f (i64.const 1)))",
        ),
        (
            r#""ext_crypto_sr25519_verify_version_2" (func $f (param i32 i64 i32) (result i32))"#,
            "(drop (call $f (i32.const 0) (i64.const 0) (i32.const 0)))",
        ),
    ] {
        let start = format!("(func $start {call}) (start $start)");
        let import = format!(r#"(import "env" {import})"#);
        let pvf = pvf(&module(&import, RETURN_RESULT, &start));
        let (general, _) = pvf
            .run_traced(&[], Recorder::default())
            .expect("no failure of the host");
        let hot = pvf.run(&[]).expect("no failure of the host");
        assert_eq!(hot.execution, general.execution);
        assert!(matches!(hot.execution.outcome, Outcome::Rejected(_)));
    }
}

/// The candidate begins with the three arguments, 16 bytes, relative to itself; what they point at
/// follows. The verdict is the first byte of the result's head data, which are five bytes.
#[test]
fn signatures_are_judged_with_and_without_a_trace() {
    let import = r#"(import "env" "ext_crypto_sr25519_verify_version_2"
        (func $verify (param i32 i64 i32) (result i32)))"#;
    let body = format!(
        "(i64.store (i32.const {head}) (i64.const {length}))
        (i64.store offset=8 (i32.const {head}) (i64.const 0))
        (i64.store offset=16 (i32.const {head}) (i64.const 0))
        (i32.store8 offset=1 (i32.const {head})
            (call $verify
                (i32.add (local.get $at) (i32.load (local.get $at)))
                (i64.add (i64.extend_i32_u (local.get $at)) (i64.load offset=4 (local.get $at)))
                (i32.add (local.get $at) (i32.load offset=12 (local.get $at)))))
        (i64.const {result})",
        head = HEAP_BASE - 64,
        length = 5 << 2,
        result = 17_u64 << 32 | u64::from(HEAP_BASE - 64),
    );
    let pvf = pvf(&module(import, &body, ""));
    let pair = sr25519::Pair::from_seed(&[7; 32]);
    let message = [3; 100];
    let signature = pair.sign(&message).0;
    let public = pair.public().0;
    let judge = |arguments: (u32, u64, u32), damaged: Option<usize>| {
        let mut candidate = Vec::new();
        candidate.extend(arguments.0.to_le_bytes());
        candidate.extend(arguments.1.to_le_bytes());
        candidate.extend(arguments.2.to_le_bytes());
        candidate.extend(signature);
        candidate.extend(public);
        candidate.extend(message);
        if let Some(at) = damaged {
            candidate[at] ^= 1;
        }
        let (general, recorder) = pvf
            .run_traced(&candidate, Recorder::default())
            .expect("no failure of the host");
        let hot = pvf.run(&candidate).expect("no failure of the host");
        assert_eq!(hot.execution, general.execution);
        assert_eq!(recorder.calls.len(), 1);
        hot.execution.outcome
    };
    let [at_signature, at_public, at_message] = [16, 16 + 64, 16 + 96];
    let fat = |at: u32, bytes: u64| u64::from(at) | bytes << 32;
    let right = (at_signature, fat(at_message, 100), at_public);
    let valid = judge(right, None);
    let invalid = judge(right, Some(16));
    assert_ne!(valid, invalid, "{valid:?}");
    assert!(matches!(
        (&valid, &invalid),
        (Outcome::Valid(_), Outcome::Valid(_))
    ));
    for damaged in [16 + 31, 16 + 63, 16 + 64, 16 + 96, 16 + 195] {
        assert_eq!(judge(right, Some(damaged)), invalid, "{damaged}");
    }
    // Another message, an empty one.
    assert_eq!(
        judge((at_signature, fat(at_message, 99), at_public), None),
        invalid
    );
    assert_eq!(
        judge((at_signature, fat(at_message, 0), at_public), None),
        invalid
    );
    for outside in [
        (0x7fff_0000, fat(at_message, 100), at_public),
        (at_signature, fat(at_message, 1 << 31), at_public),
        (at_signature, fat(at_message, 100), 0x7fff_0000),
        // Of several, the first is reported.
        (0x7fff_0000, fat(at_message, 1 << 31), 0x7fff_0000),
    ] {
        let Outcome::Invalid {
            trap: Some(trap), ..
        } = judge(outside, None)
        else {
            panic!("{outside:x?} is out of bounds");
        };
        assert_eq!(trap.kind, TrapKind::HostError);
    }
}

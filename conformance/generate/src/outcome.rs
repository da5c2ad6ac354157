//! The digest of an outcome, computed by the rule from outcomes known in advance, and artifacts.

use crate::pvf::EMPTY;
use crate::suite::{Case, Suite, hex};
use blake2::digest::{Digest, consts::U32};

/// Adds the cases, which share modules with the cases of validation functions.
pub fn add(suite: &mut Suite) {
    outcomes(suite);
    artifacts(suite);
}

/// The digest, computed here by the rule from outcomes known in advance.
fn outcomes(suite: &mut Suite) {
    let digest = |class: &[u8], native: u64, pages: u32| {
        let fields = [
            class,
            &[0],
            &0_u64.to_le_bytes(),
            &[1],
            &native.to_le_bytes(),
            &[0],
            &0_u64.to_le_bytes(),
            &pages.to_le_bytes(),
        ]
        .concat();
        let hash: [u8; 32] = blake2::Blake2b::<U32>::digest(fields).into();
        hex(&hash)
    };
    let valid = [&[0][..], &12_u64.to_le_bytes(), &EMPTY].concat();
    // `validate_block` has no locals and one or two operands, so its frame has 32 bytes. Operands after `unreachable`
    // do not count, which leaves 16 bytes.
    for (name, class, native, pages) in [
        ("plain", valid.clone(), 32, 17),
        ("unreachable", vec![1, 0], 16, 17),
        ("missing-called", vec![1, 10], 32, 17),
        ("result-undecodable", vec![1, 255], 32, 17),
        ("no-validate-block", vec![1, 255], 0, 17),
        ("growth-to-2080", valid, 32, 2080),
    ] {
        suite.push(
            Case::new("pvf", "OUT-4", format!("digest/{name}"))
                .also(&["OUT-2", "OUT-3", "OUT-6"])
                .polkadot()
                .module(&format!("pvf-{name}"))
                .needs("outcome-digest")
                .validate(b"candidate")
                .expect("outcome_digest", digest(&class, native, pages))
                .expect("stack_native_peak", native)
                .expect("memory_pages_peak", pages),
        );
    }
    for (name, stage) in [("start-traps", 1), ("sign-extension", 0)] {
        suite.push(
            Case::new("pvf", "OUT-4", format!("digest/{name}"))
                .also(&["OUT-2", "OUT-6"])
                .polkadot()
                .module(&format!("pvf-{name}"))
                .needs("outcome-digest")
                .validate(b"candidate")
                .expect("outcome_digest", digest(&[2, stage], 0, 0)),
        );
    }
}

/// Artifacts: preparation always gives the same bytes, and a damaged artifact never runs.
fn artifacts(suite: &mut Suite) {
    let case = |rule, name: &str| {
        Case::new("limits", rule, format!("artifact/{name}"))
            .polkadot()
            .module("pvf-plain")
            .needs("artifacts")
    };
    suite.push(
        case("ART-1", "twice")
            .step(serde_json::json!({"prepare": {"threads": [1, 1]}}))
            .valid(&["same".to_owned()]),
    );
    suite.push(
        case("ART-2", "threads")
            .step(serde_json::json!({"prepare": {"threads": [1, 2, 8]}}))
            .valid(&["same".to_owned()]),
    );
    suite.push(
        case("ART-3", "parameters")
            .parameter("stack_native_max", 16_u64)
            .parameter("max_memory_pages", 20_u64)
            .step(serde_json::json!({"prepare": {"threads": [1, 2]}}))
            .validate(&[])
            .trap("stack_overflow")
            .expect("steps", serde_json::json!([null, "stack_overflow"])),
    );
    for (at, what) in [
        (0_u64, "magic"),
        (40, "header"),
        (200, "metadata"),
        (600, "middle"),
    ] {
        suite.push(
            case("ART-4", what)
                .step(serde_json::json!({"damage": at}))
                .rejected("prepare"),
        );
    }
    // Two faults: the first one in the order of the module determines the stage.
    suite.text("pvf-two-faults", "(module (import \"other\" \"f\" (func)) (func (drop (i32.extend8_s (i32.const 1)))) (func (drop (v128.const i32x4 0 0 0 0))))");
    suite.push(
        Case::new("limits", "ART-5", "two-faults")
            .polkadot()
            .module("pvf-two-faults")
            .needs("language")
            .invoke("f", &[])
            .rejected("prepare"),
    );
    suite.push(
        Case::new("pvf", "OUT-5", "growth-refused-is-an-outcome")
            .also(&["MEM-8"])
            .polkadot()
            .module("pvf-growth-to-2081")
            .validate(&[])
            .valid_bytes(&EMPTY),
    );
    suite.push(
        Case::new("determinism", "FLOAT-4", "floats-around-a-host-call")
            .polkadot()
            .module("pvf-float-host")
            .validate(&[])
            .valid_bytes(&EMPTY),
    );
}

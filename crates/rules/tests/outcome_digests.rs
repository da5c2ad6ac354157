//! The digest of an execution covers the fields that matter for consensus, in the documented layout, and nothing else.
//! The expected digests were computed by Python's `hashlib.blake2b` over bytes written down by hand.

use pvf_rules::{
    Execution, HashedOutcome, Outcome, Place, Rejection, RejectionClass, RejectionStage, RuleId,
    StackPeaks, Trap, TrapKind,
};

fn hex(digest: HashedOutcome) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn execution(outcome: Outcome) -> Execution {
    Execution {
        outcome,
        gas_used: None,
        stack: StackPeaks::default(),
        memory_pages_peak: 0,
    }
}

fn trapped(trap: Option<Trap>) -> Outcome {
    Outcome::Invalid {
        trap,
        reason: "words do not count".to_owned(),
    }
}

#[test]
fn digests_are_those_of_the_documented_layout() {
    let valid = Execution {
        gas_used: Some(7),
        stack: StackPeaks {
            native: 1600,
            logical: None,
        },
        memory_pages_peak: 17,
        ..execution(Outcome::Valid(b"abc".to_vec()))
    };
    assert_eq!(
        hex(valid.digest()),
        "e47aef88f61eff437103fb1c59e9ad19f166692a7ce96c48b591f08404e42b2a"
    );
    let out_of_gas = Execution {
        stack: StackPeaks {
            native: 48,
            logical: Some(99),
        },
        memory_pages_peak: 2,
        ..execution(trapped(Some(Trap::new(TrapKind::OutOfGas))))
    };
    assert_eq!(
        hex(out_of_gas.digest()),
        "c75dfdbdeb566054807833afc69939b38ad7172310aaa13f4b9c6bd52aa5b15d"
    );
    assert_eq!(
        hex(execution(trapped(None)).digest()),
        "99d9c68d3d170c5a73a518bf0fff6e4a555d2b894439d01d47968a8cf7b290b2"
    );
    for (class, digest) in [
        (
            RejectionClass::Decompression,
            "cab46cf8f1f977bbb22818eb332c50fb93004a8d062ea0f2b13a8af50890e07f",
        ),
        (
            RejectionClass::Preparation,
            "cab46cf8f1f977bbb22818eb332c50fb93004a8d062ea0f2b13a8af50890e07f",
        ),
        (
            RejectionClass::RuntimeConstruction,
            "6a08cf798e67cd464020e32777f96bc88b67a9e1f2315e72fd2fec047e34aff3",
        ),
    ] {
        let rejection = Rejection::new(class, RuleId::LIMIT_2, "words do not count");
        assert_eq!(
            hex(Execution::rejected(rejection).digest()),
            digest,
            "{class}"
        );
    }
}

/// Two machines may word an error differently and know its place or not.
#[test]
fn texts_and_places_are_not_in_the_digest() {
    let mut trap = Trap::new(TrapKind::HostError);
    let bare = execution(trapped(Some(trap.clone()))).digest();
    trap.function = Some(3);
    trap.offset = Some(0x20);
    trap.message = Some("other words".to_owned());
    assert_eq!(
        trap.to_string(),
        "host function failed: other words (function 3, offset 0x20)"
    );
    let placed = Outcome::Invalid {
        trap: Some(trap.clone()),
        reason: String::new(),
    };
    assert_eq!(execution(placed).digest(), bare);
    trap.offset = None;
    assert_eq!(
        trap.to_string(),
        "host function failed: other words (function 3)"
    );
    assert_eq!(
        Trap::new(TrapKind::OutOfGas).to_string(),
        TrapKind::OutOfGas.message()
    );
}

#[test]
fn a_rejected_module_has_used_nothing() {
    let mut rejection = Rejection::new(RejectionClass::RuntimeConstruction, RuleId::SEG_2, "");
    rejection.place = Place {
        function: None,
        offset: Some(1),
    };
    let rejected = Execution::rejected(rejection);
    assert_eq!(rejected.gas_used, None);
    assert_eq!(rejected.stack, StackPeaks::default());
    assert_eq!(rejected.memory_pages_peak, 0);
    assert_eq!(rejected.trap_kind(), None);
}

#[test]
fn only_a_trap_has_a_kind() {
    for &kind in TrapKind::ALL {
        let outcome = trapped(Some(Trap::new(kind)));
        assert_eq!(execution(outcome).trap_kind(), Some(kind));
    }
    assert_eq!(execution(trapped(None)).trap_kind(), None);
    assert_eq!(execution(Outcome::Valid(vec![])).trap_kind(), None);
}

/// The names that JSON and the conformance suite use.
#[test]
fn stages_and_classes_have_their_names() {
    assert_eq!(RejectionStage::Prepare.name(), "prepare");
    assert_eq!(RejectionStage::Construct.name(), "construct");
    let names = RejectionClass::ALL.map(|class| class.to_string());
    assert_eq!(
        names,
        [
            "decompression",
            "prevalidation",
            "preparation",
            "runtime_construction"
        ]
    );
    let places = [
        (None, None, "the module"),
        (Some(2), None, "function 2"),
        (None, Some(17), "offset 0x11"),
        (Some(2), Some(17), "function 2, offset 0x11"),
    ];
    for (function, offset, text) in places {
        assert_eq!(Place { function, offset }.to_string(), text);
    }
}

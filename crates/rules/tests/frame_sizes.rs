//! Rule STACK-1 in figures, and the languages of rule LANG-3.

use pvf_rules::{Dialect, FeatureSwitch, Features, LimitExceeded, Limits, frame_bytes};

/// 16 bytes, 8 for each local and each operand, up to a multiple of 16: computed by hand.
#[test]
fn frames_have_the_size_of_the_formula() {
    for (locals, height, bytes) in [
        (0, 0, 16),
        (1, 0, 32),
        (0, 1, 32),
        (2, 0, 32),
        (1, 1, 32),
        (1, 2, 48),
        (3, 2, 64),
        (7, 0, 80),
        (50_000, 1_024, 408_208),
        (u32::MAX, u32::MAX, 1 << 36),
    ] {
        assert_eq!(frame_bytes(locals, height), bytes, "{locals}, {height}");
    }
}

/// No network accepts a switch: with one on, a module is read as the specification says.
#[test]
fn only_the_language_without_switches_is_read_as_the_network_reads() {
    assert!(Features::POLKADOT.reads_as_network());
    assert!(!Features::MVP.reads_as_network());
    assert!(!Features::ALL.reads_as_network());
    let switches: [fn(&mut Features) -> &mut bool; 4] = [
        |it| &mut it.sign_extension,
        |it| &mut it.saturating_float_to_int,
        |it| &mut it.multi_value,
        |it| &mut it.bulk_memory,
    ];
    let names = [
        "sign-extension",
        "saturating-float-to-int",
        "multi-value",
        "bulk-memory",
    ];
    for (at, (field, switch)) in switches.into_iter().zip(FeatureSwitch::ALL).enumerate() {
        let mut features = Features::POLKADOT;
        *field(&mut features) = true;
        assert!(!features.reads_as_network());
        assert_eq!(Limits::of(features), Limits::DEFAULT);
        // Each field is its own switch.
        assert_eq!(switch.name(), names[at]);
        for other in FeatureSwitch::ALL {
            assert_eq!(features.has(other), other == switch);
        }
    }
    assert_eq!(Limits::of(Features::POLKADOT), Limits::NETWORK);
    assert_eq!(Limits::of(Features::MVP), Limits::DEFAULT);
    assert_eq!(Features::POLKADOT.dialect, Dialect::Network);
}

/// Rule LIMIT-1: a count at its limit is accepted, above it rejected.
#[test]
fn a_count_at_its_limit_is_accepted() {
    let limits = Limits::DEFAULT;
    assert_eq!(limits.locals(50_000), Ok(()));
    let exceeded = LimitExceeded {
        what: "locals",
        count: 50_001,
        limit: 50_000,
    };
    assert_eq!(limits.locals(50_001), Err(exceeded.clone()));
    assert_eq!(exceeded.to_string(), "50001 locals, the limit is 50000");
    // A count beyond 32 bits does not wrap.
    assert!(limits.locals(1 << 32).is_err());
}

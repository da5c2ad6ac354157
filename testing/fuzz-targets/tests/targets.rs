//! The targets on their kept corpora, and on random changes of them. The same functions run for hours under libFuzzer
//! (`scripts/fuzz-all`).

use pvf_fuzz_targets::TARGETS;

/// How many changes each target gets; the environment variable `PVF_CHANGES` sets another number.
const CHANGES: u64 = 2_000;

fn nothing_is_found(name: &str) {
    let changes = std::env::var("PVF_CHANGES");
    let changes = changes.map_or(CHANGES, |count| count.parse().expect("a number"));
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    assert!(target.inputs().len() > 5);
    if let Err(found) = target.try_changes(changes) {
        panic!("{found}");
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { nothing_is_found(stringify!($name)); })*

        #[test]
        fn every_target_is_tested() {
            let tested: Vec<&str> = vec![$(stringify!($name)),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested, all);
        }
    };
}

targets! { module bodies code artifact verifier wire job }

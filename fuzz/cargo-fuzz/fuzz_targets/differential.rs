//! Runs the `wasm-smith` module that the input encodes: in this executor with both meters, and in Wasmtime and wasmi
//! after `wasm-instrument`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pvf_fuzz::differential::{Oracle, Verdict};
use std::sync::LazyLock;

static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::new().expect("the engines start"));

fuzz_target!(|bytes: &[u8]| {
    if let Ok(subject) = pvf_fuzz::generate_from(bytes)
        && let Verdict::Different(difference) = ORACLE.try_subject(subject)
    {
        panic!("{}", difference.what);
    }
});

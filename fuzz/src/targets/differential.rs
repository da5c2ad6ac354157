//! Modules in this executor with both meters, beside Wasmtime and wasmi after `wasm-instrument`.

use super::{Target, choices, corpus_modules, on_large_stack};
use crate::differential::{Oracle, Verdict};
use crate::{Subject, generate_from, mutant_of, program_from};
use std::sync::LazyLock;

/// The bytes choose a module of the generators.
pub(super) const PROGRAM: Target = Target {
    name: "differential",
    about: "a module that the bytes choose: values, traps, memory and meters as in Wasmtime and wasmi",
    check: |input| {
        let subject = match input {
            [0, rest @ ..] => generate_from(rest),
            [_, rest @ ..] => program_from(rest),
            [] => return,
        };
        if let Ok(subject) = subject {
            compare(subject);
        }
    },
    seeds: || choices(40, 2_000),
    mutate: None,
    most_bytes: 4 << 10,
};

/// The bytes are a module, which `wasm-mutate` keeps valid.
pub(super) const MUTANT: Target = Target {
    name: "mutant",
    about: "a mutated module: values, traps, memory and meters as in Wasmtime and wasmi",
    check: |input| {
        if let Ok(subject) = Subject::given(input.to_vec(), 0) {
            compare(subject);
        }
    },
    seeds: corpus_modules,
    mutate: Some(mutant_of),
    most_bytes: 16 << 10,
};

static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::new().expect("the engines start"));

fn compare(subject: Subject) {
    on_large_stack(|| {
        if let Verdict::Different(difference) = ORACLE.try_subject(subject) {
            panic!("{}", difference.what);
        }
    });
}

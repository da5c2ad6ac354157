//! Changed function bodies: the validator of the compiler accepts exactly those in which wasmparser finds no fault.

use crate::{Target, choices, module::corpus_modules};
use pvf_compiler::{BodyJudge, CompileOptions, Costs, Metering, judge_bodies};
use pvf_generators::{Random, bodies, generate_from, program_from};
use pvf_rules::{Features, Limits};
use std::sync::{Arc, LazyLock};

pub(super) const TARGET: Target = Target {
    name: "bodies",
    about: "changed function bodies: the compiler's validator and wasmparser accept the same",
    check: |input| {
        check(input);
    },
    seeds: || choices(48, 400),
    mutate: None,
    most_bytes: 4_096,
};

/// Modules whose bodies are changed: those of the corpus, and one that has everything a body can name.
static MODULES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut modules = corpus_modules();
    for seed in 0..40 {
        let bytes = Random::new(seed).bytes(6_000);
        modules.extend(generate_from(&bytes).map(|subject| subject.wasm));
        modules.extend(program_from(&bytes).map(|subject| subject.wasm));
    }
    modules
});

static COSTS: LazyLock<Arc<Costs>> = LazyLock::new(|| Arc::new(Costs::default()));

/// The languages: those of the three profiles, and each switch by itself.
fn languages() -> [Features; 7] {
    let one = Features::MVP;
    [
        Features::POLKADOT,
        Features::MVP,
        Features::ALL,
        Features {
            sign_extension: true,
            ..one
        },
        Features {
            saturating_float_to_int: true,
            ..one
        },
        Features {
            multi_value: true,
            ..one
        },
        Features {
            bulk_memory: true,
            ..one
        },
    ]
}

/// How many bodies were judged, and how many of them accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    /// Bodies.
    pub bodies: u64,
    /// Bodies that both accept.
    pub accepted: u64,
}

impl Judged {
    /// Judges a body in the place of a function's own.
    ///
    /// # Panics
    /// If one accepts it and the other does not.
    pub fn judge(&mut self, judge: &mut BodyJudge<'_>, function: u32, body: &[u8]) {
        let Some(judgement) = judge.judge(function, body) else {
            return;
        };
        assert!(
            judgement.is_unanimous(),
            "function {function}: {judgement:?}\n{body:02x?}"
        );
        self.bodies += 1;
        self.accepted += u64::from(judgement.accepted);
    }

    /// Judges all bodies of a module, in all languages.
    ///
    /// # Panics
    /// As [`Judged::judge`].
    pub fn judge_all(&mut self, wasm: &[u8]) {
        for features in languages() {
            let options = CompileOptions::new(features);
            // A module whose declarations are refused has no bodies.
            let _ = judge_bodies(wasm, &options, |judge| {
                for function in judge.functions() {
                    let body = judge.body(function).map(<[u8]>::to_vec);
                    self.judge(judge, function, &body.unwrap_or_default());
                }
            });
        }
    }
}

/// Options of a language, with meters and limits that are drawn.
fn options(random: &mut Random) -> CompileOptions {
    let features = match random.below(2) {
        0 => Features::ALL,
        _ => *random.pick(&languages()),
    };
    let mut options = CompileOptions::new(features);
    options.metering = Metering {
        logical_stack: random.one_in(3),
        gas: random.one_in(8).then(|| COSTS.clone()),
    };
    if random.one_in(8) {
        options.limits = Limits {
            nesting: random.between(1, 6) as u32,
            br_table_targets: random.between(0, 3) as u32,
            ..options.limits
        };
    }
    options
}

/// Judges the changed bodies that an input chooses.
///
/// # Panics
/// If the two do not agree about one.
pub fn check(input: &[u8]) -> Judged {
    let random = &mut Random::of_bytes(input);
    let options = options(random);
    let wasm = random.pick(&MODULES);
    let mut judged = Judged::default();
    let _ = judge_bodies(wasm, &options, |judge| {
        let functions = judge.functions();
        if functions.is_empty() {
            return;
        }
        for _ in 0..random.between(4, 24) {
            let function = random.between(functions.start.into(), u64::from(functions.end) - 1);
            let function = function as u32;
            let body = judge.body(function).unwrap_or_default();
            let body = bodies::changed(random, body);
            judged.judge(judge, function, &body);
        }
    });
    judged
}

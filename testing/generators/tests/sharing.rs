//! Random modules in chunks of several sizes compiled by several numbers of threads. Artifacts of the same chunk size
//! must be equal. Outcomes must be equal for all chunk sizes.

use pvf_compiler::{Artifact, CompileOptions, Metering, Target, compile};
use pvf_generators::{Generator, Limits, Mode, Observation, Ours, Plan, Sharing, Subject};
use std::num::NonZeroUsize;
use std::sync::Arc;

const THREADS: [usize; 3] = [1, 2, 8];

/// One function in each chunk, some functions in each chunk, the default size.
const CHUNK_BYTES: [u32; 3] = [1, 150, 65_536];

const LIMITS: Limits = Limits {
    stack: 20_000,
    gas: 1_000_000,
};

/// The artifact for this machine, equal for any number of threads, or `None` if the compiler refuses the module. The
/// artifact of the other target is compared as well.
fn artifact(subject: &Subject, metering: &Metering, chunk_bytes: u32) -> Option<Artifact> {
    let options = CompileOptions {
        metering: metering.clone(),
        ..CompileOptions::new(subject.features)
    };
    let prepare = |threads, target| {
        let sharing = Sharing {
            chunk_bytes,
            threads: NonZeroUsize::new(threads).unwrap(),
        };
        let options = CompileOptions {
            target,
            ..sharing.apply(&options)
        };
        compile(&subject.wasm, &options)
    };
    for target in Target::ALL {
        let [one, others @ ..] = THREADS.map(|threads| prepare(threads, target));
        for other in others {
            assert!(one == other, "seed {}, {target}", subject.seed);
        }
    }
    prepare(1, Target::HOST).ok()
}

/// All observations of the plan's calls.
fn outcomes(artifact: &Artifact, plan: &Plan) -> Vec<(Vec<Observation>, Option<u64>, u64)> {
    let prepared = Ours::load(&artifact.to_bytes()).unwrap();
    let run = |step| {
        let run = Ours.run(&prepared, plan, step, LIMITS).unwrap();
        (run.observations, run.peak, run.native_peak)
    };
    plan.steps.iter().map(run).collect()
}

/// Tries this number of modules of a mode and returns how many were compared.
fn compare(mode: Mode, seeds: u64) -> u64 {
    let generator = Generator::new().unwrap();
    let meters = [
        Metering::default(),
        Metering {
            logical_stack: true,
            gas: Some(Arc::default()),
        },
    ];
    let mut compared = 0;
    for seed in 0..seeds {
        let Ok(subject) = generator.generate(seed, mode) else {
            continue;
        };
        let plan = Plan::new(&subject.wasm, seed).unwrap();
        // Without gas, a run that does not end by itself would never end.
        let meters = match subject.terminates {
            true => &meters[..],
            false => &meters[1..],
        };
        for metering in meters {
            let artifacts = CHUNK_BYTES.map(|bytes| artifact(&subject, metering, bytes));
            let [Some(first), others @ ..] = artifacts else {
                continue;
            };
            let expected = outcomes(&first, &plan);
            for other in others {
                let other = other.expect("other chunks are accepted");
                assert!(outcomes(&other, &plan) == expected, "{mode:?}, seed {seed}");
            }
            compared += 1;
        }
    }
    compared
}

#[test]
fn sparse_modules_are_equal_for_any_sharing() {
    assert!(compare(Mode::Sparse, 150) > 200);
}

#[test]
fn programs_are_equal_for_any_sharing() {
    assert!(compare(Mode::Program, 40) > 50);
}

#[test]
fn wasm_smith_modules_are_equal_for_any_sharing() {
    assert!(compare(Mode::Smith, 60) > 60);
}

#[test]
fn mutants_are_equal_for_any_sharing() {
    assert!(compare(Mode::Mutate, 60) > 20);
}

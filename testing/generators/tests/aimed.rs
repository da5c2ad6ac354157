//! What the generator that aims at faults reaches, and the one that does not.

use pvf_compiler::{CompileOptions, loop_idioms};
use pvf_generators::{Ending, Generator, Limits, Mode, Ours, Plan, Sharing, Subject};
use std::collections::HashSet;

fn subjects(mode: Mode) -> Vec<Subject> {
    let generator = Generator::new().unwrap();
    let subjects = (0..120).filter_map(|seed| generator.generate(seed, mode).ok());
    subjects.collect()
}

/// Every kind of loop that the compiler recognises, and loops that it does not.
#[test]
fn aimed_programs_have_loops_over_memory_of_every_kind() {
    let mut kinds = HashSet::new();
    let (mut recognised, mut others) = (0, 0);
    for subject in subjects(Mode::Aimed) {
        let found = loop_idioms(&subject.wasm, &CompileOptions::new(subject.features)).unwrap();
        recognised += found.idioms.len() as u32;
        others += found.with_memory - found.idioms.len() as u32;
        kinds.extend(found.idioms.iter().map(|(_, kind)| format!("{kind:?}")));
    }
    assert!(
        recognised > 500 && others > 100,
        "{recognised} and {others}"
    );
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let plain = subjects(Mode::Program).into_iter().map(|subject| {
        let options = CompileOptions::new(subject.features);
        loop_idioms(&subject.wasm, &options).unwrap().idioms.len()
    });
    assert!(plain.sum::<usize>() < 10, "what this mode is for");
}

/// An aimed program that always traps at once would test nothing.
#[test]
fn many_calls_of_aimed_programs_return() {
    let (mut returned, mut all) = (0, 0);
    for subject in subjects(Mode::Aimed).into_iter().take(40) {
        let metering = pvf_compiler::Metering {
            logical_stack: true,
            gas: Some(Default::default()),
        };
        let sharing = Sharing::of_seed(subject.seed);
        let Ok(prepared) = Ours.compile(&subject.wasm, subject.features, metering, sharing) else {
            continue;
        };
        let plan = Plan::new(&subject.wasm, subject.seed).unwrap();
        for step in &plan.steps {
            let limits = Limits {
                stack: 16_384,
                gas: 10_000_000,
            };
            let run = Ours.run(&prepared, &plan, step, limits).unwrap();
            all += run.observations.len();
            let endings = run.observations.iter().map(|it| &it.ending);
            returned += endings
                .filter(|it| matches!(it, Ending::Returned(_)))
                .count();
        }
    }
    assert!(returned * 5 > all, "{returned} of {all}");
}

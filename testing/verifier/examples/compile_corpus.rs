//! Compiles modules for both targets with every setting of the meters, and prints how many there were. For the report of
//! arms that are reached (`scripts/arms/run`), which needs neither verification nor execution.
//!
//!     compile_corpus vectors              the modules of the repository and of the WebAssembly suites
//!     compile_corpus generated N [SEED]   N generated modules, the seeds from SEED (1) on

use pvf_compiler::Target;
use pvf_generators::{Generator, Mode};
use pvf_rules::Features;
use pvf_verifier_tests::{Made, corpus, settings};
use std::process::ExitCode;

const TARGETS: [Target; 2] = [Target::X86_64, Target::Aarch64];

/// The number of artifacts made of the corpora, each module in the first language that accepts it.
fn vectors() -> usize {
    let modules = [corpus::of_repository(), corpus::of_suites()].concat();
    let mut made = 0;
    for (_, wasm) in &modules {
        for features in [Features::POLKADOT, Features::ALL] {
            let before = made;
            for setting in settings() {
                let artifacts = TARGETS.map(|target| Made::new(wasm, features, target, &setting));
                made += artifacts.iter().flatten().count();
            }
            if made > before {
                break;
            }
        }
    }
    made
}

/// The number of artifacts made of generated modules, each with one of the settings.
fn generated(count: u64, first: u64) -> Option<usize> {
    let generator = Generator::new().ok()?;
    let settings = settings();
    let mut made = 0;
    for seed in first..first.saturating_add(count) {
        let Ok(subject) = generator.generate(seed, Mode::All) else {
            continue;
        };
        let setting = &settings[(seed % settings.len() as u64) as usize];
        for target in TARGETS {
            made +=
                usize::from(Made::new(&subject.wasm, subject.features, target, setting).is_some());
        }
    }
    Some(made)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse().ok();
    let made = match words[..] {
        ["vectors"] => Some(vectors()),
        ["generated", count] => number(count).and_then(|count| generated(count, 1)),
        ["generated", count, seed] => number(count)
            .zip(number(seed))
            .and_then(|(count, seed)| generated(count, seed)),
        _ => None,
    };
    match made {
        Some(made) => {
            println!("{made} artifacts");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("compile_corpus vectors | generated N [SEED]");
            ExitCode::from(2)
        }
    }
}

//! Compiles modules for both targets with every setting of the meters, and prints how many there were. For the report of
//! arms that are reached (`scripts/arms/run`), which needs neither verification nor execution.
//!
//!     compile_corpus vectors              the modules of the repository and of the WebAssembly suites
//!     compile_corpus generated N [SEED]   N generated modules, the seeds from SEED (1) on

use pvf_compiler::{CompileOptions, Target, compile_with_code_map};
use pvf_generators::{Generator, Mode};
use pvf_rules::Features;
use pvf_verifier_tests::{Made, corpus, settings};
use std::process::ExitCode;

const TARGETS: [Target; 2] = [Target::X86_64, Target::Aarch64];

/// The size in bytes from which a module counts as long.
const LONG: usize = 32 << 10;

/// The size in bytes of the longest module. Longer ones repeat one shape up to a limit on counts.
const LONGEST: usize = 1 << 20;

/// The number of artifacts made of the corpora, each module in the first language that accepts it.
fn vectors() -> usize {
    let modules = [corpus::of_repository(), corpus::of_suites()].concat();
    let mut made = 0;
    for (_, wasm) in modules.iter().filter(|(_, wasm)| wasm.len() <= LONGEST) {
        for features in [Features::POLKADOT, Features::ALL] {
            let before = made;
            let settings = settings();
            // A long module gets two of the settings, chosen by its length.
            let every = if wasm.len() > LONG {
                settings.len() / 2
            } else {
                1
            };
            for setting in settings.iter().skip(wasm.len() % every).step_by(every) {
                let artifacts = TARGETS.map(|target| Made::new(wasm, features, target, setting));
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
            // The map from code to Wasm, which `pvf inspect` shows, is kept while code is made.
            let options = CompileOptions {
                target,
                ..CompileOptions::new(subject.features)
            };
            made += usize::from(compile_with_code_map(&subject.wasm, &options).is_ok());
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

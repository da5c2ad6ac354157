//! The verifier accepts all compiler output: every module of the corpora under every setting of the meters.

use pvf_compiler::{CompileOptions, NativeStack, Target, compile};
use pvf_executor::verify_artifact;
use pvf_generators::{Generator, Mode};
use pvf_rules::Features;
use pvf_verifier_tests::corpus::{self, Named};
use pvf_verifier_tests::{Made, in_parallel, settings};
use std::env;

/// The targets that have rules.
const TARGETS: [Target; 2] = [Target::X86_64, Target::Aarch64];

/// The size in bytes from which a module counts as long.
const LONG: usize = 32 << 10;

/// Verifies modules with all settings, each in the first language that accepts it. Returns the number of functions.
fn accept(modules: &[Named], languages: &[Features]) -> u64 {
    let parts = in_parallel(modules, |part| accept_part(part, languages));
    let refused: Vec<&String> = parts.iter().flat_map(|(_, refused)| refused).collect();
    let few = &refused[..refused.len().min(10)];
    assert!(refused.is_empty(), "{} refused: {few:#?}", refused.len());
    parts.iter().map(|(functions, _)| functions).sum()
}

fn accept_part(modules: &[&Named], languages: &[Features]) -> (u64, Vec<String>) {
    let settings = settings();
    let mut functions = 0;
    let mut refused = Vec::new();
    for (name, wasm) in modules {
        let is_accepted = |features: &Features| {
            let options = CompileOptions::new(*features);
            compile(wasm, &options).is_ok()
        };
        let Some(language) = languages.iter().position(is_accepted) else {
            continue;
        };
        let features = languages[language];
        // A long module gets only two of the settings, chosen by its length.
        let few = wasm.len() > LONG;
        for (number, setting) in settings.iter().enumerate() {
            if few && !(number + wasm.len()).is_multiple_of(settings.len() / 2) {
                continue;
            }
            for target in TARGETS {
                let Some(made) = Made::new(wasm, features, target, setting) else {
                    continue;
                };
                let context = format!("{name}, language {language}, {target:?}, {setting:?}");
                match made.verify() {
                    Ok(verified) => functions += u64::from(verified.functions),
                    Err(error) => refused.push(format!("{context}: {error}")),
                }
                if setting.native_stack != NativeStack::Enforced {
                    continue;
                }
                if let Err(error) = verify_artifact(&made.artifact.to_bytes()) {
                    refused.push(format!("{context}, without the module: {error}"));
                }
            }
        }
    }
    (functions, refused)
}

#[test]
fn modules_of_the_repository_are_accepted() {
    let functions = accept(
        &corpus::of_repository(),
        &[Features::POLKADOT, Features::ALL],
    );
    assert!(functions > 10_000, "only {functions} functions");
}

#[test]
fn modules_of_the_suites_are_accepted() {
    let functions = accept(&corpus::of_suites(), &[Features::ALL]);
    assert!(functions > 100_000, "only {functions} functions");
}

#[test]
fn runtimes_are_accepted_if_there_are_any() {
    accept(&corpus::of_chains(), &[Features::POLKADOT]);
}

/// Seeds of modules that were refused once, because of a division in code that functions share.
const FOUND: [u64; 2] = [101_313, 1_069_247];

/// `PVF_MODULES` sets the number of modules; the default is small.
#[test]
fn generated_modules_are_accepted() {
    let count = env::var("PVF_MODULES").map_or(300, |count| count.parse().unwrap());
    let first = env::var("PVF_SEED").map_or(1, |seed| seed.parse().unwrap());
    let generator = Generator::new().unwrap();
    let settings = settings();
    let mut made_at_all = 0;
    for seed in (first..first + count).chain(FOUND) {
        let Ok(subject) = generator.generate(seed, Mode::All) else {
            continue;
        };
        // Each module gets one setting; the seeds cycle through the settings.
        let setting = &settings[(seed % settings.len() as u64) as usize];
        for target in TARGETS {
            let made = Made::new(&subject.wasm, subject.features, target, setting);
            let Some(made) = made else {
                continue;
            };
            made_at_all += 1;
            if let Err(error) = made.verify() {
                panic!("seed {seed}, {target:?}, {setting:?}: {error}");
            }
        }
    }
    assert!(made_at_all * 10 > count * 5, "only {made_at_all} modules");
}

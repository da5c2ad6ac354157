//! The compiler validates bodies itself. On every body of the repository's modules and of the WebAssembly suites, those
//! to be refused included, it decides as wasmparser, in the language of every profile.

use pvf_compiler::{CompileOptions, judge_bodies};
use pvf_rules::Features;
use pvf_verifier_tests::corpus::{self, Named};

/// How many bodies the two accept and refuse.
fn judge(modules: &[Named]) -> (u32, u32) {
    let (mut accepted, mut refused) = (0, 0);
    for features in [Features::POLKADOT, Features::MVP, Features::ALL] {
        let options = CompileOptions::new(features);
        for (name, wasm) in modules {
            // A module whose declarations are refused has no bodies.
            let _ = judge_bodies(wasm, &options, |judge| {
                for function in judge.functions() {
                    let body = judge.body(function).unwrap_or_default().to_vec();
                    let judgement = judge.judge(function, &body).expect("it has a body");
                    assert!(
                        judgement.is_unanimous(),
                        "{name}, function {function}, {features:?}: {judgement:?}"
                    );
                    match judgement.accepted {
                        true => accepted += 1,
                        false => refused += 1,
                    }
                }
            });
        }
    }
    (accepted, refused)
}

#[test]
fn bodies_of_the_repository() {
    let (accepted, refused) = judge(&corpus::of_repository());
    assert!(accepted > 1_000 && refused > 10, "{accepted}, {refused}");
}

#[test]
fn bodies_of_the_suites() {
    let (accepted, _) = judge(&corpus::of_suites());
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn bodies_that_the_suites_refuse() {
    let (_, refused) = judge(&corpus::refused_by_suites());
    assert!(refused > 1_000, "{refused}");
}

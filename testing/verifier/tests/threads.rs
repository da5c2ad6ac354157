//! The result of a verification does not depend on the number of threads.

use pvf_compiler::Target;
use pvf_executor::Described;
use pvf_rules::Features;
use pvf_verifier::{Module, Refusal, verify_with_threads};
use pvf_verifier_tests::{Made, settings};
use std::num::NonZeroUsize;

const TARGETS: [Target; 2] = [Target::X86_64, Target::Aarch64];
const THREADS: [usize; 4] = [2, 3, 8, 64];

/// The number of functions: several times what a thread takes at once.
const FUNCTIONS: usize = 200;

/// A module of many functions, each with a loop, a call and an access to memory.
fn many_functions() -> Vec<u8> {
    let functions: String = (0..FUNCTIONS)
        .map(|number| {
            format!(
                "(func $f{number} (param i32) (result i32)
                    (loop
                        (local.set 0 (i32.add (i32.load offset={number} (local.get 0)) (i32.const 1)))
                        (br_if 0 (local.get 0)))
                    (call $f{} (local.get 0)))",
                (number + 1) % FUNCTIONS
            )
        })
        .collect();
    wat::parse_str(format!("(module (memory 1) {functions})")).unwrap()
}

fn made(target: Target) -> Made {
    // With the logical stack.
    let setting = &settings()[1];
    Made::new(&many_functions(), Features::POLKADOT, target, setting).unwrap()
}

#[test]
fn any_number_of_threads_accepts_the_same() {
    for target in TARGETS {
        let made = made(target);
        let module = Module::read(&made.wasm).unwrap();
        let verification = made.verification();
        let described = Described::new(&made.artifact, &verification);
        let code = described.with(&made.artifact.code);
        let one = verify_with_threads(&module, &code, NonZeroUsize::MIN).unwrap();
        assert_eq!(one.functions as usize, FUNCTIONS);
        for threads in THREADS {
            let threads = NonZeroUsize::new(threads).unwrap();
            let many = verify_with_threads(&module, &code, threads);
            assert_eq!(many, Ok(one), "{target:?}, {threads} threads");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_first_refusal() {
    for target in TARGETS {
        let made = made(target);
        let module = Module::read(&made.wasm).unwrap();
        let verification = made.verification();
        // Faults of two kinds in several functions: the first one in order counts, wherever the others are.
        for faults in [
            vec![199],
            vec![0, 199],
            vec![150, 7, 8, 9],
            vec![64, 65, 120],
        ] {
            let mut described = Described::new(&made.artifact, &verification);
            let mut code = made.artifact.code.clone();
            for (kind, &function) in faults.iter().enumerate() {
                match kind % 2 {
                    0 => described.functions[function].logical_cost += 1,
                    _ => {
                        // No instruction of either machine begins with zeros.
                        let start = described.functions[function].offset as usize;
                        code[start..start + 4].fill(0);
                    }
                }
            }
            let refused = |threads: usize| -> Refusal {
                let threads = NonZeroUsize::new(threads).unwrap();
                let refusal = verify_with_threads(&module, &described.with(&code), threads);
                refusal.expect_err("there are faults")
            };
            let one = refused(1);
            let first = faults.iter().min().map(|&function| function as u32);
            assert_eq!(one.function, first, "{target:?}: {one}");
            for threads in THREADS {
                // Several runs, because threads take turns differently.
                for _ in 0..20 {
                    assert_eq!(refused(threads), one, "{target:?}, {threads} threads");
                }
            }
        }
    }
}

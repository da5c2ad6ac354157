//! The verifier never panics: on random bytes as a module, as code, or as trap sites, and on valid input with a few
//! changes.

use pvf_compiler::Target;
use pvf_executor::{Described, declared_module};
use pvf_generators::Random;
use pvf_generators::damage::flip;
use pvf_rules::{Features, TrapKind};
use pvf_verifier::{Module, TrapSite, verify};
use pvf_verifier_tests::{Made, corpus, settings};
use std::env;

/// Verifies the code against the module, if the bytes can be read as one.
fn try_all(wasm: &[u8], described: &Described<'_>, code: &[u8]) -> bool {
    match Module::read(wasm) {
        Ok(module) => verify(&module, &described.with(code)).is_ok(),
        Err(_) => false,
    }
}

/// `PVF_DAMAGED` sets the number of inputs; the default is small.
#[test]
fn damaged_modules_code_and_sites_never_panic() {
    let count: u64 = env::var("PVF_DAMAGED").map_or(20_000, |count| count.parse().unwrap());
    let mut modules = corpus::of_repository();
    modules.retain(|(_, wasm)| wasm.len() < 20_000);
    let settings = settings();
    let mut random = Random::new(16);
    let mut accepted = 0;
    let mut tried = 0;
    while tried < count {
        let (_, wasm) = random.pick(&modules);
        let setting = random.pick(&settings);
        let Some(made) = Made::new(wasm, Features::ALL, Target::X86_64, setting) else {
            continue;
        };
        let verification = made.verification();
        for _ in 0..20 {
            tried += 1;
            let mut described = Described::new(&made.artifact, &verification);
            let (mut wasm, mut code) = (made.wasm.clone(), made.artifact.code.clone());
            match random.below(5) {
                0 => flip(&mut random, &mut wasm),
                1 => {
                    for _ in 0..random.between(1, 8) {
                        flip(&mut random, &mut code);
                    }
                }
                2 => {
                    let at = random.below(code.len() as u64) as usize;
                    let bytes = random.between(1, 40) as usize;
                    let bytes = random.bytes(bytes);
                    let end = (at + bytes.len()).min(code.len());
                    code[at..end].copy_from_slice(&bytes[..end - at]);
                }
                3 if !described.functions.is_empty() => {
                    let at = random.below(described.functions.len() as u64) as usize;
                    let function = &mut described.functions[at];
                    let value = random.bits() as u32 >> random.below(32);
                    match random.below(5) {
                        0 => function.offset = value,
                        1 => function.bytes = value,
                        2 => function.signature = value,
                        3 => function.frame_bytes = value,
                        _ => function.logical_cost = value,
                    }
                }
                _ => {
                    let at = random.below(described.sites.len() as u64 + 1) as usize;
                    described.sites.insert(
                        at,
                        TrapSite {
                            code_offset: random.bits() as u32 >> random.below(32),
                            wasm_offset: random.bits() as u32 >> random.below(32),
                            kind: *random.pick(TrapKind::ALL),
                        },
                    );
                }
            }
            accepted += u64::from(try_all(&wasm, &described, &code));
            // Without the module the verifier must not panic either. It may accept more.
            if let Ok(module) = declared_module(&made.artifact.module) {
                let _ = verify(&module, &described.with(&code));
            }
            code.truncate(random.below(code.len() as u64 + 1) as usize);
            assert!(
                code.len() == made.artifact.code.len() || !try_all(&made.wasm, &described, &code)
            );
        }
    }
    // Flipped bits often change a computation without breaking a rule.
    assert!(accepted * 2 < tried, "{accepted} of {tried} accepted");
}

#[test]
fn random_code_is_refused() {
    let wasm = wat::parse_str("(module (memory 1) (table 4 funcref) (global (mut i32) (i32.const 0)) (func (param i32) (result i64) i64.const 0))").unwrap();
    let mut random = Random::new(17);
    for setting in settings() {
        let made = Made::new(&wasm, Features::ALL, Target::X86_64, &setting).unwrap();
        let verification = made.verification();
        let described = Described::new(&made.artifact, &verification);
        let function = described.functions[0];
        assert!(try_all(&wasm, &described, &made.artifact.code));
        for _ in 0..2_000 {
            let mut code = made.artifact.code.clone();
            let range = function.offset as usize..(function.offset + function.bytes) as usize;
            let bytes = random.bytes(range.len());
            code[range].copy_from_slice(&bytes);
            assert!(!try_all(&wasm, &described, &code));
        }
    }
}

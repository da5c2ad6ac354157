//! The starts of loops that the compiler names save time and change no result, whatever they are.

use pvf_compiler::Target;
use pvf_executor::Described;
use pvf_generators::Random;
use pvf_rules::Features;
use pvf_verifier::{LoopStart, Module, Verified, verify};
use pvf_verifier_tests::corpus::{self, Named};
use pvf_verifier_tests::{Made, in_parallel, settings};

const TARGETS: [Target; 2] = [Target::X86_64, Target::Aarch64];

/// Longer modules take minutes with wrong loops.
const LONGEST: usize = 200_000;

/// Loops that differ from the right ones: some are left out, moved, given twice or out of order, and the registers are
/// random.
fn wrong(random: &mut Random, right: &[LoopStart], code_bytes: u32) -> Vec<LoopStart> {
    let mut loops = Vec::new();
    for start in right {
        let mut start = *start;
        match random.below(6) {
            0 => continue,
            1 => start.code_offset = random.below(u64::from(code_bytes) + 1) as u32,
            2 => start.code_offset = start.code_offset.wrapping_add(1 << random.below(5)),
            3 => start.words = random.below(1 << 32) as u32,
            4 => start.doubles = random.below(1 << 32) as u32,
            _ => loops.push(start),
        }
        loops.push(start);
    }
    if random.one_in(2) {
        loops.sort_by_key(|it| it.code_offset);
    }
    loops
}

/// What was verified: modules, those that were walked about once with the right loops, and without any.
#[derive(Default)]
struct Sum {
    modules: u64,
    once: u64,
    once_without: u64,
    slower: u64,
}

fn check_part(modules: &[&Named]) -> Sum {
    let random = &mut Random::new(22);
    let settings = settings();
    let mut sum = Sum::default();
    for (number, (name, wasm)) in modules.iter().enumerate() {
        for target in TARGETS {
            let setting = &settings[number % settings.len()];
            let Some(made) = Made::new(wasm, Features::ALL, target, setting) else {
                continue;
            };
            let module = Module::read(wasm).unwrap();
            let verification = made.verification();
            let mut described = Described::new(&made.artifact, &verification);
            let code = &made.artifact.code;
            let verify_with = |described: &Described<'_>| -> Verified {
                verify(&module, &described.with(code))
                    .unwrap_or_else(|refusal| panic!("{name}, {target:?}, {setting:?}: {refusal}"))
            };
            let named = verify_with(&described);
            let right = described.loops.take().unwrap();
            let found = verify_with(&described);
            sum.modules += 1;
            sum.once += u64::from(is_once(&named));
            sum.once_without += u64::from(is_once(&found));
            sum.slower += u64::from(named.steps > found.steps);
            for _ in 0..3 {
                described.loops = Some(wrong(random, &right, code.len() as u32));
                verify_with(&described);
            }
            described.loops = Some(Vec::new());
            verify_with(&described);
        }
    }
    sum
}

#[test]
fn named_loops_save_time_and_change_no_result() {
    let mut modules = corpus::of_repository();
    modules.retain(|(_, wasm)| wasm.len() < LONGEST);
    let parts = in_parallel(&modules, check_part);
    let sum = |of: fn(&Sum) -> u64| parts.iter().map(of).sum::<u64>();
    let (modules, once) = (sum(|it| it.modules), sum(|it| it.once));
    let (without, slower) = (sum(|it| it.once_without), sum(|it| it.slower));
    println!(
        "{modules} modules, {once} walked once, {without} without named loops; {slower} slower"
    );
    assert!(modules > 1_000, "only {modules} modules");
    // The loops of idioms are not named, nor branches back in code that only later code leads to.
    assert!(once * 100 > modules * 98);
    assert!(without < once);
    assert!(slower * 200 < modules);
}

/// Whether nearly nothing was walked again.
fn is_once(verified: &Verified) -> bool {
    verified.steps <= verified.instructions + verified.instructions / 100
}

//! The verifier on changed machine code, tables and modules: it never panics, it ends, and what it accepts once it
//! accepts again.

use crate::artifact::{BASES, Base, COSTS};
use crate::{Target, choices};
use pvf_executor::{Described, Verification};
use pvf_generators::Random;
use pvf_rules::TrapKind;
use pvf_verifier::{LoopStart, Module, TrapSite, verify};

pub(super) const TARGET: Target = Target {
    name: "verifier",
    about: "changed machine code, tables and modules: the verifier never panics, and ends",
    check,
    seeds: || choices(24, 160),
    mutate: None,
    most_bytes: 1_024,
};

/// The most steps for each byte of code: a walk of a loop ends when no fact changes any more.
const STEPS_FOR_A_BYTE: u64 = 2_000;

fn check(input: &[u8]) {
    let random = &mut Random::of_bytes(input);
    let Base { wasm, artifacts } = random.pick(&BASES);
    let artifact = random.pick(artifacts);
    let verification = Verification {
        costs: match random.below(4) {
            0 => None,
            _ => Some(&**COSTS),
        },
        ..Verification::default()
    };
    let mut described = Described::new(artifact, &verification);
    let mut wasm = wasm.clone();
    let mut code = artifact.code.clone();
    for _ in 0..random.between(1, 8) {
        match random.below(12) {
            0 => {
                let at = random.below(wasm.len() as u64) as usize;
                wasm[at] ^= 1 << random.below(8);
            }
            1 => function(random, &mut described),
            2 => site(random, &mut described),
            // Code within one function, so that a few bytes of input reach all of its instructions.
            _ => instructions(random, &described, &mut code),
        }
    }
    // Named loops, right or not: they change no result, but the number of steps.
    if random.one_in(2) {
        let most = code.len() as u64 + 1;
        let starts = (0..random.below(6)).map(|_| LoopStart {
            code_offset: random.below(most) as u32,
            words: random.below(1 << 32) as u32,
            doubles: random.below(1 << 32) as u32,
        });
        described.loops = Some(starts.collect());
    }
    if random.one_in(16) {
        code.truncate(random.below(code.len() as u64 + 1) as usize);
    }
    let Ok(module) = Module::read(&wasm) else {
        return;
    };
    let described = described.with(&code);
    let first = verify(&module, &described);
    assert_eq!(first, verify(&module, &described), "decided twice");
    if let Ok(verified) = first {
        let most = STEPS_FOR_A_BYTE * code.len() as u64;
        assert!(verified.steps <= most, "{verified:?}");
    }
}

fn number(random: &mut Random) -> u32 {
    let bits = random.below(33);
    random.below(1 << bits) as u32
}

fn function(random: &mut Random, described: &mut Described<'_>) {
    if described.functions.is_empty() {
        return;
    }
    let at = random.below(described.functions.len() as u64) as usize;
    let function = &mut described.functions[at];
    let value = number(random);
    match random.below(5) {
        0 => function.offset = value,
        1 => function.bytes = value,
        2 => function.signature = value,
        3 => function.frame_bytes = value,
        _ => function.logical_cost = value,
    }
}

fn site(random: &mut Random, described: &mut Described<'_>) {
    let at = random.below(described.sites.len() as u64 + 1) as usize;
    let site = TrapSite {
        code_offset: number(random),
        wasm_offset: number(random),
        kind: *random.pick(TrapKind::ALL),
    };
    match (random.below(3), described.sites.get_mut(at)) {
        (0, Some(old)) => *old = site,
        (1, Some(_)) => drop(described.sites.remove(at)),
        _ => described.sites.insert(at, site),
    }
}

fn instructions(random: &mut Random, described: &Described<'_>, code: &mut [u8]) {
    let range = match described.functions.is_empty() || random.one_in(8) {
        true => 0..code.len(),
        false => {
            let function = random.pick(&described.functions);
            let end = function.offset.saturating_add(function.bytes) as usize;
            function.offset as usize..end
        }
    };
    let Some(within) = code.get_mut(range).filter(|within| !within.is_empty()) else {
        return;
    };
    let at = random.below(within.len() as u64) as usize;
    match random.below(4) {
        0 => within[at] ^= 1 << random.below(8),
        1 => {
            let from = random.below(within.len() as u64) as usize;
            let count = (random.between(1, 24) as usize).min(within.len() - at.max(from));
            within.copy_within(from..from + count, at);
        }
        _ => {
            let count = random.between(1, 12) as usize;
            for byte in within[at..].iter_mut().take(count) {
                *byte = random.below(256) as u8;
            }
        }
    }
}

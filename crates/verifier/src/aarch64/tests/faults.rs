//! Seeded faults in machine code, by class: faults that caused vulnerabilities in other compilers, and faults that
//! break the other rules.
//!
//! For each class the tests count the faults in the corpus and the refused ones. Neither number may fall. The accepted
//! faults of a class are explained beside the class.

use super::corpus::{Checker, Subject, modules, runtimes};
use super::decoder::random;
use crate::{Module, TrapSite};
use pvf_rules::TrapKind;
use std::collections::{BTreeMap, HashSet};

/// A class: its name, and a function that gives the changed word at a position, with access to the words around it.
struct Class {
    name: &'static str,
    fault: fn(&Place<'_>) -> Option<u32>,
}

/// A word with the words around it, and the facts about its function.
struct Place<'p> {
    words: &'p [u32],
    at: usize,
    frame: u32,
    slots: u32,
    metered: bool,
}

impl Place<'_> {
    fn word(&self) -> u32 {
        self.words[self.at]
    }

    fn is(&self, mask: u32, value: u32) -> bool {
        self.word() & mask == value
    }

    fn behind(&self, distance: usize) -> u32 {
        self.words.get(self.at + distance).copied().unwrap_or(0)
    }

    fn before(&self, distance: usize) -> u32 {
        self.at.checked_sub(distance).map_or(0, |at| self.words[at])
    }

    fn rd(&self) -> u32 {
        self.word() & 31
    }

    /// Whether one of the next words uses the destination as an index, with no write to it and no branch in between.
    fn makes_index(&self) -> bool {
        let register = self.rd();
        for distance in 1..4 {
            let word = self.behind(distance);
            if is_index(word, register) {
                return true;
            }
            // Only loads, stores and sums of other registers may be in between.
            let simple = matches!(
                word >> 24,
                0x0b | 0x8b | 0x11 | 0x91 | 0xb9 | 0xf9 | 0xb8 | 0xf8
            );
            if !simple || word & 31 == register {
                return false;
            }
        }
        false
    }

    fn is_prologue(&self) -> bool {
        self.at < 12
    }
}

/// `[x20, index]` or `add xN, x20, index`.
fn is_index(word: u32, register: u32) -> bool {
    let rm = word >> 16 & 31;
    let access = word & 0x3B20_FFE0 == 0x3820_6A80;
    let sum = word & 0xFFE0_FFE0 == 0x8B00_0280;
    rm == register && (access || sum)
}

fn is_access(word: u32) -> bool {
    word & 0x3B20_FFE0 == 0x3820_6A80
}

fn is_sum(word: u32) -> bool {
    word & 0xFFE0_FFE0 == 0x8B00_0280
}

/// An access through a register that contains a sum.
fn is_by_sum(word: u32) -> bool {
    word & 0x3B00_0000 == 0x3900_0000 && matches!(word >> 5 & 31, 24 | 28)
}

/// An access to a slot, with a scaled offset.
fn is_slot(word: u32) -> bool {
    word & 0x3B00_03E0 == 0x3900_03E0
}

/// The offset of an access to a slot.
const fn slot_offset(word: u32) -> u32 {
    (word >> 10 & 0xfff) << (word >> 30)
}

const fn with_offset(word: u32, offset: u32) -> u32 {
    let size = word >> 30;
    word & !(0xfff << 10) | (offset >> size & 0xfff) << 10
}

/// Instructions that generated code never contains.
const FOREIGN: [u32; 18] = [
    0xD400_0001, // svc #0
    0xD420_0000, // brk #0
    0xD53B_D040, // mrs x0, tpidr_el0
    0xD51B_4400, // msr fpcr, x0
    0xD50B_7420, // dc zva, x0
    0xD503_3FDF, // isb
    0xC85F_7C00, // ldxr x0, [x0]
    0xC800_7C00, // stxr w0, x0, [x0]
    0xF8C0_0800, // ldtrsw-like
    0xF840_0C00, // ldr x0, [x0, #0]!
    0xD61F_0000, // br x0
    0xD63F_0000, // blr x0
    0xD65F_0000, // ret x0
    0xF980_0000, // prfm
    0xA940_0000, // ldp x0, x0, [x0]
    0x4C00_7000, // st1
    0xF820_0000, // ldadd
    0xB3C0_0000, // not allocated
];

const CLASSES: &[Class] = &[
    // Harmless if the operands are so small that no bit is carried.
    Class {
        name: "index arithmetic in 64 bits",
        fault: |p| {
            let arithmetic = p.is(0x9F80_0000, 0x1100_0000) || p.is(0x9F20_0000, 0x0B00_0000);
            let moved = p.word() | 1 << 31;
            (arithmetic && p.rd() < 16 && p.makes_index()).then_some(moved)
        },
    },
    Class {
        name: "index reloaded with its sign",
        fault: |p| {
            let reload = p.is(0xFFC0_03E0, 0xB940_03E0) && p.makes_index();
            reload.then(|| p.word() ^ 0x00C0_0000)
        },
    },
    Class {
        name: "index reloaded with 64 bits",
        fault: |p| {
            let reload = p.is(0xFFC0_03E0, 0xB940_03E0) && p.makes_index();
            let offset = (p.word() >> 10 & 0xfff) * 4;
            reload.then(|| with_offset(p.word() | 1 << 30, offset))
        },
    },
    Class {
        name: "index scaled",
        fault: |p| is_access(p.word()).then(|| p.word() | 1 << 12),
    },
    Class {
        name: "index extended with its sign",
        fault: |p| is_access(p.word()).then(|| p.word() & !(7 << 13) | 6 << 13),
    },
    Class {
        name: "access by the context",
        fault: |p| is_access(p.word()).then(|| p.word() & !(31 << 5) | 19 << 5),
    },
    Class {
        name: "access by the stack pointer",
        fault: |p| is_access(p.word()).then(|| p.word() | 31 << 5),
    },
    Class {
        name: "access by an index alone",
        fault: |p| is_access(p.word()).then(|| p.word() & !(31 << 5) | (p.word() >> 16 & 15) << 5),
    },
    Class {
        name: "sum with the context",
        fault: |p| is_sum(p.word()).then(|| p.word() & !(31 << 5) | 19 << 5),
    },
    Class {
        name: "sum shifted",
        fault: |p| is_sum(p.word()).then(|| p.word() | 3 << 10),
    },
    Class {
        name: "sum into a register of values",
        fault: |p| is_sum(p.word()).then(|| p.word() & !31),
    },
    Class {
        name: "sum by subtraction",
        fault: |p| is_sum(p.word()).then(|| p.word() | 1 << 30),
    },
    Class {
        name: "access by a value",
        fault: |p| is_by_sum(p.word()).then(|| p.word() & !(31 << 5) | 1 << 5),
    },
    Class {
        name: "negative offset",
        fault: |p| {
            let unscaled = p.word() & !(0x3f_ffff & !0x3ff) & !(1 << 24) | 0x1f8 << 12;
            is_by_sum(p.word()).then_some(unscaled)
        },
    },
    Class {
        name: "slot that nothing writes",
        fault: |p| {
            // The only store to a slot that is read later goes to the slot beside it.
            let offset = slot_offset(p.word());
            let is_store = |word: u32| is_slot(word) && word >> 22 & 3 == 0;
            let same = |word: &u32| slot_offset(*word) == offset;
            let others = |word: &u32| {
                // The slots of callees are the lowest ones.
                let calls =
                    offset < 256 && (word >> 26 == 0x25 || word & 0xffff_ffdf == 0xd63f_0200);
                let pair = word & 0xffc0_03e0 == 0xa900_03e0;
                // By a register, or in a loop.
                let computed = word & 0x3b20_0fe0 == 0x3820_0be0;
                calls || pair || computed || matches!(word, 0xf800_861f | 0xfc00_863f | 0xfc1f_863f)
            };
            let alone = is_store(p.word())
                && p.words.len() < 4000
                && offset + 16 < p.frame
                && offset < 2048
                && p.words
                    .iter()
                    .filter(|word| is_store(**word) && same(word))
                    .count()
                    == 1
                && !p.words.iter().any(others);
            let mut later = p.words.iter().skip(p.at);
            let read = alone && later.any(|word| is_slot(*word) && !is_store(*word) && same(word));
            read.then(|| with_offset(p.word(), offset ^ 8))
        },
    },
    Class {
        name: "slot of the return address",
        fault: |p| {
            let fits = is_slot(p.word()) && p.word() >> 30 >= 2 && p.frame < 16000;
            fits.then(|| with_offset(p.word(), p.frame - 8))
        },
    },
    Class {
        name: "slot above the caller's",
        fault: |p| {
            let above = p.frame + p.slots;
            (is_slot(p.word()) && p.word() >> 30 >= 2 && above < 16000)
                .then(|| with_offset(p.word(), above))
        },
    },
    Class {
        name: "slot below the frame",
        fault: |p| {
            let unscaled = p.word() & !(0x3f_ffff & !0x3ff) & !(1 << 24) | 0x1f8 << 12;
            is_slot(p.word()).then_some(unscaled)
        },
    },
    Class {
        name: "frame made smaller",
        fault: |p| (p.is(0xFFC0_03FF, 0xD100_03FF) && p.frame > 16).then(|| p.word() - (16 << 10)),
    },
    Class {
        name: "frame dropped short",
        fault: |p| (p.is(0xFFC0_03FF, 0x9100_03FF) && p.frame > 16).then(|| p.word() - (16 << 10)),
    },
    Class {
        name: "stack check turned round",
        fault: |p| (p.before(1) == 0xEB37_63FF).then(|| p.word() ^ 1),
    },
    Class {
        name: "stack check with another register",
        fault: |p| {
            p.is(!0, 0xEB37_63FF)
                .then(|| p.word() & !(31 << 16) | 22 << 16)
        },
    },
    Class {
        name: "limit check turned round",
        fault: |p| (p.before(1) == 0xEB30_63FF).then(|| p.word() ^ 1),
    },
    Class {
        name: "return address not saved",
        fault: |p| p.is(!0, 0xF81F_83FE).then(|| p.word() | 1),
    },
    Class {
        name: "return address not loaded",
        fault: |p| p.is(!0, 0xF85F_83FE).then(|| p.word() & !31),
    },
    Class {
        name: "return by another register",
        fault: |p| {
            p.is(!0, 0xD65F_03C0)
                .then(|| p.word() & !(31 << 5) | 5 << 5)
        },
    },
    Class {
        name: "table's bound plus one",
        fault: |p| {
            let compares = p.is(0xFFC0_03FF, 0x7100_011F) && p.behind(2) == 0x8B08_1268;
            compares.then(|| p.word() + (1 << 10))
        },
    },
    Class {
        name: "table's bound turned round",
        fault: |p| (p.behind(1) == 0x8B08_1268).then(|| p.word() ^ 1),
    },
    Class {
        name: "table's entry with another shift",
        fault: |p| p.is(!0, 0x8B08_1268).then(|| p.word() ^ 1 << 10),
    },
    Class {
        name: "signature turned round",
        fault: |p| {
            let branches = p.is(0xFF00_001F, 0x5400_0001);
            let calls = p.behind(2) == 0xD63F_0220 || p.behind(3) == 0xD63F_0220;
            (branches && calls).then(|| p.word() ^ 1)
        },
    },
    Class {
        name: "call of the signature instead of the code",
        fault: |p| {
            p.is(!0, 0xD63F_0220)
                .then(|| p.word() & !(31 << 5) | 16 << 5)
        },
    },
    Class {
        name: "bound of jumps plus one",
        fault: |p| {
            let bound = p.is(0xFFE0_001F, 0x5280_0011) && p.behind(3) & 0x9F00_001F == 0x1000_0010;
            bound.then(|| p.word() + (1 << 5))
        },
    },
    Class {
        name: "bound of jumps turned round",
        fault: |p| {
            let clamps = p.is(0xFFE0_FC00, 0x1A80_3000) && p.behind(1) & 0x9F00_001F == 0x1000_0010;
            clamps.then(|| p.word() ^ 1 << 12)
        },
    },
    Class {
        name: "table of jumps elsewhere",
        fault: |p| {
            (p.is(0x9F00_001F, 0x1000_0010) && p.behind(3) == 0xD61F_0200)
                .then(|| p.word() + (1 << 5))
        },
    },
    Class {
        name: "jump by another register",
        fault: |p| p.is(!0, 0xD61F_0200).then(|| p.word() | 1 << 5),
    },
    Class {
        name: "branch out of the function",
        fault: |p| {
            let conditional = p.is(0xFF00_0010, 0x5400_0000) || p.is(0x7E00_0000, 0x3400_0000);
            conditional.then(|| p.word() & !(0x7_ffff << 5) | 0x3_ffff << 5)
        },
    },
    Class {
        name: "branch before the function",
        fault: |p| p.is(0xFC00_0000, 0x1400_0000).then_some(0x1600_0000),
    },
    Class {
        name: "call plus a word",
        fault: |p| p.is(0xFC00_0000, 0x9400_0000).then(|| p.word() + 1),
    },
    // If the next entry is that of another function with an equal type, the fault calls the wrong function, which is
    // not a safety problem.
    Class {
        name: "call plus sixteen bytes",
        fault: |p| p.is(0xFC00_0000, 0x9400_0000).then(|| p.word() + 4),
    },
    Class {
        name: "global written into the header",
        fault: |p| {
            p.is(0xBFC0_03E0, 0xB900_0260)
                .then(|| with_offset(p.word(), 40))
        },
    },
    Class {
        name: "global read from the header",
        fault: |p| {
            let global = p.is(0xBFC0_03E0, 0xB940_0260) && p.word() >> 30 == 3 && p.rd() < 16;
            global.then(|| with_offset(p.word(), 112))
        },
    },
    Class {
        name: "access of the table",
        fault: |p| {
            p.is(0xBFC0_03E0, 0xB900_0260)
                .then(|| with_offset(p.word(), 16000))
        },
    },
    Class {
        name: "trap left out",
        fault: |p| (p.is(!0, 0) && !p.is_prologue()).then_some(0x2A00_03E0),
    },
    Class {
        name: "write of the context's register",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 19),
    },
    Class {
        name: "write of the memory's register",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 20),
    },
    Class {
        name: "write of the least stack pointer",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 23),
    },
    Class {
        name: "write of the return address",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 30),
    },
    Class {
        name: "write of the platform's register",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 18),
    },
    Class {
        name: "write of the gas",
        fault: |p| writes_value(p.word()).then(|| p.word() & !31 | 21),
    },
    Class {
        name: "read of the context's register",
        fault: |p| writes_value(p.word()).then(|| p.word() & !(31 << 5) | 19 << 5),
    },
    Class {
        name: "store of the memory's base",
        fault: |p| (is_slot(p.word()) && p.word() >> 22 == 0x3E4).then(|| p.word() & !31 | 20),
    },
    Class {
        name: "store of the return address",
        fault: |p| (is_slot(p.word()) && p.word() >> 22 == 0x3E4).then(|| p.word() & !31 | 30),
    },
    Class {
        name: "store of a sum",
        fault: |p| (is_slot(p.word()) && p.word() >> 22 == 0x3E4).then(|| p.word() & !31 | 24),
    },
    Class {
        name: "gas charged plus one",
        fault: |p| (p.metered && p.is(0xFFC0_03FF, 0xF100_02B5)).then(|| p.word() + (1 << 10)),
    },
    Class {
        name: "gas check turned round",
        fault: |p| (p.metered && p.before(1) & 0xFFC0_03FF == 0xF100_02B5).then(|| p.word() ^ 1),
    },
    Class {
        name: "gas given back",
        fault: |p| (p.metered && p.is(0xFFC0_03FF, 0xF100_02B5)).then(|| p.word() & !(1 << 30)),
    },
    Class {
        name: "gas taken back in part",
        fault: |p| {
            let back = p.metered && p.is(0xFFC0_03FF, 0x9100_02B5) && p.word() >> 10 & 0xfff > 0;
            back.then(|| p.word() - (1 << 10))
        },
    },
    Class {
        name: "logical cost plus one",
        fault: |p| {
            (p.metered && p.is_prologue() && p.is(0xFFC0_03E0, 0xF100_02C0))
                .then(|| p.word() + (1 << 10))
        },
    },
    Class {
        name: "logical cost given back in part",
        fault: |p| (p.metered && p.is(0xFFC0_03FF, 0x9100_02D6)).then(|| p.word() + (1 << 10)),
    },
    Class {
        name: "system instruction or other foreign one",
        fault: |p| Some(FOREIGN[p.at % FOREIGN.len()]),
    },
];

/// Whether the word is an addition or logical operation that writes a register of the generator.
fn writes_value(word: u32) -> bool {
    let adds = word & 0x3F20_0000 == 0x0B00_0000 || word & 0x7F20_0000 == 0x2A00_0000;
    adds && word & 31 < 16 && word >> 5 & 31 < 16
}

/// The words of literals, which may have any value.
fn literals(words: &[u32]) -> HashSet<usize> {
    let mut literals = HashSet::new();
    for (at, word) in words.iter().enumerate() {
        if word >> 24 == 0x5c && !literals.contains(&at) {
            let to = at + (word >> 5 & 0x7_ffff) as usize;
            literals.extend([to, to + 1]);
        }
    }
    literals
}

/// The number of faults of a class, and the number of refused ones.
type Counts = BTreeMap<&'static str, (u64, u64)>;

/// Seeds faults in a subject's functions: every `stride`th fault of each class.
fn seed(
    subject: &Subject,
    metered: bool,
    stride: u64,
    counts: &mut Counts,
    accepted: &mut Vec<String>,
) {
    let module = Module::read(&subject.wasm).expect("the compiler has read it");
    let mut checker = Checker::new(subject, &module, &subject.sites);
    let imported = module.imported_functions as usize;
    let mut turn: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (number, function) in (0u32..).zip(&subject.functions).skip(imported) {
        let mut code = checker.code_of(number);
        checker
            .check(number, &code)
            .expect("it is accepted as it is");
        let words: Vec<u32> = code
            .as_chunks::<4>()
            .0
            .iter()
            .map(|it| u32::from_le_bytes(*it))
            .collect();
        let ty = module.function_type(number).expect("it has a type");
        let literals = literals(&words);
        for at in (0..words.len()).filter(|at| !literals.contains(at)) {
            let place = Place {
                words: &words,
                at,
                frame: function.frame_bytes,
                slots: ty.slot_bytes() as u32,
                metered,
            };
            for class in CLASSES {
                let Some(fault) = (class.fault)(&place).filter(|it| *it != words[at]) else {
                    continue;
                };
                let turn = turn.entry(class.name).or_default();
                *turn += 1;
                if !turn.is_multiple_of(stride) {
                    continue;
                }
                code[at * 4..][..4].copy_from_slice(&fault.to_le_bytes());
                let result = checker.check(number, &code);
                code[at * 4..][..4].copy_from_slice(&words[at].to_le_bytes());
                let (all, refused) = counts.entry(class.name).or_default();
                *all += 1;
                *refused += u64::from(result.is_err());
                if result.is_ok() && accepted.len() < 4000 {
                    accepted.push(format!(
                        "{}: function {number}, word {at}, {:08x} -> {fault:08x}",
                        class.name, words[at]
                    ));
                }
            }
        }
    }
}

/// Classes with some harmless faults, how many in a thousand may be accepted, and why.
const SOME_ACCEPTED: &[(&str, u64)] = &[
    ("index arithmetic in 64 bits", 40),
    ("call plus sixteen bytes", 400),
];

fn report(counts: &Counts, accepted: &[String], fewest: u64) {
    for (name, (all, refused)) in counts {
        println!("{refused:>8} of {all:>8} refused: {name}");
    }
    let (all, refused) = counts
        .values()
        .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    println!("{refused} of {all} in {} classes", counts.len());
    if std::env::var_os("PVF_SHOW_ACCEPTED").is_some() {
        accepted.iter().for_each(|it| println!("accepted: {it}"));
    }
    for class in CLASSES {
        let &(all, refused) = counts.get(class.name).unwrap_or(&(0, 0));
        // With a large stride a rare class may have no fault at all.
        assert!(
            all > 0 || fewest == 0,
            "no fault of the class: {}",
            class.name
        );
        let excepted = SOME_ACCEPTED.iter().find(|it| it.0 == class.name);
        let most = excepted.map_or(0, |it| (all * it.1).div_ceil(1000));
        assert!(
            all - refused <= most,
            "{}: {} accepted",
            class.name,
            all - refused
        );
    }
    assert!(all >= fewest, "only {all} faults");
}

#[test]
fn seeded_faults_are_refused() {
    let (mut counts, mut accepted) = (Counts::new(), Vec::new());
    for wasm in modules() {
        for metered in [false, true] {
            let Some(subject) = Subject::new(wasm.clone(), metered) else {
                continue;
            };
            // Long code is uniform, so a stride is used.
            let stride = (subject.code.len() as u64 / 20_000).max(1);
            seed(&subject, metered, stride, &mut counts, &mut accepted);
        }
    }
    report(&counts, &accepted, 100_000);
}

/// The same over runtimes, if their folder exists; `PVF_FAULTS` sets the stride.
#[test]
#[ignore = "takes an hour"]
fn seeded_faults_in_runtimes_are_refused() {
    let stride = std::env::var("PVF_FAULTS").map_or(1, |it| it.parse().expect("a number"));
    let (mut counts, mut accepted) = (Counts::new(), Vec::new());
    for wasm in runtimes() {
        for metered in [false, true] {
            if let Some(subject) = Subject::new(wasm.clone(), metered) {
                seed(&subject, metered, stride, &mut counts, &mut accepted);
            }
        }
    }
    report(&counts, &accepted, 0);
}

/// The claims about traps are compared as well.
#[test]
fn trap_sites_of_another_kind_or_place_are_refused() {
    let mut counts = [(0u32, 0u32); 3];
    for wasm in modules() {
        let Some(subject) = Subject::new(wasm, true) else {
            continue;
        };
        let module = Module::read(&subject.wasm).expect("the compiler has read it");
        let stride = (subject.sites.len() / 50).max(1);
        for at in (0..subject.sites.len()).step_by(stride) {
            let faults: [fn(&mut TrapSite); 3] = [
                |site| {
                    site.kind = match site.kind {
                        TrapKind::UndefinedElement => TrapKind::IndirectCallTypeMismatch,
                        TrapKind::IntegerDivideByZero => TrapKind::IntegerOverflow,
                        TrapKind::MemoryOutOfBounds => TrapKind::Unreachable,
                        _ => TrapKind::MemoryOutOfBounds,
                    }
                },
                |site| site.code_offset += 4,
                |site| site.wasm_offset += 1,
            ];
            for (fault, count) in faults.into_iter().zip(&mut counts) {
                let mut sites = subject.sites.clone();
                fault(&mut sites[at]);
                let code = subject.machine_code(&subject.code, &sites);
                count.0 += 1;
                count.1 += u32::from(crate::verify(&module, &code).is_err());
            }
        }
    }
    let [kinds, places, operators] = counts;
    println!("kinds {kinds:?}, places {places:?}, operators {operators:?}");
    assert!(kinds.0 > 1000);
    assert_eq!(places.0, places.1, "moved in the code");
    // Where a signed division can trap in two ways, the other kind is also accepted. The next byte may belong to
    // another operator that traps.
    assert!(kinds.1 * 100 >= kinds.0 * 97, "{kinds:?}");
    assert!(operators.1 * 100 >= operators.0 * 97, "{operators:?}");
}

/// Flips single bits: most are refused, and none makes the verifier panic.
#[test]
fn flipped_bits_never_panic() {
    let mut numbers = random(4);
    let (mut all, mut refused) = (0u32, 0u32);
    for wasm in modules() {
        let Some(subject) = Subject::new(wasm, true) else {
            continue;
        };
        let module = Module::read(&subject.wasm).expect("the compiler has read it");
        let mut code = subject.code.clone();
        let flips = if code.len() > 100_000 { 10 } else { 150 };
        for bit in numbers.by_ref().take(flips) {
            let bit = bit as usize % (code.len() * 8);
            code[bit / 8] ^= 1 << (bit % 8);
            all += 1;
            refused += u32::from(
                crate::verify(&module, &subject.machine_code(&code, &subject.sites)).is_err(),
            );
            code[bit / 8] ^= 1 << (bit % 8);
        }
        // Random words, and code cut short.
        for length in numbers.by_ref().take(4) {
            let cut = &code[..length as usize % code.len()];
            let _ = crate::verify(&module, &subject.machine_code(cut, &subject.sites));
            let noise: Vec<u8> = random(length.into())
                .take(code.len() / 4)
                .flat_map(u32::to_le_bytes)
                .collect();
            let _ = crate::verify(&module, &subject.machine_code(&noise, &subject.sites));
        }
    }
    println!("{refused} of {all} flipped bits refused");
    assert!(refused * 2 > all && all > 10_000);
}

//! Moves, and immediates in the fewest instructions.

use super::super::LogicalImm;
use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::LazyLock;

#[test]
fn register_moves() {
    for [d, s, ..] in turns() {
        for size in Size::ALL {
            check(&format!("mov {}, {}", r(size, d), r(size, s)), |asm| {
                asm.mov_rr(size, g(d), g(s))
            });
        }
        check(&format!("mov sp, {}", rsp(Size::S64, s)), |asm| {
            asm.mov_sp(Gpr::SP, gsp(s))
        });
        check(&format!("mov {}, sp", rsp(Size::S64, d)), |asm| {
            asm.mov_sp(gsp(d), Gpr::SP)
        });
    }
}

/// The disassembler calls all of them `mov`, though the manual does not where
/// another one makes the same value.
fn wide(name: &str, size: Size, d: u8, imm: u16, halfword: u32) -> String {
    let placed = u64::from(imm) << (16 * halfword);
    let value = match (name, size) {
        ("movz", _) => placed,
        (_, Size::S32) => u64::from(!placed as u32),
        (_, Size::S64) => !placed,
    };
    format!("mov {}, #{}", r(size, d), value as i64)
}

#[test]
fn wide_moves() {
    for [d, ..] in turns().take(32) {
        for size in Size::ALL {
            for halfword in 0..size.bytes() / 2 {
                for imm in [0, 1, 0x1234, 0x8000, 0xFFFE, 0xFFFF] {
                    check(&wide("movz", size, d, imm, halfword), |asm| {
                        asm.movz(size, g(d), imm, halfword)
                    });
                    check(&wide("movn", size, d, imm, halfword), |asm| {
                        asm.movn(size, g(d), imm, halfword)
                    });
                    let shift = match halfword {
                        0 => String::new(),
                        _ => format!(", lsl #{}", 16 * halfword),
                    };
                    check(&format!("movk {}, #{imm}{shift}", r(size, d)), |asm| {
                        asm.movk(size, g(d), imm, halfword)
                    });
                }
            }
        }
    }
}

/// The value after these instructions, as the disassembler reads them.
fn run(code: &[u8], register: u8) -> u64 {
    let mut value = None;
    for word in words(code) {
        let line = normal(&disassemble(word));
        let (name, operands) = line.split_once(' ').expect("operands");
        let operands: Vec<&str> = operands.split(", ").collect();
        let narrow = operands[0] == r(Size::S32, register);
        assert!(narrow || operands[0] == x(register), "{line}");
        let numbers: Vec<u64> = operands
            .iter()
            .filter_map(|operand| operand.split('#').nth(1))
            .map(|number| number.parse::<i64>().expect("a number") as u64)
            .collect();
        let result = match (name, &numbers[..]) {
            ("mov", &[imm]) => imm,
            ("orr", &[imm]) if operands[1].ends_with("zr") => imm,
            ("movz", &[imm, shift]) => imm << shift,
            ("movn", &[imm]) => !imm,
            ("movn", &[imm, shift]) => !(imm << shift),
            ("movk", &[imm, ref shift @ ..]) => {
                let shift = shift.first().copied().unwrap_or(0);
                value.expect("a value before") & !(0xFFFF << shift) | imm << shift
            }
            _ => panic!("{line}"),
        };
        value = Some(if narrow { result as u32 as u64 } else { result });
    }
    value.expect("an instruction")
}

/// What one instruction can put into a register, other than `movz` and `movn`.
static PATTERNS: LazyLock<Vec<[u16; 4]>> = LazyLock::new(|| {
    let mut patterns = super::immediates::all_patterns(Size::S64);
    patterns.extend(super::immediates::all_patterns(Size::S32));
    patterns.into_iter().map(halfwords).collect()
});

fn halfwords(value: u64) -> [u16; 4] {
    [0, 16, 32, 48].map(|shift| (value >> shift) as u16)
}

/// The length of the shortest sequence, by trying every first instruction.
fn shortest(size: Size, imm: u64) -> usize {
    let value = halfwords(imm);
    let differing = |first: [u16; 4]| (0..4).filter(|&n| first[n] != value[n]).count();
    let mut best = 4;
    for n in 0..4 {
        let mut movz = [0; 4];
        movz[n] = value[n];
        let mut movn = [0xFFFF; 4];
        movn[n] = value[n];
        best = best.min(differing(movz));
        if size == Size::S64 {
            best = best.min(differing(movn));
        }
        if n < 2 {
            let mut movn = [0xFFFF, 0xFFFF, 0, 0];
            movn[n] = value[n];
            best = best.min(differing(movn));
        }
    }
    for &pattern in PATTERNS.iter() {
        best = best.min(differing(pattern));
    }
    1 + best
}

fn check_immediate(size: Size, imm: u64, register: u8) {
    let mut asm = Assembler::new();
    asm.mov_imm(size, g(register), imm);
    let expected = match size {
        Size::S32 => imm as u32 as u64,
        Size::S64 => imm,
    };
    assert_eq!(run(asm.code(), register), expected, "{imm:#x}");
    assert_eq!(asm.code().len() / 4, shortest(size, expected), "{imm:#x}");
}

#[test]
fn immediates_in_the_fewest_instructions() {
    let halves = [0u64, 1, 0x00FF, 0x1234, 0x5555, 0xFF00, 0xFFFE, 0xFFFF];
    for n in 0..8usize.pow(4) {
        let imm = (0..4).fold(0, |imm, at| imm << 16 | halves[n >> (3 * at) & 7]);
        for size in Size::ALL {
            check_immediate(size, imm, (n % 31) as u8);
        }
    }
}

#[test]
fn every_pattern_is_one_instruction() {
    for size in Size::ALL {
        for value in super::immediates::all_patterns(size) {
            let mut asm = Assembler::new();
            asm.mov_imm(size, Gpr::X9, value);
            assert_eq!((asm.offset(), run(asm.code(), 9)), (4, value));
            assert!(LogicalImm::new(value, size).is_some());
        }
    }
    // Those of one run in the lower half are of both sizes.
    let all: HashSet<_> = PATTERNS.iter().collect();
    assert_eq!(all.len(), 5334 + 1302 - 527);
}

proptest! {
    #[test]
    fn random_immediates(imm in any::<u64>(), kept in 0u32..=64, turn in 0u32..64) {
        let imm = imm.checked_shr(kept).unwrap_or(0).rotate_left(turn);
        for size in Size::ALL {
            check_immediate(size, imm, 17);
            check_immediate(size, !imm, 17);
        }
    }

    /// A pattern with one or two other halfwords.
    #[test]
    fn random_immediates_near_patterns(
        n in any::<prop::sample::Index>(),
        places in [0usize..4, 0usize..4],
        other in any::<[u16; 2]>(),
    ) {
        let mut value = PATTERNS[n.index(PATTERNS.len())];
        for (place, other) in places.into_iter().zip(other) {
            value[place] = other;
            let imm = value.iter().rev().fold(0, |imm, &half| imm << 16 | u64::from(half));
            check_immediate(Size::S64, imm, 3);
        }
    }
}

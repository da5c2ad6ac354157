//! The immediates' encoders: what they accept, and what the disassembler says
//! the fields mean.

use super::super::{FloatImm, Logic, LogicalImm};
use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Every logical immediate, from its definition: a run of ones in an element,
/// turned, repeated.
pub(super) fn all_patterns(size: Size) -> Vec<u64> {
    let mut patterns = Vec::new();
    let mut width = 2;
    while width <= size.bits() {
        for ones in 1..width {
            for turn in 0..width {
                let mut value = 0u64;
                for bit in (0..ones).map(|bit| (bit + turn) % width) {
                    for element in (0..size.bits()).step_by(width as usize) {
                        value |= 1 << (element + bit);
                    }
                }
                patterns.push(value);
            }
        }
        width *= 2;
    }
    patterns
}

#[test]
fn every_logical_immediate_round_trips() {
    for (size, count) in [(Size::S32, 1302), (Size::S64, 5334)] {
        let patterns = all_patterns(size);
        let distinct: HashSet<_> = patterns.iter().copied().collect();
        assert_eq!((patterns.len(), distinct.len()), (count, count));
        for value in patterns {
            let imm = LogicalImm::new(value, size).expect("it has an encoding");
            assert_eq!((imm.value(), imm.size()), (value, size));
            let expected = format!("eor {}, {}, #{value}", r(size, 1), r(size, 2));
            check(&expected, |asm| asm.logic_ri(Logic::Eor, g(1), g(2), imm));
        }
    }
}

/// Everything near a pattern that is none is refused.
#[test]
fn what_is_no_pattern_is_refused() {
    for size in Size::ALL {
        let patterns: HashSet<_> = all_patterns(size).into_iter().collect();
        for &pattern in &patterns {
            for bit in 0..size.bits() {
                let value = pattern ^ 1 << bit;
                let encoded = LogicalImm::new(value, size).is_some();
                assert_eq!(encoded, patterns.contains(&value), "{value:#x}");
            }
        }
        for value in [0, u64::MAX >> (64 - size.bits())] {
            assert_eq!(LogicalImm::new(value, size), None);
        }
        for value in 0..0x1_0000u64 {
            let encoded = LogicalImm::new(value, size).is_some();
            assert_eq!(encoded, patterns.contains(&value), "{value:#x}");
        }
    }
    // A 32-bit immediate is zero-extended.
    assert_eq!(LogicalImm::new(0xFFFF_FFFF_FFFF_FFFE, Size::S32), None);
    assert_eq!(LogicalImm::new(0x1_0000_0001, Size::S32), None);
}

static PATTERNS: LazyLock<HashSet<u64>> =
    LazyLock::new(|| all_patterns(Size::S64).into_iter().collect());

proptest! {
    #[test]
    fn random_values_are_refused_or_patterns(value in any::<u64>()) {
        let encoded = LogicalImm::new(value, Size::S64).is_some();
        prop_assert_eq!(encoded, PATTERNS.contains(&value));
    }
}

#[test]
fn every_float_immediate_round_trips() {
    let mut count = 0;
    for sign in [1.0, -1.0] {
        for exponent in -3..=4 {
            for sixteenth in 0..16 {
                let value = sign * (1.0 + f64::from(sixteenth) / 16.0) * 2f64.powi(exponent);
                let wide = FloatImm::from_f64_bits(value.to_bits()).expect("it has an encoding");
                let narrow = (value as f32).to_bits();
                assert_eq!(FloatImm::from_f32_bits(narrow), Some(wide));
                assert_eq!(wide.to_f64_bits(), value.to_bits());
                assert_eq!(wide.to_f32_bits(), narrow);
                for size in FSize::ALL {
                    check_float(size, count, value, wide);
                }
                count += 1;
            }
        }
    }
    assert_eq!(count, 256);
}

/// Compares the immediate as the disassembler reads it with the value.
fn check_float(size: FSize, count: u32, value: f64, imm: FloatImm) {
    let mut asm = Assembler::new();
    asm.fmov_imm(size, v((count % 32) as u8), imm);
    let line = disassemble(words(asm.code())[0]);
    let (start, number) = line.split_once('#').expect("an immediate");
    assert_eq!(start, format!("fmov {}, ", f(size, (count % 32) as u8)));
    assert_eq!(number.parse(), Ok(value), "{line}");
}

#[test]
fn other_floats_have_no_immediate() {
    for value in [
        0.0,
        -0.0,
        0.1,
        0.0625,
        32.0,
        1.03125,
        f64::INFINITY,
        f64::NAN,
    ] {
        assert_eq!(FloatImm::from_f64_bits(value.to_bits()), None, "{value}");
        let narrow = (value as f32).to_bits();
        assert_eq!(FloatImm::from_f32_bits(narrow), None, "{value}");
    }
    // One bit too many at the bottom.
    assert_eq!(FloatImm::from_f64_bits(1f64.to_bits() | 1), None);
    assert_eq!(FloatImm::from_f32_bits(1f32.to_bits() | 1), None);
}

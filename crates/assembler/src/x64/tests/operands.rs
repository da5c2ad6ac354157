//! The meaning of conditions, and numbers of registers.

use super::super::{Cond, Gpr, Xmm};

/// The flags that conditions read.
#[derive(Copy, Clone)]
struct Flags {
    carry: bool,
    zero: bool,
    sign: bool,
    overflow: bool,
    parity: bool,
}

/// The flags of `cmp a, b`.
fn compare(a: i8, b: i8) -> Flags {
    let result = a.wrapping_sub(b);
    Flags {
        carry: (a as u8) < (b as u8),
        zero: result == 0,
        sign: result < 0,
        overflow: a.checked_sub(b).is_none(),
        parity: (result as u8).count_ones().is_multiple_of(2),
    }
}

/// The manual's definition of each condition.
fn holds(cond: Cond, f: Flags) -> bool {
    match cond {
        Cond::O => f.overflow,
        Cond::NO => !f.overflow,
        Cond::B => f.carry,
        Cond::AE => !f.carry,
        Cond::E => f.zero,
        Cond::NE => !f.zero,
        Cond::BE => f.carry || f.zero,
        Cond::A => !f.carry && !f.zero,
        Cond::S => f.sign,
        Cond::NS => !f.sign,
        Cond::P => f.parity,
        Cond::NP => !f.parity,
        Cond::L => f.sign != f.overflow,
        Cond::GE => f.sign == f.overflow,
        Cond::LE => f.zero || f.sign != f.overflow,
        Cond::G => !f.zero && f.sign == f.overflow,
    }
}

#[test]
fn inverted_and_swapped_conditions() {
    use Cond::*;
    for a in i8::MIN..=i8::MAX {
        for b in i8::MIN..=i8::MAX {
            for cond in Cond::ALL {
                assert_ne!(
                    holds(cond, compare(a, b)),
                    holds(cond.invert(), compare(a, b))
                );
            }
            for cond in [B, AE, E, NE, BE, A, L, GE, LE, G] {
                assert_eq!(
                    holds(cond, compare(a, b)),
                    holds(cond.swap_operands(), compare(b, a))
                );
            }
        }
    }
    // Unordered is symmetric.
    assert_eq!((P.swap_operands(), NP.swap_operands()), (P, NP));
}

#[test]
fn numbers_come_back() {
    for n in 0..=255u8 {
        assert_eq!(Gpr::from_number(n).number(), n & 15);
        assert_eq!(Xmm::from_number(n).number(), n & 15);
    }
}

//! Shared code: operations of many instructions that a module contains once, for functions at the end of their budget.
//!
//! A function calls shared code where the operation in place would exceed the function's budget of code. The linker
//! identifies a piece of shared code by its number, and only pieces that are called are generated.

use super::masm::BlockOperation;
use super::masm::{Conversion, Division, FloatBinary, FloatUnary, Reg, Width};
use crate::abi::{BUILTIN_FLAG, Builtin};

/// An operation that functions can share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shared {
    Convert(Conversion),
    /// A division with signs, by what the target agrees with itself on.
    Divide(Division, Width),
    /// In place.
    Canonicalise(Width, Reg),
    /// [`FloatUnary::Abs`] or [`FloatUnary::Neg`], in place.
    FloatUnary(FloatUnary, Width, Reg),
    /// [`FloatBinary::Min`], [`FloatBinary::Max`] or [`FloatBinary::Copysign`] with the first operand in place.
    FloatBinary(FloatBinary, Width, Reg),
}

const WIDTHS: [Width; 2] = [Width::W32, Width::W64];
const DIVISIONS: [Division; 2] = [Division::DivS, Division::RemS];
const UNARY: [FloatUnary; 2] = [FloatUnary::Abs, FloatUnary::Neg];
const BINARY: [FloatBinary; 3] = [FloatBinary::Min, FloatBinary::Max, FloatBinary::Copysign];

/// Truncations by source, result, signs and whether they saturate, then conversions of 64 bits without sign.
const CONVERSIONS: u32 = 2 * 2 * 2 * 2 + 2;
const REGISTERS: u32 = 16;

const FIRST_DIVISION: u32 = CONVERSIONS;
const FIRST_CANONICALISATION: u32 = FIRST_DIVISION + 2 * 2;
const FIRST_UNARY: u32 = FIRST_CANONICALISATION + 2 * REGISTERS;
const FIRST_BINARY: u32 = FIRST_UNARY + 2 * 2 * REGISTERS;
const END: u32 = FIRST_BINARY + 3 * 2 * REGISTERS;

/// What comes before them among the numbers of calls: builtins, block operations.
const BEFORE: u32 = BUILTIN_FLAG | (Builtin::ALL.len() + BlockOperation::ALL.len()) as u32;

impl Shared {
    /// What [`CallFixup::function`](super::masm::CallFixup::function) says for it; nothing if no target takes many
    /// instructions for it.
    pub fn function(self) -> Option<u32> {
        self.number().map(|number| BEFORE + number)
    }

    /// The one that is called by this number.
    pub fn of_function(function: u32) -> Option<Self> {
        Self::from_number(function.checked_sub(BEFORE)?)
    }

    fn number(self) -> Option<u32> {
        let width = |width: Width| width as u32;
        let place = |register: Reg| u32::from(register.number());
        Some(match self {
            Self::Convert(Conversion::Truncate { from, to, signed }) => {
                (width(from) * 2 + width(to)) * 2 + u32::from(signed)
            }
            Self::Convert(Conversion::TruncateSaturating { from, to, signed }) => {
                8 + (width(from) * 2 + width(to)) * 2 + u32::from(signed)
            }
            Self::Convert(Conversion::Convert {
                from: Width::W64,
                to,
                signed: false,
            }) => 16 + width(to),
            Self::Convert(_) => return None,
            Self::Divide(op, it) => FIRST_DIVISION + index(&DIVISIONS, op)? * 2 + width(it),
            Self::Canonicalise(it, register) => {
                FIRST_CANONICALISATION + width(it) * REGISTERS + place(register)
            }
            Self::FloatUnary(op, it, register) => {
                let kind = index(&UNARY, op)? * 2 + width(it);
                FIRST_UNARY + kind * REGISTERS + place(register)
            }
            Self::FloatBinary(op, it, register) => {
                let kind = index(&BINARY, op)? * 2 + width(it);
                FIRST_BINARY + kind * REGISTERS + place(register)
            }
        })
    }

    fn from_number(number: u32) -> Option<Self> {
        let width = |bit: u32| WIDTHS[(bit % 2) as usize];
        let register = |number: u32| Reg::float((number % REGISTERS) as u8);
        Some(match number {
            0..16 => {
                let (from, to) = (width(number / 4), width(number / 2));
                let signed = number % 2 == 1;
                Self::Convert(match number < 8 {
                    true => Conversion::Truncate { from, to, signed },
                    false => Conversion::TruncateSaturating { from, to, signed },
                })
            }
            16..CONVERSIONS => Self::Convert(Conversion::Convert {
                from: Width::W64,
                to: width(number - 16),
                signed: false,
            }),
            FIRST_DIVISION..FIRST_CANONICALISATION => {
                let number = number - FIRST_DIVISION;
                Self::Divide(DIVISIONS[(number / 2) as usize], width(number))
            }
            FIRST_CANONICALISATION..FIRST_UNARY => {
                let number = number - FIRST_CANONICALISATION;
                Self::Canonicalise(width(number / REGISTERS), register(number))
            }
            FIRST_UNARY..FIRST_BINARY => {
                let (number, kind) = kind(number - FIRST_UNARY);
                Self::FloatUnary(UNARY[kind / 2], width(kind as u32), register(number))
            }
            FIRST_BINARY..END => {
                let (number, kind) = kind(number - FIRST_BINARY);
                Self::FloatBinary(BINARY[kind / 2], width(kind as u32), register(number))
            }
            _ => return None,
        })
    }
}

/// A number with what all registers of it have in common.
fn kind(number: u32) -> (u32, usize) {
    (number, (number / REGISTERS) as usize)
}

fn index<T: PartialEq>(all: &[T], one: T) -> Option<u32> {
    let at = all.iter().position(|it| *it == one)?;
    Some(at as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_operation() {
        for number in 0..END {
            let shared = Shared::from_number(number).unwrap();
            assert_eq!(shared.number(), Some(number), "{shared:?}");
            let function = shared.function().unwrap();
            assert_eq!(Shared::of_function(function), Some(shared));
        }
        assert_eq!(Shared::from_number(END), None);
        for block in BlockOperation::ALL {
            assert_eq!(Shared::of_function(block.function()), None);
        }
    }

    #[test]
    fn what_takes_few_instructions_has_none() {
        for shared in [
            Shared::Convert(Conversion::Promote),
            Shared::Divide(Division::DivU, Width::W32),
            Shared::FloatUnary(FloatUnary::Sqrt, Width::W64, Reg::float(1)),
            Shared::FloatBinary(FloatBinary::Add, Width::W64, Reg::float(1)),
        ] {
            assert_eq!(shared.function(), None);
        }
    }
}

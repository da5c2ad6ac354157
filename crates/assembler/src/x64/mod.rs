//! The x86-64 assembler: one method per instruction form.
//!
//! In: typed operands. Out: the shortest encoding of the instruction asked for;
//! never another instruction, unless the method says so. The instruction set is
//! x86-64-v3: BMI1, BMI2, LZCNT, POPCNT and AVX are used freely, and scalar
//! floats are always in the VEX encoding.
//!
//! # Names
//! A method is the manual's mnemonic and a suffix with one letter per operand,
//! destination first: `r` register, `m` memory, `i` immediate, `x` a vector
//! register beside a general one, `label` an address in the code. The width
//! comes first among the arguments ([`Size`], [`FSize`], [`VSize`]), and the operation of a
//! family before it ([`Alu`], [`Shift`], [`FOp`], [`FBit`], [`Cond`]).
//!
//! # Immediates
//! An `i32` immediate is sign-extended to 64 bits for [`Size::S64`] and
//! truncated for [`Size::S8`] and [`Size::S16`].

mod control;
mod encode;
mod float;
mod integer;
mod moves;
mod operands;
mod registers;
#[cfg(test)]
mod tests;
mod vector;

pub use crate::label::{FinishError, Label};
pub use control::{Assembler, Instructions};
pub use operands::{Alu, Cond, FBit, FOp, FSize, Mem, RoundMode, Scale, Shift, Size, VSize};
pub use registers::{Gpr, Xmm};

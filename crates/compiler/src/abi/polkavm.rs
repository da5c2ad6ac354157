//! The contract between code for PolkaVM and its engine, where it differs from that of hardware.
//!
//! Code has the form of [`pvf_assembler::polkavm`]. The engine makes a program of it: it adds the address of linear
//! memory where an instruction asks for it, gives every return address and every function an entry of the program's
//! jump table, and writes a host call where code calls a stub.
//!
//! # Memory
//! The context is at [`CONTEXT`], linear memory at the next multiple of [`UNIT`] behind it ([`memory_base`]), and grows
//! by `sbrk`. What lies between its end and the stack is not accessible. Linear memory never has more than
//! [`MOST_MEMORY_PAGES`] pages: an index from [`MOST_INDEX`] on is compared away, and a lower one plus an offset below
//! [`MOST_INDEX`] stays below the stack.
//!
//! # Registers
//! `sp` is the Wasm stack, `ra` the return address, `t0` and `t1` are scratch. The others, `a0` to `a5`, `s0`, `s1`, `t2`,
//! belong to the generator in this order. `i32` values are held sign-extended. There are no float registers:
//! [`FLOATS`] words of the context take their part ([`field::FLOATS`]).
//!
//! # Calls
//! Parameters of integer types take the first [`ARGUMENTS`] registers of that order, all others are in their slots. The
//! first result is in `a0` or in the first float word. A function is entered with `sp` at [`context::STACK_TOP`]'s
//! value and `ra` at PolkaVM's address that returns to the host.
//!
//! # Host calls
//! The service of an imported function is its index, that of a builtin its code with [`BUILTIN_FLAG`](super::BUILTIN_FLAG)
//! set and its segment in `t0`, that of a float operation [`FloatOperation::service`]. Parameters and results of functions
//! and builtins are as in calls. A host call keeps all registers that have no result.

use super::{BUILTIN_FLAG, ContextLayout, context};

/// Address of the context.
pub const CONTEXT: u32 = 0x2_0000;

/// Granularity of the parts of memory: a page of WebAssembly, and of PolkaVM at its largest.
pub const UNIT: u32 = 0x1_0000;

/// The most pages that linear memory can have.
pub const MOST_MEMORY_PAGES: u32 = MOST_INDEX / UNIT;

/// Indices and offsets from here on are out of bounds of any memory.
pub const MOST_INDEX: u32 = 0x4000_0000;

/// The most bytes of the context, so that indices and offsets do not reach the stack.
pub const MOST_CONTEXT_BYTES: u64 = 0x2000_0000;

/// Registers of arguments.
pub const ARGUMENTS: usize = 8;

/// Words of the context that stand for float registers.
pub const FLOATS: usize = 8;

/// Fields of the context that only code for PolkaVM has.
pub mod field {
    use super::context::RUNTIME;

    /// Units of the logical stack below its greatest height (i64).
    pub const LOGICAL: u32 = RUNTIME;
    /// The first operand of a comparison whose register was overwritten.
    pub const FIRST: u32 = RUNTIME + 8;
    /// The second operand of a comparison whose register was overwritten.
    pub const SECOND: u32 = RUNTIME + 16;
    /// A word that holds something during one operation.
    pub const SPARE: u32 = RUNTIME + 24;
    /// The float registers.
    pub const FLOATS: u32 = RUNTIME + 32;
}

const _: () = assert!(32 + FLOATS as u32 * 8 <= context::RUNTIME_WORDS * 8);

/// The address of linear memory, above a context of this layout.
pub const fn memory_base(layout: ContextLayout) -> u64 {
    (CONTEXT as u64 + layout.bytes).next_multiple_of(UNIT as u64)
}

/// Float operations that code asks its engine for. Operands are in `t0` and `t1`, the result is in `t0`. Bits of an
/// `f32` are zero-extended; of an `i32` as an operand only the low 32 bits count, as a result it is sign-extended. A NaN
/// as a result is the positive canonical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FloatOperation {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
    /// WebAssembly's minimum.
    Min,
    /// WebAssembly's maximum.
    Max,
    /// Square root.
    Sqrt,
    /// Round up.
    Ceil,
    /// Round down.
    Floor,
    /// Round towards zero.
    Trunc,
    /// Round to nearest, ties to even.
    Nearest,
    /// 0 if unordered, 1 if less, 2 if equal, 3 if greater.
    Compare,
    /// To `i32`, towards zero. `t1` says whether it worked: 0, or 1 for a NaN, 2 if it does not fit.
    ToI32,
    /// To `u32`, as [`Self::ToI32`].
    ToU32,
    /// To `i64`, as [`Self::ToI32`].
    ToI64,
    /// To `u64`, as [`Self::ToI32`].
    ToU64,
    /// To `i32`, towards zero; the nearest one if it does not fit, 0 for a NaN.
    ToI32Saturating,
    /// To `u32`, as [`Self::ToI32Saturating`].
    ToU32Saturating,
    /// To `i64`, as [`Self::ToI32Saturating`].
    ToI64Saturating,
    /// To `u64`, as [`Self::ToI32Saturating`].
    ToU64Saturating,
    /// From `i32`.
    FromI32,
    /// From `u32`.
    FromU32,
    /// From `i64`.
    FromI64,
    /// From `u64`.
    FromU64,
    /// To the other width.
    Convert,
}

/// Added to the number of a float operation's service.
const FIRST_FLOAT: u32 = BUILTIN_FLAG | 0x10;

impl FloatOperation {
    /// All operations, by number.
    pub const ALL: [Self; 25] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Min,
        Self::Max,
        Self::Sqrt,
        Self::Ceil,
        Self::Floor,
        Self::Trunc,
        Self::Nearest,
        Self::Compare,
        Self::ToI32,
        Self::ToU32,
        Self::ToI64,
        Self::ToU64,
        Self::ToI32Saturating,
        Self::ToU32Saturating,
        Self::ToI64Saturating,
        Self::ToU64Saturating,
        Self::FromI32,
        Self::FromU32,
        Self::FromI64,
        Self::FromU64,
        Self::Convert,
    ];

    /// The service of this operation on `f64` (`wide`) or `f32`; of a conversion from an integer this is the result.
    pub const fn service(self, wide: bool) -> u32 {
        FIRST_FLOAT + self as u32 * 2 + wide as u32
    }

    /// The operation of a service, and whether it is one on `f64`.
    pub fn of_service(service: u32) -> Option<(Self, bool)> {
        let number = service.checked_sub(FIRST_FLOAT)?;
        let operation = Self::ALL.get(number as usize / 2)?;
        Some((*operation, number % 2 == 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Builtin;

    #[test]
    fn every_service_has_one_meaning() {
        for (number, operation) in (0..).zip(FloatOperation::ALL) {
            assert_eq!(operation as u32, number);
            for wide in [false, true] {
                let service = operation.service(wide);
                assert_eq!(FloatOperation::of_service(service), Some((operation, wide)));
                assert_eq!(Builtin::from_code(service & !BUILTIN_FLAG), None);
            }
        }
        assert_eq!(FloatOperation::of_service(BUILTIN_FLAG), None);
    }

    #[test]
    fn no_address_of_memory_reaches_the_stack() {
        let highest = u64::from(CONTEXT)
            + MOST_CONTEXT_BYTES
            + u64::from(UNIT)
            + 2 * u64::from(MOST_INDEX)
            + 8;
        // The stack has up to 1 GiB below PolkaVM's last 128 KiB.
        assert!(highest < (1 << 32) - (1 << 30) - (1 << 17));
    }
}

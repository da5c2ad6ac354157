//! The x86-64 target.
//!
//! One [`walk`] checks a function: it decodes each instruction, tracks the contents of registers, and recognises the
//! sequences that settings and body determine. Stubs between code and host must equal those that [`stubs`] generates
//! from the signatures. Shared code is checked like a function, with rules of its own.
//!
//! Fixed registers: `rsp` is the stack, `r15` the context, `r14` the base of linear memory; `r13` is the gas and `r12`
//! the logical stack, if they are counted. `r11`, `xmm14` and `xmm15` are scratch registers.

mod blocks;
mod decode;
mod facts;
mod instruction;
mod module;
mod shape;
mod stubs;
mod table;
mod walk;

pub use decode::decode;
pub use instruction::{Instruction, Place};
pub(crate) use module::{Tables, check};
pub use table::Op;
pub(crate) use walk::Buffers;

const RAX: u8 = 0;
const RCX: u8 = 1;
const RDX: u8 = 2;
const RBX: u8 = 3;
const RSP: u8 = 4;
const RBP: u8 = 5;
const RSI: u8 = 6;
const RDI: u8 = 7;
const R8: u8 = 8;
const R9: u8 = 9;
const R10: u8 = 10;
const R11: u8 = 11;
const R12: u8 = 12;
const R13: u8 = 13;
const R14: u8 = 14;
const R15: u8 = 15;
const XMM14: u8 = 14;
const XMM15: u8 = 15;

/// The registers of integer arguments, in order.
const GENERAL_ARGUMENTS: [u8; 8] = [RDI, RSI, RDX, RCX, RBX, RBP, R8, R9];
/// The number of float arguments in registers, from `xmm0` on.
const FLOAT_ARGUMENTS: u8 = 8;

/// The target of a direct call: a kind and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Called(u32);

impl Called {
    const FUNCTION: u32 = 1 << 28;
    const IMPORT: u32 = 2 << 28;
    const BUILTIN: u32 = 3 << 28;
    const BLOCK: u32 = 4 << 28;
    const SHARED: u32 = 5 << 28;
    const KINDS: u32 = 15 << 28;

    fn kind(self) -> u32 {
        self.0 & Self::KINDS
    }

    fn number(self) -> u32 {
        self.0 & !Self::KINDS
    }

    /// Whether the host can fail in this call.
    fn is_of_host(self) -> bool {
        matches!(self.kind(), Self::IMPORT | Self::BUILTIN)
    }
}

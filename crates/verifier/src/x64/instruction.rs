//! A decoded instruction.

use super::table::Op;

/// No register.
pub const NONE: u8 = 0xff;
/// The base of an address relative to the instruction's end.
pub const RIP: u8 = 0x80;

/// The kind of an operand's location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Place {
    /// There is no operand.
    #[default]
    None,
    /// The operand is in the register [`Instruction::a`] or [`Instruction::b`].
    Register,
    /// The operand is in memory.
    Memory,
    /// The operand is the immediate.
    Immediate,
}

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Instruction {
    /// The immediate, sign-extended, or the distance of a branch.
    pub imm: i64,
    /// Displacement of the address.
    pub disp: i32,
    /// The operation.
    pub op: Op,
    /// The length in bytes.
    pub len: u8,
    /// The size of the operands in bytes; see [`Op`] for operations with two sizes.
    pub size: u8,
    /// The location of the first operand, which is written.
    pub to: Place,
    /// The location of the last operand.
    pub from: Place,
    /// The register of the first operand.
    pub a: u8,
    /// The register of the last operand.
    pub b: u8,
    /// The register of the operand between them, or [`NONE`].
    pub c: u8,
    /// Base of the address.
    pub base: u8,
    /// Index of the address, or [`NONE`].
    pub index: u8,
    /// The factor of the index.
    pub scale: u8,
    /// The number of the condition.
    pub condition: u8,
    /// The second size of a conversion: that of the float in bytes.
    pub float: u8,
}

impl Instruction {
    /// Whether an operand is in memory.
    #[inline]
    pub fn has_memory(&self) -> bool {
        self.to == Place::Memory || self.from == Place::Memory
    }
}

//! The instructions that are not decoded form by form.

use super::{Address, Form, NO_INDEX};
use crate::x64::instruction::{Instruction, NONE, Place};
use crate::x64::table::Op;

/// A decoded instruction in few words: most of it is looked at piece by piece, and only where an operation needs it.
#[derive(Clone, Copy)]
pub(in crate::x64) struct Packed {
    pub op: Op,
    pub len: u8,
    pub disp: i32,
    pub imm: i64,
    /// From the lowest byte: `a`, `b`, base, index, size, kinds of operands, `c`, and the rest.
    pub(super) word: u64,
}

/// No registers.
pub(super) const NO_REGISTERS: u64 = 0x00ff_0000_ffff_ffff;

/// Kinds of operands, in their byte of the word.
pub(super) const TO_REGISTER: u64 = 1 << 40;
pub(super) const TO_MEMORY: u64 = 1 << 41;
pub(super) const FROM_REGISTER: u64 = 1 << 42;
pub(super) const FROM_MEMORY: u64 = 1 << 43;
pub(super) const FROM_IMMEDIATE: u64 = 1 << 44;
/// In the rest: the logarithm of the factor, and the condition. Above: the second size.
pub(super) const SCALE: u32 = 56;
pub(super) const CONDITION: u32 = 58;
pub(super) const FLOAT: u32 = 36;

impl Packed {
    #[inline(always)]
    fn byte(&self, number: u32) -> u8 {
        (self.word >> (8 * number)) as u8
    }

    /// The fields have the meaning that [`Instruction`] gives them.
    #[inline(always)]
    pub fn a(&self) -> u8 {
        self.byte(0)
    }

    #[inline(always)]
    pub fn b(&self) -> u8 {
        self.byte(1)
    }

    #[inline(always)]
    pub fn c(&self) -> u8 {
        self.byte(6)
    }

    #[inline(always)]
    pub fn base(&self) -> u8 {
        self.byte(2)
    }

    #[inline(always)]
    pub fn index(&self) -> u8 {
        self.byte(3)
    }

    /// The logarithm of the factor of the index.
    #[inline(always)]
    pub fn scale(&self) -> u8 {
        (self.word >> SCALE) as u8 & 3
    }

    #[inline(always)]
    pub fn size(&self) -> u8 {
        self.byte(4) & 15
    }

    #[inline(always)]
    pub fn condition(&self) -> u8 {
        (self.word >> CONDITION) as u8 & 15
    }

    #[inline(always)]
    pub fn float(&self) -> u8 {
        (self.word >> FLOAT) as u8 & 15
    }

    #[inline(always)]
    pub fn writes_memory(&self) -> bool {
        self.word & TO_MEMORY != 0
    }

    #[inline(always)]
    pub fn is_from_register(&self) -> bool {
        self.word & FROM_REGISTER != 0
    }

    #[inline(always)]
    pub fn is_from_memory(&self) -> bool {
        self.word & FROM_MEMORY != 0
    }

    /// The operand in memory.
    #[inline(always)]
    pub fn address(&self) -> Address {
        Address {
            base: self.base(),
            index: match self.index() {
                NONE => NO_INDEX,
                index => index,
            },
            scale: self.scale(),
            disp: self.disp,
        }
    }

    #[inline(always)]
    pub fn form(&self) -> Form {
        Form {
            op: self.op,
            size: self.size(),
            condition: self.condition(),
        }
    }

    #[inline(always)]
    pub fn is_from_immediate(&self) -> bool {
        self.word & FROM_IMMEDIATE != 0
    }

    /// All fields.
    pub fn unpack(&self) -> Instruction {
        let memory = self.word & (TO_MEMORY | FROM_MEMORY) != 0;
        Instruction {
            imm: self.imm,
            disp: self.disp,
            op: self.op,
            len: self.len,
            size: self.size(),
            to: match self.word & (TO_REGISTER | TO_MEMORY) {
                TO_REGISTER => Place::Register,
                TO_MEMORY => Place::Memory,
                _ => Place::None,
            },
            from: match self.word & (FROM_REGISTER | FROM_MEMORY | FROM_IMMEDIATE) {
                FROM_REGISTER => Place::Register,
                FROM_MEMORY => Place::Memory,
                FROM_IMMEDIATE => Place::Immediate,
                _ => Place::None,
            },
            a: self.a(),
            b: self.b(),
            c: self.c(),
            base: self.base(),
            index: self.index(),
            scale: if memory { 1 << self.scale() } else { 0 },
            condition: self.condition(),
            float: self.float(),
        }
    }
}

//! Encodes the words of the fixed sequences.

use super::values::{CONTEXT, FIRST, SECOND, ZERO};

pub(super) const NOP: u32 = 0xD503_201F;
pub(super) const RET: u32 = 0xD65F_03C0;
/// `udf #0`
pub(super) const TRAP: u32 = 0;
/// `br x16`
pub(super) const BR: u32 = 0xD61F_0200;
/// `blr x16`
pub(super) const BLR_FIRST: u32 = 0xD63F_0200;
/// `blr x17`
pub(super) const BLR_SECOND: u32 = 0xD63F_0220;
/// `str x30, [sp, #-8]` and the corresponding load.
pub(super) const SAVE_LINK: u32 = 0xF81F_83FE;
pub(super) const LOAD_LINK: u32 = 0xF85F_83FE;
/// `cmp sp, x23`
pub(super) const COMPARE_LOW: u32 = 0xEB37_63FF;
/// `cmp sp, x16`
pub(super) const COMPARE_LIMIT: u32 = 0xEB30_63FF;
/// `mov x23, sp`
pub(super) const NOTE_LOW: u32 = 0x9100_03F7;
/// `add sp, sp, x16` and the corresponding subtraction.
pub(super) const ADD_STACK: u32 = 0x8B30_63FF;
pub(super) const SUB_STACK: u32 = 0xCB30_63FF;

/// Conditions.
pub(super) const NE: u8 = 1;
pub(super) const HS: u8 = 2;
pub(super) const LO: u8 = 3;
pub(super) const MI: u8 = 4;
pub(super) const PL: u8 = 5;
pub(super) const HI: u8 = 8;
pub(super) const LS: u8 = 9;
pub(super) const LT: u8 = 11;

/// `add`, `adds`, `sub`, `subs`, as [`Word::operation`](super::decode::Word::operation) numbers them.
pub(super) const ADD: u8 = 0;
pub(super) const SUB: u8 = 2;
pub(super) const SUBS: u8 = 3;

/// The width: 32 or 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    W32,
    W64,
}

impl Bits {
    const fn sf(self) -> u32 {
        (matches!(self, Self::W64) as u32) << 31
    }
}

const fn operands(rd: u8, rn: u8, rm: u8) -> u32 {
    (rm as u32) << 16 | (rn as u32) << 5 | rd as u32
}

/// The field of an addition's immediate, or `None` if the value does not fit.
pub(super) const fn immediate(value: u64) -> Option<u32> {
    if value < 1 << 12 {
        Some((value as u32) << 10)
    } else if value < 1 << 24 && value & 0xfff == 0 {
        Some(1 << 22 | (value as u32 >> 12) << 10)
    } else {
        None
    }
}

/// An addition of an immediate, given as its field.
pub(super) const fn add_immediate(op: u8, bits: Bits, rd: u8, rn: u8, field: u32) -> u32 {
    0x1100_0000 | bits.sf() | (op as u32) << 29 | field | operands(rd, rn, 0)
}

/// An addition of registers.
pub(super) const fn add(op: u8, bits: Bits, rd: u8, rn: u8, rm: u8) -> u32 {
    0x0B00_0000 | bits.sf() | (op as u32) << 29 | operands(rd, rn, rm)
}

/// A comparison of registers.
pub(super) const fn compare(bits: Bits, rn: u8, rm: u8) -> u32 {
    add(SUBS, bits, ZERO, rn, rm)
}

/// `orr` of 64-bit registers.
pub(super) const fn or(rd: u8, rn: u8, rm: u8) -> u32 {
    0xAA00_0000 | operands(rd, rn, rm)
}

/// A load or store of an eight-byte field of the context.
pub(super) const fn load_word(rd: u8, offset: u32) -> u32 {
    0xF940_0000 | (offset / 8) << 10 | operands(rd, CONTEXT, 0)
}

pub(super) const fn store_word(rd: u8, offset: u32) -> u32 {
    0xF900_0000 | (offset / 8) << 10 | operands(rd, CONTEXT, 0)
}

/// A load or store of a four-byte field of the context, at an immediate offset.
pub(super) const fn load_half(rd: u8, offset: u32) -> u32 {
    0xB940_0000 | (offset / 4) << 10 | operands(rd, CONTEXT, 0)
}

pub(super) const fn store_half(rd: u8, offset: u32) -> u32 {
    0xB900_0000 | (offset / 4) << 10 | operands(rd, CONTEXT, 0)
}

/// A load or store of a four-byte field of the context, at the offset in a register.
pub(super) const fn load_half_at(rd: u8, index: u8) -> u32 {
    0xB860_6800 | operands(rd, CONTEXT, index)
}

pub(super) const fn store_half_at(rd: u8, index: u8) -> u32 {
    0xB820_6800 | operands(rd, CONTEXT, index)
}

/// `b.cond` over this number of words, including itself.
pub(super) const fn branch_if(condition: u8, words: i32) -> u32 {
    0x5400_0000 | (words as u32 & 0x7_ffff) << 5 | condition as u32
}

/// `b` over this number of words, including itself.
pub(super) const fn branch(words: i32) -> u32 {
    0x1400_0000 | (words as u32 & 0x3ff_ffff)
}

/// `add rd, sp, #immediate`, with the immediate given as its field.
pub(super) const fn slot_address(rd: u8, field: u32) -> u32 {
    add_immediate(ADD, Bits::W64, rd, ZERO, field)
}

/// `add rd, sp, rd`
pub(super) const fn slot_address_at(rd: u8) -> u32 {
    0x8B20_6000 | operands(rd, ZERO, rd)
}

/// `cmp index, x17; csel index, index, x17, lo` with 32-bit registers, which precede a jump table.
pub(super) const fn clamp(index: u8) -> [u32; 2] {
    [
        compare(Bits::W32, index, SECOND),
        0x1A80_0000 | (LO as u32) << 12 | operands(index, index, SECOND),
    ]
}

/// `ldrsw x17, [x16, index, lsl #2]; add x16, x16, x17; br x16`
pub(super) const fn jump(index: u8) -> [u32; 3] {
    [
        0xB8A0_7800 | operands(SECOND, FIRST, index),
        add(ADD, Bits::W64, FIRST, FIRST, SECOND),
        BR,
    ]
}

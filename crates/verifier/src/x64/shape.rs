//! Predicates for the instructions of a sequence.

use super::R15;
use super::instruction::{Instruction, NONE, Place};
use super::table::Op;
use pvf_rules::TrapKind;

pub(super) const BELOW: u8 = 2;
pub(super) const NOT_BELOW: u8 = 3;
pub(super) const EQUAL: u8 = 4;
pub(super) const NOT_EQUAL: u8 = 5;
pub(super) const NOT_ABOVE: u8 = 6;
pub(super) const ABOVE: u8 = 7;
pub(super) const SIGN: u8 = 8;
pub(super) const NOT_SIGN: u8 = 9;
pub(super) const LESS: u8 = 12;

pub(super) fn kind_bit(kind: TrapKind) -> u16 {
    1 << kind.code()
}

pub(super) fn is_branch(it: &Instruction, condition: u8) -> bool {
    it.op == Op::Jcc && it.condition == condition
}

pub(super) fn is_alu(it: &Instruction) -> bool {
    it.to == Place::Register && it.from == Place::Immediate
}

/// An operation on this register.
pub(super) fn is_on(it: &Instruction, op: Op, size: u8, a: u8) -> bool {
    it.op == op && it.size == size && it.to == Place::Register && it.a == a
}

pub(super) fn is_imm(it: &Instruction, op: Op, size: u8, a: u8, imm: i64) -> bool {
    is_on(it, op, size, a) && it.from == Place::Immediate && it.imm == imm
}

pub(super) fn is_registers(it: &Instruction, op: Op, size: u8, a: u8, b: u8) -> bool {
    is_on(it, op, size, a) && it.from == Place::Register && it.b == b
}

/// A `mov` of a constant into this register.
pub(super) fn is_constant(it: &Instruction, a: u8) -> bool {
    it.op == Op::Mov && it.to == Place::Register && it.from == Place::Immediate && it.a == a
}

/// An operand in memory without an index.
pub(super) fn is_place(it: &Instruction, size: u8, base: u8, disp: i32) -> bool {
    it.has_memory() && it.size == size && (it.base, it.index, it.disp) == (base, NONE, disp)
}

/// A field of a table entry.
pub(super) fn is_entry(it: &Instruction, index: u8, disp: i32) -> bool {
    it.to == Place::Memory
        && index != NONE
        && (it.base, it.index, it.scale, it.disp) == (R15, index, 1, disp)
}

pub(super) fn is_load(it: &Instruction, op: Op, size: u8, a: u8, base: u8, disp: i32) -> bool {
    is_on(it, op, size, a) && it.from == Place::Memory && is_place(it, size, base, disp)
}

pub(super) fn is_store(it: &Instruction, size: u8, base: u8, disp: i32, b: u8) -> bool {
    it.op == Op::Mov
        && it.to == Place::Memory
        && it.from == Place::Register
        && it.b == b
        && is_place(it, size, base, disp)
}

/// A change of a field of the context by a constant.
pub(super) fn is_change(it: &Instruction, op: Op, size: u8, disp: i32, imm: i64) -> bool {
    it.op == op
        && it.to == Place::Memory
        && it.from == Place::Immediate
        && it.imm == imm
        && is_place(it, size, R15, disp)
}

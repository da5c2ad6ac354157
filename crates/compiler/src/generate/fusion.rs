//! Fusion of an operation with the one that uses its value, into one instruction of the machine: of a load with
//! arithmetic or a comparison, of a shift with a sum, of two shifts to a rotation.
//!
//! Only instructions directly after the first are fused, and of these only a load can trap, so the order of effects
//! stays. A charge between the two would be an instruction of its own, which ends the attempt.

use super::Generator;
use super::operators::{int_type, is_condition};
use super::state::{Location, Operand};
use crate::analysis::TRACKED_LOCALS;
use crate::instruction::Instruction;
use crate::isa::masm::{
    Access, Address, Class, Condition, IntBinary, MacroAssembler, Source, Width,
};
use crate::types::ValType;

impl<M: MacroAssembler> Generator<'_, M> {
    /// Translates a load together with what follows, if the two fit; `self.rest` is then after both. The
    /// operand of the load has been popped.
    pub(super) fn fuse_load(&mut self, ty: ValType, access: Access, address: Address) -> bool {
        let whole = whole(ty, access);
        match self.next() {
            Instruction::IntBinary(op, width) if whole == Some(width) && has_memory_form(op) => {
                self.binary_with_load(op, width, ty, access, address)
            }
            Instruction::Compare(width, condition) if whole == Some(width) => {
                self.compare_with_load(width, condition, access, address)
            }
            Instruction::Const(_, bits) => match self.following(1) {
                Instruction::Compare(width, condition) => {
                    self.compare_load(width, condition, (ty, access), address, bits)
                }
                _ => false,
            },
            Instruction::EqualZero(_) => {
                self.masm.compare_memory(access, address, 0);
                self.pass_over();
                self.state
                    .push(ValType::I32, Location::Flags(Condition::Equal));
                true
            }
            next if ty == ValType::I32 && is_condition(next) => {
                self.masm.compare_memory(access, address, 0);
                self.state
                    .push(ValType::I32, Location::Flags(Condition::NotEqual));
                true
            }
            _ => false,
        }
    }

    /// `left op load`.
    fn binary_with_load(
        &mut self,
        op: IntBinary,
        width: Width,
        ty: ValType,
        access: Access,
        address: Address,
    ) -> bool {
        if self.top_is_constant() {
            return false;
        }
        self.pass_over();
        let left = self.state.pop();
        let left = self.read(left);
        let dst = self.result(Class::General, &[left]);
        if address.index == Some(dst) && dst != left {
            // The index must not be overwritten before it was used.
            self.masm.load(access, dst, address);
            self.masm.int_binary(op, width, dst, left, Source::Reg(dst));
        } else {
            self.masm.int_binary_memory(op, width, dst, left, address);
        }
        self.push_register(ty, dst);
        true
    }

    /// Compares `left` with the loaded value.
    fn compare_with_load(
        &mut self,
        width: Width,
        condition: Condition,
        access: Access,
        address: Address,
    ) -> bool {
        let constant = self
            .state
            .operands
            .last()
            .and_then(|left| self.constant(left));
        let condition = match constant {
            Some(bits) => match u32::try_from(bits) {
                Ok(bits) if is_immediate(width, bits) => {
                    self.state.pop();
                    self.masm.compare_memory(access, address, bits);
                    condition.swapped()
                }
                _ => return false,
            },
            None => {
                let left = self.state.pop();
                let left = self.read(left);
                self.masm.compare_with_memory(width, left, address);
                condition
            }
        };
        self.pass_over();
        self.state.push(ValType::I32, Location::Flags(condition));
        true
    }

    /// Compares the loaded value with a constant.
    fn compare_load(
        &mut self,
        width: Width,
        condition: Condition,
        (ty, access): (ValType, Access),
        address: Address,
        bits: u32,
    ) -> bool {
        let condition = if whole(ty, access) == Some(width) {
            match is_immediate(width, bits) {
                true => condition,
                false => return false,
            }
        } else {
            // Both are the narrow type's numbers, which unsigned conditions order the same.
            match access {
                Access::Bits8 { signed: None } if bits <= 0xff => condition.unsigned(),
                Access::Bits16 { signed: None } if bits <= 0xffff => condition.unsigned(),
                _ => return false,
            }
        };
        self.pass_over();
        self.pass_over();
        self.masm.compare_memory(access, address, bits);
        self.state.push(ValType::I32, Location::Flags(condition));
        true
    }

    /// `local = other + constant` between a comparison and the branch that uses its condition, which waits on top of the
    /// stack: all of it are moves, so the flags stay. `instruction` is the first one behind the comparison.
    pub(super) fn add_below_flags(&mut self, instruction: Instruction) -> bool {
        let (
            Instruction::LocalGet(from),
            Instruction::Const(..) | Instruction::WideConst(..),
            Instruction::IntBinary(IntBinary::Add, width),
            Instruction::LocalSet(to),
        ) = (
            instruction,
            self.following(0),
            self.following(1),
            self.following(2),
        )
        else {
            return false;
        };
        if !is_condition(self.following(3)) || from.max(to) >= TRACKED_LOCALS {
            return false;
        }
        let constant = match self.following(0) {
            Instruction::Const(_, bits) => u64::from(bits),
            Instruction::WideConst(_, number) => self.analysis.code.constant(number),
            _ => return false,
        };
        let condition = self.state.pop();
        self.local_get(from);
        let from = self.state.pop();
        let from = self.read(from);
        self.pass_over();
        self.pass_over();
        let dst = self.result(Class::General, &[from]);
        self.masm.move_sum(width, dst, from, constant);
        self.push_register(int_type(width), dst);
        self.state.end_operator();
        self.pass_over();
        self.local_set(to);
        self.state.end_operator();
        self.state.push(ValType::I32, condition.location);
        #[cfg(debug_assertions)]
        self.check();
        true
    }

    /// A left shift by a constant together with the sum that it is a part of, if the machine has one instruction for
    /// both. The operands of the shift have been popped; `shifted` is the first.
    pub(super) fn scaled_sum(
        &mut self,
        op: IntBinary,
        width: Width,
        shifted: Operand,
        by: u64,
    ) -> bool {
        if !M::SCALED_SUMS || op != IntBinary::Shl || !matches!(by, 1..=3) {
            return false;
        }
        let sum = Instruction::IntBinary(IntBinary::Add, width);
        let other_read = match self.next() {
            Instruction::LocalGet(local) if self.following(1) == sum => {
                if local >= TRACKED_LOCALS || self.state.constant.contains(local) {
                    return false;
                }
                Some(local)
            }
            next if next == sum && !self.top_is_constant() => None,
            _ => return false,
        };
        if self.constant(&shifted).is_some() {
            return false;
        }
        // Before the other read, which may be the last one of the same local.
        let shifted = self.read(shifted);
        if let Some(local) = other_read {
            self.pass_over();
            self.local_get(local);
        }
        self.pass_over();
        let other = self.state.pop();
        let other = self.read(other);
        let dst = self.result(Class::General, &[shifted, other]);
        self.masm.scaled_sum(width, dst, other, shifted, by as u8);
        self.push_register(int_type(width), dst);
        true
    }

    /// Two shifts of one local in opposite directions, by constants that add up to its bits, and the `or` of both: a
    /// rotation, as compilers other than LLVM write it. The operands of the first shift have been popped; `shifted` is
    /// the first.
    #[inline(never)]
    pub(super) fn rotation(
        &mut self,
        op: IntBinary,
        width: Width,
        shifted: Operand,
        by: u64,
    ) -> bool {
        let Location::Local(local) = shifted.location else {
            return false;
        };
        if self.next() != Instruction::LocalGet(local) {
            return false;
        }
        let other = match op {
            IntBinary::Shl => IntBinary::ShrU,
            _ => IntBinary::Shl,
        };
        let bits = u64::from(width.bits());
        let Instruction::Const(_, rest) = self.following(1) else {
            return false;
        };
        if !(1..bits).contains(&by)
            || by + u64::from(rest) != bits
            || self.following(2) != Instruction::IntBinary(other, width)
            || self.following(3) != Instruction::IntBinary(IntBinary::Or, width)
        {
            return false;
        }
        self.pass_over();
        self.local_get(local);
        for _ in 0..3 {
            self.pass_over();
        }
        let operand = self.state.pop();
        let src = self.read(operand);
        let dst = self.result(Class::General, &[src]);
        let left = match op {
            IntBinary::Shl => by,
            _ => bits - by,
        };
        self.masm
            .int_binary(IntBinary::Rotl, width, dst, src, Source::Const(left));
        self.push_register(int_type(width), dst);
        true
    }

    fn top_is_constant(&self) -> bool {
        let top = self.state.operands.last();
        top.is_some_and(|operand| self.constant(operand).is_some())
    }
}

/// The width of an access that loads all bits of its type.
fn whole(ty: ValType, access: Access) -> Option<Width> {
    match (ty, access) {
        (ValType::I32, Access::Bits32 { .. }) => Some(Width::W32),
        (ValType::I64, Access::Bits64) => Some(Width::W64),
        _ => None,
    }
}

/// Whether the constant is an immediate of a comparison: 32 bits, sign-extended.
fn is_immediate(width: Width, bits: u32) -> bool {
    width == Width::W32 || bits <= i32::MAX as u32
}

fn has_memory_form(op: IntBinary) -> bool {
    matches!(
        op,
        IntBinary::Add
            | IntBinary::Sub
            | IntBinary::And
            | IntBinary::Or
            | IntBinary::Xor
            | IntBinary::Mul
    )
}

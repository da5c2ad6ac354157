//! Fusion of a load with the operation that uses its value, into one instruction of the machine.
//!
//! Only instructions directly after the load are fused, and of these only the load can trap, so the order of effects
//! stays. A charge between the two would be an instruction of its own, which ends the attempt.

use super::Generator;
use super::operators::is_condition;
use super::state::Location;
use crate::instruction::Instruction;
use crate::isa::masm::{
    Access, Address, Class, Condition, IntBinary, MacroAssembler, Source, Width,
};
use crate::types::ValType;

impl<M: MacroAssembler> Generator<'_, M> {
    /// Translates a load together with what follows, if the two fit; `self.rest` is then behind both. The
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

    /// `left` compared with what is loaded.
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

    /// What is loaded compared with a constant.
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

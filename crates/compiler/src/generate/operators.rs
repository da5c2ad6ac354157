//! The operators: from each to what it asks of the target.

use super::Generator;
use super::registers::{set_by, width};
use super::state::{Location, Operand};
use crate::abi::{Builtin, ContextLayout};
use crate::analysis::TRACKED_LOCALS;
use crate::artifact::ValType;
use crate::target::masm::{
    Access, Address, Class, Condition, Conversion, Division, FloatBinary, FloatUnary, IntBinary,
    IntUnary, MacroAssembler, Reg, RegSet, Source, Width,
};
use ValType::{F32, F64, I32, I64};
use Width::{W32, W64};
use wasmparser::{MemArg, Operator};

/// Local reads that may wait on the operand stack; older ones go home, so that a write
/// to a local need not search the whole stack for them.
pub(super) const WAITING_READS: u32 = 32;

/// The operator that follows, to see what becomes of a result.
type Next<'o> = Option<&'o Operator<'o>>;

impl<M: MacroAssembler> Generator<'_, M> {
    #[rustfmt::skip]
    pub(super) fn translate(&mut self, operator: &Operator<'_>, next: Next<'_>) {
        use Operator as O;
        let signed = |width| Some(width);
        match *operator {
            O::Nop => {}
            O::Unreachable => self.unreachable(),
            O::Block { blockty } => self.block(blockty),
            O::Loop { blockty } => self.loop_block(blockty),
            O::If { blockty } => self.if_block(blockty),
            O::Else => self.else_branch(),
            O::End => self.end(),
            O::Br { relative_depth } => self.br(relative_depth),
            O::BrIf { relative_depth } => self.br_if(relative_depth),
            O::BrTable { ref targets } => self.br_table(targets),
            O::Return => self.return_early(),
            O::Call { function_index } => self.call(function_index),
            O::CallIndirect { type_index, .. } => self.call_indirect(type_index),
            O::Drop => { self.state.pop(); }
            O::Select => self.select(next),

            O::LocalGet { local_index } => self.local_get(local_index),
            O::LocalSet { local_index } => self.local_set(local_index),
            O::LocalTee { local_index } => self.local_tee(local_index),
            O::GlobalGet { global_index } => self.global_get(global_index, next),
            O::GlobalSet { global_index } => self.global_set(global_index),

            O::I32Const { value } => self.state.push(I32, Location::Const(value as u32 as u64)),
            O::I64Const { value } => self.state.push(I64, Location::Const(value as u64)),
            O::F32Const { value } => self.state.push(F32, Location::Const(u64::from(value.bits()))),
            O::F64Const { value } => self.state.push(F64, Location::Const(value.bits())),

            O::I32Load { memarg } => self.load(I32, Access::Bits32 { signed: None }, memarg, next),
            O::I64Load { memarg } => self.load(I64, Access::Bits64, memarg, next),
            O::F32Load { memarg } => self.load(F32, Access::F32, memarg, next),
            O::F64Load { memarg } => self.load(F64, Access::F64, memarg, next),
            O::I32Load8S { memarg } => self.load(I32, Access::Bits8 { signed: signed(W32) }, memarg, next),
            O::I32Load8U { memarg } => self.load(I32, Access::Bits8 { signed: None }, memarg, next),
            O::I32Load16S { memarg } => self.load(I32, Access::Bits16 { signed: signed(W32) }, memarg, next),
            O::I32Load16U { memarg } => self.load(I32, Access::Bits16 { signed: None }, memarg, next),
            O::I64Load8S { memarg } => self.load(I64, Access::Bits8 { signed: signed(W64) }, memarg, next),
            O::I64Load8U { memarg } => self.load(I64, Access::Bits8 { signed: None }, memarg, next),
            O::I64Load16S { memarg } => self.load(I64, Access::Bits16 { signed: signed(W64) }, memarg, next),
            O::I64Load16U { memarg } => self.load(I64, Access::Bits16 { signed: None }, memarg, next),
            O::I64Load32S { memarg } => self.load(I64, Access::Bits32 { signed: signed(W64) }, memarg, next),
            O::I64Load32U { memarg } => self.load(I64, Access::Bits32 { signed: None }, memarg, next),
            O::I32Store { memarg } | O::I64Store32 { memarg } => {
                self.store(Access::Bits32 { signed: None }, memarg);
            }
            O::I32Store8 { memarg } | O::I64Store8 { memarg } => {
                self.store(Access::Bits8 { signed: None }, memarg);
            }
            O::I32Store16 { memarg } | O::I64Store16 { memarg } => {
                self.store(Access::Bits16 { signed: None }, memarg);
            }
            O::I64Store { memarg } => self.store(Access::Bits64, memarg),
            O::F32Store { memarg } => self.store(Access::F32, memarg),
            O::F64Store { memarg } => self.store(Access::F64, memarg),
            O::MemorySize { .. } => {
                let register = self.result(Class::General, &[], next);
                self.masm.memory_size(register);
                self.push_register(I32, register);
            }
            O::MemoryGrow { .. } => self.memory_grow(),
            O::MemoryInit { data_index, .. } => self.call_builtin(Builtin::MemoryInit, Some(data_index)),
            O::MemoryCopy { .. } => self.call_builtin(Builtin::MemoryCopy, None),
            O::MemoryFill { .. } => self.call_builtin(Builtin::MemoryFill, None),
            O::DataDrop { data_index } => self.call_builtin(Builtin::DataDrop, Some(data_index)),
            O::TableInit { elem_index, .. } => self.call_builtin(Builtin::TableInit, Some(elem_index)),
            O::TableCopy { .. } => self.call_builtin(Builtin::TableCopy, None),
            O::ElemDrop { elem_index } => self.call_builtin(Builtin::ElemDrop, Some(elem_index)),

            O::I32Eqz => self.equal_zero(W32),
            O::I64Eqz => self.equal_zero(W64),
            O::I32Eq => self.compare(W32, Condition::Equal),
            O::I32Ne => self.compare(W32, Condition::NotEqual),
            O::I32LtS => self.compare(W32, Condition::LessSigned),
            O::I32LtU => self.compare(W32, Condition::LessUnsigned),
            O::I32GtS => self.compare(W32, Condition::GreaterSigned),
            O::I32GtU => self.compare(W32, Condition::GreaterUnsigned),
            O::I32LeS => self.compare(W32, Condition::LessEqualSigned),
            O::I32LeU => self.compare(W32, Condition::LessEqualUnsigned),
            O::I32GeS => self.compare(W32, Condition::GreaterEqualSigned),
            O::I32GeU => self.compare(W32, Condition::GreaterEqualUnsigned),
            O::I64Eq => self.compare(W64, Condition::Equal),
            O::I64Ne => self.compare(W64, Condition::NotEqual),
            O::I64LtS => self.compare(W64, Condition::LessSigned),
            O::I64LtU => self.compare(W64, Condition::LessUnsigned),
            O::I64GtS => self.compare(W64, Condition::GreaterSigned),
            O::I64GtU => self.compare(W64, Condition::GreaterUnsigned),
            O::I64LeS => self.compare(W64, Condition::LessEqualSigned),
            O::I64LeU => self.compare(W64, Condition::LessEqualUnsigned),
            O::I64GeS => self.compare(W64, Condition::GreaterEqualSigned),
            O::I64GeU => self.compare(W64, Condition::GreaterEqualUnsigned),
            O::F32Eq => self.float_compare(W32, Condition::FloatEqual, false),
            O::F32Ne => self.float_compare(W32, Condition::FloatNotEqual, false),
            O::F32Lt => self.float_compare(W32, Condition::FloatGreater, true),
            O::F32Gt => self.float_compare(W32, Condition::FloatGreater, false),
            O::F32Le => self.float_compare(W32, Condition::FloatGreaterEqual, true),
            O::F32Ge => self.float_compare(W32, Condition::FloatGreaterEqual, false),
            O::F64Eq => self.float_compare(W64, Condition::FloatEqual, false),
            O::F64Ne => self.float_compare(W64, Condition::FloatNotEqual, false),
            O::F64Lt => self.float_compare(W64, Condition::FloatGreater, true),
            O::F64Gt => self.float_compare(W64, Condition::FloatGreater, false),
            O::F64Le => self.float_compare(W64, Condition::FloatGreaterEqual, true),
            O::F64Ge => self.float_compare(W64, Condition::FloatGreaterEqual, false),

            O::I32Clz => self.int_unary(IntUnary::Clz, W32, I32, next),
            O::I32Ctz => self.int_unary(IntUnary::Ctz, W32, I32, next),
            O::I32Popcnt => self.int_unary(IntUnary::Popcnt, W32, I32, next),
            O::I64Clz => self.int_unary(IntUnary::Clz, W64, I64, next),
            O::I64Ctz => self.int_unary(IntUnary::Ctz, W64, I64, next),
            O::I64Popcnt => self.int_unary(IntUnary::Popcnt, W64, I64, next),
            O::I32Extend8S => self.int_unary(IntUnary::Extend8S, W32, I32, next),
            O::I32Extend16S => self.int_unary(IntUnary::Extend16S, W32, I32, next),
            O::I64Extend8S => self.int_unary(IntUnary::Extend8S, W64, I64, next),
            O::I64Extend16S => self.int_unary(IntUnary::Extend16S, W64, I64, next),
            O::I64Extend32S | O::I64ExtendI32S => self.int_unary(IntUnary::Extend32S, W64, I64, next),
            O::I64ExtendI32U => self.extend_unsigned(next),
            O::I32WrapI64 => self.int_unary(IntUnary::Wrap, W32, I32, next),

            O::I32Add => self.int_binary(IntBinary::Add, W32, I32, next),
            O::I32Sub => self.int_binary(IntBinary::Sub, W32, I32, next),
            O::I32Mul => self.int_binary(IntBinary::Mul, W32, I32, next),
            O::I32And => self.int_binary(IntBinary::And, W32, I32, next),
            O::I32Or => self.int_binary(IntBinary::Or, W32, I32, next),
            O::I32Xor => self.int_binary(IntBinary::Xor, W32, I32, next),
            O::I32Shl => self.int_binary(IntBinary::Shl, W32, I32, next),
            O::I32ShrS => self.int_binary(IntBinary::ShrS, W32, I32, next),
            O::I32ShrU => self.int_binary(IntBinary::ShrU, W32, I32, next),
            O::I32Rotl => self.int_binary(IntBinary::Rotl, W32, I32, next),
            O::I32Rotr => self.int_binary(IntBinary::Rotr, W32, I32, next),
            O::I64Add => self.int_binary(IntBinary::Add, W64, I64, next),
            O::I64Sub => self.int_binary(IntBinary::Sub, W64, I64, next),
            O::I64Mul => self.int_binary(IntBinary::Mul, W64, I64, next),
            O::I64And => self.int_binary(IntBinary::And, W64, I64, next),
            O::I64Or => self.int_binary(IntBinary::Or, W64, I64, next),
            O::I64Xor => self.int_binary(IntBinary::Xor, W64, I64, next),
            O::I64Shl => self.int_binary(IntBinary::Shl, W64, I64, next),
            O::I64ShrS => self.int_binary(IntBinary::ShrS, W64, I64, next),
            O::I64ShrU => self.int_binary(IntBinary::ShrU, W64, I64, next),
            O::I64Rotl => self.int_binary(IntBinary::Rotl, W64, I64, next),
            O::I64Rotr => self.int_binary(IntBinary::Rotr, W64, I64, next),
            O::I32DivS => self.divide(Division::DivS, W32, I32, next),
            O::I32DivU => self.divide(Division::DivU, W32, I32, next),
            O::I32RemS => self.divide(Division::RemS, W32, I32, next),
            O::I32RemU => self.divide(Division::RemU, W32, I32, next),
            O::I64DivS => self.divide(Division::DivS, W64, I64, next),
            O::I64DivU => self.divide(Division::DivU, W64, I64, next),
            O::I64RemS => self.divide(Division::RemS, W64, I64, next),
            O::I64RemU => self.divide(Division::RemU, W64, I64, next),

            O::F32Abs => self.float_unary(FloatUnary::Abs, F32, next),
            O::F32Neg => self.float_unary(FloatUnary::Neg, F32, next),
            O::F32Ceil => self.float_unary(FloatUnary::Ceil, F32, next),
            O::F32Floor => self.float_unary(FloatUnary::Floor, F32, next),
            O::F32Trunc => self.float_unary(FloatUnary::Trunc, F32, next),
            O::F32Nearest => self.float_unary(FloatUnary::Nearest, F32, next),
            O::F32Sqrt => self.float_unary(FloatUnary::Sqrt, F32, next),
            O::F64Abs => self.float_unary(FloatUnary::Abs, F64, next),
            O::F64Neg => self.float_unary(FloatUnary::Neg, F64, next),
            O::F64Ceil => self.float_unary(FloatUnary::Ceil, F64, next),
            O::F64Floor => self.float_unary(FloatUnary::Floor, F64, next),
            O::F64Trunc => self.float_unary(FloatUnary::Trunc, F64, next),
            O::F64Nearest => self.float_unary(FloatUnary::Nearest, F64, next),
            O::F64Sqrt => self.float_unary(FloatUnary::Sqrt, F64, next),
            O::F32Add => self.float_binary(FloatBinary::Add, F32, next),
            O::F32Sub => self.float_binary(FloatBinary::Sub, F32, next),
            O::F32Mul => self.float_binary(FloatBinary::Mul, F32, next),
            O::F32Div => self.float_binary(FloatBinary::Div, F32, next),
            O::F32Min => self.float_binary(FloatBinary::Min, F32, next),
            O::F32Max => self.float_binary(FloatBinary::Max, F32, next),
            O::F32Copysign => self.float_binary(FloatBinary::Copysign, F32, next),
            O::F64Add => self.float_binary(FloatBinary::Add, F64, next),
            O::F64Sub => self.float_binary(FloatBinary::Sub, F64, next),
            O::F64Mul => self.float_binary(FloatBinary::Mul, F64, next),
            O::F64Div => self.float_binary(FloatBinary::Div, F64, next),
            O::F64Min => self.float_binary(FloatBinary::Min, F64, next),
            O::F64Max => self.float_binary(FloatBinary::Max, F64, next),
            O::F64Copysign => self.float_binary(FloatBinary::Copysign, F64, next),

            O::I32TruncF32S => self.convert(Conversion::Truncate { from: W32, to: W32, signed: true }, I32, next),
            O::I32TruncF32U => self.convert(Conversion::Truncate { from: W32, to: W32, signed: false }, I32, next),
            O::I32TruncF64S => self.convert(Conversion::Truncate { from: W64, to: W32, signed: true }, I32, next),
            O::I32TruncF64U => self.convert(Conversion::Truncate { from: W64, to: W32, signed: false }, I32, next),
            O::I64TruncF32S => self.convert(Conversion::Truncate { from: W32, to: W64, signed: true }, I64, next),
            O::I64TruncF32U => self.convert(Conversion::Truncate { from: W32, to: W64, signed: false }, I64, next),
            O::I64TruncF64S => self.convert(Conversion::Truncate { from: W64, to: W64, signed: true }, I64, next),
            O::I64TruncF64U => self.convert(Conversion::Truncate { from: W64, to: W64, signed: false }, I64, next),
            O::I32TruncSatF32S => self.convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: true }, I32, next),
            O::I32TruncSatF32U => self.convert(Conversion::TruncateSaturating { from: W32, to: W32, signed: false }, I32, next),
            O::I32TruncSatF64S => self.convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: true }, I32, next),
            O::I32TruncSatF64U => self.convert(Conversion::TruncateSaturating { from: W64, to: W32, signed: false }, I32, next),
            O::I64TruncSatF32S => self.convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: true }, I64, next),
            O::I64TruncSatF32U => self.convert(Conversion::TruncateSaturating { from: W32, to: W64, signed: false }, I64, next),
            O::I64TruncSatF64S => self.convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: true }, I64, next),
            O::I64TruncSatF64U => self.convert(Conversion::TruncateSaturating { from: W64, to: W64, signed: false }, I64, next),
            O::F32ConvertI32S => self.convert(Conversion::Convert { from: W32, to: W32, signed: true }, F32, next),
            O::F32ConvertI32U => self.convert(Conversion::Convert { from: W32, to: W32, signed: false }, F32, next),
            O::F32ConvertI64S => self.convert(Conversion::Convert { from: W64, to: W32, signed: true }, F32, next),
            O::F32ConvertI64U => self.convert(Conversion::Convert { from: W64, to: W32, signed: false }, F32, next),
            O::F64ConvertI32S => self.convert(Conversion::Convert { from: W32, to: W64, signed: true }, F64, next),
            O::F64ConvertI32U => self.convert(Conversion::Convert { from: W32, to: W64, signed: false }, F64, next),
            O::F64ConvertI64S => self.convert(Conversion::Convert { from: W64, to: W64, signed: true }, F64, next),
            O::F64ConvertI64U => self.convert(Conversion::Convert { from: W64, to: W64, signed: false }, F64, next),
            O::F32DemoteF64 => self.convert(Conversion::Demote, F32, next),
            O::F64PromoteF32 => self.convert(Conversion::Promote, F64, next),
            O::I32ReinterpretF32 => self.convert(Conversion::ReinterpretToInt(W32), I32, next),
            O::I64ReinterpretF64 => self.convert(Conversion::ReinterpretToInt(W64), I64, next),
            O::F32ReinterpretI32 => self.convert(Conversion::ReinterpretToFloat(W32), F32, next),
            O::F64ReinterpretI64 => self.convert(Conversion::ReinterpretToFloat(W64), F64, next),
            ref other => unreachable!("pass 1 rejects what is not accepted: {other:?}"),
        }
    }

    // Locals and globals.

    /// Whether pass 1 found the value of this access dead: after a read, or after a write.
    fn access_is_dead(&mut self) -> bool {
        let dead = self.analysis.dead[self.next_access];
        self.next_access += 1;
        dead
    }

    fn local_get(&mut self, local: u32) {
        let dead = self.access_is_dead();
        let ty = self.analysis.locals[local as usize];
        if local >= TRACKED_LOCALS {
            let register = self.allocate(ty.class(), None);
            self.masm.load_slot(ty, register, self.local_slot(local));
            return self.push_register(ty, register);
        }
        let at = local as usize;
        if self.state.constant.contains(local) {
            return self
                .state
                .push(ty, Location::Const(self.state.constants[at]));
        }
        match self.state.register[at] {
            Some(register) if dead && self.state.references[at] == 0 => {
                self.state.register[at] = None;
                self.push_register(ty, register);
            }
            _ => {
                self.state.push(ty, Location::Local(local));
                if let Some(operand) = self.state.operands.last_mut() {
                    operand.last_use = dead;
                }
            }
        }
        if let Some(old) = self.state.height().checked_sub(WAITING_READS + 1)
            && matches!(
                self.state.operands[old as usize].location,
                Location::Local(_)
            )
        {
            self.settle_operand(old);
        }
    }

    fn local_set(&mut self, local: u32) {
        let dead = self.access_is_dead();
        let operand = self.pop_visible();
        if local >= TRACKED_LOCALS {
            return self.set_untracked(local, operand);
        }
        self.assign(local, operand, dead);
    }

    fn local_tee(&mut self, local: u32) {
        let dead = self.access_is_dead();
        let operand = self.pop_visible();
        let ty = operand.ty;
        if local >= TRACKED_LOCALS {
            let register = self.own(operand);
            self.masm.store_slot(ty, self.local_slot(local), register);
            return self.push_register(ty, register);
        }
        if dead {
            let register = self.own(operand);
            self.release_waiting(local);
            self.forget(local);
            return self.push_register(ty, register);
        }
        self.assign(local, operand, false);
        let location = match self.state.constant.contains(local) {
            true => Location::Const(self.state.constants[local as usize]),
            false => Location::Local(local),
        };
        self.state.push(ty, location);
    }

    fn set_untracked(&mut self, local: u32, operand: Operand) {
        let slot = self.local_slot(local);
        match self.constant(&operand) {
            Some(bits) => self.masm.store_slot_const(operand.ty, slot, bits),
            None => {
                let register = self.read(operand);
                self.masm.store_slot(operand.ty, slot, register);
            }
        }
    }

    /// The local has no value any more.
    fn forget(&mut self, local: u32) {
        self.state.unbind_local(local);
        self.state.constant.remove(local);
        self.state.home.remove(local);
    }

    /// The popped operand becomes the local's value.
    fn assign(&mut self, local: u32, operand: Operand, dead: bool) {
        if operand.location == Location::Local(local) {
            return;
        }
        self.release_waiting(local);
        if dead {
            return self.forget(local);
        }
        if let Some(bits) = self.constant(&operand) {
            self.forget(local);
            self.state.constant.insert(local);
            self.state.constants[local as usize] = bits;
            return;
        }
        let register = match operand.location {
            Location::Reg(register) => register,
            _ => {
                let source = self.read(operand);
                if self.state.temporaries.contains(source) {
                    source
                } else {
                    // Another local's register: a copy, best where this local was.
                    let hint = self.state.register[local as usize];
                    self.forget(local);
                    let hint = hint.or(self.state.preferred[local as usize]);
                    let own = self.allocate(operand.ty.class(), hint);
                    self.masm.move_register(operand.ty, own, source);
                    own
                }
            }
        };
        self.forget(local);
        self.state.bind_local(local, register);
    }

    /// Operands that wait to read the local read it now.
    fn release_waiting(&mut self, local: u32) {
        let mut position = self.state.operands.len();
        while self.state.references[local as usize] > 0 {
            position -= 1;
            if self.state.operands[position].location != Location::Local(local) {
                continue;
            }
            let operand = self.state.operands[position];
            if self.state.references[local as usize] == 1
                && let Some(register) = self.state.register[local as usize].take()
            {
                // The last of them takes the register itself.
                self.state.references[local as usize] = 0;
                self.state
                    .give(register, super::state::Owner::Operand(position as u32));
                self.state.operands[position].location = Location::Reg(register);
                self.state.home.remove(local);
                return;
            }
            let own = self.allocate(operand.ty.class(), None);
            match self.state.register[local as usize] {
                Some(register) => self.masm.move_register(operand.ty, own, register),
                None => self.masm.load_slot(operand.ty, own, self.local_slot(local)),
            }
            self.state.references[local as usize] -= 1;
            self.state
                .give(own, super::state::Owner::Operand(position as u32));
            self.state.operands[position].location = Location::Reg(own);
        }
    }

    fn global_get(&mut self, global: u32, next: Next<'_>) {
        let ty = self.context.module.info.globals[global as usize].ty.value;
        let register = self.result(ty.class(), &[], next);
        self.masm
            .load_context(ty, register, ContextLayout::global(global));
        self.push_register(ty, register);
    }

    fn global_set(&mut self, global: u32) {
        let operand = self.pop_visible();
        let source = match self.constant(&operand) {
            Some(bits) => Source::Const(bits),
            None => Source::Reg(self.read(operand)),
        };
        self.masm
            .store_context(operand.ty, ContextLayout::global(global), source);
    }

    // Linear memory.

    fn memory_grow(&mut self) {
        if self.context.memory_grow != 0 {
            let pages = self.state.pop();
            let register = self.read(pages);
            self.masm.charge_gas_for(register, self.context.memory_grow);
            self.push_register_of(pages, register);
        }
        self.call_builtin(Builtin::MemoryGrow, None);
    }

    /// Pushes an operand back that was popped to be read; a register is its own or a local's.
    fn push_register_of(&mut self, operand: Operand, register: Reg) {
        let location = match operand.location {
            Location::Local(_) | Location::Const(_) => operand.location,
            _ => Location::Reg(register),
        };
        self.state.push(operand.ty, location);
    }

    fn address(&mut self, operand: Operand, memarg: MemArg) -> Address {
        match self.constant(&operand) {
            Some(bits) => Address {
                index: None,
                offset: bits + memarg.offset,
            },
            None => Address {
                index: Some(self.read(operand)),
                offset: memarg.offset,
            },
        }
    }

    fn load(&mut self, ty: ValType, access: Access, memarg: MemArg, next: Next<'_>) {
        let operand = self.state.pop();
        let address = self.address(operand, memarg);
        let dst = match address.index {
            Some(index) => self.result(ty.class(), &[index], next),
            None => self.result(ty.class(), &[], next),
        };
        self.masm.load(access, dst, address);
        self.push_register(ty, dst);
    }

    fn store(&mut self, access: Access, memarg: MemArg) {
        let value = self.pop_visible();
        let operand = self.state.pop();
        let source = match self.constant(&value) {
            Some(bits) => Source::Const(bits),
            None => Source::Reg(self.read(value)),
        };
        let address = self.address(operand, memarg);
        self.masm.store(access, address, source);
    }

    // Integers.

    fn int_binary(&mut self, op: IntBinary, width: Width, ty: ValType, next: Next<'_>) {
        let mut b = self.state.pop();
        let mut a = self.state.pop();
        if op.commutes() && self.constant(&a).is_some() {
            std::mem::swap(&mut a, &mut b);
        }
        let left = self.read(a);
        let right = self.source(b);
        if op == IntBinary::And && ty == I32 && is_condition(next) {
            self.masm.test(width, left, right);
            return self.state.push(I32, Location::Flags(Condition::NotEqual));
        }
        let dst = match right {
            Source::Reg(right) if op.commutes() => {
                self.result(Class::General, &[left, right], next)
            }
            _ => self.result(Class::General, &[left], next),
        };
        self.masm.int_binary(op, width, dst, left, right);
        self.push_register(ty, dst);
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, ty: ValType, next: Next<'_>) {
        let operand = self.state.pop();
        let src = self.read(operand);
        let dst = self.result(Class::General, &[src], next);
        self.masm.int_unary(op, width, dst, src);
        self.push_register(ty, dst);
    }

    /// An `i32` is held zero-extended already.
    fn extend_unsigned(&mut self, next: Next<'_>) {
        let operand = self.state.pop();
        if let Some(bits) = self.constant(&operand) {
            return self.state.push(I64, Location::Const(bits));
        }
        let src = self.read(operand);
        if self.state.temporaries.contains(src) && set_by(next).is_none() {
            return self.push_register(I64, src);
        }
        let dst = self.result(Class::General, &[src], next);
        self.masm.move_register(I32, dst, src);
        self.push_register(I64, dst);
    }

    fn divide(&mut self, op: Division, width: Width, ty: ValType, next: Next<'_>) {
        let b = self.state.pop();
        let a = self.state.pop();
        if let Some(divisor) = self.constant(&b)
            && divisor.is_power_of_two()
            && matches!(op, Division::DivU | Division::RemU)
        {
            let (op, operand) = match op {
                Division::DivU => (IntBinary::ShrU, u64::from(divisor.trailing_zeros())),
                _ => (IntBinary::And, divisor - 1),
            };
            let left = self.read(a);
            let dst = self.result(Class::General, &[left], next);
            self.masm
                .int_binary(op, width, dst, left, Source::Const(operand));
            return self.push_register(ty, dst);
        }
        let (quotient, remainder) = M::REGISTERS.division;
        let bound = RegSet::of(&[quotient, remainder]);
        let dividend = self.read(a);
        let mut divisor = self.read(b);
        if bound.contains(divisor) {
            let other = self.allocate_except(Class::General, None, bound);
            self.masm.move_register(ty, other, divisor);
            divisor = other;
        }
        for register in [quotient, remainder] {
            self.vacate(register, bound);
        }
        self.masm.move_register(ty, quotient, dividend);
        self.masm.divide(op, width, divisor);
        self.push_register(
            ty,
            match op {
                Division::DivS | Division::DivU => quotient,
                Division::RemS | Division::RemU => remainder,
            },
        );
    }

    // Comparisons and conditions.

    fn compare(&mut self, width: Width, mut condition: Condition) {
        let mut b = self.state.pop();
        let mut a = self.state.pop();
        if self.constant(&a).is_some() {
            std::mem::swap(&mut a, &mut b);
            condition = condition.swapped();
        }
        let left = self.read(a);
        let right = self.source(b);
        self.masm.compare(width, left, right);
        self.state.push(I32, Location::Flags(condition));
    }

    fn float_compare(&mut self, width: Width, condition: Condition, swap: bool) {
        let b = self.state.pop();
        let a = self.state.pop();
        let (left, right) = (self.read(a), self.read(b));
        let (left, right) = if swap { (right, left) } else { (left, right) };
        self.masm.float_compare(width, left, right);
        self.state.push(I32, Location::Flags(condition));
    }

    fn equal_zero(&mut self, width: Width) {
        let operand = self.state.pop();
        if let Location::Flags(condition) = operand.location {
            return self.state.push(I32, Location::Flags(condition.inverted()));
        }
        let register = self.read(operand);
        self.masm.compare(width, register, Source::Const(0));
        self.state.push(I32, Location::Flags(Condition::Equal));
    }

    fn select(&mut self, next: Next<'_>) {
        let height = self.state.operands.len();
        let raw = |from_top: usize| self.state.operands[height - from_top].raw_nan;
        // One operand's NaN may be a raw one, the other's have bits that must stay: they part here.
        let differ = raw(2) != raw(3);
        let condition = self.pop_condition(differ);
        let (b, a) = match differ {
            true => (self.pop_visible(), self.pop_visible()),
            false => (self.state.pop(), self.state.pop()),
        };
        // Loads leave the flags as they are, so that the operands may come after the condition.
        let condition = self.test_condition(condition);
        let (first, second) = (self.read(a), self.read(b));
        let dst = self.result(a.ty.class(), &[first, second], next);
        self.masm.select(condition, a.ty, dst, first, second);
        self.push_register(a.ty, dst);
        self.mark_raw(a.raw_nan);
    }

    // Floats.

    /// The result just pushed may be a NaN that must not be seen.
    fn mark_raw(&mut self, raw: bool) {
        if let Some(operand) = self.state.operands.last_mut() {
            operand.raw_nan = raw;
        }
    }

    fn float_unary(&mut self, op: FloatUnary, ty: ValType, next: Next<'_>) {
        let bitwise = matches!(op, FloatUnary::Abs | FloatUnary::Neg);
        let operand = if bitwise {
            self.pop_visible()
        } else {
            self.state.pop()
        };
        let src = self.read(operand);
        let dst = self.result(Class::Float, &[src], next);
        self.masm.float_unary(op, width(ty), dst, src);
        self.push_register(ty, dst);
        self.mark_raw(!bitwise);
    }

    fn float_binary(&mut self, op: FloatBinary, ty: ValType, next: Next<'_>) {
        let bitwise = op == FloatBinary::Copysign;
        let (b, a) = match bitwise {
            true => (self.pop_visible(), self.pop_visible()),
            false => (self.state.pop(), self.state.pop()),
        };
        let (left, right) = (self.read(a), self.read(b));
        let dst = self.result(Class::Float, &[left, right], next);
        self.masm.float_binary(op, width(ty), dst, left, right);
        self.push_register(ty, dst);
        self.mark_raw(!bitwise);
    }

    fn convert(&mut self, conversion: Conversion, ty: ValType, next: Next<'_>) {
        let operand = match conversion {
            Conversion::ReinterpretToInt(_) => self.pop_visible(),
            _ => self.state.pop(),
        };
        let src: Reg = self.read(operand);
        let dst = self.result(ty.class(), &[src], next);
        self.masm.convert(conversion, dst, src);
        self.push_register(ty, dst);
        self.mark_raw(matches!(
            conversion,
            Conversion::Promote | Conversion::Demote
        ));
    }
}

/// Whether the next operator only asks whether the value is zero.
fn is_condition(next: Next<'_>) -> bool {
    matches!(
        next,
        Some(Operator::BrIf { .. } | Operator::If { .. } | Operator::Select | Operator::I32Eqz)
    )
}

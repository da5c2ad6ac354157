//! The translation of each instruction to operations of the target.

use super::Generator;
use super::registers::{set_by, width};
use super::state::{Bits, Location, Operand};
use crate::abi::{Builtin, ContextLayout};
use crate::analysis::TRACKED_LOCALS;
use crate::instruction::Instruction;
use crate::isa::masm::{
    Access, Address, Class, Condition, Conversion, Division, FloatBinary, FloatUnary, IntBinary,
    IntUnary, MacroAssembler, Reg, RegSet, Source, Width,
};
use crate::types::ValType;
use ValType::{I32, I64};
use Width::{W32, W64};

/// Local reads that may wait on the operand stack; older ones go home, so that a write
/// to a local need not search the whole stack for them.
pub(super) const WAITING_READS: u32 = 32;

impl<M: MacroAssembler> Generator<'_, M> {
    /// Translates an instruction that can be reached.
    ///
    /// Inlined in the loop over all instructions, which so saves its registers once for a function.
    #[inline(always)]
    pub(super) fn translate(&mut self, instruction: Instruction) {
        use Instruction as I;
        match instruction {
            I::Charge(block) => self.charge(block),
            I::Unreachable => self.unreachable(),
            I::Block(ty) => self.block(ty),
            I::Loop(ty) => self.loop_block(ty),
            I::If(ty) => self.if_block(ty),
            I::Else => self.else_branch(),
            I::End => self.end(),
            I::Br(depth) => self.br(depth),
            I::BrIf(depth) => self.br_if(depth),
            I::BrTable(table) => self.br_table(self.analysis.code.table(table)),
            I::Return => self.return_early(),
            I::Call(function) => self.call(function),
            I::CallIndirect(signature) => self.call_indirect(signature),
            I::Builtin(builtin, segment) => self.builtin(builtin, segment),
            I::Drop => {
                self.state.pop();
            }
            I::Select => self.select(),
            I::LocalGet(local) => self.local_get(local),
            I::LocalSet(local) => self.local_set(local),
            I::LocalTee(local) => self.local_tee(local),
            I::GlobalGet(global) => self.global_get(global),
            I::GlobalSet(global) => self.global_set(global),
            I::Const(ty, bits) => self.state.push_constant(ty, bits.into()),
            I::WideConst(ty, number) => {
                let bits = self.analysis.code.constant(number);
                self.state.push_constant(ty, bits);
            }
            I::Load(ty, access, offset) => self.load(ty, access, offset),
            I::Store(access, offset) => self.store(access, offset),
            I::MemorySize => self.memory_size(),
            I::MemoryGrow => self.memory_grow(),
            I::EqualZero(width) => self.equal_zero(width),
            I::Compare(width, condition) => self.compare(width, condition),
            I::FloatCompare(width, condition, swap) => self.float_compare(width, condition, swap),
            I::IntUnary(op, width, ty) => self.int_unary(op, width, ty),
            I::ExtendUnsigned => self.extend_unsigned(),
            I::IntBinary(op, width) => self.int_binary(op, width),
            I::Divide(op, width) => self.divide(op, width),
            I::FloatUnary(op, ty) => self.float_unary(op, ty),
            I::FloatBinary(op, ty) => self.float_binary(op, ty),
            I::Convert(conversion, ty) => self.convert(conversion, ty),
        }
    }

    /// Charges for a metered block.
    fn charge(&mut self, block: u32) {
        let cost = self.analysis.code.cost(block);
        if cost != 0 {
            self.masm.charge_gas(cost);
        }
    }

    // Locals and globals.

    /// Whether pass 1 found the value of this access dead: after a read, or after a write.
    pub(super) fn access_is_dead(&mut self) -> bool {
        let dead = self.analysis.dead[self.next_access];
        self.next_access += 1;
        dead
    }

    pub(super) fn local_get(&mut self, local: u32) {
        let dead = self.access_is_dead();
        let ty = self.analysis.locals.ty(local);
        if local >= TRACKED_LOCALS {
            let register = self.allocate(ty.class(), None);
            self.masm.load_slot(ty, register, self.local_slot(local));
            return self.push_register(ty, register);
        }
        let at = local as usize;
        if self.state.constant.contains(local) {
            return self.state.push_constant(ty, self.state.constants[at]);
        }
        match self.state.register[at] {
            Some(register) if dead && self.state.references[at] == 0 => {
                self.state.register[at] = None;
                self.push_register(ty, register);
            }
            _ => {
                self.state.push_local(ty, local, dead);
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

    pub(super) fn local_set(&mut self, local: u32) {
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
            true => Location::Const(Bits(self.state.constants[local as usize])),
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

    fn global_get(&mut self, global: u32) {
        let ty = self.context.module.info.globals[global as usize].ty.value;
        let register = self.result(ty.class(), &[]);
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

    fn memory_size(&mut self) {
        let register = self.result(Class::General, &[]);
        self.masm.memory_size(register);
        self.push_register(I32, register);
    }

    fn memory_grow(&mut self) {
        if self.context.memory_grow != 0 {
            let pages = self.state.pop();
            let register = self.read(pages);
            self.masm.charge_gas_for(register, self.context.memory_grow);
            self.push_register_of(pages, register);
        }
        self.call_builtin(Builtin::MemoryGrow, 0);
    }

    fn builtin(&mut self, builtin: Builtin, segment: u32) {
        let length = self.state.operands.last();
        let length = length.and_then(|length| self.constant(length));
        match (builtin, length) {
            (Builtin::MemoryCopy, Some(bytes)) if in_place(bytes, false) => {
                self.state.pop();
                let (src, dst) = (self.state.pop(), self.state.pop());
                let (src, dst) = (self.read(src), self.read(dst));
                self.masm.copy_memory(dst, src, bytes as u32);
            }
            (Builtin::MemoryFill, Some(bytes)) if in_place(bytes, true) => {
                let value = self.state.operands[self.state.operands.len() - 2];
                let Some(value) = self.constant(&value) else {
                    return self.call_builtin(builtin, segment);
                };
                self.state.pop();
                self.state.pop();
                let dst = self.state.pop();
                let dst = self.read(dst);
                self.masm.fill_memory(dst, value as u8, bytes as u32);
            }
            _ => self.call_builtin(builtin, segment),
        }
    }

    /// Pushes an operand back that was popped to be read; a register is its own or a local's.
    fn push_register_of(&mut self, operand: Operand, register: Reg) {
        let location = match operand.location {
            Location::Local(_) | Location::Const(_) => operand.location,
            _ => Location::Reg(register),
        };
        self.state.push(operand.ty, location);
    }

    fn address(&mut self, operand: Operand, offset: u32) -> Address {
        match self.constant(&operand) {
            Some(bits) => Address {
                index: None,
                offset: bits + u64::from(offset),
            },
            None => Address {
                index: Some(self.read(operand)),
                offset: u64::from(offset),
            },
        }
    }

    fn load(&mut self, ty: ValType, access: Access, offset: u32) {
        let operand = self.state.pop();
        let address = self.address(operand, offset);
        if M::MEMORY_OPERANDS && self.fuse_load(ty, access, address) {
            return;
        }
        let dst = match address.index {
            Some(index) => self.result(ty.class(), &[index]),
            None => self.result(ty.class(), &[]),
        };
        let access = match access {
            Access::Bits32 { signed: None } if M::I32_SIGN_EXTENDED && ty == I32 => {
                Access::Bits32 { signed: Some(W32) }
            }
            access => access,
        };
        self.masm.load(access, dst, address);
        self.push_register(ty, dst);
    }

    fn store(&mut self, access: Access, offset: u32) {
        let value = self.pop_visible();
        let operand = self.state.pop();
        let source = match self.constant(&value) {
            Some(bits) => Source::Const(bits),
            None => Source::Reg(self.read(value)),
        };
        let address = self.address(operand, offset);
        self.masm.store(access, address, source);
    }

    // Integers.

    fn int_binary(&mut self, op: IntBinary, width: Width) {
        let ty = int_type(width);
        let mut b = self.state.pop();
        let mut a = self.state.pop();
        if let Some(constant) = self.constant(&b) {
            if let Some(other) = self.constant(&a) {
                return self
                    .state
                    .push_constant(ty, op.apply(width, other, constant));
            }
            let done = match op {
                IntBinary::Shl => {
                    self.swap_bytes(op, width, a, constant)
                        || self.scaled_sum(op, width, a, constant)
                        || self.rotation(op, width, a, constant)
                }
                IntBinary::And => self.swap_bytes(op, width, a, constant),
                IntBinary::ShrU => self.rotation(op, width, a, constant),
                _ => false,
            };
            if done {
                return;
            }
        }
        // A constant or a value at home can only be the second operand.
        let second = self.constant(&a).is_some()
            || (matches!(a.location, Location::Home(_)) && matches!(b.location, Location::Reg(_)));
        if op.commutes() && second {
            std::mem::swap(&mut a, &mut b);
        }
        let left = self.read(a);
        let right = match op {
            // The machine wants the count in a register.
            IntBinary::Rotl | IntBinary::Rotr if self.constant(&b).is_none() => {
                Source::Reg(self.read(b))
            }
            _ => self.source(b),
        };
        if op == IntBinary::And && ty == I32 && is_condition(self.next()) {
            self.masm.test(width, left, right);
            return self.state.push(I32, Location::Flags(Condition::NotEqual));
        }
        let dst = match right {
            Source::Reg(right) if op.commutes() => self.result(Class::General, &[left, right]),
            _ => self.result(Class::General, &[left]),
        };
        self.masm.last_use(self.state.temporaries);
        self.masm.int_binary(op, width, dst, left, right);
        self.push_register(ty, dst);
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, ty: ValType) {
        let operand = self.state.pop();
        let src = self.read(operand);
        let dst = self.result(Class::General, &[src]);
        self.masm.int_unary(op, width, dst, src);
        self.push_register(ty, dst);
    }

    /// On most machines an `i32` is held zero-extended already.
    fn extend_unsigned(&mut self) {
        let operand = self.state.pop();
        if let Some(bits) = self.constant(&operand) {
            return self.state.push(I64, Location::Const(Bits(bits)));
        }
        let src = self.read(operand);
        if !M::I32_SIGN_EXTENDED
            && self.state.temporaries.contains(src)
            && set_by(self.next()).is_none()
        {
            return self.push_register(I64, src);
        }
        let dst = self.result(Class::General, &[src]);
        self.masm.zero_extend(dst, src);
        self.push_register(I64, dst);
    }

    fn divide(&mut self, op: Division, width: Width) {
        let ty = int_type(width);
        let b = self.state.pop();
        let a = self.state.pop();
        if let Some(divisor) = self.constant(&b)
            && !may_trap(op, width, divisor)
        {
            return self.divide_by_constant(op, width, a, divisor);
        }
        let (quotient, remainder) = self.registers.division;
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
        match self.shares_code() {
            true => self.masm.divide_shared(op, width, divisor),
            false => self.masm.divide(op, width, divisor),
        }
        self.push_register(
            ty,
            match op {
                Division::DivS | Division::DivU => quotient,
                Division::RemS | Division::RemU => remainder,
            },
        );
    }

    fn divide_by_constant(&mut self, op: Division, width: Width, a: Operand, divisor: u64) {
        let ty = int_type(width);
        if divisor.is_power_of_two() && matches!(op, Division::DivU | Division::RemU) {
            let (op, operand) = match op {
                Division::DivU => (IntBinary::ShrU, u64::from(divisor.trailing_zeros())),
                _ => (IntBinary::And, divisor - 1),
            };
            let left = self.read(a);
            let dst = self.result(Class::General, &[left]);
            self.masm
                .int_binary(op, width, dst, left, Source::Const(operand));
            return self.push_register(ty, dst);
        }
        let mut dividend = self.read(a);
        let dst = match width {
            W32 => self.allocate(Class::General, None),
            W64 => {
                let (first, second) = self.registers.division;
                let bound = RegSet::of(&[first, second]);
                if bound.contains(dividend) {
                    let other = self.allocate_except(Class::General, None, bound);
                    self.masm.move_register(ty, other, dividend);
                    dividend = other;
                }
                self.vacate(first, bound);
                self.vacate(second, bound);
                second
            }
        };
        self.masm.divide_constant(op, width, dst, dividend, divisor);
        self.push_register(ty, dst);
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
        self.masm.compare_zero(width, register);
        self.state.push(I32, Location::Flags(Condition::Equal));
    }

    fn select(&mut self) {
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
        let dst = self.result(a.ty.class(), &[first, second]);
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

    fn float_unary(&mut self, op: FloatUnary, ty: ValType) {
        let bitwise = matches!(op, FloatUnary::Abs | FloatUnary::Neg);
        let operand = if bitwise {
            self.pop_visible()
        } else {
            self.state.pop()
        };
        let src = self.read(operand);
        let dst = self.result(Class::Float, &[src]);
        match bitwise && self.shares_code() {
            true => self.masm.float_unary_shared(op, width(ty), dst, src),
            false => self.masm.float_unary(op, width(ty), dst, src),
        }
        self.push_register(ty, dst);
        self.mark_raw(!bitwise);
    }

    fn float_binary(&mut self, op: FloatBinary, ty: ValType) {
        let bitwise = op == FloatBinary::Copysign;
        let (b, a) = match bitwise {
            true => (self.pop_visible(), self.pop_visible()),
            false => (self.state.pop(), self.state.pop()),
        };
        let (left, right) = (self.read(a), self.read(b));
        let dst = self.result(Class::Float, &[left, right]);
        let long = matches!(op, FloatBinary::Min | FloatBinary::Max) || bitwise;
        match long && self.shares_code() {
            true => self
                .masm
                .float_binary_shared(op, width(ty), dst, left, right),
            false => self.masm.float_binary(op, width(ty), dst, left, right),
        }
        self.push_register(ty, dst);
        self.mark_raw(!bitwise);
    }

    fn convert(&mut self, conversion: Conversion, ty: ValType) {
        let operand = match conversion {
            Conversion::ReinterpretToInt(_) => self.pop_visible(),
            _ => self.state.pop(),
        };
        let src: Reg = self.read(operand);
        let dst = self.result(ty.class(), &[src]);
        match self.shares_code() {
            true => self.masm.convert_shared(conversion, dst, src),
            false => self.masm.convert(conversion, dst, src),
        }
        self.push_register(ty, dst);
        self.mark_raw(matches!(
            conversion,
            Conversion::Promote | Conversion::Demote
        ));
    }
}

/// Whether the instruction only asks whether the topmost value is zero, which flags can tell.
pub(super) fn is_condition(instruction: Instruction) -> bool {
    matches!(
        instruction,
        Instruction::BrIf(_)
            | Instruction::If(_)
            | Instruction::Select
            | Instruction::EqualZero(W32)
    )
}

/// The integers of a width.
pub(super) fn int_type(width: Width) -> ValType {
    match width {
        W32 => I32,
        W64 => I64,
    }
}

/// Whether `bytes` bytes are copied or filled in place, without a call: by one access of a power of two, or by two that
/// overlap.
fn in_place(bytes: u64, fill: bool) -> bool {
    (1..=16).contains(&bytes) && (fill || bytes != 3)
}

/// Whether a division by this constant can trap: by zero, or of the least number by -1.
fn may_trap(op: Division, width: Width, divisor: u64) -> bool {
    let minus_one = match width {
        W32 => u64::from(u32::MAX),
        W64 => u64::MAX,
    };
    divisor == 0 || (matches!(op, Division::DivS | Division::RemS) && divisor == minus_one)
}

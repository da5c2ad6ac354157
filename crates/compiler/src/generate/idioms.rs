//! The code before a loop that is an idiom: it does as many iterations at once as are certain to be full ones.
//!
//! Every jump goes to the loop itself, with nothing changed. At the end the induction locals have moved, the
//! gas is charged, memory is written, and the loop does the rest.

use super::Generator;
use crate::analysis::idiom::{Bound, Idiom, Operation, Pattern, Place, Sum};
use crate::isa::masm::{Address, BlockOperation, Class, MacroAssembler, Reg, RegSet, Source};
use crate::operation::{Access, Condition, IntBinary, Width};
use crate::types::ValType;
use pvf_assembler::Label;

/// Fewer iterations are left to the loop: the checks would cost as much.
const MIN_TURNS: u64 = 8;
const _: () = assert!(MIN_TURNS >= BlockOperation::MIN_BYTES as u64);

/// Bytes of a shifted copy's word.
const WORD: u64 = 4;
const WORD_BITS: u64 = 32;

/// The registers and the label of the checks.
#[derive(Clone, Copy)]
struct Guard {
    /// Registers of the starts of both ranges; free before.
    first: Reg,
    second: Reg,
    /// How many iterations, then how many bytes.
    count: Reg,
    /// The loop.
    plain: Label,
}

impl<M: MacroAssembler> Generator<'_, M> {
    /// Keeps the loop's locals out of the registers that block operations need.
    pub(super) fn reserve_block_registers(&mut self) {
        let block = self.registers.block;
        for register in block {
            self.vacate(register, RegSet::of(&block));
        }
    }

    /// Emits the iterations at once. The flags do not stay.
    pub(super) fn do_iterations_at_once(&mut self, idiom: &Idiom) {
        let [first, second, count] = self.registers.block;
        let guard = Guard {
            first,
            second,
            count,
            plain: self.masm.new_label(),
        };
        self.count_iterations(guard, idiom);
        match idiom.operation {
            Operation::Copy { to, from } => self.copy(guard, idiom, to, from),
            Operation::Fill { to, pattern, unit } => self.fill(guard, idiom, to, pattern, unit),
            Operation::Compare { a, b } => self.compare_blocks(guard, idiom, a, b),
            Operation::CopyShifted { .. } => self.copy_shifted(guard, idiom),
        }
        self.masm.bind(guard.plain);
    }

    /// How many iterations are full ones by the loop's own conditions.
    fn count_iterations(&mut self, guard: Guard, idiom: &Idiom) {
        for (at, bound) in idiom.bounds.iter().enumerate() {
            if at == 0 {
                self.count_to(guard, bound, guard.count);
                continue;
            }
            self.count_to(guard, bound, guard.first);
            let (first, count) = (guard.first, guard.count);
            self.masm.compare(Width::W32, first, Source::Reg(count));
            let less = Condition::LessUnsigned;
            self.masm.select(less, ValType::I32, count, first, count);
        }
        let fewest = Source::Const(MIN_TURNS);
        self.masm.compare(Width::W32, guard.count, fewest);
        self.masm.jump_if(Condition::LessUnsigned, guard.plain);
    }

    /// `to` = how often the gap can narrow.
    fn count_to(&mut self, guard: Guard, bound: &Bound, to: Reg) {
        self.load_sum(to, &bound.high);
        let low = match (bound.low.as_constant(), bound.low.as_local()) {
            (Some(bits), _) => Source::Const(bits.into()),
            (None, Some(local)) => self.local_source(local),
            (None, None) => {
                self.load_sum(guard.second, &bound.low);
                Source::Reg(guard.second)
            }
        };
        let short = match bound.condition {
            Condition::GreaterSigned | Condition::GreaterEqualSigned => Some(Condition::LessSigned),
            Condition::NotEqual => None,
            _ => Some(Condition::LessUnsigned),
        };
        if let Some(short) = short
            && low != Source::Const(0)
        {
            self.masm.compare(Width::W32, to, low);
            self.masm.jump_if(short, guard.plain);
        } else if short == Some(Condition::LessSigned) {
            self.masm.compare(Width::W32, to, low);
            self.masm.jump_if(Condition::LessSigned, guard.plain);
        }
        if low != Source::Const(0) {
            self.binary(IntBinary::Sub, Width::W32, to, low);
        }
        if bound.shift == 0 {
            return;
        }
        if bound.condition == Condition::NotEqual {
            // A gap that is not closed in whole steps is jumped over.
            let rest = Source::Const((1 << bound.shift) - 1);
            self.masm.test(Width::W32, to, rest);
            self.masm.jump_if(Condition::NotEqual, guard.plain);
        }
        let shift = Source::Const(bound.shift.into());
        self.binary(IntBinary::ShrU, Width::W32, to, shift);
    }

    fn copy(&mut self, guard: Guard, idiom: &Idiom, to: Place, from: Place) {
        self.iterations_to_bytes(guard, idiom);
        self.enter_range(guard, idiom, guard.first, to);
        self.enter_range(guard, idiom, guard.second, from);
        let bytes = guard.count;
        let distance = to.offset as i64 - from.offset as i64;
        let (a, distance, b) = match idiom.backward {
            false => (guard.first, distance, guard.second),
            true => (guard.second, -distance, guard.first),
        };
        self.masm.jump_if_within(a, distance, b, bytes, guard.plain);
        self.charge_iterations(guard, idiom);
        self.masm.linear_address(guard.first, to.offset);
        self.masm.linear_address(guard.second, from.offset);
        self.copy_block(idiom);
        self.take_steps(guard, idiom);
    }

    fn copy_block(&mut self, idiom: &Idiom) {
        self.masm.block(match idiom.backward {
            false => BlockOperation::CopyForward,
            true => BlockOperation::CopyBackward,
        });
    }

    fn fill(&mut self, guard: Guard, idiom: &Idiom, to: Place, pattern: Pattern, unit: u8) {
        self.iterations_to_bytes(guard, idiom);
        self.enter_range(guard, idiom, guard.first, to);
        self.charge_iterations(guard, idiom);
        self.masm.linear_address(guard.first, to.offset);
        match pattern {
            Pattern::Const(bits) => self.masm.load_const(ValType::I64, guard.second, bits),
            Pattern::Local(local) => {
                self.load_local(guard.second, local);
                self.masm.repeat(guard.second, unit);
            }
        }
        self.masm.block(BlockOperation::Fill);
        self.take_steps(guard, idiom);
    }

    fn compare_blocks(&mut self, guard: Guard, idiom: &Idiom, a: Place, b: Place) {
        self.iterations_to_bytes(guard, idiom);
        self.enter_range(guard, idiom, guard.first, a);
        self.enter_range(guard, idiom, guard.second, b);
        self.masm.linear_address(guard.first, a.offset);
        self.masm.linear_address(guard.second, b.offset);
        self.masm.block(BlockOperation::Compare);
        if idiom.shift > 0 {
            // The iteration with the difference is the loop's.
            let whole = Source::Const(!0 << idiom.shift);
            self.binary(IntBinary::And, Width::W64, guard.count, whole);
        }
        self.charge_iterations(guard, idiom);
        self.take_steps(guard, idiom);
    }

    /// The words read lie between the one carried into the first iteration and the one carried out of the last:
    /// four bytes more than are written.
    fn copy_shifted(&mut self, guard: Guard, idiom: &Idiom) {
        let Operation::CopyShifted {
            to,
            from,
            carried,
            right,
            left,
        } = idiom.operation
        else {
            return;
        };
        let other = self.free_register(Class::General, None);
        let (Some(shift), Some(word)) = (other, self.state.register[carried as usize]) else {
            return self.masm.jump(guard.plain);
        };
        self.check_shifts(guard, shift, &right, &left);
        let (read, bytes) = (guard.second, guard.count);
        self.iterations_to_bytes(guard, idiom);
        self.enter_range(guard, idiom, guard.first, to);
        self.load_sum(read, &from.index);
        self.move_to_lowest(guard, idiom, read);
        if !idiom.backward {
            // The word before.
            let word = Source::Const(WORD);
            self.masm.compare(Width::W64, read, word);
            self.masm.jump_if(Condition::LessUnsigned, guard.plain);
            self.binary(IntBinary::Sub, Width::W32, read, word);
        }
        self.binary(IntBinary::Add, Width::W64, bytes, Source::Const(WORD));
        self.masm
            .jump_unless_in_memory(read, from.offset, bytes, guard.plain);
        let distance = to.offset as i64 - from.offset as i64;
        let (a, distance, b) = match idiom.backward {
            false => (guard.first, distance, read),
            true => (read, WORD as i64 - distance, guard.first),
        };
        self.masm.jump_if_within(a, distance, b, bytes, guard.plain);
        self.binary(IntBinary::Sub, Width::W64, bytes, Source::Const(WORD));
        let (carried_in, carried_out) = match idiom.backward {
            false => (false, true),
            true => (true, false),
        };
        // The word carried in must be what memory holds, since memory is what is copied.
        self.load_word(guard, guard.second, from.offset, carried_in, shift);
        self.masm.compare(Width::W32, shift, Source::Reg(word));
        self.masm.jump_if(Condition::NotEqual, guard.plain);
        self.charge_iterations(guard, idiom);
        self.load_word(guard, guard.second, from.offset, carried_out, word);
        self.masm.linear_address(guard.first, to.offset);
        self.load_sum(shift, &right);
        self.binary(IntBinary::ShrU, Width::W32, shift, Source::Const(3));
        self.binary(IntBinary::Add, Width::W64, read, Source::Reg(shift));
        self.masm.linear_address(read, from.offset);
        self.copy_block(idiom);
        self.take_steps(guard, idiom);
    }

    /// The shifts must be whole bytes, one to three, and together a word.
    fn check_shifts(&mut self, guard: Guard, other: Reg, right: &Sum, left: &Sum) {
        let (first, second) = (guard.first, guard.second);
        self.load_sum(first, right);
        let eight = Source::Const(8);
        self.masm
            .int_binary(IntBinary::Sub, Width::W32, second, first, eight);
        self.binary(IntBinary::Rotr, Width::W32, second, Source::Const(3));
        self.masm.compare(Width::W32, second, Source::Const(2));
        self.masm.jump_if(Condition::GreaterUnsigned, guard.plain);
        self.load_sum(other, left);
        self.binary(IntBinary::Add, Width::W32, other, Source::Reg(first));
        self.masm
            .compare(Width::W32, other, Source::Const(WORD_BITS));
        self.masm.jump_if(Condition::NotEqual, guard.plain);
    }

    /// Loads the first word of a range, or the one after its bytes.
    fn load_word(&mut self, guard: Guard, index: Reg, offset: u64, behind: bool, dst: Reg) {
        let access = Access::Bits32 { signed: None };
        let index = match behind {
            false => index,
            true => {
                // It lies in memory, below 2^32.
                let (bytes, width) = (Source::Reg(guard.count), Width::W32);
                self.masm
                    .int_binary(IntBinary::Add, width, dst, index, bytes);
                dst
            }
        };
        let index = Some(index);
        self.masm.load(access, dst, Address { index, offset });
    }

    fn iterations_to_bytes(&mut self, guard: Guard, idiom: &Idiom) {
        if idiom.shift > 0 {
            let shift = Source::Const(idiom.shift.into());
            self.binary(IntBinary::Shl, Width::W64, guard.count, shift);
        }
    }

    /// `index` = the lowest index of the bytes of all iterations, which memory must have.
    fn enter_range(&mut self, guard: Guard, idiom: &Idiom, index: Reg, place: Place) {
        self.load_sum(index, &place.index);
        self.move_to_lowest(guard, idiom, index);
        let bytes = guard.count;
        self.masm
            .jump_unless_in_memory(index, place.offset, bytes, guard.plain);
    }

    /// From the index of the first iteration to the lowest of all iterations, which must not be below 0.
    fn move_to_lowest(&mut self, guard: Guard, idiom: &Idiom, index: Reg) {
        if idiom.backward {
            let iteration = Source::Const(1 << idiom.shift);
            let bytes = Source::Reg(guard.count);
            self.binary(IntBinary::Add, Width::W64, index, iteration);
            self.masm.compare(Width::W64, index, bytes);
            self.masm.jump_if(Condition::LessUnsigned, guard.plain);
            // At least 8 bytes below an index plus a turn: 32 bits again, which the verifier wants to see.
            self.binary(IntBinary::Sub, Width::W32, index, bytes);
        }
    }

    fn charge_iterations(&mut self, guard: Guard, idiom: &Idiom) {
        self.masm
            .charge_iterations(guard.count, idiom.shift, idiom.gas, guard.plain);
    }

    /// Moves the induction locals on.
    fn take_steps(&mut self, guard: Guard, idiom: &Idiom) {
        let iteration = 1 << idiom.shift;
        let mut iterations = None;
        for &(local, step) in &idiom.steps {
            let (op, change) = if step.unsigned_abs() == iteration {
                let op = match step > 0 {
                    true => IntBinary::Add,
                    false => IntBinary::Sub,
                };
                (op, guard.count)
            } else {
                let iterations = *iterations.get_or_insert_with(|| {
                    let shift = Source::Const(idiom.shift.into());
                    let (first, count) = (guard.first, guard.count);
                    self.masm
                        .int_binary(IntBinary::ShrU, Width::W64, first, count, shift);
                    first
                });
                match step {
                    1 => (IntBinary::Add, iterations),
                    -1 => (IntBinary::Sub, iterations),
                    _ => {
                        let step = Source::Const(u64::from(step as u32));
                        let second = guard.second;
                        self.masm
                            .int_binary(IntBinary::Mul, Width::W32, second, iterations, step);
                        (IntBinary::Add, second)
                    }
                }
            };
            self.change_local(guard, local, op, change);
        }
    }

    fn change_local(&mut self, guard: Guard, local: u32, op: IntBinary, change: Reg) {
        if let Some(register) = self.state.register[local as usize] {
            return self.binary(op, Width::W32, register, Source::Reg(change));
        }
        let (slot, second) = (self.local_slot(local), guard.second);
        if op == IntBinary::Add {
            let home = Source::Slot(slot);
            self.masm.int_binary(op, Width::W32, second, change, home);
        } else {
            self.masm.load_slot(ValType::I32, second, slot);
            self.binary(op, Width::W32, second, Source::Reg(change));
        }
        self.masm.store_slot(ValType::I32, slot, second);
    }

    /// `dst = dst op b`
    fn binary(&mut self, op: IntBinary, width: Width, dst: Reg, b: Source) {
        self.masm.int_binary(op, width, dst, dst, b);
    }

    /// Where a local's value is.
    fn local_source(&self, local: u32) -> Source {
        match self.state.register[local as usize] {
            Some(register) => Source::Reg(register),
            None if self.state.constant.contains(local) => {
                Source::Const(self.state.constants[local as usize])
            }
            None => Source::Slot(self.local_slot(local)),
        }
    }

    fn load_local(&mut self, dst: Reg, local: u32) {
        let ty = self.analysis.locals.ty(local);
        match self.local_source(local) {
            Source::Reg(register) => self.masm.move_register(ty, dst, register),
            Source::Const(bits) => self.masm.load_const(ty, dst, bits),
            Source::Slot(slot) => self.masm.load_slot(ty, dst, slot),
        }
    }

    /// `dst` = a sum, zero-extended.
    fn load_sum(&mut self, dst: Reg, sum: &Sum) {
        let mut locals = sum.locals();
        let Some(local) = locals.next() else {
            let bits = sum.constant.into();
            return self.masm.load_const(ValType::I32, dst, bits);
        };
        let add = IntBinary::Add;
        let constant = Source::Const(sum.constant.into());
        match (self.local_source(local), locals.next(), sum.constant) {
            (Source::Reg(register), None, constant_value) if constant_value != 0 => {
                self.masm
                    .int_binary(add, Width::W32, dst, register, constant);
            }
            (Source::Reg(register), Some(other), constant_value) => {
                let other = self.local_source(other);
                self.masm.int_binary(add, Width::W32, dst, register, other);
                if constant_value != 0 {
                    self.binary(add, Width::W32, dst, constant);
                }
            }
            (_, other, constant_value) => {
                self.load_local(dst, local);
                if let Some(other) = other {
                    let other = self.local_source(other);
                    self.binary(add, Width::W32, dst, other);
                }
                if constant_value != 0 {
                    self.binary(add, Width::W32, dst, constant);
                }
            }
        }
    }
}

//! The effect of each instruction on bounds and facts, form by form.

use super::{Check, NO_LABEL, Walk, ensure, refuse};
use crate::layout::{self, MOST_MEMORY, REACH};
use crate::x64::decode::{Address, Form, NO_INDEX, Packed, Visitor};
use crate::x64::facts::*;
use crate::x64::instruction::{Instruction, Place, RIP};
use crate::x64::shape::{ABOVE, BELOW, NOT_ABOVE, NOT_BELOW};
use crate::x64::table::Op;
use crate::x64::{R11, R13, R14, R15, RAX, RCX, RDX, RSP};
use pvf_rules::TrapKind;

impl Visitor for Walk<'_, '_> {
    type Output = ();

    #[cold]
    fn unknown(&mut self) {
        self.offset = self.at;
        self.judged(encoding_unknown());
    }

    #[inline(always)]
    fn registers(&mut self, at: usize, form: Form, to: u8, from: u8) {
        self.advance(at);
        let judged = self.judge_registers(form, to, from);
        self.judged(judged);
    }

    #[inline(always)]
    fn arithmetic(&mut self, at: usize, form: Form, to: u8, from: u8) {
        self.advance(at);
        let judged = self.judge_arithmetic(form, to, from);
        self.judged(judged);
    }

    #[inline(always)]
    fn compare(&mut self, at: usize, _: Form, a: u8, b: u8) {
        self.advance(at);
        let judged = self.judge_comparison(a, b);
        self.judged(judged);
    }

    #[inline(never)]
    fn load(&mut self, at: usize, form: Form, to: u8, from: Address) {
        self.advance(at);
        let judged = self.judge_load(form, to, from);
        self.judged(judged);
    }

    #[inline(never)]
    fn store(&mut self, at: usize, form: Form, to: Address, from: u8) {
        self.advance(at);
        let judged = self.judge_store(form, to, from);
        self.judged(judged);
    }

    #[inline(always)]
    fn load_slot(&mut self, at: usize, form: Form, to: u8, disp: i32) {
        self.advance(at);
        let slot = self
            .slot(disp, form.size)
            .and_then(|()| self.use_slot(disp, false));
        let judged = slot.and_then(|()| self.write(to, 8 * form.size));
        self.judged(judged);
    }

    #[inline(always)]
    fn store_slot(&mut self, at: usize, form: Form, disp: i32, from: u8) {
        self.advance(at);
        let judged = self
            .read(from)
            .and_then(|_| self.slot(disp, form.size))
            .and_then(|()| self.use_slot(disp, true));
        self.judged(judged);
    }

    #[inline(always)]
    fn load_linear(&mut self, at: usize, form: Form, to: u8, (index, disp): (u8, i32)) {
        self.advance(at);
        let linear = self.linear(index, disp, form.size);
        let judged = linear.and_then(|()| self.write(to, 8 * form.size));
        self.judged(judged);
    }

    #[inline(always)]
    fn store_linear(&mut self, at: usize, form: Form, (index, disp): (u8, i32), from: u8) {
        self.advance(at);
        let read = self.read(from);
        let judged = read.and_then(|_| self.linear(index, disp, form.size));
        self.judged(judged);
    }

    #[inline(always)]
    fn lea(&mut self, at: usize, form: Form, to: u8, from: Address) {
        self.advance(at);
        let judged = self.address_of(form, to, from);
        self.judged(judged);
    }

    #[inline(always)]
    fn immediate(&mut self, at: usize, form: Form, to: u8, imm: i64) {
        self.advance(at);
        let judged = self.judge_immediate(form, to, imm);
        self.judged(judged);
    }

    #[inline(always)]
    fn store_immediate(&mut self, at: usize, form: Form, to: Address, imm: i64) {
        self.advance(at);
        let judged = self.judge_store_immediate(form, to, imm);
        self.judged(judged);
    }

    #[inline(always)]
    fn branch(&mut self, at: usize, form: Form, distance: i64) {
        self.advance(at);
        let judged = self.judge_branch(form, distance);
        self.judged(judged);
    }

    #[inline(never)]
    fn other(&mut self, it: Packed) {
        self.advance(it.len.into());
        let judged = self.judge_other(it);
        self.judged(judged);
    }
}

fn encoding_unknown() -> Check {
    refuse!(Encodings, "the encoding is not in the table")
}

impl Walk<'_, '_> {
    #[inline(always)]
    fn judge_registers(&mut self, form: Form, to: u8, from: u8) -> Check {
        match form.op {
            Op::Mov => {
                let bound = self.read(from)?.min(8 * form.size);
                self.write(to, bound)
            }
            Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => self.judge_arithmetic(form, to, from),
            Op::Cmp | Op::Test => self.judge_comparison(to, from),
            Op::MovZx8 | Op::MovZx16 | Op::MovSx8 | Op::MovSx16 | Op::MovSx32 => {
                let byte = matches!(form.op, Op::MovZx8 | Op::MovSx8);
                if !(byte && self.bound(from) == LOW_BYTE) {
                    self.read(from)?;
                }
                self.write(to, extended(form))
            }
            Op::Cmov => {
                let bound = self.read(to)?.max(self.read(from)?);
                self.write(to, bound.min(8 * form.size))
            }
            Op::Imul => {
                let product = self.read(to)? + self.read(from)?;
                self.write(to, if form.size == 4 { 32 } else { product.min(64) })
            }
            Op::Xchg => {
                let (a, b) = (self.bound(to), self.bound(from));
                self.write(to, b.min(NOTHING))?;
                self.write(from, a.min(NOTHING))
            }
            Op::Popcnt | Op::Lzcnt | Op::Tzcnt => {
                self.read(from)?;
                self.write(to, 7)
            }
            _ => refuse!(Encodings, "the instruction is not in its sequence"),
        }
    }

    #[inline(always)]
    fn judge_arithmetic(&mut self, form: Form, to: u8, from: u8) -> Check {
        if form.op == Op::Xor && to == from {
            return self.write(to, 0);
        }
        if self.bound(to) > 64 || self.bound(from) > 64 {
            return self.unusual_registers(form, to, from);
        }
        let second = self.bound(from);
        self.compute(form, to, second, Operand::Register(from))
    }

    #[inline(always)]
    fn judge_comparison(&mut self, a: u8, b: u8) -> Check {
        self.compared = self.offset;
        if self.bound(a) > 64 {
            return self.charge_turns();
        }
        self.read(b)?;
        Ok(())
    }

    /// Arithmetic with a register that holds no value.
    #[cold]
    fn unusual_registers(&mut self, form: Form, to: u8, from: u8) -> Check {
        let (first, second) = (self.bound(to), self.bound(from));
        if first >= FIXED {
            return self.of_fixed();
        }
        // Two conditions are combined into one.
        let bitwise = matches!(form.op, Op::And | Op::Or) && form.size == 4;
        ensure!(
            bitwise && first.max(second) == LOW_BYTE,
            Widths,
            "the code reads a register that holds nothing"
        );
        self.write(to, LOW_BYTE)
    }

    #[inline(always)]
    fn judge_load(&mut self, form: Form, to: u8, from: Address) -> Check {
        match form.op {
            Op::Mov => {
                let bound = self.access(from, form.size, false)?;
                self.write(to, bound)
            }
            Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => {
                if self.bound(to) >= FIXED {
                    return self.of_fixed();
                }
                self.read(to)?;
                let second = self.access(from, form.size, false)?;
                self.compute(form, to, second, Operand::Memory)
            }
            Op::Cmp | Op::Test => {
                self.compared = self.offset;
                self.read(to)?;
                self.access(from, form.size, false)?;
                Ok(())
            }
            Op::Lea => self.address_of(form, to, from),
            Op::MovZx8 | Op::MovZx16 | Op::MovSx8 | Op::MovSx16 | Op::MovSx32 => {
                let bytes = match form.op {
                    Op::MovZx8 | Op::MovSx8 => 1,
                    Op::MovZx16 | Op::MovSx16 => 2,
                    _ => 4,
                };
                self.access(from, bytes, false)?;
                self.write(to, extended(form))
            }
            Op::Imul => {
                let product = self.read(to)? + self.access(from, form.size, false)?;
                self.write(to, if form.size == 4 { 32 } else { product.min(64) })
            }
            _ => refuse!(Encodings, "the instruction is not in its sequence"),
        }
    }

    #[inline(always)]
    fn judge_store(&mut self, form: Form, to: Address, from: u8) -> Check {
        match form.op {
            Op::Mov => {
                self.read(from)?;
                self.access(to, form.size, true)?;
                Ok(())
            }
            Op::Cmp | Op::Test => {
                self.access(to, form.size, false)?;
                self.read(from)?;
                Ok(())
            }
            _ => self.of_fixed(),
        }
    }

    #[inline(always)]
    fn judge_immediate(&mut self, form: Form, to: u8, imm: i64) -> Check {
        match form.op {
            Op::Mov => {
                let value = constant(form.size, imm);
                self.write(to, bits(value))?;
                if to == R11 {
                    self.constant_at = self.offset;
                    self.facts.constant = Some(value);
                    self.facts.note(R11);
                }
                Ok(())
            }
            Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => {
                if self.bound(to) >= FIXED {
                    return self.of_fixed();
                }
                self.read(to)?;
                let second = bits(constant(form.size, imm));
                self.compute(form, to, second, Operand::Immediate(imm))
            }
            Op::Cmp | Op::Test => {
                self.compared = self.offset;
                self.read(to)?;
                Ok(())
            }
            Op::Shl | Op::Shr | Op::Sar => self.shift(form, to, imm as u8 & 63),
            _ => refuse!(Encodings, "the instruction is not in its sequence"),
        }
    }

    #[inline(always)]
    fn judge_store_immediate(&mut self, form: Form, to: Address, _: i64) -> Check {
        match form.op {
            Op::Mov => {
                self.access(to, form.size, true)?;
                Ok(())
            }
            Op::Cmp | Op::Test => {
                if to.base == R15 && to.index != NO_INDEX {
                    return self.indirect_call();
                }
                self.access(to, form.size, false)?;
                Ok(())
            }
            _ => self.of_fixed(),
        }
    }

    #[inline(always)]
    fn judge_branch(&mut self, form: Form, distance: i64) -> Check {
        match form.op {
            Op::Call => return self.call(distance),
            Op::Jcc => {
                self.branch_to(self.target(distance))?;
                self.learn(form.condition);
            }
            _ => {
                self.branch_to(self.target(distance))?;
                self.stop()?;
            }
        }
        self.go_back();
        Ok(())
    }

    #[inline(never)]
    pub(super) fn judge_other(&mut self, it: Packed) -> Check {
        let form = it.form();
        match it.op {
            Op::Imul if it.is_from_immediate() => {
                let product = self.read(it.c())? + bits(constant(form.size, it.imm));
                self.write(it.a(), if form.size == 4 { 32 } else { product.min(64) })
            }
            Op::Neg | Op::Bswap => {
                self.read(it.a())?;
                self.write(it.a(), 8 * form.size)
            }
            Op::MulWide | Op::ImulWide => {
                self.read(it.a())?;
                self.read(RAX)?;
                self.write(RAX, 64)?;
                self.write(RDX, 64)
            }
            Op::Div | Op::Idiv => {
                self.faults(TrapKind::IntegerDivideByZero)?;
                self.divide(it.a(), form.size)
            }
            Op::SignToRdx => {
                self.read(RAX)?;
                self.write(RDX, 8 * form.size)
            }
            Op::RolCl | Op::RorCl => {
                self.read(it.a())?;
                self.read(RCX)?;
                self.write(it.a(), 8 * form.size)
            }
            Op::Rorx => {
                self.read(it.b())?;
                self.write(it.a(), 8 * form.size)
            }
            Op::Shlx | Op::Shrx | Op::Sarx => {
                self.read(it.b())?;
                self.read(it.c())?;
                self.write(it.a(), 8 * form.size)
            }
            Op::Set => self.write(it.a(), LOW_BYTE),
            Op::Ud2 => {
                self.any_trap()?;
                self.stop()
            }
            Op::Ret => refuse!(Phases, "the code returns without an epilogue"),
            Op::CallMem | Op::JmpReg => {
                refuse!(Indirect, "an indirect branch is not in its sequence")
            }
            op if op.is_float() => self.float(it),
            _ => match (it.writes_memory(), it.is_from_immediate()) {
                (true, true) => self.judge_store_immediate(form, it.address(), it.imm),
                (true, false) => self.judge_store(form, it.address(), it.b()),
                (false, true) => self.judge_immediate(form, it.a(), it.imm),
                (false, false) if it.is_from_memory() => {
                    self.judge_load(form, it.a(), it.address())
                }
                (false, false) if it.is_from_register() => {
                    self.judge_registers(form, it.a(), it.b())
                }
                _ => refuse!(Encodings, "the instruction is not in its sequence"),
            },
        }
    }

    pub(super) fn divide(&mut self, by: u8, size: u8) -> Check {
        self.read(by)?;
        self.read(RAX)?;
        self.read(RDX)?;
        self.write(RAX, 8 * size)?;
        self.write(RDX, 8 * size)
    }

    /// What arithmetic on a fixed register or in memory begins: an epilogue, or a charge.
    #[cold]
    fn of_fixed(&mut self) -> Check {
        let Some(it) = self
            .peek_at(self.offset)
            .filter(|_| self.function.is_some())
        else {
            refuse!(
                FixedRegisters,
                "shared code changes a fixed register or memory"
            );
        };
        match (it.op, it.to, it.a) {
            (Op::Sub, Place::Register, R13) if self.program.tables.gas => self.charge(&it),
            (Op::Add, Place::Register, RSP) => self.epilogue(&it),
            (Op::Sub, Place::Memory, _) => self.epilogue(&it),
            (_, Place::Memory, _) => refuse!(Context, "the code changes memory in place"),
            _ => refuse!(FixedRegisters, "the code writes a fixed register"),
        }
    }

    /// Arithmetic with operands that hold values. `second`: the bound of the last operand.
    #[inline(always)]
    fn compute(&mut self, form: Form, to: u8, second: u8, operand: Operand) -> Check {
        let first = self.bound(to);
        if form.size == 4 {
            let bound = match form.op {
                Op::And => first.min(second).min(32),
                Op::Or | Op::Xor => first.max(second).min(32),
                _ => 32,
            };
            return self.write(to, bound);
        }
        match form.op {
            Op::And => match operand {
                Operand::Immediate(imm) if imm < 0 => self.write(to, first),
                _ => self.write(to, first.min(second)),
            },
            Op::Or | Op::Xor => self.write(to, first.max(second)),
            Op::Add => self.add(to, first, second, operand),
            _ => {
                let known = match operand {
                    Operand::Register(from) => self.facts.not_below == Some((to, from)),
                    _ => false,
                };
                self.write(to, if known { first } else { 64 })
            }
        }
    }

    #[inline(always)]
    fn add(&mut self, to: u8, first: u8, second: u8, operand: Operand) -> Check {
        if self.facts.is_about(to) {
            return self.add_to_known(to, first, second, operand);
        }
        match operand {
            Operand::Immediate(imm) if imm < 0 => self.write(to, 64),
            _ => self.write(to, (first.max(second) + 1).min(64)),
        }
    }

    /// A 64-bit addition to a register of which something is known. A range with this register as index or length stays
    /// known.
    #[cold]
    fn add_to_known(&mut self, to: u8, first: u8, second: u8, operand: Operand) -> Check {
        let sum = (first.max(second) + 1).min(64);
        let (least, mut ranges) = (self.facts.least(to), self.facts.ranges);
        let constant = self.facts.constant.filter(|_| to == R11);
        let (bound, most_added, least) = match operand {
            Operand::Immediate(imm) if imm < 0 => match least.checked_sub(imm.unsigned_abs()) {
                Some(least) => (first, Some(0), least),
                None => (64, None, 0),
            },
            Operand::Immediate(imm) => (sum, Some(imm as u64), least.saturating_add(imm as u64)),
            _ if second <= 32 => (sum, Some((1 << second) - 1), least),
            _ => (sum, None, 0),
        };
        self.write(to, bound)?;
        let Some(most_added) = most_added.filter(|_| bound < 64) else {
            return Ok(());
        };
        if let Some(constant) = constant {
            self.facts.most = Some((R11, constant.saturating_add(most_added)));
            self.facts.note(R11);
        }
        if least > 0 {
            self.facts.set_least(to, least);
        }
        for range in ranges.iter_mut().flatten() {
            if !range.is_address && (range.index == to) != (range.length == to) {
                range.slack = range.slack.saturating_add(most_added);
                self.facts.set_range(*range);
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn address_of(&mut self, form: Form, to: u8, from: Address) -> Check {
        if from.base == RIP {
            return self.jump_table();
        }
        if from.base == R14 {
            return self.address(form, to, from);
        }
        let base = self.read(from.base)?;
        let index = match from.index {
            NO_INDEX => 0,
            index => self.read(index)?,
        };
        if form.size == 4 {
            return self.write(to, 32);
        }
        self.lea_64(to, from, base, index)
    }

    #[inline(never)]
    fn lea_64(&mut self, to: u8, from: Address, base: u8, index: u8) -> Check {
        let scaled = match from.index {
            NO_INDEX => 0,
            _ => index + from.scale,
        };
        let disp = u64::try_from(from.disp);
        let sum = match disp {
            // A sum of two values has at most one bit more than the larger one.
            Ok(disp) if from.index == NO_INDEX => base.max(bits(disp)) + 1,
            Ok(0) => base.max(scaled) + 1,
            Ok(disp) => (base.max(scaled) + 1).max(bits(disp)) + 1,
            Err(_) => 64,
        };
        let known = self.facts.range(from.base, from.index);
        self.write(to, sum.min(64))?;
        let apart = to != from.base && to != from.index;
        let Ok(disp) = disp else {
            return Ok(());
        };
        if from.index != NO_INDEX
            && from.scale == 0
            && apart
            && sum <= 40
            && from.base != from.index
        {
            self.facts.sum = Some((to, from.base, from.index, disp));
            for register in [to, from.base, from.index] {
                self.facts.note(register);
            }
            if let Some(range) = known.filter(|range| !range.is_address && disp == 0) {
                let most = (MOST_MEMORY + range.slack.min(REACH)).saturating_sub(range.offset);
                self.facts.most = Some((to, most));
            }
        }
        Ok(())
    }

    /// `lea index, [r14+index+offset]`: the address of a range, for the call of a block operation that follows.
    #[cold]
    fn address(&mut self, form: Form, to: u8, from: Address) -> Check {
        let range = self.facts.ranges.iter().flatten();
        let mut range = range.filter(|range| range.index == to && !range.is_address);
        let Some(&range) = range.next() else {
            refuse!(FixedRegisters, "the code takes an address of memory");
        };
        let offset = u64::try_from(from.disp).unwrap_or(u64::MAX);
        let right = (from.index, from.scale, form.size) == (to, 0, 8)
            && offset <= range.offset
            && MOST_MEMORY.saturating_add(range.slack) <= REACH
            && self.program.module.memory
            && self.function.is_some();
        ensure!(right, FixedRegisters, "the code takes an address of memory");
        self.write(to, NOTHING)?;
        self.facts.set_range(Range {
            is_address: true,
            ..range
        });
        Ok(())
    }

    #[inline(always)]
    fn shift(&mut self, form: Form, to: u8, count: u8) -> Check {
        let first = self.read(to)?;
        if form.size == 4 {
            let bound = match form.op {
                Op::Shr => first.min(32).saturating_sub(count),
                _ => 32,
            };
            return self.write(to, bound);
        }
        let least = match self.facts.is_about(to) {
            true => self.facts.least(to),
            false => 0,
        };
        let bound = match form.op {
            Op::Shl => (first + count).min(64),
            // An arithmetic shift of a non-negative number shifts in zeros.
            Op::Sar if first == 64 => 64,
            _ => first.saturating_sub(count),
        };
        self.write(to, bound)?;
        if form.op == Op::Shl && first + count < 64 && least > 0 {
            self.facts.set_least(to, least << count);
        }
        Ok(())
    }

    fn float(&mut self, it: Packed) -> Check {
        match it.op {
            Op::FMov => {
                self.read_float(it.b())?;
                self.write_float(it.a(), 64);
            }
            Op::FLoad | Op::FStore if (it.base(), it.index()) == (RSP, R11) => {
                self.slot_loop(&it.unpack())?
            }
            Op::FLoad => {
                self.access(it.address(), it.size(), false)?;
                self.write_float(it.a(), 64);
            }
            Op::FStore => {
                self.read_float(it.b())?;
                self.access(it.address(), it.size(), true)?;
            }
            Op::FromGeneral => {
                let bound = self.bound(it.b());
                if bound >= FIXED || it.size() == 4 {
                    self.read(it.b())?;
                }
                // Registers are saved in float registers as a whole, whatever they contain.
                let bound = match it.size() {
                    4 => bound.min(32),
                    _ if bound <= 64 => bound,
                    _ => NOTHING,
                };
                self.write_float(it.a(), bound);
                if let Some(constant) = self.facts.constant.filter(|_| it.b() == R11) {
                    self.facts.float_constant = Some((it.a(), constant, it.size()));
                    self.facts.note_float(it.a());
                }
            }
            Op::ToGeneral => {
                let bound = self.bounds[xmm(it.b())];
                if it.size() == 4 {
                    self.read_float(it.b())?;
                }
                let bound = match bound <= 64 {
                    true => bound.min(8 * it.size()),
                    false => NOTHING,
                };
                self.write(it.a(), bound)?;
            }
            Op::FXor if it.b() == it.c() => self.write_float(it.a(), 64),
            Op::FAdd
            | Op::FSub
            | Op::FMul
            | Op::FDiv
            | Op::FMin
            | Op::FMax
            | Op::FAnd
            | Op::FAndn
            | Op::FOr
            | Op::FXor
            | Op::FSqrt
            | Op::FRound
            | Op::FConvert => {
                self.read_float(it.b())?;
                self.read_float(it.c())?;
                self.write_float(it.a(), 64);
            }
            Op::FCmp => {
                self.compared = self.offset;
                self.read_float(it.a())?;
                self.read_float(it.b())?;
            }
            Op::FromInteger => {
                // The upper part of the result comes from the second operand.
                if it.c() != it.a() {
                    self.read_float(it.c())?;
                }
                self.read(it.b())?;
                self.write_float(it.a(), 64);
            }
            Op::ToInteger => {
                self.read_float(it.b())?;
                let small = self.facts.float == Some((it.b(), it.float(), true));
                let bound = if small { 32 } else { 8 * it.size() };
                self.write(it.a(), bound)?;
            }
            _ => refuse!(Encodings, "the instruction is not in its sequence"),
        }
        Ok(())
    }
    /// Learns facts from a branch with this condition that was not taken.
    #[inline(always)]
    pub(super) fn learn(&mut self, condition: u8) {
        const TEACHES: u16 = 1 << BELOW | 1 << ABOVE | 1 << NOT_ABOVE | 1 << NOT_BELOW;
        if TEACHES >> (condition & 15) & 1 != 0 {
            self.learn_from(condition);
        }
    }

    #[inline(never)]
    fn learn_from(&mut self, condition: u8) {
        let worth = match condition {
            BELOW => true,
            ABOVE => self.facts.sum.is_some(),
            _ => self.facts.float_constant.is_some(),
        };
        if !worth {
            return;
        }
        // The comparison stands right before the branch, and no other code goes between them.
        let compare = self.peek_at(self.compared).filter(|compare| {
            self.compared + usize::from(compare.len) == self.offset
                && self.slots.get(self.offset) == Some(&NO_LABEL)
        });
        let Some(compare) = compare else {
            return;
        };
        match (compare.op, condition) {
            (Op::Cmp, BELOW) if compare.to == Place::Register => match compare.from {
                Place::Immediate => {
                    let value = match compare.size {
                        4 if self.bound(compare.a) <= 32 => u64::from(compare.imm as u32),
                        8 => u64::try_from(compare.imm).unwrap_or(0),
                        _ => 0,
                    };
                    if value > 0 {
                        self.facts.set_least(compare.a, value);
                    }
                }
                Place::Register if compare.size == 8 => {
                    self.facts.not_below = Some((compare.a, compare.b));
                    self.facts.note(compare.a);
                    self.facts.note(compare.b);
                }
                _ => {}
            },
            (Op::Cmp, ABOVE)
                if compare.size == 8
                    && (compare.base, compare.disp)
                        == (R15, layout::context::MEMORY_BYTES as i32)
                    && compare.to == Place::Register
                    && compare.from == Place::Memory =>
            {
                if let Some((_, index, length, offset)) =
                    self.facts.sum.filter(|sum| sum.0 == compare.a)
                {
                    self.facts.set_range(Range {
                        index,
                        length,
                        offset,
                        slack: 0,
                        is_address: false,
                    });
                    if self.facts.least(length) > 0 {
                        let bound = &mut self.bounds[usize::from(index & 15)];
                        *bound = (*bound).min(32);
                    }
                }
            }
            (Op::FCmp, NOT_ABOVE | NOT_BELOW) => self.learn_float(&compare, condition),
            _ => {}
        }
    }

    fn learn_float(&mut self, compare: &Instruction, condition: u8) {
        let size = compare.size;
        let constant = self.facts.float_constant;
        let Some((_, bits, _)) = constant.filter(|it| (it.0, it.2) == (compare.b, size)) else {
            return;
        };
        let (least, most) = match size {
            4 => (
                u64::from((-1f32).to_bits()),
                u64::from(4_294_967_296f32.to_bits()),
            ),
            _ => ((-1f64).to_bits(), 4_294_967_296f64.to_bits()),
        };
        match condition {
            NOT_ABOVE if bits == least => {
                self.facts.float = Some((compare.a, size, false));
                self.facts.note_float(compare.a);
            }
            NOT_BELOW if bits == most => {
                if let Some((register, of, below)) = &mut self.facts.float {
                    *below |= (*register, *of) == (compare.a, size);
                }
            }
            _ => {}
        }
    }
}

/// The last operand of arithmetic.
#[derive(Clone, Copy)]
enum Operand {
    Register(u8),
    Memory,
    Immediate(i64),
}

/// The value of a sign-extended immediate as an operand of this size.
#[inline(always)]
fn constant(size: u8, imm: i64) -> u64 {
    match size {
        8 => imm as u64,
        _ => u64::from(imm as u32),
    }
}

/// The bound of an extended value.
#[inline(always)]
fn extended(form: Form) -> u8 {
    match form.op {
        Op::MovZx8 => 8,
        Op::MovZx16 => 16,
        _ => 8 * form.size,
    }
}

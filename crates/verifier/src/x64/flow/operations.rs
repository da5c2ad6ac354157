//! The effect of each instruction on bounds and facts.

use super::super::decode::{Instruction, NONE, Place, RIP};
use super::super::table::Op;
use super::super::{R11, R14, RAX, RCX, RDX};
use super::facts::*;
use super::{Checked, Flow};
use crate::Invariant;
use crate::layout::{MOST_MEMORY, REACH};

impl Flow<'_, '_> {
    /// Handles an instruction that is not part of a sequence and does not branch.
    #[inline]
    pub(super) fn step(&mut self, it: &Instruction) -> Checked {
        match it.op {
            Op::Mov => self.mov(it),
            Op::Add | Op::Sub | Op::And | Op::Or | Op::Xor => self.arithmetic(it),
            Op::Cmp | Op::Test => {
                match it.to {
                    Place::Memory => {
                        self.access(it, it.size, false)?;
                    }
                    _ => {
                        self.read(it.a)?;
                    }
                }
                match it.from {
                    Place::Immediate => Ok(()),
                    _ => self.source(it).map(drop),
                }
            }
            Op::Lea => self.lea(it),
            Op::MovZx8 | Op::MovZx16 | Op::MovSx8 | Op::MovSx16 | Op::MovSx32 => self.extend(it),
            Op::Imul => {
                let first = match it.from {
                    Place::Immediate => self.read(it.c)?,
                    _ => self.read(it.a)?,
                };
                let second = self.source(it)?;
                let product = match it.size {
                    4 => 32,
                    _ => (first + second).min(64),
                };
                self.write(it.a, product)
            }
            Op::Neg => {
                self.read(it.a)?;
                self.write(it.a, 8 * it.size)
            }
            Op::MulWide | Op::ImulWide => {
                self.read(it.a)?;
                self.read(RAX)?;
                self.write(RAX, 64)?;
                self.write(RDX, 64)
            }
            Op::Div | Op::Idiv => {
                self.read(it.a)?;
                self.read(RAX)?;
                self.read(RDX)?;
                self.write(RAX, 8 * it.size)?;
                self.write(RDX, 8 * it.size)
            }
            Op::SignToRdx => {
                self.read(RAX)?;
                self.write(RDX, 8 * it.size)
            }
            Op::Shl | Op::Shr | Op::Sar => self.shift(it),
            Op::RolCl | Op::RorCl => {
                self.read(it.a)?;
                self.read(RCX)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Rorx => {
                self.read(it.b)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Shlx | Op::Shrx | Op::Sarx => {
                self.read(it.b)?;
                self.read(it.c)?;
                self.write(it.a, 8 * it.size)
            }
            Op::Popcnt | Op::Lzcnt | Op::Tzcnt => {
                self.read(it.b)?;
                self.write(it.a, 7)
            }
            Op::Cmov => {
                let other = self.read(it.a)?.max(self.read(it.b)?);
                self.write(it.a, other.min(8 * it.size))
            }
            Op::Set => self.write(it.a, LOW_BYTE),
            Op::Xchg => {
                let (a, b) = (self.bound(it.a), self.bound(it.b));
                self.write(it.a, b.min(NOTHING))?;
                self.write(it.b, a.min(NOTHING))
            }
            _ => self.float(it),
        }
    }

    pub(super) fn mov(&mut self, it: &Instruction) -> Checked {
        if it.to == Place::Memory {
            if it.from == Place::Register {
                self.read(it.b)?;
            }
            return self.access(it, it.size, true).map(drop);
        }
        let bound = self.source(it)?.min(8 * it.size);
        self.write(it.a, bound)?;
        if it.a == R11 && it.from == Place::Immediate {
            self.facts.constant = Some(match it.size {
                8 => it.imm as u64,
                _ => u64::from(it.imm as u32),
            });
            self.facts.about |= 1 << R11;
        }
        Ok(())
    }

    pub(super) fn arithmetic(&mut self, it: &Instruction) -> Checked {
        if it.to == Place::Memory {
            return self.refuse(Invariant::Context, "memory is changed in place");
        }
        if it.op == Op::Xor && it.from == Place::Register && it.a == it.b {
            return self.write(it.a, 0);
        }
        if it.size == 4 {
            return self.arithmetic_32(it);
        }
        let first = self.read(it.a)?;
        let second = self.source(it)?;
        match it.op {
            Op::And => match it.from {
                Place::Immediate if it.imm < 0 => self.write(it.a, first),
                _ => self.write(it.a, first.min(second)),
            },
            Op::Or | Op::Xor => self.write(it.a, first.max(second)),
            Op::Add => self.add(it, first, second),
            _ => {
                let known =
                    it.from == Place::Register && self.facts.not_below == Some((it.a, it.b));
                self.write(it.a, if known { first } else { 64 })
            }
        }
    }

    pub(super) fn arithmetic_32(&mut self, it: &Instruction) -> Checked {
        let bitwise = matches!(it.op, Op::And | Op::Or) && it.from == Place::Register;
        if bitwise && (self.bound(it.a) == LOW_BYTE || self.bound(it.b) == LOW_BYTE) {
            // Two conditions are combined into one.
            let known = self.bound(it.a).max(self.bound(it.b)) == LOW_BYTE;
            self.ensure(
                known,
                Invariant::Widths,
                "a register that holds nothing is read",
            )?;
            return self.write(it.a, LOW_BYTE);
        }
        let first = self.read(it.a)?;
        let second = self.source(it)?;
        let bound = match it.op {
            Op::And => first.min(second).min(32),
            Op::Or | Op::Xor => first.max(second).min(32),
            _ => 32,
        };
        self.write(it.a, bound)
    }

    /// A 64-bit addition. A range with this register as index or length stays known.
    pub(super) fn add(&mut self, it: &Instruction, first: u8, second: u8) -> Checked {
        let sum = (first.max(second) + 1).min(64);
        if !self.facts.is_about(it.a) && self.facts.constant.is_none() {
            return match it.imm < 0 && it.from == Place::Immediate {
                true => self.write(it.a, 64),
                false => self.write(it.a, sum),
            };
        }
        let (least, mut ranges) = (self.facts.least(it.a), self.facts.ranges);
        let constant = self.facts.constant.filter(|_| it.a == R11);
        let (bound, most_added, least) = match it.from {
            Place::Immediate if it.imm < 0 => match least.checked_sub(it.imm.unsigned_abs()) {
                Some(least) => (first, Some(0), least),
                None => (64, None, 0),
            },
            Place::Immediate => (
                sum,
                Some(it.imm as u64),
                least.saturating_add(it.imm as u64),
            ),
            _ if second <= 32 => (sum, Some((1 << second) - 1), least),
            _ => (sum, None, 0),
        };
        self.write(it.a, bound)?;
        let Some(most_added) = most_added.filter(|_| bound < 64) else {
            return Ok(());
        };
        if let Some(constant) = constant {
            self.facts.most = Some((R11, constant.saturating_add(most_added)));
            self.facts.about |= 1 << R11;
        }
        if least > 0 {
            self.facts.set_least(it.a, least);
        }
        for range in ranges.iter_mut().flatten() {
            if !range.is_address && (range.index == it.a) != (range.length == it.a) {
                range.slack = range.slack.saturating_add(most_added);
                self.facts.set_range(*range);
            }
        }
        Ok(())
    }

    pub(super) fn lea(&mut self, it: &Instruction) -> Checked {
        if it.base == RIP {
            return self.refuse(Invariant::CodeData, "an address of code");
        }
        if it.base == R14 {
            return self.address(it);
        }
        let base = self.read(it.base)?;
        let index = match it.index {
            NONE => 0,
            index => self.read(index)?,
        };
        if it.size == 4 {
            return self.write(it.a, 32);
        }
        let scaled = index + it.scale.trailing_zeros() as u8;
        let disp = u64::try_from(it.disp);
        let sum = match disp {
            // A sum of two values has at most one bit more than the larger one.
            Ok(disp) if it.index == NONE => base.max(bits(disp)) + 1,
            Ok(0) => base.max(scaled) + 1,
            Ok(disp) => (base.max(scaled) + 1).max(bits(disp)) + 1,
            Err(_) => 64,
        };
        let known = self.facts.range(it.base, it.index);
        self.write(it.a, sum.min(64))?;
        let apart = it.a != it.base && it.a != it.index;
        let Ok(disp) = disp else {
            return Ok(());
        };
        if it.index != NONE && it.scale == 1 && apart && sum <= 40 && it.base != it.index {
            self.facts.sum = Some((it.a, it.base, it.index, disp));
            self.facts.about |= 1 << it.a | 1 << it.base | 1 << it.index;
            if let Some(range) = known.filter(|range| !range.is_address && disp == 0) {
                let most = (MOST_MEMORY + range.slack.min(REACH)).saturating_sub(range.offset);
                self.facts.most = Some((it.a, most));
            }
        }
        Ok(())
    }

    /// `lea index, [r14+index+offset]`: the address of a range, for the call of a block operation that follows.
    pub(super) fn address(&mut self, it: &Instruction) -> Checked {
        let wrong = "an address of memory";
        let range = self.facts.ranges.iter().flatten();
        let mut range = range.filter(|range| range.index == it.a && !range.is_address);
        let Some(&range) = range.next() else {
            return self.refuse(Invariant::FixedRegisters, wrong);
        };
        let offset = u64::try_from(it.disp).unwrap_or(u64::MAX);
        let right = (it.index, it.scale, it.size) == (it.a, 1, 8)
            && offset <= range.offset
            && MOST_MEMORY.saturating_add(range.slack) <= REACH
            && self.program.module.memory
            && self.function.is_some();
        self.ensure(right, Invariant::FixedRegisters, wrong)?;
        self.write(it.a, NOTHING)?;
        self.facts.set_range(Range {
            is_address: true,
            ..range
        });
        Ok(())
    }

    pub(super) fn extend(&mut self, it: &Instruction) -> Checked {
        let bytes = match it.op {
            Op::MovZx8 | Op::MovSx8 => 1,
            Op::MovZx16 | Op::MovSx16 => 2,
            _ => 4,
        };
        if it.from == Place::Memory {
            self.access(it, bytes, false)?;
        } else if !(bytes == 1 && self.bound(it.b) == LOW_BYTE) {
            self.read(it.b)?;
        }
        let bound = match it.op {
            Op::MovZx8 | Op::MovZx16 => 8 * bytes,
            _ => 8 * it.size,
        };
        self.write(it.a, bound)
    }

    pub(super) fn shift(&mut self, it: &Instruction) -> Checked {
        let first = self.read(it.a)?;
        let count = it.imm as u8 & 63;
        if it.size == 4 {
            let bound = match it.op {
                Op::Shr => first.min(32).saturating_sub(count),
                _ => 32,
            };
            return self.write(it.a, bound);
        }
        let least = self.facts.least(it.a);
        let bound = match it.op {
            Op::Shl => (first + count).min(64),
            // An arithmetic shift of a non-negative number shifts in zeros.
            Op::Sar if first == 64 => 64,
            _ => first.saturating_sub(count),
        };
        self.write(it.a, bound)?;
        if it.op == Op::Shl && first + count < 64 && least > 0 {
            self.facts.set_least(it.a, least << count);
        }
        Ok(())
    }

    pub(super) fn float(&mut self, it: &Instruction) -> Checked {
        match it.op {
            Op::FMov => {
                self.read_float(it.b)?;
                self.write_float(it.a, 64);
            }
            Op::FLoad => {
                self.access(it, it.size, false)?;
                self.write_float(it.a, 64);
            }
            Op::FStore => {
                self.read_float(it.b)?;
                self.access(it, it.size, true)?;
            }
            Op::FromGeneral => {
                let bound = self.bound(it.b);
                if bound >= FIXED || it.size == 4 {
                    self.read(it.b)?;
                }
                // Registers are saved in float registers as a whole, whatever they contain.
                let bound = match it.size {
                    4 => bound.min(32),
                    _ if bound <= 64 => bound,
                    _ => NOTHING,
                };
                self.write_float(it.a, bound);
                if let Some(constant) = self.facts.constant.filter(|_| it.b == R11) {
                    self.facts.float_constant = Some((it.a, constant, it.size));
                }
            }
            Op::ToGeneral => {
                let bound = self.bounds[xmm(it.b)];
                if it.size == 4 {
                    self.read_float(it.b)?;
                }
                let bound = match bound <= 64 {
                    true => bound.min(8 * it.size),
                    false => NOTHING,
                };
                self.write(it.a, bound)?;
            }
            Op::FXor if it.b == it.c => self.write_float(it.a, 64),
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
                self.read_float(it.b)?;
                self.read_float(it.c)?;
                self.write_float(it.a, 64);
            }
            Op::FCmp => {
                self.read_float(it.a)?;
                self.read_float(it.b)?;
            }
            Op::FromInteger => {
                // The upper part of the result comes from the second operand.
                if it.c != it.a {
                    self.read_float(it.c)?;
                }
                self.read(it.b)?;
                self.write_float(it.a, 64);
            }
            Op::ToInteger => {
                self.read_float(it.b)?;
                let small = self.facts.float == Some((it.b, it.float, true));
                let bound = if small { 32 } else { 8 * it.size };
                self.write(it.a, bound)?;
            }
            _ => return self.refuse(Invariant::Encodings, "an instruction out of its sequence"),
        }
        Ok(())
    }
}

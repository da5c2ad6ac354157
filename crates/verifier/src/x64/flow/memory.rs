//! Accesses to memory: linear memory, the frame, the context.

use super::super::decode::{Instruction, NONE, Place};
use super::super::{R11, R14, R15, RSP, in_slots};
use super::facts::*;
use super::{Checked, Flow};
use crate::Invariant;
use crate::layout::{self, GLOBAL_BYTES, MOST_MEMORY, REACH};

impl Flow<'_, '_> {
    /// Checks an access of this number of bytes. Returns the maximum number of bits that are read.
    #[inline]
    pub(super) fn access(&self, it: &Instruction, bytes: u8, writes: bool) -> Checked<u8> {
        let most = 8 * bytes;
        match it.base {
            R14 => {
                self.linear(it, bytes)?;
                Ok(most)
            }
            RSP => {
                let Some((_, ty, frame)) = self.function else {
                    return self.refuse(Invariant::Frame, "shared code has no frame");
                };
                let slots = in_slots(ty, frame, it.disp.into(), bytes.into());
                let plain = it.index == NONE;
                self.ensure(
                    plain && slots,
                    Invariant::Frame,
                    "an access out of the frame",
                )?;
                Ok(most)
            }
            R15 => self.context(it, bytes, writes),
            _ => self.refuse(Invariant::LinearMemory, "an access by another register"),
        }
    }

    #[inline]
    pub(super) fn linear(&self, it: &Instruction, bytes: u8) -> Checked {
        let refuse = |what| self.refuse(Invariant::LinearMemory, what);
        if !self.program.module.memory || self.function.is_none() {
            return refuse("an access of memory where there is none");
        }
        let Ok(disp) = u64::try_from(it.disp) else {
            return refuse("an offset below 0");
        };
        if it.index == NONE {
            return Ok(());
        }
        if it.scale != 1 {
            return refuse("a multiple of an index");
        }
        let bound = self.read(it.index)?;
        if bound <= 32 {
            return Ok(());
        }
        let most = match self.facts.most.filter(|most| most.0 == it.index) {
            Some((_, most)) => most,
            None if it.index == R11 => self.facts.constant.unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        match most.checked_add(disp + u64::from(bytes)) {
            Some(end) if end <= REACH => Ok(()),
            _ => refuse("an index of more than 32 bits"),
        }
    }

    pub(super) fn context(&self, it: &Instruction, bytes: u8, writes: bool) -> Checked<u8> {
        let refuse = |what| self.refuse(Invariant::Context, what);
        let Ok(offset) = u32::try_from(it.disp) else {
            return refuse("an offset below 0");
        };
        if it.index != NONE {
            return self.refuse(Invariant::Table, "an access of a table's entry");
        }
        if offset == layout::context::MEMORY_BYTES && bytes == 8 && !writes {
            return Ok(bits(MOST_MEMORY));
        }
        let global = offset
            .checked_sub(layout::context::GLOBALS)
            .filter(|distance| distance.is_multiple_of(GLOBAL_BYTES));
        let Some(global) = global else {
            return refuse("a field that is not code's");
        };
        let global = global / GLOBAL_BYTES;
        let counter = self.program.code.settings.logical_counter;
        let declared = self.program.module.globals.get(global as usize);
        let (exists, mutable) = match declared {
            Some(global) => (true, global.mutable),
            // The counter may have the index after the module's last global.
            None => (counter == Some(global), true),
        };
        if !exists || bytes > 8 {
            return refuse("no global");
        }
        if writes && !mutable {
            return refuse("a constant global is written");
        }
        Ok(8 * bytes)
    }

    /// The bound of an operation's last operand.
    #[inline]
    pub(super) fn source(&self, it: &Instruction) -> Checked<u8> {
        match it.from {
            Place::Register => self.read(it.b),
            Place::Memory => self.access(it, it.size, false),
            Place::Immediate => Ok(match it.size {
                8 => bits(it.imm as u64),
                _ => bits(u64::from(it.imm as u32)),
            }),
            Place::None => Ok(0),
        }
    }
}

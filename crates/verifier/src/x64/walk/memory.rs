//! Accesses to memory: linear memory, the frame, the context.

use super::{Check, Walk, ensure, refuse};
use crate::layout::{self, GLOBAL_BYTES, MOST_MEMORY, REACH};
use crate::wasm::ACCESS;
use crate::x64::decode::{Address, NO_INDEX};
use crate::x64::facts::*;
use crate::x64::{R11, R14, R15, RSP};
use pvf_rules::TrapKind;

impl Walk<'_, '_> {
    /// Checks an access of this number of bytes. Returns the maximum number of bits that are read.
    #[inline(always)]
    pub(super) fn access(&mut self, it: Address, bytes: u8, writes: bool) -> Check<u8> {
        match it.base {
            RSP => {
                ensure!(
                    it.index == NO_INDEX,
                    Frame,
                    "an access to the stack is not to a slot"
                );
                self.slot(it.disp, bytes)?;
                self.use_slot(it.disp, writes)?;
                Ok(8 * bytes)
            }
            R14 => {
                ensure!(
                    it.scale == 0 || it.index == NO_INDEX,
                    LinearMemory,
                    "the index of an access is multiplied"
                );
                self.linear(it.index, it.disp, bytes)?;
                Ok(8 * bytes)
            }
            R15 => self.context(it.disp, it.index, bytes, writes),
            _ => refuse!(LinearMemory, "an access has another base than the memory"),
        }
    }

    /// Whether a range, as distances from the stack pointer, consists of slots of the function: its own, or those that
    /// it shares with its caller.
    #[inline(always)]
    pub(super) fn is_slot(&self, low: i64, high: i64) -> bool {
        (low >= 0 && high <= self.own_slots) || (low >= self.frame && high <= self.callers_slots)
    }

    /// Checks an access to the stack.
    #[inline(always)]
    pub(super) fn slot(&self, disp: i32, bytes: u8) -> Check {
        let (low, end) = (i64::from(disp), i64::from(bytes));
        ensure!(
            // A distance below 0 is a large one.
            u64::from(disp as u32) + u64::from(bytes) <= self.own_slots as u64
                || self.is_slot(low, low + end),
            Frame,
            "an access to the stack is not to a slot"
        );
        Ok(())
    }

    /// Checks that a slot that is read was written, or notes that it is written. Its place was checked.
    #[inline(always)]
    pub(super) fn use_slot(&mut self, disp: i32, writes: bool) -> Check {
        let offset = u64::from(disp as u32);
        if writes {
            self.written.insert(offset);
            return Ok(());
        }
        // Parameters and results lie in the caller's frame.
        ensure!(
            self.written.contains(offset) || i64::from(disp) >= self.frame,
            Written,
            "a slot is read that was not written on all paths"
        );
        Ok(())
    }

    /// Checks an access to linear memory. `index`: a register, or [`NO_INDEX`].
    #[inline(always)]
    pub(super) fn linear(&mut self, index: u8, disp: i32, bytes: u8) -> Check {
        // The usual case as one condition. What it does not cover is looked at step by step.
        if self.memory
            && disp >= 0
            && index != NO_INDEX
            && self.bound(index) <= 32
            && self.next_site_is_of_memory()
        {
            self.site += 1;
            return Ok(());
        }
        self.unusual_linear(index, disp, bytes)
    }

    /// Whether the next trap site is that of the current instruction, and names a load or store.
    #[inline(always)]
    fn next_site_is_of_memory(&self) -> bool {
        let Some(site) = self.sites.get(self.site) else {
            return false;
        };
        site.code_offset == self.start.wrapping_add(self.offset as u32)
            && site.kind == TrapKind::MemoryOutOfBounds
            && self
                .classes
                .get(site.wasm_offset.wrapping_sub(self.body_offset) as usize)
                == Some(&ACCESS)
    }

    #[inline(never)]
    fn unusual_linear(&mut self, index: u8, disp: i32, bytes: u8) -> Check {
        ensure!(
            disp >= 0,
            LinearMemory,
            "the offset of an access is below 0"
        );
        self.faults(TrapKind::MemoryOutOfBounds)?;
        if index == NO_INDEX || self.bound(index) <= 32 {
            return match self.memory {
                true => Ok(()),
                false => refuse!(LinearMemory, "there is no memory to access"),
            };
        }
        self.wide_index(index, disp, bytes)
    }

    /// Checks an access whose index may have more than 32 bits.
    fn wide_index(&self, index: u8, disp: i32, bytes: u8) -> Check {
        ensure!(self.memory, LinearMemory, "there is no memory to access");
        let end = self.most_of_index(index)?;
        let behind = end.checked_add(u64::from(disp.unsigned_abs()) + u64::from(bytes));
        ensure!(
            behind.is_some_and(|behind| behind <= REACH),
            LinearMemory,
            "the index of an access may have more than 32 bits"
        );
        Ok(())
    }

    #[cold]
    fn most_of_index(&self, index: u8) -> Check<u64> {
        self.read(index)?;
        Ok(match self.facts.most.filter(|most| most.0 == index) {
            Some((_, most)) => most,
            None if index == R11 => self.facts.constant.unwrap_or(u64::MAX),
            None => u64::MAX,
        })
    }

    fn context(&self, disp: i32, index: u8, bytes: u8, writes: bool) -> Check<u8> {
        ensure!(
            index == NO_INDEX,
            Table,
            "the code reads an entry of the table"
        );
        let Ok(offset) = u32::try_from(disp) else {
            refuse!(Context, "the offset in the context is below 0");
        };
        if offset == layout::context::MEMORY_BYTES && bytes == 8 && !writes {
            return Ok(bits(MOST_MEMORY));
        }
        let global = offset
            .checked_sub(layout::context::GLOBALS)
            .filter(|distance| distance.is_multiple_of(GLOBAL_BYTES));
        let Some(global) = global else {
            refuse!(
                Context,
                "functions may not access this field of the context"
            );
        };
        let global = global / GLOBAL_BYTES;
        let counter = self.program.code.settings.logical_counter;
        let declared = self.program.module.globals.get(global as usize);
        let (exists, mutable) = match declared {
            Some(global) => (true, global.mutable),
            // The counter may have the index after the module's last global.
            None => (counter == Some(global), true),
        };
        ensure!(exists && bytes <= 8, Context, "there is no such global");
        ensure!(mutable || !writes, Context, "a constant global is written");
        Ok(8 * bytes)
    }
}

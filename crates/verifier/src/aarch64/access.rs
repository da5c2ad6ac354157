//! Loads and stores of linear memory, the frame and the context.

use super::decode::{Form, Word};
use super::values::{CONTEXT, FIRST, HIGH_SUM, LONG_INDEX, MEMORY, SECOND, SUM, WORD, ZERO};
use super::walk::Walk;
use crate::layout::{self, context};
use crate::why::{Check, ensure, refuse};

/// The size and the kind of register of an access.
#[derive(Clone, Copy)]
struct Moved {
    /// The base-2 logarithm of the size in bytes.
    size: u8,
    stores: bool,
    float: bool,
}

impl Moved {
    fn of(word: Word, float: bool) -> Self {
        Self {
            size: word.size(),
            stores: word.access() == 0,
            float,
        }
    }

    fn bytes(self) -> u64 {
        1 << self.size
    }
}

/// The maximum number of bits of the size of linear memory.
const SIZE_BITS: u8 = 64 - layout::MOST_MEMORY.leading_zeros() as u8;

/// The encodings of the sign-extending loads.
const SIGNED_WIDE: u8 = 2;
const SIGNED_WORD: u8 = 3;

impl Walk<'_, '_> {
    #[inline(always)]
    pub fn access_scaled(&mut self, word: Word) -> Check {
        let moved = Moved::of(word, false);
        let offset = word.scaled_offset();
        match word.rn() {
            ZERO => self.slot_of(word, moved, offset.into())?,
            CONTEXT => {
                if word.rd() == SECOND && self.is_audited() && self.begins_audit(word) {
                    return self.audited_epilogue();
                }
                self.context_of(word, moved, offset.into())?;
                if offset == context::MEMORY_BYTES {
                    return self.write(word.rd(), SIZE_BITS);
                }
            }
            base => self.linear(base)?,
        }
        self.move_general(word, moved)
    }

    #[inline]
    pub fn access_unscaled(&mut self, word: Word) -> Check {
        self.linear_unscaled(word)?;
        self.move_general(word, Moved::of(word, false))
    }

    #[inline(always)]
    pub fn access_indexed(&mut self, word: Word) -> Check {
        let moved = Moved::of(word, false);
        match word.rn() {
            MEMORY => self.linear_index(word.rm())?,
            ZERO => {
                let distance = self.distance(word.rm())?;
                self.slot_of(word, moved, distance)?;
            }
            CONTEXT => self.context_of(word, moved, self.distance(word.rm())?)?,
            _ => refuse!(
                LinearMemory,
                "the code adds an index to a register that is not the memory's base"
            ),
        }
        self.move_general(word, moved)
    }

    pub fn float_scaled(&mut self, word: Word) -> Check {
        let moved = Moved::of(word, true);
        let offset = word.scaled_offset();
        match word.rn() {
            ZERO => self.slot_of(word, moved, offset.into())?,
            CONTEXT => self.context_of(word, moved, offset.into())?,
            base => self.linear(base)?,
        }
        self.move_float(word, moved)
    }

    pub fn float_unscaled(&mut self, word: Word) -> Check {
        self.linear_unscaled(word)?;
        self.move_float(word, Moved::of(word, true))
    }

    pub fn float_indexed(&mut self, word: Word) -> Check {
        let moved = Moved::of(word, true);
        match word.rn() {
            MEMORY => self.linear_index(word.rm())?,
            ZERO => {
                let distance = self.distance(word.rm())?;
                self.slot_of(word, moved, distance)?;
            }
            CONTEXT => self.context_of(word, moved, self.distance(word.rm())?)?,
            _ => refuse!(
                LinearMemory,
                "the code adds an index to a register that is not the memory's base"
            ),
        }
        self.move_float(word, moved)
    }

    /// Checks the register of an access whose address has been checked.
    #[inline(always)]
    fn move_general(&mut self, word: Word, moved: Moved) -> Check {
        if moved.stores {
            return self.read(word.rd()).map(|_| ());
        }
        let holds = match word.access() {
            SIGNED_WIDE => 64,
            SIGNED_WORD => 32,
            _ => 8 << moved.size,
        };
        self.write(word.rd(), holds)
    }

    #[inline(always)]
    fn move_float(&mut self, word: Word, moved: Moved) -> Check {
        if moved.stores {
            return self.read_float(word.rd());
        }
        self.write_float(word.rd());
        Ok(())
    }

    /// The constant in a scratch register, as an offset.
    fn distance(&self, register: u8) -> Check<u64> {
        match self.constant(register) {
            Some(distance) if matches!(register, FIRST | SECOND) => Ok(distance),
            _ => refuse!(Frame, "an offset from the stack pointer is not constant"),
        }
    }

    /// An access to linear memory at an address plus a constant offset of less than 2^15.
    #[inline(always)]
    fn linear(&mut self, base: u8) -> Check {
        let holds = self.holds(base);
        ensure!(
            base == MEMORY || holds == SUM || holds == HIGH_SUM,
            LinearMemory,
            "an access has another base than the memory"
        );
        self.access_site()
    }

    fn linear_unscaled(&mut self, word: Word) -> Check {
        ensure!(
            word.unscaled_offset() >= 0,
            LinearMemory,
            "the offset of an access is below 0"
        );
        self.linear(word.rn())
    }

    /// An access to linear memory at an index.
    #[inline(always)]
    fn linear_index(&mut self, index: u8) -> Check {
        let holds = self.holds(index);
        ensure!(
            holds <= WORD || self.is_long_index(index),
            LinearMemory,
            "the index of an access may have more than 32 bits"
        );
        self.access_site()
    }

    /// Whether a scratch register contains a constant plus an index, or a constant, below 2^33.
    fn is_long_index(&self, index: u8) -> bool {
        let constant = self.constant(index);
        matches!(index, FIRST | SECOND)
            && (self.holds(index) == LONG_INDEX || constant.is_some_and(|it| it < 1 << 33))
    }

    /// An access to the frame.
    #[inline(always)]
    fn slot_of(&mut self, word: Word, moved: Moved, offset: u64) -> Check {
        ensure!(
            moved.size >= 2 && word.access() < 2,
            Frame,
            "the code accesses a part of a slot"
        );
        // The usual case: one of the function's own slots.
        let slot_bytes = u64::from(layout::SLOT_BYTES);
        // Above them lie the return address and a word that is not used.
        let end = offset + 3 * slot_bytes;
        if offset.is_multiple_of(slot_bytes) && end <= u64::from(self.function.frame_bytes) {
            return self.use_slots(offset, 1, moved.stores);
        }
        self.slot_at(offset, 1)
    }

    /// Checks that slots that are read were written, or notes that they are written. Their place was checked.
    #[inline(always)]
    pub fn use_slots(&mut self, offset: u64, slots: u64, writes: bool) -> Check {
        let written = &mut self.state.written;
        let end = offset + slots * u64::from(layout::SLOT_BYTES);
        match (writes, slots) {
            (true, 1) => written.insert(offset),
            (true, _) => written.insert_range(offset, end),
            (false, _) => {
                let is_written = match slots {
                    1 => written.contains(offset),
                    _ => written.contains_range(offset, end),
                };
                // Parameters and results lie in the caller's frame.
                ensure!(
                    is_written || offset >= u64::from(self.function.frame_bytes),
                    Written,
                    "a slot is read that was not written on all paths"
                );
            }
        }
        Ok(())
    }

    /// Checks that this number of slots, from an offset on, are all slots of the function's own, or all parameters and
    /// results in the caller's frame.
    #[inline(never)]
    pub fn slot_at(&self, offset: u64, slots: u64) -> Check {
        let frame = u64::from(self.function.frame_bytes);
        let slot_bytes = u64::from(layout::SLOT_BYTES);
        let Some(end) = slots
            .checked_mul(slot_bytes)
            .and_then(|it| it.checked_add(offset))
        else {
            refuse!(Frame, "a loop over slots has no end");
        };
        // The return address is above the function's own slots.
        let own = end <= frame.saturating_sub(2 * slot_bytes);
        let callers =
            offset >= frame && end <= frame + self.tables.slot_bytes(self.function.signature);
        ensure!(
            offset.is_multiple_of(slot_bytes) && (own || callers),
            Frame,
            "an access to the stack is not to a slot"
        );
        Ok(())
    }

    pub fn store_pair(&mut self, word: Word) -> Check {
        ensure!(
            word.rn() == ZERO,
            Frame,
            "a pair of registers is stored outside of the frame"
        );
        let Ok(offset) = u64::try_from(word.pair_offset()) else {
            refuse!(Frame, "a pair of registers is stored below the frame");
        };
        self.slot_at(offset, 2)?;
        self.use_slots(offset, 2, true)?;
        self.read(word.rd())?;
        self.read(word.ra()).map(|_| ())
    }

    /// An access to the context: a global with its type, or the size of memory.
    fn context_of(&mut self, word: Word, moved: Moved, offset: u64) -> Check {
        if offset == u64::from(context::MEMORY_BYTES) {
            ensure!(
                !moved.stores && !moved.float && moved.bytes() == 8,
                Context,
                "the code does more than load the memory's size"
            );
            return Ok(());
        }
        let global = offset
            .checked_sub(context::GLOBALS.into())
            .filter(|it| it.is_multiple_of(layout::GLOBAL_BYTES.into()))
            .map(|it| it / u64::from(layout::GLOBAL_BYTES));
        let global = global.and_then(|it| self.tables.global(it));
        let Some(global) = global else {
            refuse!(
                Context,
                "functions may not access this field of the context"
            );
        };
        let size = if global.ty.is_wide() { 3 } else { 2 };
        // A general register may hold a float constant that is stored.
        let class = moved.float != global.ty.is_integer() || moved.stores && !moved.float;
        ensure!(
            moved.size == size && class && word.access() < 2,
            Context,
            "the code accesses a global with another type"
        );
        ensure!(
            !moved.stores || global.mutable,
            Context,
            "a constant global is written"
        );
        Ok(())
    }

    pub fn load_literal(&mut self, word: Word) -> Check {
        let to = self.target(self.at, word.distance(Form::Literal))?;
        ensure!(
            to > self.at,
            CodeData,
            "a literal is before the instruction that loads it"
        );
        self.mark_literal(to)?;
        self.write_float(word.rd());
        Ok(())
    }
}

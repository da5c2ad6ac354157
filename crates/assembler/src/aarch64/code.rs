//! The assembler itself: its code, from empty to finished.

use super::pool::Pool;
use super::reach::Pending;
use crate::buffer::CodeBuffer;
#[cfg(debug_assertions)]
use crate::flags::FlagTrace;
use crate::label::{FinishError, Label, Labels};
use std::ops::{Deref, DerefMut};

/// Emits aarch64 machine code: [`Instructions`], the labels between them, and the code as a whole.
///
/// Offsets are in bytes from the start of the code. [`finish`](Self::finish)
/// must succeed before the code is used.
#[derive(Clone, Debug, Default)]
pub struct Assembler(Instructions);

/// The operations of an [`Assembler`] between two labels. A borrower of only this can emit any instruction, but
/// cannot bind a label: control comes from nowhere else without the lender's knowledge.
#[derive(Clone, Debug, Default)]
pub struct Instructions {
    pub(super) buffer: CodeBuffer,
    pub(super) labels: Labels,
    /// The instructions that wait for their labels.
    pub(super) pending: Pending,
    /// The constants that loads wait for.
    pub(super) pool: Pool,
    /// 32-bit differences to be filled in when all labels are bound.
    differences: Vec<Difference>,
    /// The first thing that went wrong, for `finish` to report.
    pub(super) error: Option<FinishError>,
    #[cfg(debug_assertions)]
    flags: FlagTrace,
}

impl Deref for Assembler {
    type Target = Instructions;

    #[inline(always)]
    fn deref(&self) -> &Instructions {
        &self.0
    }
}

impl DerefMut for Assembler {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Instructions {
        &mut self.0
    }
}

/// The field at `at`: target minus base.
#[derive(Copy, Clone, Debug)]
struct Difference {
    at: u32,
    target: Label,
    base: Label,
}

const NOP: u32 = 0xD503_201F;

/// The code.
impl Assembler {
    /// An assembler without code.
    pub fn new() -> Self {
        Self::default()
    }

    /// An assembler with room for `bytes` bytes of code.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Instructions {
            buffer: CodeBuffer::with_capacity(bytes),
            ..Instructions::default()
        })
    }

    /// Forgets code and labels and keeps the allocations.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.labels.clear();
        self.pending.clear();
        self.pool.clear();
        self.differences.clear();
        self.error = None;
        #[cfg(debug_assertions)]
        self.flags.clear();
    }

    /// The code so far.
    #[inline]
    pub fn code(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// The code, without the assembler.
    pub fn into_code(self) -> Vec<u8> {
        self.0.buffer.into_bytes()
    }

    /// The code, after which the assembler is as [`clear`](Self::clear)ed. Much code is handed over where it is, and
    /// the assembler's allocations with it; little is copied.
    pub fn take_code(&mut self) -> Vec<u8> {
        let code = self.buffer.take();
        match self.pending.is_large() {
            true => *self = Self::default(),
            false => self.clear(),
        }
        code
    }

    /// Overwrites the four bytes at `at` with `value`, little-endian.
    ///
    /// # Panics
    /// If they were not emitted yet.
    #[inline]
    pub fn patch_u32(&mut self, at: u32, value: u32) {
        self.buffer.patch_u32(at, value);
    }

    /// Emits bytes as they are, such as constants behind the code. Instructions
    /// that follow must be [`align`](Self::align)ed to 4 bytes again.
    pub fn emit_data(&mut self, data: &[u8]) {
        self.buffer.put_slice(data);
    }

    /// Binds `label` to the current offset, once.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        self.bind_here(label);
    }

    /// Resolves every reference to a label. The code is complete afterwards.
    /// Constants that were not emitted yet go to its end.
    ///
    /// # Errors
    /// The first label that is unbound, bound twice or out of reach.
    pub fn finish(&mut self) -> Result<(), FinishError> {
        self.flush_pool();
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some((label, at)) = self.pending.first() {
            return Err(FinishError::UnboundLabel { label, at });
        }
        if self.buffer.len() > i32::MAX as usize {
            return Err(FinishError::CodeTooLarge {
                bytes: self.buffer.len(),
            });
        }
        let Instructions {
            buffer,
            labels,
            differences,
            ..
        } = &mut self.0;
        for &Difference { at, target, base } in &*differences {
            let difference = labels
                .known(target, at)?
                .wrapping_sub(labels.known(base, at)?);
            buffer.patch_u32(at, difference);
        }
        differences.clear();
        Ok(())
    }
}

/// The place in the code.
impl Instructions {
    /// What has been emitted that writes the flags.
    #[cfg(debug_assertions)]
    pub fn flag_trace(&self) -> FlagTrace {
        self.flags
    }

    /// Bytes emitted so far.
    #[inline(always)]
    pub fn offset(&self) -> u32 {
        // Longer code is refused by `finish`.
        self.buffer.len() as u32
    }

    /// Fills up to the next multiple of `to` bytes, with no-operations; up to
    /// the next multiple of four, if data has left it, with zeros.
    pub fn align(&mut self, to: u32) {
        debug_assert!(to.is_power_of_two(), "alignments are powers of two");
        let bytes = self.offset().wrapping_neg() & (to - 1);
        self.buffer.put_word(0, bytes & 3);
        for _ in 0..bytes / 4 {
            self.put(NOP);
        }
    }

    /// `nop`
    #[inline]
    pub fn nop(&mut self) {
        self.put(NOP);
    }

    /// Appends one instruction.
    #[inline(always)]
    pub(super) fn put(&mut self, instruction: u32) {
        self.buffer.put_word(instruction as u64, 4);
        #[cfg(debug_assertions)]
        if super::flags::writes_flags(instruction) {
            let end = self.offset();
            self.flags.write(end);
        }
    }
}

/// Labels.
impl Instructions {
    /// Binds `label` to the current offset, once: a label of the caller's, or of a constant behind the code.
    #[inline]
    pub(super) fn bind_here(&mut self, label: Label) {
        let here = self.offset();
        if self.labels.bind(label, here) {
            self.fill_in(label, here);
        } else {
            debug_assert!(false, "a label is bound once");
            self.error
                .get_or_insert(FinishError::BoundTwice { label, at: here });
        }
    }

    /// A new label, not bound yet.
    #[inline]
    pub fn new_label(&mut self) -> Label {
        self.pending.add_label();
        self.labels.create()
    }

    /// Whether `label` was bound.
    #[inline]
    pub fn is_bound(&self, label: Label) -> bool {
        self.labels.offset(label).is_some()
    }

    /// Where `label` was bound.
    #[inline]
    pub fn label_offset(&self, label: Label) -> Option<u32> {
        self.labels.offset(label)
    }

    /// `target - base` as an `i32`, such as an entry of a jump table.
    pub fn emit_label_difference_i32(&mut self, target: Label, base: Label) {
        self.differences.push(Difference {
            at: self.offset(),
            target,
            base,
        });
        self.put(0);
    }
}

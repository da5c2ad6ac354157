//! What the assemblers of all machines have in common: the code from empty to finished, and where its labels are.
//!
//! In: the instructions of one machine, which implement [`Machine`]. Out: [`Assembler`], which alone binds labels and
//! finishes the code, and [`Code`], what instructions are appended to.

use crate::buffer::CodeBuffer;
#[cfg(debug_assertions)]
use crate::flags::FlagTrace;
use crate::label::{FinishError, Label, Labels};
use std::ops::{Deref, DerefMut};

/// Emits machine code: the instructions of a machine (`I`), the labels between them, and the code as a whole.
///
/// Offsets are in bytes from the start of the code. [`finish`](Self::finish) must succeed before the code is used.
///
/// The assembler lends out its instructions by `Deref`. A borrower of only these can emit any instruction, but cannot
/// bind a label: control comes from nowhere else without the lender's knowledge.
#[derive(Clone, Debug, Default)]
pub struct Assembler<I>(pub(crate) I);

/// The code of an assembler and its labels, as far as they do not depend on the machine.
#[derive(Clone, Debug, Default)]
pub struct Code {
    pub(crate) buffer: CodeBuffer,
    pub(crate) labels: Labels,
    /// The first thing that went wrong, for `finish` to report.
    pub(crate) error: Option<FinishError>,
    #[cfg(debug_assertions)]
    pub(crate) flags: FlagTrace,
}

/// The part of an assembler that depends on the machine: its instructions, and what refers to labels in them.
pub trait Machine: Default + DerefMut<Target = Code> {
    /// Forgets what refers to labels and keeps the allocations.
    fn clear_references(&mut self);

    /// Makes room for so many more references to labels.
    fn reserve_references(&mut self, references: usize);

    /// Whether the allocations for labels and references are larger than is worth keeping.
    fn is_large(&self) -> bool;

    /// Binds `label` to the current offset and fills in what must not wait for `finish`.
    fn bind(&mut self, label: Label);

    /// Fills in every reference to a label.
    ///
    /// # Errors
    /// The first label that is unbound or out of reach.
    fn resolve(&mut self) -> Result<(), FinishError>;

    /// Emits what has to stand in the code and was not emitted yet.
    fn emit_rest(&mut self);

    /// Fills with no-operations up to the next multiple of `to` bytes, a power of two. Where all instructions have one
    /// size and data has left its multiples, zeros come first.
    fn align(&mut self, to: u32);
}

impl<I> Deref for Assembler<I> {
    type Target = I;

    #[inline(always)]
    fn deref(&self) -> &I {
        &self.0
    }
}

impl<I> DerefMut for Assembler<I> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut I {
        &mut self.0
    }
}

impl<I: Machine> Assembler<I> {
    /// An assembler without code.
    pub fn new() -> Self {
        Self::default()
    }

    /// An assembler with room for `bytes` bytes of code.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut machine = I::default();
        machine.deref_mut().buffer = CodeBuffer::with_capacity(bytes);
        Self(machine)
    }

    /// Makes room for so many more bytes of code, and labels with a reference each: buffers of known size need not be
    /// copied as they grow.
    pub fn reserve(&mut self, bytes: usize, labels: usize) {
        self.buffer.reserve(bytes);
        self.labels.reserve(labels);
        self.0.reserve_references(labels);
    }

    /// Forgets code and labels and keeps the allocations.
    pub fn clear(&mut self) {
        let code: &mut Code = &mut self.0;
        code.buffer.clear();
        code.labels.clear();
        code.error = None;
        #[cfg(debug_assertions)]
        code.flags.clear();
        self.0.clear_references();
    }

    /// The code so far.
    #[inline]
    pub fn code(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// The code, without the assembler.
    pub fn into_code(mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer).into_bytes()
    }

    /// The code, after which the assembler is as [`clear`](Self::clear)ed. Much code is handed over where it is, and
    /// the assembler's allocations with it; little is copied.
    pub fn take_code(&mut self) -> Vec<u8> {
        let code = self.buffer.take();
        match self.0.is_large() {
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

    /// Emits bytes as they are, such as constants after the code. Where all instructions have one size, those that
    /// follow must be aligned to it again.
    pub fn emit_data(&mut self, data: &[u8]) {
        self.buffer.put_slice(data);
    }

    /// Fills with no-operations up to the next multiple of `to` bytes, a power of two. Where all instructions have one
    /// size and data has left its multiples, zeros come first.
    pub fn align(&mut self, to: u32) {
        self.0.align(to);
    }

    /// Binds `label` to the current offset, once.
    #[inline]
    pub fn bind(&mut self, label: Label) {
        self.0.bind(label);
    }

    /// Resolves every reference to a label. The code is complete afterwards. Constants that were not emitted yet go to
    /// its end.
    ///
    /// # Errors
    /// The first label that is unbound, bound twice or out of reach; code longer than a 32-bit displacement reaches.
    pub fn finish(&mut self) -> Result<(), FinishError> {
        self.0.emit_rest();
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.buffer.len() > i32::MAX as usize {
            return Err(FinishError::CodeTooLarge {
                bytes: self.buffer.len(),
            });
        }
        self.0.resolve()
    }
}

impl Code {
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

    /// Binds `label` to `here`, the current offset; false, and an error of `finish`, if it was bound before.
    #[inline]
    pub(crate) fn bind_once(&mut self, label: Label, here: u32) -> bool {
        let fresh = self.labels.bind(label, here);
        if !fresh {
            debug_assert!(false, "a label is bound once");
            self.error
                .get_or_insert(FinishError::BoundTwice { label, at: here });
        }
        fresh
    }
}

/// Implements `Deref` to [`Code`] by the field `code`.
macro_rules! appends_to_code {
    ($instructions:ty) => {
        impl std::ops::Deref for $instructions {
            type Target = $crate::assembler::Code;

            #[inline(always)]
            fn deref(&self) -> &Self::Target {
                &self.code
            }
        }

        impl std::ops::DerefMut for $instructions {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.code
            }
        }
    };
}
pub(crate) use appends_to_code;

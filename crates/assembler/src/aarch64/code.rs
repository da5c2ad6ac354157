//! The state of the aarch64 assembler: what waits for labels, and the code as far as it depends on the machine.

use super::pool::Pool;
use super::reach::Pending;
use crate::assembler::{Code, Machine, appends_to_code};
use crate::label::{FinishError, Label};

/// The aarch64 assembler: [`Instructions`], the labels between them, and the code as a whole.
pub type Assembler = crate::assembler::Assembler<Instructions>;

/// The operations of an [`Assembler`] between two labels.
#[derive(Clone, Debug, Default)]
pub struct Instructions {
    code: Code,
    /// The instructions that wait for their labels.
    pub(super) pending: Pending,
    /// The constants that loads wait for.
    pub(super) pool: Pool,
    /// 32-bit differences to be filled in when all labels are bound.
    differences: Vec<Difference>,
}

appends_to_code!(Instructions);

/// The field at `at`: target minus base.
#[derive(Copy, Clone, Debug)]
struct Difference {
    at: u32,
    target: Label,
    base: Label,
}

const NOP: u32 = 0xD503_201F;

impl Machine for Instructions {
    fn clear_references(&mut self) {
        self.pending.clear();
        self.pool.clear();
        self.differences.clear();
    }

    fn reserve_references(&mut self, references: usize) {
        self.pending.reserve(references);
    }

    fn is_large(&self) -> bool {
        self.pending.is_large()
    }

    #[inline]
    fn bind(&mut self, label: Label) {
        self.bind_here(label);
    }

    fn resolve(&mut self) -> Result<(), FinishError> {
        if let Some((label, at)) = self.pending.oldest() {
            return Err(FinishError::UnboundLabel { label, at });
        }
        let Code { buffer, labels, .. } = &mut self.code;
        for &Difference { at, target, base } in &self.differences {
            let difference = labels
                .known(target, at)?
                .wrapping_sub(labels.known(base, at)?);
            buffer.patch_u32(at, difference);
        }
        self.differences.clear();
        Ok(())
    }

    fn emit_rest(&mut self) {
        self.flush_pool();
    }

    fn align(&mut self, to: u32) {
        debug_assert!(to.is_power_of_two(), "alignments are powers of two");
        let bytes = self.offset().wrapping_neg() & (to - 1);
        self.buffer.put_word(0, bytes & 3);
        for _ in 0..bytes / 4 {
            self.put(NOP);
        }
    }
}

/// The place in the code.
impl Instructions {
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
    /// Binds `label` to the current offset, once: a label of the caller's, or of a constant after the code.
    #[inline]
    pub(super) fn bind_here(&mut self, label: Label) {
        let here = self.offset();
        if self.bind_once(label, here) {
            self.fill_in(label, here);
        }
    }

    /// A new label, not bound yet.
    #[inline]
    pub fn new_label(&mut self) -> Label {
        self.pending.add_label();
        self.labels.create()
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

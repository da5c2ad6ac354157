//! One function, operation by operation.
//!
//! Only the [`Emitter`] emits code, and only [`Function::begin`] and [`Function::begin_with`] lend it, for one operation.
//! Both first settle the instruction that the operation before has left pending: `begin` emits it, `begin_with` hands it
//! to the operation. So no operation can emit before the pending instruction.

use super::*;
use pending::Pending;

/// Makes the code of one function.
pub(crate) struct Function<'m> {
    emitter: Emitter<'m>,
    /// Registers whose values end with the next operation.
    last_use: RegSet,
}

/// What the operation before has left pending.
pub(super) struct Undone {
    pub(super) pending: Option<Pending>,
    pub(super) last_use: RegSet,
}

impl<'m> Function<'m> {
    pub(super) fn new(emitter: Emitter<'m>) -> Self {
        Self {
            emitter,
            last_use: RegSet::default(),
        }
    }

    /// Begins an operation: emits the pending instruction, and an island if one is due.
    #[inline]
    pub(super) fn begin(&mut self) -> &mut Emitter<'m> {
        self.emitter.settle();
        self.last_use = RegSet::default();
        self.emitter.asm.keep_in_range(OPERATION_BYTES);
        &mut self.emitter
    }

    /// Begins an operation that settles the pending instruction itself.
    #[inline]
    pub(super) fn begin_with(&mut self) -> (Undone, &mut Emitter<'m>) {
        let undone = Undone {
            pending: self.emitter.pending.take(),
            last_use: std::mem::take(&mut self.last_use),
        };
        self.emitter.asm.keep_in_range(OPERATION_BYTES);
        (undone, &mut self.emitter)
    }

    /// Says that the values of these registers end with the next operation.
    #[inline]
    pub(super) fn note_last_use(&mut self, registers: RegSet) {
        self.last_use = registers;
    }

    /// The function so far, to read and to note something; nothing can be emitted.
    #[inline]
    pub(super) fn notes(&mut self) -> Notes<'_> {
        Notes {
            offset: self.emitter.asm.offset(),
            record: self.emitter.record,
        }
    }

    #[inline]
    pub(super) fn code_offset(&self) -> u32 {
        self.emitter.asm.offset()
    }

    #[inline]
    pub(super) fn label(&mut self) -> Label {
        self.emitter.asm.new_label()
    }

    /// Ends the function with its traps, slow paths and constants. Returns the end offset.
    pub(super) fn finish(mut self) -> u32 {
        self.emitter.settle();
        let mut all = std::mem::take(self.emitter.late);
        for (wasm_offset, late) in all.drain(..) {
            let emitter = self.begin();
            emitter
                .record
                .set_wasm_offset(wasm_offset, emitter.asm.offset());
            emitter.emit_late(&late);
        }
        *self.emitter.late = all;
        self.emitter.asm.flush_pool();
        self.emitter.asm.offset()
    }
}

/// Where the code ends, and what is noted beside it.
pub(super) struct Notes<'f> {
    pub(super) offset: u32,
    pub(super) record: &'f mut Record,
}

#[cfg(debug_assertions)]
impl crate::isa::checked::Flags for Function<'_> {
    /// A comparison that waits has been made, and nothing can come between.
    fn flag_writes(&self) -> u64 {
        let waits = matches!(
            self.emitter.pending,
            Some(Pending::Zero(..) | Pending::Bit(..))
        );
        self.emitter.asm.flag_trace().count() + u64::from(waits)
    }
}

//! The code of a function so far, and what is known at its end of the registers that the generator does not use.
//!
//! Only [`Code`] owns the assembler. The rest of the target reaches its instructions through `Deref`, which can neither
//! bind a label nor call. Whatever ends the knowledge (a label, a call, an entry) is a method here, which forgets it.

use super::constants::Held;
use super::memory::Sums;
use pvf_assembler::Label;
use pvf_assembler::aarch64::{Assembler, Gpr, Instructions};
use std::ops::{Deref, DerefMut};

/// The code of one function, with what is known at its end. At its start nothing is known.
pub(super) struct Code<'m> {
    /// Moved out of `home` while the function is made, to save an indirection.
    asm: Assembler,
    home: &'m mut Assembler,
    /// Constants in registers.
    pub(super) held: Held,
    /// Sums of base and index in registers.
    pub(super) sums: Sums,
}

impl<'m> Code<'m> {
    /// Goes on with the assembler's code, of which nothing is known.
    pub(super) fn new(home: &'m mut Assembler) -> Self {
        Self {
            asm: std::mem::take(home),
            home,
            held: Held::default(),
            sums: Sums::default(),
        }
    }

    /// Binds a label: control may come from elsewhere.
    #[inline]
    pub(super) fn bind(&mut self, label: Label) {
        self.forget();
        self.asm.bind(label);
    }

    /// Begins an aligned place that is entered by its address, and says where it is.
    pub(super) fn entry(&mut self) -> u32 {
        self.forget();
        self.asm.align(16);
        self.asm.offset()
    }

    /// `bl`, for the linker to fill in. The function called has the registers for itself.
    pub(super) fn bl_placeholder(&mut self) -> u32 {
        self.forget();
        self.asm.bl_placeholder()
    }

    /// `blr`, the same.
    pub(super) fn blr(&mut self, target: Gpr) {
        self.forget();
        self.asm.blr(target);
    }

    #[inline]
    fn forget(&mut self) {
        self.sums = Sums::default();
        self.held = Held::default();
    }
}

impl Drop for Code<'_> {
    fn drop(&mut self) {
        std::mem::swap(self.home, &mut self.asm);
    }
}

impl Deref for Code<'_> {
    type Target = Instructions;

    #[inline(always)]
    fn deref(&self) -> &Instructions {
        &self.asm
    }
}

impl DerefMut for Code<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Instructions {
        &mut self.asm
    }
}

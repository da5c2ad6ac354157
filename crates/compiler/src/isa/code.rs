//! The code of a function so far, and what the target knows at its end.
//!
//! Only [`Code`] owns the assembler. The rest of the target reaches its instructions through `Deref`, which cannot bind
//! a label. Whatever ends the knowledge (a label, an entry) is a method here, which forgets it.

use pvf_assembler::{Assembler, Label, Machine};
use std::ops::{Deref, DerefMut};

/// What a target knows at the end of the code.
pub(super) trait Known<I> {
    /// What is known where control may come from anywhere: nothing.
    fn nothing(instructions: &I) -> Self;
}

/// The code of one function, with what is known at its end. At its start nothing is known.
pub(super) struct Code<'m, I: Machine, K> {
    /// Moved out of `home` while the function is made, to save an indirection.
    asm: Assembler<I>,
    home: &'m mut Assembler<I>,
    pub(super) known: K,
}

impl<'m, I: Machine, K: Known<I>> Code<'m, I, K> {
    /// Goes on with the assembler's code, of which nothing is known.
    pub(super) fn new(home: &'m mut Assembler<I>) -> Self {
        Self {
            known: K::nothing(home),
            asm: std::mem::take(home),
            home,
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

    #[inline]
    pub(super) fn forget(&mut self) {
        self.known = K::nothing(&self.asm);
    }
}

impl<I: Machine, K> Drop for Code<'_, I, K> {
    fn drop(&mut self) {
        std::mem::swap(self.home, &mut self.asm);
    }
}

impl<I: Machine, K> Deref for Code<'_, I, K> {
    type Target = I;

    #[inline(always)]
    fn deref(&self) -> &I {
        &self.asm
    }
}

impl<I: Machine, K> DerefMut for Code<'_, I, K> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut I {
        &mut self.asm
    }
}

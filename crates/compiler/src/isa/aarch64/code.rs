//! What is known at the end of a function's code of the registers that the generator does not use.

use super::constants::Held;
use super::memory::Sums;
use crate::isa::code::{self, Known};
use pvf_assembler::aarch64::{Gpr, Instructions};

/// The code of one function. A call ends what is known, so that its two instructions are methods here, which forget it.
pub(super) type Code<'m> = code::Code<'m, Instructions, Registers>;

/// What is known of registers at the end of the code.
#[derive(Default)]
pub(super) struct Registers {
    /// Constants in registers.
    pub(super) held: Held,
    /// Sums of base and index in registers.
    pub(super) sums: Sums,
}

impl Known<Instructions> for Registers {
    #[inline]
    fn nothing(_: &Instructions) -> Self {
        Self::default()
    }
}

impl Code<'_> {
    /// `bl`, for the linker to fill in. The function called has the registers for itself.
    pub(super) fn bl_placeholder(&mut self) -> u32 {
        self.forget();
        Instructions::bl_placeholder(self)
    }

    /// `blr`, the same.
    pub(super) fn blr(&mut self, target: Gpr) {
        self.forget();
        Instructions::blr(self, target);
    }
}

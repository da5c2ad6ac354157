//! Constants in registers: those that no immediate holds are made in registers the generator does not know of, and stay
//! there until control may come from elsewhere or goes to another function.

use super::*;

/// The registers that hold constants.
const HOLDERS: [Gpr; 3] = [Gpr::X25, Gpr::X26, Gpr::X27];

/// The constants in [`HOLDERS`].
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    bits: [Option<u64>; HOLDERS.len()],
    /// The holder that is overwritten next.
    next: usize,
}

impl Held {
    fn find(&self, bits: u64) -> Option<Gpr> {
        let at = self.bits.iter().position(|&held| held == Some(bits))?;
        Some(HOLDERS[at])
    }
}

impl Emitter<'_> {
    /// A register that holds the constant; nothing may write to it.
    pub(super) fn constant(&mut self, width: Width, bits: u64) -> Gpr {
        let bits = integer::truncated(width, bits);
        if bits == 0 {
            return Gpr::ZR;
        }
        if let Some(holder) = self.asm.known.held.find(bits) {
            return holder;
        }
        let at = self.asm.known.held.next;
        self.asm.known.held.next = (at + 1) % HOLDERS.len();
        self.asm.known.held.bits[at] = Some(bits);
        self.asm.mov_imm(size(width), HOLDERS[at], bits);
        HOLDERS[at]
    }

    /// The register that holds the constant already.
    pub(super) fn held_constant(&self, width: Width, bits: u64) -> Option<Gpr> {
        self.asm.known.held.find(integer::truncated(width, bits))
    }

    /// Writes a constant to a register of the generator's.
    pub(super) fn load_integer_const(&mut self, width: Width, dst: Gpr, bits: u64) {
        match self.held_constant(width, bits) {
            // Else one instruction does it as well.
            Some(holder) if bits > 0xffff => self.asm.mov_rr(size(width), dst, holder),
            _ => self.asm.mov_imm(size(width), dst, bits),
        }
    }
}

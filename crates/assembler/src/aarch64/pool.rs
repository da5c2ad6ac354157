//! Constants that loads take from the code's own neighbourhood.
//!
//! In: loads of constants. Out: each constant once for all loads since the pool
//! was last emitted, in an island or by [`Instructions::flush_pool`].

use super::reach::Field;
use super::{Fpr, Gpr, Instructions, Label};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The constants that loads wait for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    /// By width, widest first (so that each is aligned by those before it), and
    /// bits: the order in which they are emitted.
    constants: BTreeMap<(Reverse<u32>, u128), Label>,
    bytes: u32,
}

impl Pool {
    pub(super) fn clear(&mut self) {
        self.constants.clear();
        self.bytes = 0;
    }

    /// The bytes of all constants, without what aligns them.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }
}

/// Constants from memory.
impl Instructions {
    /// `ldr s, constant`: the binary32 with these bits, from the pool; the rest
    /// of `dst` is zeroed.
    pub fn ldr_literal_s(&mut self, dst: Fpr, bits: u32) {
        self.load_constant(0x1C00_0000 | dst.bits(), 4, bits.into());
    }

    /// `ldr d, constant`: the binary64 with these bits, from the pool; the rest
    /// of `dst` is zeroed.
    pub fn ldr_literal_d(&mut self, dst: Fpr, bits: u64) {
        self.load_constant(0x5C00_0000 | dst.bits(), 8, bits.into());
    }

    /// `ldr q, constant`: sixteen bytes from the pool.
    pub fn ldr_literal_q(&mut self, dst: Fpr, bits: u128) {
        self.load_constant(0x9C00_0000 | dst.bits(), 16, bits);
    }

    /// `ldr x, constant`: eight bytes from the pool.
    pub fn ldr_literal_x(&mut self, dst: Gpr, bits: u64) {
        self.load_constant(0x5800_0000 | dst.or_zr(), 8, bits.into());
    }

    /// Emits the constants that loads wait for. To be called where control does
    /// not come by, such as after a function; an island does it elsewhere, and
    /// [`finish`](super::Assembler::finish) at the end. If the constants would part waiting
    /// branches from their labels, an island comes first, as from
    /// [`keep_in_range`](Self::keep_in_range).
    pub fn flush_pool(&mut self) {
        if !self.pool.constants.is_empty() {
            self.keep_in_range(self.pool.bytes);
            self.emit_pool();
        }
    }

    /// Emits the constants that loads wait for, aligned.
    pub(super) fn emit_pool(&mut self) {
        let Some(&(Reverse(widest), _)) = self.pool.constants.keys().next() else {
            return;
        };
        let padding = self.offset().wrapping_neg() & (widest - 1);
        self.buffer
            .put(0, padding.min(8), 0, padding.saturating_sub(8));
        for ((Reverse(width), bits), label) in std::mem::take(&mut self.pool.constants) {
            self.bind_here(label);
            self.buffer.put_slice(&bits.to_le_bytes()[..width as usize]);
        }
        self.pool.bytes = 0;
    }

    fn load_constant(&mut self, instruction: u32, width: u32, bits: u128) {
        let key = (Reverse(width), bits);
        let label = match self.pool.constants.get(&key) {
            Some(&label) => label,
            None => {
                let label = self.new_label();
                self.pool.constants.insert(key, label);
                self.pool.bytes += width;
                self.pending.grow_island(width);
                label
            }
        };
        self.put_with_label(instruction, Field::Pool19, label);
    }
}

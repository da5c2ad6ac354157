//! A store that traps writes no byte (rule MEM-6).
//!
//! Armv8 lets an unaligned store over a border of pages write the part that is accessible before the other part
//! faults (Arm ARM, DDI 0487, "Alignment of data accesses": it is several accesses then). So a store that may lie half
//! beyond the end of memory is preceded by a load of the same bytes, which faults instead. The end of memory is a
//! multiple of a Wasm page, and memory never shrinks: no load is needed where the bytes cannot lie on both sides of
//! such a border, and none after an access with the same index that ends as high or higher.

use super::*;

/// A multiple of this is where memory ends.
const PAGE_BYTES: u64 = 64 * 1024;

/// How far above an index memory is known to be accessible, for the last few indices.
#[derive(Clone, Copy, Default)]
pub(super) struct Reached {
    /// The index, and the offset from it at which the highest access ended.
    ends: [Option<(Gpr, u64)>; 4],
    /// The one that is overwritten next.
    next: usize,
}

impl Reached {
    fn find(&mut self, index: Gpr) -> Option<&mut u64> {
        let mut known = self.ends.iter_mut().flatten();
        known.find(|end| end.0 == index).map(|end| &mut end.1)
    }

    /// An access has ended so far above the index.
    fn note(&mut self, index: Gpr, end: u64) {
        if let Some(known) = self.find(index) {
            *known = end.max(*known);
            return;
        }
        self.ends[self.next] = Some((index, end));
        self.next = (self.next + 1) % self.ends.len();
    }

    /// The index is overwritten.
    #[inline]
    pub(super) fn forget(&mut self, index: Gpr) {
        for end in &mut self.ends {
            if matches!(end, Some((it, _)) if *it == index) {
                *end = None;
            }
        }
    }
}

impl Emitter<'_> {
    /// An access is about to be made: after it, memory is accessible as far as it goes.
    pub(super) fn note_access(&mut self, address: Address, bytes: Bytes) {
        if let Some(index) = address.index {
            let end = address.offset + u64::from(bytes.bytes());
            self.asm.known.sums.reached.note(gpr(index), end);
        }
    }

    /// Before a store of `bytes` bytes to `address`, of which `at` is the operand: loads from there if the store may
    /// cross the end of memory.
    pub(super) fn probe(&mut self, address: Address, bytes: Bytes, at: Mem) {
        if self.may_cross_end(address, bytes) {
            self.load_nowhere(bytes, at);
        }
        self.note_access(address, bytes);
    }

    fn may_cross_end(&mut self, address: Address, bytes: Bytes) -> bool {
        let end = address.offset + u64::from(bytes.bytes());
        match address.index {
            _ if bytes == Bytes::B1 => false,
            None => address.offset / PAGE_BYTES != (end - 1) / PAGE_BYTES,
            Some(index) => {
                let reached = self.asm.known.sums.reached.find(gpr(index));
                reached.is_none_or(|reached| *reached < end)
            }
        }
    }

    /// Loads and keeps nothing: traps if a byte is out of bounds.
    pub(super) fn load_nowhere(&mut self, bytes: Bytes, at: Mem) {
        self.site(TrapKind::MemoryOutOfBounds);
        match bytes {
            Bytes::B1 => self.asm.ldrb(Gpr::ZR, at),
            Bytes::B2 => self.asm.ldrh(Gpr::ZR, at),
            Bytes::B4 => self.asm.ldr(Size::S32, Gpr::ZR, at),
            Bytes::B8 | Bytes::B16 => self.asm.ldr(Size::S64, Gpr::ZR, at),
        }
    }
}

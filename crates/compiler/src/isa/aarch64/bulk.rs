//! Short `memory.copy` and `memory.fill` without a call.
//!
//! Bounds are checked before any effect: all loads come before the stores, and of two stores the one that
//! holds the last byte comes first, after a load from there. If that byte is out of bounds, it faults and nothing has
//! been written.

use super::*;

/// The size of the accesses that cover `count` bytes, and the offset of the second if there are two.
fn accesses(count: u32) -> (Bytes, Option<u32>) {
    let bytes = match count {
        0 | 1 => Bytes::B1,
        2 | 3 => Bytes::B2,
        4..=7 => Bytes::B4,
        _ => Bytes::B8,
    };
    let second = (count > bytes.bytes()).then(|| count - bytes.bytes());
    (bytes, second)
}

impl Emitter<'_> {
    pub(super) fn emit_copy_memory(&mut self, dst: Gpr, src: Gpr, count: u32) {
        let (bytes, second) = accesses(count);
        let float = match bytes {
            Bytes::B4 => FSize::S32,
            Bytes::B8 | Bytes::B16 => FSize::S64,
            Bytes::B1 | Bytes::B2 => {
                assert!(second.is_none(), "three bytes are left to the builtin");
                let from = Mem::index(MEMORY, src, Extend::Uxtx, false, bytes);
                let to = Mem::index(MEMORY, dst, Extend::Uxtx, false, bytes);
                self.site(TrapKind::MemoryOutOfBounds);
                match bytes {
                    Bytes::B1 => self.asm.ldrb(SCRATCH, from),
                    _ => self.asm.ldrh(SCRATCH, from),
                }
                if bytes != Bytes::B1 {
                    self.load_nowhere(bytes, to);
                }
                self.site(TrapKind::MemoryOutOfBounds);
                return match bytes {
                    Bytes::B1 => self.asm.strb(SCRATCH, to),
                    _ => self.asm.strh(SCRATCH, to),
                };
            }
        };
        self.asm.add_rr(Size::S64, SCRATCH, MEMORY, src);
        for (register, offset) in [(FLOAT_SCRATCH, Some(0)), (FLOAT_SCRATCH_2, second)] {
            if let Some(from) = offset.and_then(|at| Mem::offset(SCRATCH, at.into(), bytes)) {
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.ldr_f(float, register, from);
            }
        }
        self.asm.add_rr(Size::S64, SCRATCH, MEMORY, dst);
        let last = Mem::offset(SCRATCH, second.unwrap_or(0).into(), bytes);
        if let Some(last) = last {
            self.load_nowhere(bytes, last);
        }
        for (register, offset) in [(FLOAT_SCRATCH_2, second), (FLOAT_SCRATCH, Some(0))] {
            if let Some(to) = offset.and_then(|at| Mem::offset(SCRATCH, at.into(), bytes)) {
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.str_f(float, register, to);
            }
        }
    }

    pub(super) fn emit_fill_memory(&mut self, dst: Gpr, value: u8, count: u32) {
        let (bytes, second) = accesses(count);
        let value = self.constant(Width::W64, u64::from_le_bytes([value; 8]));
        self.add_index(Some(dst));
        let base = self.asm.known.sums.holder(dst);
        let last = Mem::offset(base, second.unwrap_or(0).into(), bytes);
        if let Some(last) = last.filter(|_| bytes != Bytes::B1) {
            self.load_nowhere(bytes, last);
        }
        for offset in [second, Some(0)] {
            let Some(to) = offset.and_then(|at| Mem::offset(base, at.into(), bytes)) else {
                continue;
            };
            self.site(TrapKind::MemoryOutOfBounds);
            match bytes {
                Bytes::B1 => self.asm.strb(value, to),
                Bytes::B2 => self.asm.strh(value, to),
                Bytes::B4 => self.asm.str(Size::S32, value, to),
                Bytes::B8 | Bytes::B16 => self.asm.str(Size::S64, value, to),
            }
        }
    }
}

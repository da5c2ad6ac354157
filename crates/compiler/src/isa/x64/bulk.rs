//! Short `memory.copy` and `memory.fill` without a call.
//!
//! Bounds are checked before any effect: all loads come before the stores, and of two stores the one that
//! holds the last byte comes first. If that byte is out of bounds, it faults and nothing has been written.

use super::*;

/// The size of the accesses that cover `bytes` bytes, and the offset of the second if there are two.
fn accesses(bytes: u32) -> (Size, Option<u32>) {
    let size = match bytes {
        0 | 1 => Size::S8,
        2 | 3 => Size::S16,
        4..=7 => Size::S32,
        _ => Size::S64,
    };
    (size, (bytes > size.bytes()).then(|| bytes - size.bytes()))
}

impl Function<'_> {
    pub(super) fn emit_copy_memory(&mut self, dst: Gpr, src: Gpr, bytes: u32) {
        let at = |register, offset| Mem::base_index(MEMORY, register, Scale::One, offset as i32);
        let (size, second) = accesses(bytes);
        let float = match size {
            Size::S32 => FSize::S32,
            Size::S64 => FSize::S64,
            Size::S8 | Size::S16 => {
                assert!(second.is_none(), "three bytes are left to the builtin");
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.movzx_rm(size, SCRATCH, at(src, 0));
                self.site(TrapKind::MemoryOutOfBounds);
                return self.asm.mov_mr(size, at(dst, 0), SCRATCH);
            }
        };
        self.site(TrapKind::MemoryOutOfBounds);
        self.asm.movs_rm(float, FLOAT_SCRATCH, at(src, 0));
        if let Some(second) = second {
            self.site(TrapKind::MemoryOutOfBounds);
            self.asm.movs_rm(float, FLOAT_SCRATCH_2, at(src, second));
            self.site(TrapKind::MemoryOutOfBounds);
            self.asm.movs_mr(float, at(dst, second), FLOAT_SCRATCH_2);
        }
        self.site(TrapKind::MemoryOutOfBounds);
        self.asm.movs_mr(float, at(dst, 0), FLOAT_SCRATCH);
    }

    pub(super) fn emit_fill_memory(&mut self, dst: Gpr, value: u8, bytes: u32) {
        let (size, second) = accesses(bytes);
        self.asm.mov_ri64(SCRATCH, u64::from_le_bytes([value; 8]));
        for offset in second.into_iter().chain([0]) {
            self.site(TrapKind::MemoryOutOfBounds);
            let at = Mem::base_index(MEMORY, dst, Scale::One, offset as i32);
            self.asm.mov_mr(size, at, SCRATCH);
        }
    }
}

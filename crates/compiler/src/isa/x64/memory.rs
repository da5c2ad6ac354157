//! Moves between registers and memory, typed.

use super::*;

impl Function<'_> {
    pub(super) fn load_typed(&mut self, ty: ValType, dst: Reg, from: Mem) {
        match ty.class() {
            Class::General => self.asm.mov_rm(size(type_width(ty)), gpr(dst), from),
            Class::Float => self.asm.movs_rm(fsize(type_width(ty)), xmm(dst), from),
        }
    }

    pub(super) fn store_typed(&mut self, ty: ValType, to: Mem, src: Reg) {
        match ty.class() {
            Class::General => self.asm.mov_mr(size(type_width(ty)), to, gpr(src)),
            Class::Float => self.asm.movs_mr(fsize(type_width(ty)), to, xmm(src)),
        }
    }

    pub(super) fn store_const(&mut self, ty: ValType, to: Mem, bits: u64) {
        let width = type_width(ty);
        match immediate(width, bits) {
            Some(value) => self.asm.mov_mi(size(width), to, value),
            None => {
                self.asm.mov_ri64(SCRATCH, bits);
                self.asm.mov_mr(Size::S64, to, SCRATCH);
            }
        }
    }

    /// The operand of a memory access; may use the scratch register.
    pub(super) fn linear(&mut self, address: Address) -> Mem {
        match (address.index, i32::try_from(address.offset)) {
            (Some(index), Ok(offset)) => Mem::base_index(MEMORY, gpr(index), Scale::One, offset),
            (None, Ok(offset)) => Mem::base(MEMORY, offset),
            (index, Err(_)) => {
                self.asm.mov_ri64(SCRATCH, address.offset);
                if let Some(index) = index {
                    self.asm.alu_rr(Alu::Add, Size::S64, SCRATCH, gpr(index));
                }
                Mem::base_index(MEMORY, SCRATCH, Scale::One, 0)
            }
        }
    }

    pub(super) fn emit_load(&mut self, access: Access, dst: Reg, address: Address) {
        let from = self.linear(address);
        self.site(TrapKind::MemoryOutOfBounds);
        match access {
            Access::Bits8 { signed: None } => self.asm.movzx_rm(Size::S8, gpr(dst), from),
            Access::Bits16 { signed: None } => self.asm.movzx_rm(Size::S16, gpr(dst), from),
            Access::Bits32 {
                signed: None | Some(Width::W32),
            } => {
                self.asm.mov_rm(Size::S32, gpr(dst), from);
            }
            Access::Bits8 { signed: Some(to) } => {
                self.asm.movsx_rm(Size::S8, size(to), gpr(dst), from)
            }
            Access::Bits16 { signed: Some(to) } => {
                self.asm.movsx_rm(Size::S16, size(to), gpr(dst), from)
            }
            Access::Bits32 {
                signed: Some(Width::W64),
            } => {
                self.asm.movsx_rm(Size::S32, Size::S64, gpr(dst), from);
            }
            Access::Bits64 => self.asm.mov_rm(Size::S64, gpr(dst), from),
            Access::F32 => self.asm.movs_rm(FSize::S32, xmm(dst), from),
            Access::F64 => self.asm.movs_rm(FSize::S64, xmm(dst), from),
        }
    }

    /// `dst op= b`.
    pub(super) fn alu_memory(&mut self, op: Alu, width: Width, dst: Gpr, b: Address) {
        let b = self.linear(b);
        self.site(TrapKind::MemoryOutOfBounds);
        self.asm.alu_rm(op, size(width), dst, b);
    }

    pub(super) fn emit_int_binary_memory(
        &mut self,
        op: IntBinary,
        width: Width,
        dst: Reg,
        a: Reg,
        b: Address,
    ) {
        assert!(
            dst == a || b.index != Some(dst),
            "the index is read after the result's register is written"
        );
        if dst != a {
            self.asm.mov_rr(size(width), gpr(dst), gpr(a));
        }
        let op = match op {
            IntBinary::Add => Alu::Add,
            IntBinary::Sub => Alu::Sub,
            IntBinary::And => Alu::And,
            IntBinary::Or => Alu::Or,
            IntBinary::Xor => Alu::Xor,
            _ => {
                assert!(op == IntBinary::Mul, "others have no memory form");
                let b = self.linear(b);
                self.site(TrapKind::MemoryOutOfBounds);
                return self.asm.imul_rm(size(width), gpr(dst), b);
            }
        };
        self.alu_memory(op, width, gpr(dst), b);
        self.asm.note_zero_flag(gpr(dst), size(width));
    }

    pub(super) fn emit_store(&mut self, access: Access, address: Address, src: Source) {
        let size = access_size(access);
        let width = match size {
            Size::S64 => Width::W64,
            _ => Width::W32,
        };
        match src {
            Source::Reg(src) if src.class() == Class::General => {
                let to = self.linear(address);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.mov_mr(size, to, gpr(src));
            }
            Source::Reg(src) => {
                let to = self.linear(address);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.movs_mr(fsize(width), to, xmm(src));
            }
            Source::Const(bits) if immediate(width, bits).is_some() => {
                let value = immediate(width, bits).unwrap_or_default();
                let to = self.linear(address);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.mov_mi(size, to, value);
            }
            // Only 8-byte constants come here.
            Source::Const(bits) if i32::try_from(address.offset).is_ok() => {
                let to = self.linear(address);
                self.asm.mov_ri64(SCRATCH, bits);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.mov_mr(Size::S64, to, SCRATCH);
            }
            Source::Const(bits) => {
                // The address needs the general scratch register.
                self.float_const(Width::W64, FLOAT_SCRATCH, bits);
                let to = self.linear(address);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.movs_mr(FSize::S64, to, FLOAT_SCRATCH);
            }
            Source::Slot(at) => {
                assert!(
                    size == Size::S32 || size == Size::S64,
                    "narrow stores come from registers"
                );
                self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, slot(at));
                let to = self.linear(address);
                self.site(TrapKind::MemoryOutOfBounds);
                self.asm.movs_mr(fsize(width), to, FLOAT_SCRATCH);
            }
        }
    }
}

/// The size of an access in memory.
pub(super) fn access_size(access: Access) -> Size {
    match access {
        Access::Bits8 { .. } => Size::S8,
        Access::Bits16 { .. } => Size::S16,
        Access::Bits32 { .. } | Access::F32 => Size::S32,
        Access::Bits64 | Access::F64 => Size::S64,
    }
}

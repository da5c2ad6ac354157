//! Integer operations.

use super::*;
use pvf_assembler::x64::Shift;

impl Function<'_> {
    pub(super) fn emit_int_binary(
        &mut self,
        op: IntBinary,
        width: Width,
        dst: Gpr,
        a: Gpr,
        b: Source,
    ) {
        match op {
            IntBinary::Add => self.add(width, dst, a, b),
            IntBinary::Sub => self.sub(width, dst, a, b),
            IntBinary::Mul => self.multiply(width, dst, a, b),
            IntBinary::And => self.and(width, dst, a, b),
            IntBinary::Or => self.bitwise(Alu::Or, width, dst, a, b),
            IntBinary::Xor => self.bitwise(Alu::Xor, width, dst, a, b),
            IntBinary::Shl => self.shift(Shift::Shl, width, dst, a, b),
            IntBinary::ShrS => self.shift(Shift::Sar, width, dst, a, b),
            IntBinary::ShrU => self.shift(Shift::Shr, width, dst, a, b),
            IntBinary::Rotl => self.rotate(Shift::Rol, width, dst, a, b),
            IntBinary::Rotr => self.rotate(Shift::Ror, width, dst, a, b),
        }
    }

    /// `dst op= b`, whatever `b` is. The zero flag is then about `dst`, unless it is a comparison, which leaves `dst`
    /// as it is.
    fn alu(&mut self, op: Alu, width: Width, dst: Gpr, b: Source) {
        self.emit_alu(op, width, dst, b);
        if op != Alu::Cmp {
            self.asm.note_zero_flag(dst, size(width));
        }
    }

    fn emit_alu(&mut self, op: Alu, width: Width, dst: Gpr, b: Source) {
        let size = size(width);
        match b {
            Source::Reg(b) => self.asm.alu_rr(op, size, dst, gpr(b)),
            Source::Slot(at) => self.asm.alu_rm(op, size, dst, slot(at)),
            Source::Const(bits) => match immediate(width, bits) {
                Some(value) => self.asm.alu_ri(op, size, dst, value),
                None => {
                    self.asm.mov_ri64(SCRATCH, bits);
                    self.asm.alu_rr(op, size, dst, SCRATCH);
                }
            },
        }
    }

    fn add(&mut self, width: Width, dst: Gpr, a: Gpr, b: Source) {
        let size = size(width);
        match b {
            Source::Reg(b) if dst != a && dst != gpr(b) => {
                self.asm
                    .lea(size, dst, Mem::base_index(a, gpr(b), Scale::One, 0));
            }
            Source::Const(bits) if dst != a && immediate(width, bits).is_some() => {
                let value = immediate(width, bits).unwrap_or_default();
                self.asm.lea(size, dst, Mem::base(a, value));
            }
            _ => self.bitwise(Alu::Add, width, dst, a, b),
        }
    }

    fn sub(&mut self, width: Width, dst: Gpr, a: Gpr, b: Source) {
        match b {
            Source::Const(bits) => {
                let negated = match width {
                    Width::W32 => u64::from((bits as u32).wrapping_neg()),
                    Width::W64 => bits.wrapping_neg(),
                };
                self.add(width, dst, a, Source::Const(negated));
            }
            Source::Reg(b) if gpr(b) == dst && a != dst => {
                self.asm.neg_r(size(width), dst);
                self.asm.alu_rr(Alu::Add, size(width), dst, a);
            }
            _ => {
                self.copy(width, dst, a);
                self.alu(Alu::Sub, width, dst, b);
            }
        }
    }

    /// `dst = a & b`. The upper half of the result is zero if that of the constant is, whatever `a` has there: then the
    /// short operation does the same in fewer bytes, and without the constant in a register.
    fn and(&mut self, width: Width, dst: Gpr, a: Gpr, b: Source) {
        let Source::Const(bits @ 0..=0xffff_ffff) = b else {
            return self.bitwise(Alu::And, width, dst, a, b);
        };
        match bits {
            0xff => self.asm.movzx_rr(Size::S8, dst, a),
            0xffff => self.asm.movzx_rr(Size::S16, dst, a),
            0xffff_ffff => self.asm.mov_rr(Size::S32, dst, a),
            _ => {
                self.copy(Width::W32, dst, a);
                self.asm.alu_ri(Alu::And, Size::S32, dst, bits as i32);
                // The result has 32 bits, so the flag is about the whole register.
                self.asm.note_zero_flag(dst, size(width));
            }
        }
    }

    /// Commuting operations.
    fn bitwise(&mut self, op: Alu, width: Width, dst: Gpr, a: Gpr, b: Source) {
        match b {
            Source::Reg(b) if gpr(b) == dst => self.alu(op, width, dst, Source::Reg(reg(a))),
            _ => {
                self.copy(width, dst, a);
                self.alu(op, width, dst, b);
            }
        }
    }

    fn multiply(&mut self, width: Width, dst: Gpr, a: Gpr, b: Source) {
        let size = size(width);
        match b {
            Source::Const(bits) if bits.is_power_of_two() => {
                self.copy(width, dst, a);
                match bits.trailing_zeros() {
                    0 => {}
                    shift => self.asm.shift_ri(Shift::Shl, size, dst, shift as u8),
                }
            }
            Source::Const(bits @ (3 | 5 | 9)) => {
                let scale = match bits {
                    3 => Scale::Two,
                    5 => Scale::Four,
                    _ => Scale::Eight,
                };
                self.asm.lea(size, dst, Mem::base_index(a, a, scale, 0));
            }
            Source::Const(bits) => match immediate(width, bits) {
                Some(value) => self.asm.imul_rri(size, dst, a, value),
                None => {
                    self.asm.mov_ri64(SCRATCH, bits);
                    self.copy(width, dst, a);
                    self.asm.imul_rr(size, dst, SCRATCH);
                }
            },
            Source::Reg(b) if gpr(b) == dst => self.asm.imul_rr(size, dst, a),
            Source::Reg(b) => {
                self.copy(width, dst, a);
                self.asm.imul_rr(size, dst, gpr(b));
            }
            Source::Slot(at) => {
                self.copy(width, dst, a);
                self.asm.imul_rm(size, dst, slot(at));
            }
        }
    }

    fn shift(&mut self, op: Shift, width: Width, dst: Gpr, a: Gpr, b: Source) {
        match self.count(width, b) {
            Count::Const(count) => {
                self.copy(width, dst, a);
                if count != 0 {
                    self.asm.shift_ri(op, size(width), dst, count);
                }
            }
            Count::Reg(count) => self.asm.shiftx_rrr(op, size(width), dst, a, count),
        }
    }

    fn rotate(&mut self, op: Shift, width: Width, dst: Gpr, a: Gpr, b: Source) {
        let bits = width.bits() as u8;
        match (self.count(width, b), op) {
            (Count::Const(0), _) => self.copy(width, dst, a),
            (Count::Const(count), Shift::Rol) => {
                self.asm.rorx_rri(size(width), dst, a, bits - count)
            }
            (Count::Const(count), _) => self.asm.rorx_rri(size(width), dst, a, count),
            (Count::Reg(count), _) => {
                // The count must be in cl: exchange it into cl, and rotate the value in the scratch register, which no
                // operand uses.
                if count == SCRATCH {
                    self.rotate_by_scratch(op, width, dst, a);
                    return;
                }
                self.asm.mov_rr(size(width), SCRATCH, a);
                if count != Gpr::Rcx {
                    self.asm.xchg_rr(Size::S64, Gpr::Rcx, count);
                }
                self.asm.shift_rcl(op, size(width), SCRATCH);
                if count != Gpr::Rcx {
                    self.asm.xchg_rr(Size::S64, Gpr::Rcx, count);
                }
                self.asm.mov_rr(size(width), dst, SCRATCH);
            }
        }
    }

    /// A rotation whose count is in the scratch register.
    fn rotate_by_scratch(&mut self, op: Shift, width: Width, dst: Gpr, a: Gpr) {
        self.asm.movd_xr(Size::S64, FLOAT_SCRATCH, Gpr::Rcx);
        self.asm.movd_xr(Size::S64, FLOAT_SCRATCH_2, a);
        self.asm.mov_rr(Size::S32, Gpr::Rcx, SCRATCH);
        self.asm.movd_rx(Size::S64, SCRATCH, FLOAT_SCRATCH_2);
        self.asm.shift_rcl(op, size(width), SCRATCH);
        self.asm.movd_rx(Size::S64, Gpr::Rcx, FLOAT_SCRATCH);
        self.asm.mov_rr(size(width), dst, SCRATCH);
    }

    fn count(&mut self, width: Width, b: Source) -> Count {
        match b {
            Source::Const(bits) => Count::Const(match width {
                Width::W32 => bits as u8 & 31,
                Width::W64 => bits as u8 & 63,
            }),
            Source::Reg(b) => Count::Reg(gpr(b)),
            Source::Slot(at) => {
                self.asm.mov_rm(Size::S32, SCRATCH, slot(at));
                Count::Reg(SCRATCH)
            }
        }
    }

    /// `dst = a`, zero-extended from the width.
    fn copy(&mut self, width: Width, dst: Gpr, a: Gpr) {
        if dst != a {
            self.asm.mov_rr(size(width), dst, a);
        }
    }

    /// `dst = a + (b << shift)`.
    pub(super) fn emit_scaled_sum(&mut self, width: Width, dst: Gpr, a: Gpr, b: Gpr, shift: u8) {
        let scale = match shift {
            1 => Scale::Two,
            2 => Scale::Four,
            _ => Scale::Eight,
        };
        self.asm
            .lea(size(width), dst, Mem::base_index(a, b, scale, 0));
    }

    pub(super) fn emit_int_unary(&mut self, op: IntUnary, width: Width, dst: Gpr, src: Gpr) {
        let size = size(width);
        match op {
            IntUnary::Clz => self.asm.lzcnt_rr(size, dst, src),
            IntUnary::Ctz => self.asm.tzcnt_rr(size, dst, src),
            IntUnary::Popcnt => self.asm.popcnt_rr(size, dst, src),
            IntUnary::Extend8S => self.asm.movsx_rr(Size::S8, size, dst, src),
            IntUnary::Extend16S => self.asm.movsx_rr(Size::S16, size, dst, src),
            IntUnary::Extend32S => self.asm.movsx_rr(Size::S32, Size::S64, dst, src),
            IntUnary::Wrap => self.asm.mov_rr(Size::S32, dst, src),
            IntUnary::SwapBytes => {
                self.copy(width, dst, src);
                self.asm.bswap_r(size, dst);
            }
        }
    }

    pub(super) fn emit_compare(&mut self, width: Width, a: Gpr, b: Source) {
        match b {
            Source::Const(0) => self.asm.test_rr(size(width), a, a),
            _ => self.alu(Alu::Cmp, width, a, b),
        }
    }

    pub(super) fn emit_test(&mut self, width: Width, a: Gpr, b: Source) {
        let size = size(width);
        match b {
            Source::Reg(b) => self.asm.test_rr(size, a, gpr(b)),
            Source::Slot(at) => self.asm.test_mr(size, slot(at), a),
            Source::Const(bits) => match immediate(width, bits) {
                Some(value) => self.asm.test_ri(size, a, value),
                None => {
                    self.asm.mov_ri64(SCRATCH, bits);
                    self.asm.test_rr(size, a, SCRATCH);
                }
            },
        }
    }
}

enum Count {
    Const(u8),
    Reg(Gpr),
}

//! Float operations.

use super::*;
use pvf_assembler::x64::{FBit, FOp, RoundMode};

impl Function<'_> {
    /// Loads a constant; the flags stay.
    pub(super) fn float_const(&mut self, width: Width, dst: Xmm, bits: u64) {
        if bits == 0 {
            self.asm.fbit_rrr(FBit::Xor, FSize::S32, dst, dst, dst);
            return;
        }
        match width {
            Width::W32 => self.asm.mov_ri32(SCRATCH, bits as u32),
            Width::W64 => self.asm.mov_ri64(SCRATCH, bits),
        }
        self.asm.movd_xr(size(width), dst, SCRATCH);
    }

    pub(super) fn emit_float_binary(
        &mut self,
        op: FloatBinary,
        width: Width,
        dst: Xmm,
        a: Xmm,
        b: Xmm,
    ) {
        let size = fsize(width);
        match op {
            FloatBinary::Add => self.asm.fop_rrr(FOp::Add, size, dst, a, b),
            FloatBinary::Sub => self.asm.fop_rrr(FOp::Sub, size, dst, a, b),
            FloatBinary::Mul => self.asm.fop_rrr(FOp::Mul, size, dst, a, b),
            FloatBinary::Div => self.asm.fop_rrr(FOp::Div, size, dst, a, b),
            FloatBinary::Min => self.extremum(FOp::Min, FBit::Or, width, dst, a, b),
            FloatBinary::Max => self.extremum(FOp::Max, FBit::And, width, dst, a, b),
            FloatBinary::Copysign => self.copysign(width, dst, a, b),
        }
    }

    /// The machine's min and max take the second operand for NaNs and equals; Wasm wants a
    /// NaN for any NaN, and of two zeros the negative (min) or positive (max) one.
    fn extremum(&mut self, op: FOp, of_zeros: FBit, width: Width, dst: Xmm, a: Xmm, b: Xmm) {
        let size = fsize(width);
        let [unordered, differ, done] = [(); 3].map(|()| self.asm.new_label());
        self.asm.ucomis_rr(size, a, b);
        self.asm.jcc_short(Cond::P, unordered);
        self.asm.jcc_short(Cond::NE, differ);
        self.asm.fbit_rrr(of_zeros, size, dst, a, b);
        self.asm.jmp_short(done);
        self.asm.bind(unordered);
        self.asm.fop_rrr(FOp::Add, size, dst, a, b);
        self.asm.jmp_short(done);
        self.asm.bind(differ);
        self.asm.fop_rrr(op, size, dst, a, b);
        self.asm.bind(done);
    }

    fn copysign(&mut self, width: Width, dst: Xmm, a: Xmm, b: Xmm) {
        let sign = sign_bit(width);
        let size = fsize(width);
        self.float_const(width, FLOAT_SCRATCH, sign);
        self.asm
            .fbit_rrr(FBit::And, size, FLOAT_SCRATCH_2, FLOAT_SCRATCH, b);
        // "andn" takes the complement of its first operand.
        self.asm
            .fbit_rrr(FBit::Andn, size, FLOAT_SCRATCH, FLOAT_SCRATCH, a);
        self.asm
            .fbit_rrr(FBit::Or, size, dst, FLOAT_SCRATCH, FLOAT_SCRATCH_2);
    }

    pub(super) fn emit_float_unary(&mut self, op: FloatUnary, width: Width, dst: Xmm, src: Xmm) {
        let size = fsize(width);
        let mut round = |mode| self.asm.fround_rr(size, dst, src, mode);
        match op {
            FloatUnary::Ceil => round(RoundMode::Ceil),
            FloatUnary::Floor => round(RoundMode::Floor),
            FloatUnary::Trunc => round(RoundMode::Trunc),
            FloatUnary::Nearest => round(RoundMode::Nearest),
            FloatUnary::Sqrt => self.asm.fsqrt_rr(size, dst, src),
            FloatUnary::Neg => {
                self.float_const(width, FLOAT_SCRATCH, sign_bit(width));
                self.asm.fbit_rrr(FBit::Xor, size, dst, src, FLOAT_SCRATCH);
            }
            FloatUnary::Abs => {
                self.float_const(width, FLOAT_SCRATCH, sign_bit(width));
                self.asm.fbit_rrr(FBit::Andn, size, dst, FLOAT_SCRATCH, src);
            }
        }
    }

    pub(super) fn select_float(
        &mut self,
        condition: Condition,
        ty: ValType,
        dst: Reg,
        a: Reg,
        b: Reg,
    ) {
        let skip = self.asm.new_label();
        if dst == a {
            if a != b {
                self.jump_if(condition, skip);
                self.move_register(ty, dst, b);
            }
        } else {
            self.move_register(ty, dst, b);
            self.jump_if(condition.inverted(), skip);
            self.move_register(ty, dst, a);
        }
        self.asm.bind(skip);
    }
}

/// The sign bit alone.
pub(super) fn sign_bit(width: Width) -> u64 {
    match width {
        Width::W32 => 1 << 31,
        Width::W64 => 1 << 63,
    }
}

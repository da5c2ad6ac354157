//! Float operations.

use super::*;
use pvf_assembler::aarch64::{FOp, FUnary, FloatImm, VBit, VSize};

impl Emitter<'_> {
    /// Loads a constant; the flags stay.
    pub(super) fn float_const(&mut self, width: Width, dst: Fpr, bits: u64) {
        let immediate = match width {
            Width::W32 => FloatImm::from_f32_bits(bits as u32),
            Width::W64 => FloatImm::from_f64_bits(bits),
        };
        match (immediate, width) {
            _ if bits == 0 => self.asm.movi_zero(dst),
            (Some(immediate), _) => self.asm.fmov_imm(fsize(width), dst, immediate),
            (None, Width::W32) => {
                let bits = self.constant(width, bits);
                self.asm.fmov_fr(FSize::S32, dst, bits);
            }
            (None, Width::W64) => self.asm.ldr_literal_d(dst, bits),
        }
    }

    pub(super) fn emit_float_binary(
        &mut self,
        op: FloatBinary,
        width: Width,
        dst: Fpr,
        a: Fpr,
        b: Fpr,
    ) {
        let op = match op {
            FloatBinary::Add => FOp::Add,
            FloatBinary::Sub => FOp::Sub,
            FloatBinary::Mul => FOp::Mul,
            FloatBinary::Div => FOp::Div,
            // Of two zeros the negative is the lesser here too.
            FloatBinary::Min => FOp::Min,
            FloatBinary::Max => FOp::Max,
            FloatBinary::Copysign => return self.copysign(width, dst, a, b),
        };
        self.asm.fop(op, fsize(width), dst, a, b);
    }

    fn copysign(&mut self, width: Width, dst: Fpr, a: Fpr, b: Fpr) {
        let sign = match width {
            Width::W32 => 1 << 31,
            Width::W64 => 1 << 63,
        };
        let mask = FLOAT_SCRATCH;
        self.asm.mov_imm(Size::S64, SCRATCH, sign);
        self.asm.fmov_fr(FSize::S64, mask, SCRATCH);
        // Where the mask is set, its bits become those of `b`, elsewhere those of `a`.
        self.asm.vbit(VBit::Bsl, VSize::S64, mask, b, a);
        self.asm.fmov_ff(fsize(width), dst, mask);
    }

    pub(super) fn emit_float_unary(&mut self, op: FloatUnary, width: Width, dst: Fpr, src: Fpr) {
        let op = match op {
            FloatUnary::Abs => FUnary::Abs,
            FloatUnary::Neg => FUnary::Neg,
            FloatUnary::Sqrt => FUnary::Sqrt,
            FloatUnary::Ceil => FUnary::RintP,
            FloatUnary::Floor => FUnary::RintM,
            FloatUnary::Trunc => FUnary::RintZ,
            FloatUnary::Nearest => FUnary::RintN,
        };
        self.asm.funary(op, fsize(width), dst, src);
    }
}

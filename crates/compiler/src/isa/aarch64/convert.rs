//! Conversions between integers and floats.

use super::*;
use crate::isa::range::Range;
use pvf_assembler::aarch64::Sign;

pub(super) fn sign(signed: bool) -> Sign {
    match signed {
        true => Sign::Signed,
        false => Sign::Unsigned,
    }
}

impl Emitter<'_> {
    pub(super) fn emit_convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        match conversion {
            Conversion::Truncate { from, to, signed } => {
                self.check_truncation(from, &range(from, to, signed), fpr(src));
                self.truncate(from, to, signed, dst, src);
            }
            // The machine's own truncation saturates, and makes zero of NaNs.
            Conversion::TruncateSaturating { from, to, signed } => {
                self.truncate(from, to, signed, dst, src);
            }
            Conversion::Convert { from, to, signed } => {
                let (to, from) = (fsize(to), size(from));
                self.asm.cvtf(sign(signed), to, from, fpr(dst), gpr(src));
            }
            Conversion::Promote => self.asm.fcvt(FSize::S32, fpr(dst), fpr(src)),
            Conversion::Demote => self.asm.fcvt(FSize::S64, fpr(dst), fpr(src)),
            Conversion::ReinterpretToInt(width) => {
                let dst = self.target(dst);
                self.asm.fmov_rf(fsize(width), dst, fpr(src));
            }
            Conversion::ReinterpretToFloat(width) => {
                self.asm.fmov_fr(fsize(width), fpr(dst), gpr(src));
            }
        }
    }

    fn truncate(&mut self, from: Width, to: Width, signed: bool, dst: Reg, src: Reg) {
        let dst = self.target(dst);
        self.asm
            .fcvtz(sign(signed), size(to), fsize(from), dst, fpr(src));
    }

    /// Traps unless the value can be truncated.
    fn check_truncation(&mut self, from: Width, range: &Range, src: Fpr) {
        let invalid = self.trap_label(TrapKind::InvalidConversionToInteger);
        let overflow = self.trap_label(TrapKind::IntegerOverflow);
        self.jump_unless_in_range(from, range, src, invalid, overflow);
    }

    /// Jumps to one of the labels unless the value can be truncated.
    pub(super) fn jump_unless_in_range(
        &mut self,
        from: Width,
        range: &Range,
        src: Fpr,
        invalid: Label,
        overflow: Label,
    ) {
        let size = fsize(from);
        self.asm.fcmp(size, src, src);
        self.asm.b_cond(Cond::VS, invalid);
        self.float_const(from, FLOAT_SCRATCH, range.low_bits(from));
        self.asm.fcmp(size, src, FLOAT_SCRATCH);
        let below = match range.low_included {
            true => Cond::LT,
            false => Cond::LE,
        };
        self.asm.b_cond(below, overflow);
        self.float_const(from, FLOAT_SCRATCH, range.high_bits(from));
        self.asm.fcmp(size, src, FLOAT_SCRATCH);
        self.asm.b_cond(Cond::GE, overflow);
    }
}

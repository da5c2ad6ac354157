//! Conversions between integers and floats.

use super::*;
use crate::isa::range::{Range, bits_of, range};
use pvf_assembler::x64::{FOp, Shift};

impl Function<'_> {
    pub(super) fn emit_convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        match conversion {
            Conversion::Truncate { from, to, signed } => {
                self.truncate(from, to, signed, gpr(dst), xmm(src));
            }
            Conversion::TruncateSaturating { from, to, signed } => {
                self.truncate_saturating(from, to, signed, gpr(dst), xmm(src));
            }
            Conversion::Convert { from, to, signed } => {
                self.integer_to_float(from, to, signed, xmm(dst), gpr(src));
            }
            Conversion::Promote => self.asm.cvt_float_float(FSize::S32, xmm(dst), xmm(src)),
            Conversion::Demote => self.asm.cvt_float_float(FSize::S64, xmm(dst), xmm(src)),
            Conversion::ReinterpretToInt(width) => {
                self.asm.movd_rx(size(width), gpr(dst), xmm(src))
            }
            Conversion::ReinterpretToFloat(width) => {
                self.asm.movd_xr(size(width), xmm(dst), gpr(src))
            }
        }
    }

    fn truncate(&mut self, from: Width, to: Width, signed: bool, dst: Gpr, src: Xmm) {
        let invalid = self.trap_label(TrapKind::InvalidConversionToInteger);
        let overflow = self.trap_label(TrapKind::IntegerOverflow);
        self.check_truncation(from, to, signed, src, invalid, overflow);
        self.truncate_in_range(from, to, signed, dst, src);
    }

    /// Jumps to one of the labels unless the value can be truncated.
    pub(super) fn check_truncation(
        &mut self,
        from: Width,
        to: Width,
        signed: bool,
        src: Xmm,
        invalid: Label,
        overflow: Label,
    ) {
        self.asm.ucomis_rr(fsize(from), src, src);
        self.asm.jcc(Cond::P, invalid);
        self.check_range(from, range(from, to, signed), src, overflow, overflow);
    }

    fn truncate_saturating(&mut self, from: Width, to: Width, signed: bool, dst: Gpr, src: Xmm) {
        let [unordered, low, high, done] = [(); 4].map(|()| self.asm.new_label());
        self.asm.ucomis_rr(fsize(from), src, src);
        self.asm.jcc(Cond::P, unordered);
        self.check_range(from, range(from, to, signed), src, low, high);
        self.truncate_in_range(from, to, signed, dst, src);
        self.asm.jmp(done);
        let (least, greatest) = match (to, signed) {
            (Width::W32, true) => (i32::MIN as u32 as u64, i32::MAX as u64),
            (Width::W32, false) => (0, u64::from(u32::MAX)),
            (Width::W64, true) => (i64::MIN as u64, i64::MAX as u64),
            (Width::W64, false) => (0, u64::MAX),
        };
        for (label, value) in [(unordered, 0), (low, least), (high, greatest)] {
            self.asm.bind(label);
            self.asm.mov_ri64(dst, value);
            self.asm.jmp(done);
        }
        self.asm.bind(done);
    }

    /// Jumps to `low` or `high` if the value, not a NaN, is beyond the range.
    fn check_range(&mut self, from: Width, range: Range, src: Xmm, low: Label, high: Label) {
        self.float_const(from, FLOAT_SCRATCH, range.low_bits(from));
        self.asm.ucomis_rr(fsize(from), src, FLOAT_SCRATCH);
        self.asm.jcc(
            if range.low_included {
                Cond::B
            } else {
                Cond::BE
            },
            low,
        );
        self.float_const(from, FLOAT_SCRATCH, range.high_bits(from));
        self.asm.ucomis_rr(fsize(from), src, FLOAT_SCRATCH);
        self.asm.jcc(Cond::AE, high);
    }

    pub(super) fn truncate_in_range(
        &mut self,
        from: Width,
        to: Width,
        signed: bool,
        dst: Gpr,
        src: Xmm,
    ) {
        let fsize = fsize(from);
        match (to, signed) {
            (Width::W32, true) => self.asm.cvttf2si(fsize, Size::S32, dst, src),
            (Width::W32, false) | (Width::W64, true) => {
                self.asm.cvttf2si(fsize, Size::S64, dst, src)
            }
            (Width::W64, false) => {
                let (large, done) = (self.asm.new_label(), self.asm.new_label());
                self.float_const(from, FLOAT_SCRATCH, bits_of(from, f64::powi(2.0, 63)));
                self.asm.ucomis_rr(fsize, src, FLOAT_SCRATCH);
                self.asm.jcc_short(Cond::AE, large);
                self.asm.cvttf2si(fsize, Size::S64, dst, src);
                self.asm.jmp_short(done);
                self.asm.bind(large);
                self.asm
                    .fop_rrr(FOp::Sub, fsize, FLOAT_SCRATCH, src, FLOAT_SCRATCH);
                self.asm.cvttf2si(fsize, Size::S64, dst, FLOAT_SCRATCH);
                self.asm.mov_ri64(SCRATCH, 1 << 63);
                self.asm.alu_rr(Alu::Xor, Size::S64, dst, SCRATCH);
                self.asm.bind(done);
            }
        }
    }

    fn integer_to_float(&mut self, from: Width, to: Width, signed: bool, dst: Xmm, src: Gpr) {
        let fsize = fsize(to);
        match (from, signed) {
            (Width::W32, true) => self.asm.cvtsi2f(Size::S32, fsize, dst, src),
            // Held zero-extended, so that the signed conversion of 64 bits is right.
            (Width::W32, false) | (Width::W64, true) => {
                self.asm.cvtsi2f(Size::S64, fsize, dst, src)
            }
            (Width::W64, false) => {
                let [large, even, done] = [(); 3].map(|()| self.asm.new_label());
                self.asm.test_rr(Size::S64, src, src);
                self.asm.jcc_short(Cond::S, large);
                self.asm.cvtsi2f(Size::S64, fsize, dst, src);
                self.asm.jmp_short(done);
                self.asm.bind(large);
                // Half of it, with the lost bit kept as a sticky one, doubled: rounds the same.
                self.asm.mov_rr(Size::S64, SCRATCH, src);
                self.asm.shift_ri(Shift::Shr, Size::S64, SCRATCH, 1);
                self.asm.jcc_short(Cond::AE, even);
                self.asm.alu_ri(Alu::Or, Size::S64, SCRATCH, 1);
                self.asm.bind(even);
                self.asm.cvtsi2f(Size::S64, fsize, dst, SCRATCH);
                self.asm.fop_rrr(FOp::Add, fsize, dst, dst, dst);
                self.asm.bind(done);
            }
        }
    }
}

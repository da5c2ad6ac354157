//! Scalar floats. What is written to a vector register as a scalar zeroes the
//! rest of it.

use super::{Cond, FOp, FSize, FUnary, FloatImm, Fpr, Gpr, Instructions, Sign, Size};

/// Arithmetic and comparisons.
impl Instructions {
    /// `op dst, a, b`
    #[inline]
    pub fn fop(&mut self, op: FOp, size: FSize, dst: Fpr, a: Fpr, b: Fpr) {
        let op = 0x1E20_0800 | (op as u32) << 12;
        self.put(op | size.ftype() | b.bits() << 16 | a.bits() << 5 | dst.bits());
    }

    /// `op dst, src`
    #[inline]
    pub fn funary(&mut self, op: FUnary, size: FSize, dst: Fpr, src: Fpr) {
        let op = 0x1E20_4000 | (op as u32) << 15;
        self.put(op | size.ftype() | src.bits() << 5 | dst.bits());
    }

    /// `fcmp a, b`
    #[inline]
    pub fn fcmp(&mut self, size: FSize, a: Fpr, b: Fpr) {
        self.put(0x1E20_2000 | size.ftype() | b.bits() << 16 | a.bits() << 5);
    }

    /// `fccmp a, b, #nzcv, cond`: compares if `cond` holds, else sets the flags
    /// to `nzcv` (N is bit 3).
    #[inline]
    pub fn fccmp(&mut self, cond: Cond, size: FSize, a: Fpr, b: Fpr, nzcv: u32) {
        debug_assert!(nzcv < 16, "four flags");
        let operands = b.bits() << 16 | cond.bits() << 12 | a.bits() << 5 | nzcv & 15;
        self.put(0x1E20_0400 | size.ftype() | operands);
    }

    /// `fcsel dst, a, b, cond`: `cond ? a : b`
    #[inline]
    pub fn fcsel(&mut self, cond: Cond, size: FSize, dst: Fpr, a: Fpr, b: Fpr) {
        let operands = b.bits() << 16 | cond.bits() << 12 | a.bits() << 5 | dst.bits();
        self.put(0x1E20_0C00 | size.ftype() | operands);
    }
}

/// Moves and conversions.
impl Instructions {
    /// `fmov dst, src`
    #[inline]
    pub fn fmov_ff(&mut self, size: FSize, dst: Fpr, src: Fpr) {
        self.funary(FUnary::Mov, size, dst, src);
    }

    /// `fmov dst, src`: the bits of a float, 32 or 64; 32 are zero-extended.
    #[inline]
    pub fn fmov_rf(&mut self, size: FSize, dst: Gpr, src: Fpr) {
        let op = 0x1E26_0000 | (size as u32) << 31 | size.ftype();
        self.put(op | src.bits() << 5 | dst.or_zr());
    }

    /// `fmov dst, src`: a float of these bits, 32 or 64. From `ZR` it is zero.
    #[inline]
    pub fn fmov_fr(&mut self, size: FSize, dst: Fpr, src: Gpr) {
        let op = 0x1E27_0000 | (size as u32) << 31 | size.ftype();
        self.put(op | src.or_zr() << 5 | dst.bits());
    }

    /// `fmov dst, #imm`
    #[inline]
    pub fn fmov_imm(&mut self, size: FSize, dst: Fpr, imm: FloatImm) {
        self.put(0x1E20_1000 | size.ftype() | imm.bits() | dst.bits());
    }

    /// `fcvt dst, src`: from the width `from` to the other.
    #[inline]
    pub fn fcvt(&mut self, from: FSize, dst: Fpr, src: Fpr) {
        let to = match from {
            FSize::S32 => 5,
            FSize::S64 => 4,
        };
        self.put(0x1E20_4000 | from.ftype() | to << 15 | src.bits() << 5 | dst.bits());
    }

    /// `fcvtzs` or `fcvtzu dst, src`: to an integer, towards zero. What does
    /// not fit becomes the nearest that does; a NaN becomes 0.
    #[inline]
    pub fn fcvtz(&mut self, sign: Sign, to: Size, from: FSize, dst: Gpr, src: Fpr) {
        let op = 0x1E38_0000 | (sign as u32) << 16;
        self.put(op | to.sf() | from.ftype() | src.bits() << 5 | dst.or_zr());
    }

    /// `scvtf` or `ucvtf dst, src`: from an integer.
    #[inline]
    pub fn cvtf(&mut self, sign: Sign, to: FSize, from: Size, dst: Fpr, src: Gpr) {
        let op = 0x1E22_0000 | (sign as u32) << 16;
        self.put(op | from.sf() | to.ftype() | src.or_zr() << 5 | dst.bits());
    }
}

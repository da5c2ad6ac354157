//! Scalar floats, in the VEX encoding: the destination may be any register.
//!
//! A scalar operation takes the upper lanes of its result from its first source;
//! nothing here gives these lanes a meaning. An operation of one source names
//! it in both places, so that the result depends on nothing else.

use super::encode::{Imm, Vex, op};
use super::{FBit, FOp, FSize, Gpr, Instructions, Label, Mem, RoundMode, Size, Xmm};

/// Moves and conversions.
impl Instructions {
    /// `dst = src`, all 128 bits (vmovaps).
    #[inline]
    pub fn movs_rr(&mut self, _size: FSize, dst: Xmm, src: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0x28) };
        self.encode_vex_rr(vex, dst.number(), 0, src.number(), Imm::NONE);
    }

    /// `dst = [src]`; the rest of `dst` is zeroed (vmovss, vmovsd).
    #[inline]
    pub fn movs_rm(&mut self, size: FSize, dst: Xmm, src: Mem) {
        let vex = const { Vex::new(0, 0x0F, 0x10) }.scalar(size);
        self.encode_vex_rm(vex, dst.number(), 0, src, Imm::NONE);
    }

    /// `[dst] = src` (vmovss, vmovsd).
    #[inline]
    pub fn movs_mr(&mut self, size: FSize, dst: Mem, src: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0x11) }.scalar(size);
        self.encode_vex_rm(vex, src.number(), 0, dst, Imm::NONE);
    }

    /// `dst = [rip + src]`; the rest of `dst` is zeroed (vmovss, vmovsd).
    #[inline]
    pub fn movs_r_label(&mut self, size: FSize, dst: Xmm, src: Label) {
        let vex = const { Vex::new(0, 0x0F, 0x10) }.scalar(size);
        self.encode_vex_rl(vex, dst.number(), 0, src);
    }

    /// The low 32 or 64 bits of `dst` = `src`, the rest zeroed (vmovd, vmovq).
    #[inline]
    pub fn movd_xr(&mut self, size: Size, dst: Xmm, src: Gpr) {
        debug_assert!(size >= Size::S32, "32 and 64 bits only");
        let vex = const { Vex::new(0x66, 0x0F, 0x6E) }.wide(size);
        self.encode_vex_rr(vex, dst.number(), 0, src.number(), Imm::NONE);
    }

    /// `dst` = the low 32 or 64 bits of `src`, zero-extended (vmovd, vmovq).
    #[inline]
    pub fn movd_rx(&mut self, size: Size, dst: Gpr, src: Xmm) {
        debug_assert!(size >= Size::S32, "32 and 64 bits only");
        let vex = const { Vex::new(0x66, 0x0F, 0x7E) }.wide(size);
        self.encode_vex_rr(vex, src.number(), 0, dst.number(), Imm::NONE);
    }

    /// From width `from` to the other width (vcvtss2sd, vcvtsd2ss).
    #[inline]
    pub fn cvt_float_float(&mut self, from: FSize, dst: Xmm, src: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0x5A) }.scalar(from);
        self.encode_vex_rr(vex, dst.number(), src.number(), src.number(), Imm::NONE);
    }

    /// A signed integer of 32 or 64 bits to a float. The upper lanes of `dst`
    /// stay, so that the instruction waits for the last write to `dst`.
    #[inline]
    pub fn cvtsi2f(&mut self, from: Size, to: FSize, dst: Xmm, src: Gpr) {
        debug_assert!(from >= Size::S32, "32 and 64 bits only");
        let vex = const { Vex::new(0, 0x0F, 0x2A) }.scalar(to).wide(from);
        self.encode_vex_rr(vex, dst.number(), dst.number(), src.number(), Imm::NONE);
    }

    /// A float to a signed integer of 32 or 64 bits, towards zero; the smallest
    /// integer if the result does not fit (vcvttss2si, vcvttsd2si).
    #[inline]
    pub fn cvttf2si(&mut self, from: FSize, to: Size, dst: Gpr, src: Xmm) {
        debug_assert!(to >= Size::S32, "32 and 64 bits only");
        let vex = const { Vex::new(0, 0x0F, 0x2C) }.scalar(from).wide(to);
        self.encode_vex_rr(vex, dst.number(), 0, src.number(), Imm::NONE);
    }
}

/// Arithmetic.
impl Instructions {
    /// `dst = a op b`
    #[inline]
    pub fn fop_rrr(&mut self, op: FOp, size: FSize, dst: Xmm, a: Xmm, b: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0) }.plus(op as u8).scalar(size);
        self.encode_vex_rr(vex, dst.number(), a.number(), b.number(), Imm::NONE);
    }

    /// `dst = a op [rip + b]`
    #[inline]
    pub fn fop_rr_label(&mut self, op: FOp, size: FSize, dst: Xmm, a: Xmm, b: Label) {
        let vex = const { Vex::new(0, 0x0F, 0) }.plus(op as u8).scalar(size);
        self.encode_vex_rl(vex, dst.number(), a.number(), b);
    }

    /// `dst = sqrt(src)`
    #[inline]
    pub fn fsqrt_rr(&mut self, size: FSize, dst: Xmm, src: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0x51) }.scalar(size);
        self.encode_vex_rr(vex, dst.number(), src.number(), src.number(), Imm::NONE);
    }

    /// `dst` = `src` rounded to an integral value. Does not raise the inexact
    /// exception.
    #[inline]
    pub fn fround_rr(&mut self, size: FSize, dst: Xmm, src: Xmm, mode: RoundMode) {
        let vex = const { Vex::new(0x66, 0x0F3A, 0x0A) }.plus(size as u8);
        let imm = Imm::byte(8 | mode as u8);
        self.encode_vex_rr(vex, dst.number(), src.number(), src.number(), imm);
    }
}

/// Comparisons and bits.
impl Instructions {
    /// Compares, setting the flags as an unsigned comparison does; unordered
    /// sets ZF, PF and CF (vucomiss, vucomisd).
    #[inline]
    pub fn ucomis_rr(&mut self, size: FSize, a: Xmm, b: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0x2E) }.packed(size);
        self.encode_vex_rr(vex, a.number(), 0, b.number(), Imm::NONE);
    }

    /// Compares with `[rip + b]`, as [`ucomis_rr`](Self::ucomis_rr).
    #[inline]
    pub fn ucomis_r_label(&mut self, size: FSize, a: Xmm, b: Label) {
        let vex = const { Vex::new(0, 0x0F, 0x2E) }.packed(size);
        self.encode_vex_rl(vex, a.number(), 0, b);
    }

    /// `dst = a op b`, all 128 bits.
    #[inline]
    pub fn fbit_rrr(&mut self, op: FBit, size: FSize, dst: Xmm, a: Xmm, b: Xmm) {
        let vex = const { Vex::new(0, 0x0F, 0) }.plus(op as u8).packed(size);
        self.encode_vex_rr(vex, dst.number(), a.number(), b.number(), Imm::NONE);
    }

    /// `dst = a op [b]`, all 128 bits: sixteen bytes are read, at any alignment.
    #[inline]
    pub fn fbit_rrm(&mut self, op: FBit, size: FSize, dst: Xmm, a: Xmm, b: Mem) {
        let vex = const { Vex::new(0, 0x0F, 0) }.plus(op as u8).packed(size);
        self.encode_vex_rm(vex, dst.number(), a.number(), b, Imm::NONE);
    }

    /// `dst = a op [rip + b]`, all 128 bits: sixteen bytes are read, at any
    /// alignment.
    #[inline]
    pub fn fbit_rr_label(&mut self, op: FBit, size: FSize, dst: Xmm, a: Xmm, b: Label) {
        let vex = const { Vex::new(0, 0x0F, 0) }.plus(op as u8).packed(size);
        self.encode_vex_rl(vex, dst.number(), a.number(), b);
    }
}

/// Control of floating point.
impl Instructions {
    /// `mxcsr = [src]`, 32 bits
    #[inline]
    pub fn ldmxcsr(&mut self, src: Mem) {
        self.encode_dm(const { op("0F AE /2") }, Size::S32, src, Imm::NONE);
    }
}

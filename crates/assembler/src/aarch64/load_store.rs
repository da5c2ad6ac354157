//! Loads and stores.

use super::reach::Field;
use super::{Access, FSize, Fpr, Gpr, Instructions, Label, Mem, MemPair, Size};

/// The access of one general register.
#[inline(always)]
const fn access(size: Size) -> Access {
    match size {
        Size::S32 => Access::B4,
        Size::S64 => Access::B8,
    }
}

/// The access of one scalar float.
#[inline(always)]
const fn faccess(size: FSize) -> Access {
    match size {
        FSize::S32 => Access::B4,
        FSize::S64 => Access::B8,
    }
}

/// The `opc` of a load with sign extension to this size.
#[inline(always)]
const fn signed(to: Size) -> u32 {
    match to {
        Size::S32 => 3,
        Size::S64 => 2,
    }
}

const STORE: u32 = 0;
const LOAD: u32 = 1;

/// General registers.
impl Instructions {
    /// `ldr dst, [src]`: 4 or 8 bytes; 4 are zero-extended.
    #[inline]
    pub fn ldr(&mut self, size: Size, dst: Gpr, src: Mem) {
        self.general(access(size), LOAD, dst, src);
    }

    /// `ldrb dst, [src]`: one byte, zero-extended.
    #[inline]
    pub fn ldrb(&mut self, dst: Gpr, src: Mem) {
        self.general(Access::B1, LOAD, dst, src);
    }

    /// `ldrh dst, [src]`: two bytes, zero-extended.
    #[inline]
    pub fn ldrh(&mut self, dst: Gpr, src: Mem) {
        self.general(Access::B2, LOAD, dst, src);
    }

    /// `ldrsb dst, [src]`: one byte, sign-extended to `to`.
    #[inline]
    pub fn ldrsb(&mut self, to: Size, dst: Gpr, src: Mem) {
        self.general(Access::B1, signed(to), dst, src);
    }

    /// `ldrsh dst, [src]`: two bytes, sign-extended to `to`.
    #[inline]
    pub fn ldrsh(&mut self, to: Size, dst: Gpr, src: Mem) {
        self.general(Access::B2, signed(to), dst, src);
    }

    /// `ldrsw dst, [src]`: four bytes, sign-extended to 64 bits.
    #[inline]
    pub fn ldrsw(&mut self, dst: Gpr, src: Mem) {
        self.general(Access::B4, signed(Size::S64), dst, src);
    }

    /// `str src, [dst]`: 4 or 8 bytes.
    #[inline]
    pub fn str(&mut self, size: Size, src: Gpr, dst: Mem) {
        self.general(access(size), STORE, src, dst);
    }

    /// `strb src, [dst]`: one byte.
    #[inline]
    pub fn strb(&mut self, src: Gpr, dst: Mem) {
        self.general(Access::B1, STORE, src, dst);
    }

    /// `strh src, [dst]`: two bytes.
    #[inline]
    pub fn strh(&mut self, src: Gpr, dst: Mem) {
        self.general(Access::B2, STORE, src, dst);
    }

    #[inline(always)]
    fn general(&mut self, access: Access, opc: u32, reg: Gpr, mem: Mem) {
        let op = 0x3800_0000 | (access as u32) << 30 | opc << 22;
        self.put(op | mem.bits(access) | reg.or_zr());
    }

    /// `ldp a, b, [src]`: two times 8 bytes. The registers are not the same.
    #[inline]
    pub fn ldp(&mut self, a: Gpr, b: Gpr, src: MemPair) {
        debug_assert!(a != b, "two registers are loaded");
        self.put(0xA840_0000 | src.bits(Access::B8) | b.or_zr() << 10 | a.or_zr());
    }

    /// `stp a, b, [dst]`: two times 8 bytes.
    #[inline]
    pub fn stp(&mut self, a: Gpr, b: Gpr, dst: MemPair) {
        self.put(0xA800_0000 | dst.bits(Access::B8) | b.or_zr() << 10 | a.or_zr());
    }

    /// `ldr dst, label`: 4 bytes, zero-extended, or 8, from a place in the code
    /// within 1 MB. No island helps one out of reach: it is an error of
    /// [`finish`](super::Assembler::finish).
    #[inline]
    pub fn ldr_label(&mut self, size: Size, dst: Gpr, src: Label) {
        let op = 0x1800_0000 | (size as u32) << 30;
        self.put_with_label(op | dst.or_zr(), Field::Load19, src);
    }
}

/// Vector registers.
impl Instructions {
    /// `ldr dst, [src]`: a scalar; the rest of `dst` is zeroed.
    #[inline]
    pub fn ldr_f(&mut self, size: FSize, dst: Fpr, src: Mem) {
        self.vector(faccess(size), LOAD, dst, src);
    }

    /// `str src, [dst]`: a scalar.
    #[inline]
    pub fn str_f(&mut self, size: FSize, src: Fpr, dst: Mem) {
        self.vector(faccess(size), STORE, src, dst);
    }

    /// `ldr dst, [src]`: all sixteen bytes.
    #[inline]
    pub fn ldr_q(&mut self, dst: Fpr, src: Mem) {
        self.vector(Access::B16, LOAD, dst, src);
    }

    /// `str src, [dst]`: all sixteen bytes.
    #[inline]
    pub fn str_q(&mut self, src: Fpr, dst: Mem) {
        self.vector(Access::B16, STORE, src, dst);
    }

    #[inline(always)]
    fn vector(&mut self, access: Access, opc: u32, reg: Fpr, mem: Mem) {
        // Sixteen bytes are size 0 with the upper bit of `opc` set.
        let size = (access as u32 & 3) << 30;
        let opc = (opc | (access as u32 >> 2) << 1) << 22;
        self.put(0x3C00_0000 | size | opc | mem.bits(access) | reg.bits());
    }

    /// `ldp a, b, [src]`: two times sixteen bytes. The registers are not the
    /// same.
    #[inline]
    pub fn ldp_q(&mut self, a: Fpr, b: Fpr, src: MemPair) {
        debug_assert!(a != b, "two registers are loaded");
        self.put(0xAC40_0000 | src.bits(Access::B16) | b.bits() << 10 | a.bits());
    }

    /// `stp a, b, [dst]`: two times sixteen bytes.
    #[inline]
    pub fn stp_q(&mut self, a: Fpr, b: Fpr, dst: MemPair) {
        self.put(0xAC00_0000 | dst.bits(Access::B16) | b.bits() << 10 | a.bits());
    }

    /// `ldr dst, label`: a scalar, from a place in the code; as
    /// [`ldr_label`](Self::ldr_label).
    #[inline]
    pub fn ldr_f_label(&mut self, size: FSize, dst: Fpr, src: Label) {
        let op = 0x1C00_0000 | (size as u32) << 30;
        self.put_with_label(op | dst.bits(), Field::Load19, src);
    }
}

//! Vectors of bytes, for block operations, in the VEX encoding.
//!
//! An instruction of 256 bits leaves something in the upper halves of its registers;
//! [`zero_upper`](Instructions::zero_upper) cleans them all before code that does not know of them runs.

use super::encode::{Imm, Vex};
use super::{Instructions, Mem, VSize, Xmm};

impl Instructions {
    /// `dst = [src]`, at any alignment (vmovdqu).
    #[inline]
    pub fn movv_rm(&mut self, size: VSize, dst: Xmm, src: Mem) {
        let vex = const { Vex::new(0xF3, 0x0F, 0x6F) }.long(size);
        self.encode_vex_rm(vex, dst.number(), 0, src, Imm::NONE);
    }

    /// `[dst] = src`, at any alignment (vmovdqu).
    #[inline]
    pub fn movv_mr(&mut self, size: VSize, dst: Mem, src: Xmm) {
        let vex = const { Vex::new(0xF3, 0x0F, 0x7F) }.long(size);
        self.encode_vex_rm(vex, src.number(), 0, dst, Imm::NONE);
    }

    /// Sets ZF if `a & b` is 0 in all 128 bits (vptest).
    #[inline]
    pub fn testv_rr(&mut self, a: Xmm, b: Xmm) {
        let vex = const { Vex::new(0x66, 0x0F38, 0x17) };
        self.encode_vex_rr(vex, a.number(), 0, b.number(), Imm::NONE);
    }

    /// Both halves of `dst` = the low 64 bits of `src` (vmovddup).
    #[inline]
    pub fn double64_rr(&mut self, dst: Xmm, src: Xmm) {
        let vex = const { Vex::new(0xF2, 0x0F, 0x12) };
        self.encode_vex_rr(vex, dst.number(), 0, src.number(), Imm::NONE);
    }

    /// `dst`, all 256 bits = `low`, and `high` above it (vinsertf128).
    #[inline]
    pub fn join128_rrr(&mut self, dst: Xmm, low: Xmm, high: Xmm) {
        let vex = const { Vex::new(0x66, 0x0F3A, 0x18) }.long(VSize::S256);
        self.encode_vex_rr(vex, dst.number(), low.number(), high.number(), Imm::byte(1));
    }

    /// The upper halves of all vector registers = 0 (vzeroupper).
    #[inline]
    pub fn zero_upper(&mut self) {
        self.encode_vex_none(const { Vex::new(0, 0x0F, 0x77) });
    }
}

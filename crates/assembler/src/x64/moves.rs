//! Moves between registers, memory and immediates, and the stack.

use super::encode::{Imm, byte_needs_rex, op};
use super::{Cond, Gpr, Instructions, Label, Mem, Size};

/// Moves.
impl Instructions {
    /// `mov dst, src`
    #[inline]
    pub fn mov_rr(&mut self, size: Size, dst: Gpr, src: Gpr) {
        let (dst, src) = (dst.number(), src.number());
        let rex = byte_needs_rex(size, dst | src);
        self.encode_rr(
            const { op("89 /r") }.sized(size),
            size,
            src,
            dst,
            rex,
            Imm::NONE,
        );
    }

    /// `dst = imm`, zero-extended to 64 bits. Flags are kept.
    #[inline]
    pub fn mov_ri32(&mut self, dst: Gpr, imm: u32) {
        self.encode_plus(
            const { op("B8 +r id") },
            Size::S32,
            dst.number(),
            Imm::dword(imm),
        );
    }

    /// `dst = imm`, in the shortest form that keeps the flags.
    #[inline]
    pub fn mov_ri64(&mut self, dst: Gpr, imm: u64) {
        let number = dst.number();
        if imm as u32 as u64 == imm {
            self.mov_ri32(dst, imm as u32);
        } else if imm as i32 as u64 == imm {
            self.encode_dr(
                const { op("C7 /0 id") },
                Size::S64,
                number,
                Imm::dword(imm as u32),
            );
        } else {
            self.encode_plus(const { op("B8 +r") }, Size::S64, number, Imm::qword(imm));
        }
    }

    /// `mov dst, [src]`
    #[inline]
    pub fn mov_rm(&mut self, size: Size, dst: Gpr, src: Mem) {
        let dst = dst.number();
        let rex = byte_needs_rex(size, dst);
        self.encode_rm(
            const { op("8B /r") }.sized(size),
            size,
            dst,
            src,
            rex,
            Imm::NONE,
        );
    }

    /// `mov [dst], src`
    #[inline]
    pub fn mov_mr(&mut self, size: Size, dst: Mem, src: Gpr) {
        let src = src.number();
        let rex = byte_needs_rex(size, src);
        self.encode_rm(
            const { op("89 /r") }.sized(size),
            size,
            src,
            dst,
            rex,
            Imm::NONE,
        );
    }

    /// `mov [dst], imm`
    #[inline]
    pub fn mov_mi(&mut self, size: Size, dst: Mem, imm: i32) {
        let op = const { op("C7 /0 id") }.sized(size);
        self.encode_dm(op, size, dst, Imm::sized(size, imm));
    }

    /// `mov dst, [rip + src]` for 32 and 64 bits.
    #[inline]
    pub fn mov_r_label(&mut self, size: Size, dst: Gpr, src: Label) {
        debug_assert!(size >= Size::S32, "constants have 32 or 64 bits");
        self.encode_rl(const { op("8B /r") }, size, dst.number(), src);
    }

    /// Zero-extends the low `from` bits of `src` to all 64 of `dst`.
    #[inline]
    pub fn movzx_rr(&mut self, from: Size, dst: Gpr, src: Gpr) {
        let (d, s) = (dst.number(), src.number());
        let rex = byte_needs_rex(from, s);
        match from {
            Size::S8 => self.encode_rr(const { op("0F B6 /r") }, Size::S32, d, s, rex, Imm::NONE),
            Size::S16 => self.encode_rr(const { op("0F B7 /r") }, Size::S32, d, s, rex, Imm::NONE),
            Size::S32 | Size::S64 => self.mov_rr(from, dst, src),
        }
    }

    /// Loads `from` bits, zero-extended to all 64 of `dst`.
    #[inline]
    pub fn movzx_rm(&mut self, from: Size, dst: Gpr, src: Mem) {
        let d = dst.number();
        match from {
            Size::S8 => self.encode_rm(
                const { op("0F B6 /r") },
                Size::S32,
                d,
                src,
                false,
                Imm::NONE,
            ),
            Size::S16 => self.encode_rm(
                const { op("0F B7 /r") },
                Size::S32,
                d,
                src,
                false,
                Imm::NONE,
            ),
            Size::S32 | Size::S64 => self.mov_rm(from, dst, src),
        }
    }

    /// Sign-extends the low `from` bits of `src` to `to` bits; `from` must be
    /// the narrower.
    #[inline]
    pub fn movsx_rr(&mut self, from: Size, to: Size, dst: Gpr, src: Gpr) {
        debug_assert!(from < to, "a sign extension widens");
        let (d, s) = (dst.number(), src.number());
        let rex = byte_needs_rex(from, s);
        match from {
            Size::S8 => self.encode_rr(const { op("0F BE /r") }, to, d, s, rex, Imm::NONE),
            Size::S16 => self.encode_rr(const { op("0F BF /r") }, to, d, s, rex, Imm::NONE),
            Size::S32 | Size::S64 => {
                self.encode_rr(const { op("63 /r") }, to, d, s, rex, Imm::NONE)
            }
        }
    }

    /// Loads `from` bits, sign-extended to `to` bits; `from` must be the
    /// narrower.
    #[inline]
    pub fn movsx_rm(&mut self, from: Size, to: Size, dst: Gpr, src: Mem) {
        debug_assert!(from < to, "a sign extension widens");
        let d = dst.number();
        match from {
            Size::S8 => self.encode_rm(const { op("0F BE /r") }, to, d, src, false, Imm::NONE),
            Size::S16 => self.encode_rm(const { op("0F BF /r") }, to, d, src, false, Imm::NONE),
            Size::S32 | Size::S64 => {
                self.encode_rm(const { op("63 /r") }, to, d, src, false, Imm::NONE)
            }
        }
    }

    /// `xchg a, b`
    #[inline]
    pub fn xchg_rr(&mut self, size: Size, a: Gpr, b: Gpr) {
        let (a, b) = (a.number(), b.number());
        let rex = byte_needs_rex(size, a | b);
        self.encode_rr(
            const { op("87 /r") }.sized(size),
            size,
            b,
            a,
            rex,
            Imm::NONE,
        );
    }

    /// `lea dst, [src]`, for 16 bits and more.
    #[inline]
    pub fn lea(&mut self, size: Size, dst: Gpr, src: Mem) {
        debug_assert!(size != Size::S8, "there is no 8-bit lea");
        self.encode_rm(
            const { op("8D /r") },
            size,
            dst.number(),
            src,
            false,
            Imm::NONE,
        );
    }

    /// `cmovcc dst, src`, for 16 bits and more. A 32-bit one zeroes the upper
    /// half of `dst` whether the condition holds or not.
    #[inline]
    pub fn cmov_rr(&mut self, cond: Cond, size: Size, dst: Gpr, src: Gpr) {
        debug_assert!(size != Size::S8, "there is no 8-bit cmov");
        let op = const { op("0F 40 /r") }.plus(cond.code());
        self.encode_rr(op, size, dst.number(), src.number(), false, Imm::NONE);
    }

    /// `setcc dst`: the low byte only.
    #[inline]
    pub fn setcc_r(&mut self, cond: Cond, dst: Gpr) {
        let op = const { op("0F 90 /0") }.plus(cond.code());
        self.encode_dr(op, Size::S8, dst.number(), Imm::NONE);
    }

    /// `bswap operand`: the bytes in reverse order, for 32 and 64 bits. Flags are kept.
    #[inline]
    pub fn bswap_r(&mut self, size: Size, operand: Gpr) {
        debug_assert!(size >= Size::S32, "a swap of 16 bits is not defined");
        self.encode_plus(const { op("0F C8 +r") }, size, operand.number(), Imm::NONE);
    }

    /// `push src`, 64 bits.
    #[inline]
    pub fn push_r(&mut self, src: Gpr) {
        self.encode_plus(const { op("50 +r") }, Size::S32, src.number(), Imm::NONE);
    }

    /// `pop dst`, 64 bits.
    #[inline]
    pub fn pop_r(&mut self, dst: Gpr) {
        self.encode_plus(const { op("58 +r") }, Size::S32, dst.number(), Imm::NONE);
    }
}

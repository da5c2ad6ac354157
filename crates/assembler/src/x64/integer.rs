//! Integer arithmetic, comparisons, shifts and bit counts.
//!
//! Instructions that share a shape are rows of a table: method, opcode in the
//! manual's notation, documentation.

use super::encode::{Imm, Vex, byte_needs_rex, fits_i8, op};
use super::{Alu, Gpr, Instructions, Mem, Shift, Size};

/// `NAME r/m`: the operand in ModRM.rm, a digit in ModRM.reg. The 8-bit form's
/// opcode is one lower.
macro_rules! one_operand {
    ($($(#[$doc:meta])* $name:ident = $opcode:literal;)*) => {
        /// One operand.
        impl Instructions {
            $($(#[$doc])*
            #[inline]
            pub fn $name(&mut self, size: Size, operand: Gpr) {
                self.encode_dr(const { op($opcode) }.sized(size), size, operand.number(), Imm::NONE);
            })*
        }
    };
}

one_operand! {
    /// `inc operand`. Carry is kept.
    inc_r  = "FF /0";
    /// `dec operand`. Carry is kept.
    dec_r  = "FF /1";
    /// `not operand`. Flags are kept.
    not_r  = "F7 /2";
    /// `neg operand`
    neg_r  = "F7 /3";
    /// `rdx:rax = rax * operand`, unsigned (8 bits: `ax = al * operand`).
    mul_r  = "F7 /4";
    /// `rdx:rax = rax * operand`, signed (8 bits: `ax = al * operand`).
    imul_r = "F7 /5";
    /// `rax, rdx = rdx:rax / operand, rdx:rax % operand`, unsigned.
    div_r  = "F7 /6";
    /// `rax, rdx = rdx:rax / operand, rdx:rax % operand`, signed.
    idiv_r = "F7 /7";
}

/// `NAME reg, r/m` for 16 bits and more, with a register or memory.
macro_rules! two_operands {
    ($($(#[$doc:meta])* $rr:ident, $rm:ident = $opcode:literal;)*) => {
        /// Two operands.
        impl Instructions {
            $($(#[$doc])*
            #[inline]
            pub fn $rr(&mut self, size: Size, dst: Gpr, src: Gpr) {
                debug_assert!(size != Size::S8, "there is no 8-bit form");
                self.encode_rr(const { op($opcode) }, size, dst.number(), src.number(), false, Imm::NONE);
            }

            $(#[$doc])*
            #[inline]
            pub fn $rm(&mut self, size: Size, dst: Gpr, src: Mem) {
                debug_assert!(size != Size::S8, "there is no 8-bit form");
                self.encode_rm(const { op($opcode) }, size, dst.number(), src, false, Imm::NONE);
            })*
        }
    };
}

two_operands! {
    /// `dst *= src`, truncated. For 16 bits and more.
    imul_rr,   imul_rm   = "0F AF /r";
    /// The number of one bits. For 16 bits and more.
    popcnt_rr, popcnt_rm = "F3 0F B8 /r";
    /// Trailing zero bits; the width if `src` is 0. For 16 bits and more.
    tzcnt_rr,  tzcnt_rm  = "F3 0F BC /r";
    /// Leading zero bits; the width if `src` is 0. For 16 bits and more.
    lzcnt_rr,  lzcnt_rm  = "F3 0F BD /r";
}

/// `NAME reg, vvvv, r/m` in the VEX encoding, for 32 and 64 bits; flags are kept
/// unless the row says otherwise.
macro_rules! three_operands {
    ($($(#[$doc:meta])* $rrr:ident, $rrm:ident = $prefix:literal $map:literal $opcode:literal;)*) => {
        /// Three operands.
        impl Instructions {
            $($(#[$doc])*
            #[inline]
            pub fn $rrr(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
                debug_assert!(size >= Size::S32, "32 and 64 bits only");
                let vex = const { Vex::new($prefix, $map, $opcode) }.wide(size);
                self.encode_vex_rr(vex, dst.number(), a.number(), b.number(), Imm::NONE);
            }

            $(#[$doc])*
            #[inline]
            pub fn $rrm(&mut self, size: Size, dst: Gpr, a: Gpr, b: Mem) {
                debug_assert!(size >= Size::S32, "32 and 64 bits only");
                let vex = const { Vex::new($prefix, $map, $opcode) }.wide(size);
                self.encode_vex_rm(vex, dst.number(), a.number(), b, Imm::NONE);
            })*
        }
    };
}

three_operands! {
    /// `dst = !a & b`. Sets the flags of the result.
    andn_rrr, andn_rrm = 0x00 0x0F38 0xF2;
    /// `dst:a = rdx * b`, unsigned: `dst` takes the high half, `a` the low.
    mulx_rrr, mulx_rrm = 0xF2 0x0F38 0xF6;
}

/// The eight operations of [`Alu`], comparisons and what has a shape of its own.
impl Instructions {
    /// `alu dst, src`
    #[inline]
    pub fn alu_rr(&mut self, alu: Alu, size: Size, dst: Gpr, src: Gpr) {
        let op = const { op("01 /r") }.plus((alu as u8) << 3).sized(size);
        let (dst, src) = (dst.number(), src.number());
        self.encode_rr(
            op,
            size,
            src,
            dst,
            byte_needs_rex(size, dst | src),
            Imm::NONE,
        );
    }

    /// `alu dst, [src]`
    #[inline]
    pub fn alu_rm(&mut self, alu: Alu, size: Size, dst: Gpr, src: Mem) {
        let op = const { op("03 /r") }.plus((alu as u8) << 3).sized(size);
        let dst = dst.number();
        self.encode_rm(op, size, dst, src, byte_needs_rex(size, dst), Imm::NONE);
    }

    /// `alu [dst], src`
    #[inline]
    pub fn alu_mr(&mut self, alu: Alu, size: Size, dst: Mem, src: Gpr) {
        let op = const { op("01 /r") }.plus((alu as u8) << 3).sized(size);
        let src = src.number();
        self.encode_rm(op, size, src, dst, byte_needs_rex(size, src), Imm::NONE);
    }

    /// `alu dst, imm`
    #[inline]
    pub fn alu_ri(&mut self, alu: Alu, size: Size, dst: Gpr, imm: i32) {
        let imm = truncate(size, imm);
        if fits_i8(imm) && size != Size::S8 {
            let op = const { op("83 ib") }.with_digit(alu as u8);
            self.encode_dr(op, size, dst.number(), Imm::byte(imm as u8));
        } else if dst == Gpr::Rax {
            let op = const { op("05 id") }.plus((alu as u8) << 3).sized(size);
            self.encode(op, size, Imm::sized(size, imm));
        } else {
            let op = const { op("81 id") }.with_digit(alu as u8).sized(size);
            self.encode_dr(op, size, dst.number(), Imm::sized(size, imm));
        }
    }

    /// `alu [dst], imm`
    #[inline]
    pub fn alu_mi(&mut self, alu: Alu, size: Size, dst: Mem, imm: i32) {
        let imm = truncate(size, imm);
        if fits_i8(imm) && size != Size::S8 {
            let op = const { op("83 ib") }.with_digit(alu as u8);
            self.encode_dm(op, size, dst, Imm::byte(imm as u8));
        } else {
            let op = const { op("81 id") }.with_digit(alu as u8).sized(size);
            self.encode_dm(op, size, dst, Imm::sized(size, imm));
        }
    }

    /// `test a, b`
    #[inline]
    pub fn test_rr(&mut self, size: Size, a: Gpr, b: Gpr) {
        let (a, b) = (a.number(), b.number());
        let rex = byte_needs_rex(size, a | b);
        self.encode_rr(
            const { op("85 /r") }.sized(size),
            size,
            b,
            a,
            rex,
            Imm::NONE,
        );
    }

    /// `test a, imm`
    #[inline]
    pub fn test_ri(&mut self, size: Size, a: Gpr, imm: i32) {
        if a == Gpr::Rax {
            self.encode(
                const { op("A9 id") }.sized(size),
                size,
                Imm::sized(size, imm),
            );
        } else {
            let op = const { op("F7 /0 id") }.sized(size);
            self.encode_dr(op, size, a.number(), Imm::sized(size, imm));
        }
    }

    /// `test [a], b`
    #[inline]
    pub fn test_mr(&mut self, size: Size, a: Mem, b: Gpr) {
        let b = b.number();
        let rex = byte_needs_rex(size, b);
        self.encode_rm(
            const { op("85 /r") }.sized(size),
            size,
            b,
            a,
            rex,
            Imm::NONE,
        );
    }

    /// `dst = src * imm`, truncated. For 16 bits and more.
    #[inline]
    pub fn imul_rri(&mut self, size: Size, dst: Gpr, src: Gpr, imm: i32) {
        debug_assert!(size != Size::S8, "there is no 8-bit form");
        let (imm, dst, src) = (truncate(size, imm), dst.number(), src.number());
        if fits_i8(imm) {
            self.encode_rr(
                const { op("6B /r ib") },
                size,
                dst,
                src,
                false,
                Imm::byte(imm as u8),
            );
        } else {
            self.encode_rr(
                const { op("69 /r id") },
                size,
                dst,
                src,
                false,
                Imm::sized(size, imm),
            );
        }
    }

    /// `edx:eax` = `eax` sign-extended.
    #[inline]
    pub fn cdq(&mut self) {
        self.encode(const { op("99") }, Size::S32, Imm::NONE);
    }

    /// `rdx:rax` = `rax` sign-extended.
    #[inline]
    pub fn cqo(&mut self) {
        self.encode(const { op("99") }, Size::S64, Imm::NONE);
    }
}

/// Shifts and rotations.
impl Instructions {
    /// `shift dst, count`
    #[inline]
    pub fn shift_ri(&mut self, shift: Shift, size: Size, dst: Gpr, count: u8) {
        if count == 1 {
            let op = const { op("D1") }.with_digit(shift as u8).sized(size);
            self.encode_dr(op, size, dst.number(), Imm::NONE);
        } else {
            let op = const { op("C1 ib") }.with_digit(shift as u8).sized(size);
            self.encode_dr(op, size, dst.number(), Imm::byte(count));
        }
    }

    /// `shift dst, cl`
    #[inline]
    pub fn shift_rcl(&mut self, shift: Shift, size: Size, dst: Gpr) {
        let op = const { op("D3") }.with_digit(shift as u8).sized(size);
        self.encode_dr(op, size, dst.number(), Imm::NONE);
    }

    /// `dst = src shifted by count` (shlx, shrx, sarx), for 32 and 64 bits; not
    /// for rotations. Flags are kept.
    #[inline]
    pub fn shiftx_rrr(&mut self, shift: Shift, size: Size, dst: Gpr, src: Gpr, count: Gpr) {
        let vex = shiftx(shift, size);
        self.encode_vex_rr(vex, dst.number(), count.number(), src.number(), Imm::NONE);
    }

    /// `dst = src rotated right by count`, for 32 and 64 bits. Flags are kept.
    #[inline]
    pub fn rorx_rri(&mut self, size: Size, dst: Gpr, src: Gpr, count: u8) {
        debug_assert!(size >= Size::S32, "32 and 64 bits only");
        let vex = const { Vex::new(0xF2, 0x0F3A, 0xF0) }.wide(size);
        self.encode_vex_rr(vex, dst.number(), 0, src.number(), Imm::byte(count));
    }
}

#[inline(always)]
fn shiftx(shift: Shift, size: Size) -> Vex {
    debug_assert!(size >= Size::S32, "32 and 64 bits only");
    let vex = match shift {
        Shift::Shl => const { Vex::new(0x66, 0x0F38, 0xF7) },
        Shift::Shr => const { Vex::new(0xF2, 0x0F38, 0xF7) },
        Shift::Sar | Shift::Rol | Shift::Ror => const { Vex::new(0xF3, 0x0F38, 0xF7) },
    };
    debug_assert!(
        !matches!(shift, Shift::Rol | Shift::Ror),
        "no rotation by a register without flags"
    );
    vex.wide(size)
}

/// An immediate as the instruction sees it, sign-extended from its width.
#[inline(always)]
const fn truncate(size: Size, imm: i32) -> i32 {
    match size {
        Size::S8 => imm as i8 as i32,
        Size::S16 => imm as i16 as i32,
        Size::S32 | Size::S64 => imm,
    }
}

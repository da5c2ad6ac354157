//! Integer arithmetic, logic, shifts and bit fields, and what depends on flags.

use super::{Arith, Cond, Extend, Gpr, Imm12, Instructions, Logic, LogicalImm, Shift, Size};

/// The registers in their usual places: `Rd`, `Rn`, `Rm`, none of them `SP`.
#[inline(always)]
const fn registers(dst: Gpr, a: Gpr, b: Gpr) -> u32 {
    b.or_zr() << 16 | a.or_zr() << 5 | dst.or_zr()
}

#[inline(always)]
const fn shift_amount(size: Size, amount: u32) -> u32 {
    debug_assert!(amount < size.bits(), "a shift is below the width");
    amount & (size.bits() - 1)
}

/// Arithmetic and comparisons.
impl Instructions {
    /// `op dst, a, #b`. `a` can be `SP`; so can `dst` if flags are not set,
    /// and else it can be `ZR`.
    #[inline]
    pub fn arith_ri(&mut self, op: Arith, size: Size, dst: Gpr, a: Gpr, b: Imm12) {
        let dst = arith_dst(op, dst);
        self.put(0x1100_0000 | size.sf() | op.bits() | b.bits() | a.or_sp() << 5 | dst);
    }

    /// `op dst, a, b`
    #[inline]
    pub fn arith_rr(&mut self, op: Arith, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x0B00_0000 | size.sf() | op.bits() | registers(dst, a, b));
    }

    /// `op dst, a, b, shift #amount`; not for `Ror`.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the instruction's own operands")]
    pub fn arith_rs(
        &mut self,
        op: Arith,
        size: Size,
        dst: Gpr,
        a: Gpr,
        b: Gpr,
        shift: Shift,
        amount: u32,
    ) {
        debug_assert!(shift != Shift::Ror, "an addition does not rotate");
        let shift = (shift as u32) << 22 | shift_amount(size, amount) << 10;
        self.put(0x0B00_0000 | size.sf() | op.bits() | shift | registers(dst, a, b));
    }

    /// `op dst, a, b, extend #amount`, the amount 0 to 4. `a` can be `SP`; so
    /// can `dst` if flags are not set. With `Uxtx` (`Uxtw` for 32 bits) it is
    /// plain addition or subtraction for `SP`.
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the instruction's own operands")]
    pub fn arith_rx(
        &mut self,
        op: Arith,
        size: Size,
        dst: Gpr,
        a: Gpr,
        b: Gpr,
        extend: Extend,
        amount: u32,
    ) {
        debug_assert!(amount <= 4, "an extended register is shifted by 4 at most");
        let extend = extend.bits() | amount << 10;
        let registers = b.or_zr() << 16 | a.or_sp() << 5 | arith_dst(op, dst);
        self.put(0x0B20_0000 | size.sf() | op.bits() | extend | registers);
    }

    /// `add dst, a, b`
    #[inline]
    pub fn add_rr(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.arith_rr(Arith::Add, size, dst, a, b);
    }

    /// `sub dst, a, b`
    #[inline]
    pub fn sub_rr(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.arith_rr(Arith::Sub, size, dst, a, b);
    }

    /// `add dst, a, #b`. `dst` and `a` can be `SP`.
    #[inline]
    pub fn add_ri(&mut self, size: Size, dst: Gpr, a: Gpr, b: Imm12) {
        self.arith_ri(Arith::Add, size, dst, a, b);
    }

    /// `sub dst, a, #b`. `dst` and `a` can be `SP`.
    #[inline]
    pub fn sub_ri(&mut self, size: Size, dst: Gpr, a: Gpr, b: Imm12) {
        self.arith_ri(Arith::Sub, size, dst, a, b);
    }

    /// `neg dst, src`
    #[inline]
    pub fn neg(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.arith_rr(Arith::Sub, size, dst, Gpr::ZR, src);
    }

    /// `cmp a, b`
    #[inline]
    pub fn cmp_rr(&mut self, size: Size, a: Gpr, b: Gpr) {
        self.arith_rr(Arith::Subs, size, Gpr::ZR, a, b);
    }

    /// `cmp a, #b`. `a` can be `SP`.
    #[inline]
    pub fn cmp_ri(&mut self, size: Size, a: Gpr, b: Imm12) {
        self.arith_ri(Arith::Subs, size, Gpr::ZR, a, b);
    }

    /// `cmn a, #b`: compares with `-b`. `a` can be `SP`.
    #[inline]
    pub fn cmn_ri(&mut self, size: Size, a: Gpr, b: Imm12) {
        self.arith_ri(Arith::Adds, size, Gpr::ZR, a, b);
    }
}

#[inline(always)]
const fn arith_dst(op: Arith, dst: Gpr) -> u32 {
    if op.sets_flags() {
        dst.or_zr()
    } else {
        dst.or_sp()
    }
}

/// Logic.
impl Instructions {
    /// `op dst, a, #b`, for `And`, `Orr`, `Eor` and `Ands`, at the size `b` is
    /// for. `dst` can be `SP`, if flags are not set, and else `ZR`.
    #[inline]
    pub fn logic_ri(&mut self, op: Logic, dst: Gpr, a: Gpr, b: LogicalImm) {
        debug_assert!(op.inverts() == 0, "invert the immediate");
        let dst = if op == Logic::Ands {
            dst.or_zr()
        } else {
            dst.or_sp()
        };
        let sf = b.size().sf();
        self.put(0x1200_0000 | sf | op.opc() | b.bits() | a.or_zr() << 5 | dst);
    }

    /// `op dst, a, b`
    #[inline]
    pub fn logic_rr(&mut self, op: Logic, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.logic_rs(op, size, dst, a, b, Shift::Lsl, 0);
    }

    /// `op dst, a, b, shift #amount`
    #[inline]
    #[allow(clippy::too_many_arguments, reason = "the instruction's own operands")]
    pub fn logic_rs(
        &mut self,
        op: Logic,
        size: Size,
        dst: Gpr,
        a: Gpr,
        b: Gpr,
        shift: Shift,
        amount: u32,
    ) {
        let op = op.opc() | op.inverts() << 21;
        let shift = (shift as u32) << 22 | shift_amount(size, amount) << 10;
        self.put(0x0A00_0000 | size.sf() | op | shift | registers(dst, a, b));
    }

    /// `tst a, #b`, at the size `b` is for.
    #[inline]
    pub fn tst_ri(&mut self, a: Gpr, b: LogicalImm) {
        self.logic_ri(Logic::Ands, Gpr::ZR, a, b);
    }
}

/// Shifts, bit fields and counts.
impl Instructions {
    /// `shift dst, a, b` (lslv, lsrv, asrv, rorv): the amount is `b` modulo the
    /// width.
    #[inline]
    pub fn shift_rr(&mut self, shift: Shift, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        let op = 0x1AC0_2000 | (shift as u32) << 10;
        self.put(op | size.sf() | registers(dst, a, b));
    }

    /// `shift dst, a, #amount`, the amount below the width.
    #[inline]
    pub fn shift_ri(&mut self, shift: Shift, size: Size, dst: Gpr, a: Gpr, amount: u32) {
        let amount = shift_amount(size, amount);
        let top = size.bits() - 1;
        match shift {
            Shift::Lsl => self.ubfm(size, dst, a, (top + 1 - amount) & top, top - amount),
            Shift::Lsr => self.ubfm(size, dst, a, amount, top),
            Shift::Asr => self.sbfm(size, dst, a, amount, top),
            Shift::Ror => self.extr(size, dst, a, a, amount),
        }
    }

    /// `extr dst, high, low, #amount`: the width's bits from bit `amount` of
    /// the two registers one after the other.
    #[inline]
    pub fn extr(&mut self, size: Size, dst: Gpr, high: Gpr, low: Gpr, amount: u32) {
        let amount = shift_amount(size, amount) << 10;
        let n = (size as u32) << 22;
        self.put(0x1380_0000 | size.sf() | n | amount | registers(dst, high, low));
    }

    /// `sbfm dst, src, #immr, #imms`
    #[inline]
    pub fn sbfm(&mut self, size: Size, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        self.bit_field(0x1300_0000, size, dst, src, immr, imms);
    }

    /// `bfm dst, src, #immr, #imms`
    #[inline]
    pub fn bfm(&mut self, size: Size, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        self.bit_field(0x3300_0000, size, dst, src, immr, imms);
    }

    /// `ubfm dst, src, #immr, #imms`
    #[inline]
    pub fn ubfm(&mut self, size: Size, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        self.bit_field(0x5300_0000, size, dst, src, immr, imms);
    }

    #[inline(always)]
    fn bit_field(&mut self, op: u32, size: Size, dst: Gpr, src: Gpr, immr: u32, imms: u32) {
        let n = (size as u32) << 22;
        let fields = shift_amount(size, immr) << 16 | shift_amount(size, imms) << 10;
        self.put(op | size.sf() | n | fields | src.or_zr() << 5 | dst.or_zr());
    }

    /// `ubfx dst, src, #lsb, #width`: these bits of `src`, zero-extended. `lsb`
    /// and `width` are within the register, and `width` is not 0.
    #[inline]
    pub fn ubfx(&mut self, size: Size, dst: Gpr, src: Gpr, lsb: u32, width: u32) {
        self.ubfm(size, dst, src, lsb, lsb + width - 1);
    }

    /// `sbfx dst, src, #lsb, #width`: as [`ubfx`](Self::ubfx), sign-extended.
    #[inline]
    pub fn sbfx(&mut self, size: Size, dst: Gpr, src: Gpr, lsb: u32, width: u32) {
        self.sbfm(size, dst, src, lsb, lsb + width - 1);
    }

    /// `ubfiz dst, src, #lsb, #width`: the low bits of `src` at bit `lsb`,
    /// zeros around. Bounds as for [`ubfx`](Self::ubfx).
    #[inline]
    pub fn ubfiz(&mut self, size: Size, dst: Gpr, src: Gpr, lsb: u32, width: u32) {
        self.ubfm(size, dst, src, turned(size, lsb), width - 1);
    }

    /// `uxtb dst, src`: the low byte, zero-extended to all 64 bits.
    #[inline]
    pub fn uxtb(&mut self, dst: Gpr, src: Gpr) {
        self.ubfm(Size::S32, dst, src, 0, 7);
    }

    /// `uxth dst, src`: the low two bytes, zero-extended to all 64 bits.
    #[inline]
    pub fn uxth(&mut self, dst: Gpr, src: Gpr) {
        self.ubfm(Size::S32, dst, src, 0, 15);
    }

    /// `sxtb dst, src`: the low byte, sign-extended.
    #[inline]
    pub fn sxtb(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.sbfm(size, dst, src, 0, 7);
    }

    /// `sxth dst, src`: the low two bytes, sign-extended.
    #[inline]
    pub fn sxth(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.sbfm(size, dst, src, 0, 15);
    }

    /// `sxtw dst, src`: the low four bytes, sign-extended to 64 bits.
    #[inline]
    pub fn sxtw(&mut self, dst: Gpr, src: Gpr) {
        self.sbfm(Size::S64, dst, src, 0, 31);
    }

    /// `rbit dst, src`: the bits in reverse order.
    #[inline]
    pub fn rbit(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.unary(0x5AC0_0000, size, dst, src);
    }

    /// `rev dst, src`: the bytes in reverse order.
    #[inline]
    pub fn rev(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.unary(0x5AC0_0800 | (size as u32) << 10, size, dst, src);
    }

    /// `clz dst, src`: counts the zeros from the top.
    #[inline]
    pub fn clz(&mut self, size: Size, dst: Gpr, src: Gpr) {
        self.unary(0x5AC0_1000, size, dst, src);
    }

    #[inline(always)]
    fn unary(&mut self, op: u32, size: Size, dst: Gpr, src: Gpr) {
        self.put(op | size.sf() | src.or_zr() << 5 | dst.or_zr());
    }
}

/// The `immr` that moves bit 0 to bit `lsb`.
#[inline(always)]
const fn turned(size: Size, lsb: u32) -> u32 {
    lsb.wrapping_neg() & (size.bits() - 1)
}

/// Multiplication and division.
impl Instructions {
    /// `madd dst, a, b, c`: `c + a * b`
    #[inline]
    pub fn madd(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr, c: Gpr) {
        self.put(0x1B00_0000 | size.sf() | c.or_zr() << 10 | registers(dst, a, b));
    }

    /// `msub dst, a, b, c`: `c - a * b`
    #[inline]
    pub fn msub(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr, c: Gpr) {
        self.put(0x1B00_8000 | size.sf() | c.or_zr() << 10 | registers(dst, a, b));
    }

    /// `mul dst, a, b`
    #[inline]
    pub fn mul(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.madd(size, dst, a, b, Gpr::ZR);
    }

    /// `umaddl dst, a, b, c`: `c + a * b`, with 32-bit `a` and `b`, unsigned.
    #[inline]
    pub fn umaddl(&mut self, dst: Gpr, a: Gpr, b: Gpr, c: Gpr) {
        self.put(0x9BA0_0000 | c.or_zr() << 10 | registers(dst, a, b));
    }

    /// `smaddl dst, a, b, c`: `c + a * b`, with 32-bit `a` and `b`, signed.
    #[inline]
    pub fn smaddl(&mut self, dst: Gpr, a: Gpr, b: Gpr, c: Gpr) {
        self.put(0x9B20_0000 | c.or_zr() << 10 | registers(dst, a, b));
    }

    /// `umull dst, a, b`: 32 times 32 bits, unsigned.
    #[inline]
    pub fn umull(&mut self, dst: Gpr, a: Gpr, b: Gpr) {
        self.umaddl(dst, a, b, Gpr::ZR);
    }

    /// `umulh dst, a, b`: the upper half of the product, unsigned.
    #[inline]
    pub fn umulh(&mut self, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x9BC0_7C00 | registers(dst, a, b));
    }

    /// `smulh dst, a, b`: the upper half of the product, signed.
    #[inline]
    pub fn smulh(&mut self, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x9B40_7C00 | registers(dst, a, b));
    }

    /// `udiv dst, a, b`: 0 if `b` is 0.
    #[inline]
    pub fn udiv(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x1AC0_0800 | size.sf() | registers(dst, a, b));
    }

    /// `sdiv dst, a, b`: 0 if `b` is 0; the least integer by -1 is itself.
    #[inline]
    pub fn sdiv(&mut self, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x1AC0_0C00 | size.sf() | registers(dst, a, b));
    }
}

/// What depends on the flags.
impl Instructions {
    /// `csel dst, a, b, cond`: `cond ? a : b`
    #[inline]
    pub fn csel(&mut self, cond: Cond, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.select(0x1A80_0000, cond, size, dst, a, b);
    }

    /// `csinc dst, a, b, cond`: `cond ? a : b + 1`
    #[inline]
    pub fn csinc(&mut self, cond: Cond, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.select(0x1A80_0400, cond, size, dst, a, b);
    }

    /// `csinv dst, a, b, cond`: `cond ? a : !b`
    #[inline]
    pub fn csinv(&mut self, cond: Cond, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.select(0x5A80_0000, cond, size, dst, a, b);
    }

    /// `cset dst, cond`: `cond ? 1 : 0`; not for `AL`.
    #[inline]
    pub fn cset(&mut self, cond: Cond, size: Size, dst: Gpr) {
        self.csinc(cond.inverted(), size, dst, Gpr::ZR, Gpr::ZR);
    }

    #[inline(always)]
    fn select(&mut self, op: u32, cond: Cond, size: Size, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(op | size.sf() | cond.bits() << 12 | registers(dst, a, b));
    }

    /// `ccmp a, #b, #nzcv, cond`, with `b` below 32.
    #[inline]
    pub fn ccmp_ri(&mut self, cond: Cond, size: Size, a: Gpr, b: u32, nzcv: u32) {
        self.compare_if(0x7A40_0800, cond, size, a, b, nzcv);
    }

    #[inline(always)]
    fn compare_if(&mut self, op: u32, cond: Cond, size: Size, a: Gpr, b: u32, nzcv: u32) {
        debug_assert!(b < 32 && nzcv < 16, "five bits and four");
        let operands = (b & 31) << 16 | cond.bits() << 12 | a.or_zr() << 5 | nzcv & 15;
        self.put(op | size.sf() | operands);
    }
}

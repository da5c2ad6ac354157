//! Divisions, by what is only known at run time and by constants.

use super::*;
use crate::magic::{self, Signed, Unsigned};

impl Emitter<'_> {
    /// The machine's own division does not trap: it gives 0 by 0, and the least number by -1.
    pub(super) fn emit_divide(
        &mut self,
        op: Division,
        width: Width,
        (quotient, remainder): (Gpr, Gpr),
        divisor: Gpr,
    ) {
        let zero = self.trap_label(TrapKind::IntegerDivideByZero);
        let overflow = match op {
            Division::DivS => self.trap_label(TrapKind::IntegerOverflow),
            _ => zero,
        };
        self.jump_unless_divisible(op, width, quotient, divisor, zero, overflow);
        self.quotient_and_remainder(op, width, (quotient, remainder), divisor);
    }

    /// Jumps to one of the labels if the division traps.
    pub(super) fn jump_unless_divisible(
        &mut self,
        op: Division,
        width: Width,
        dividend: Gpr,
        divisor: Gpr,
        zero: Label,
        overflow: Label,
    ) {
        let size = size(width);
        self.asm.cbz(size, divisor, zero);
        if op == Division::DivS {
            // Only the least number minus 1 overflows.
            self.asm.cmn_ri(size, divisor, Imm12::low(1));
            self.asm.ccmp_ri(Cond::EQ, size, dividend, 1, 0);
            self.asm.b_cond(Cond::VS, overflow);
        }
    }

    pub(super) fn quotient_and_remainder(
        &mut self,
        op: Division,
        width: Width,
        (quotient, remainder): (Gpr, Gpr),
        divisor: Gpr,
    ) {
        let size = size(width);
        match op {
            Division::DivS => self.asm.sdiv(size, quotient, quotient, divisor),
            Division::DivU => self.asm.udiv(size, quotient, quotient, divisor),
            Division::RemS => {
                self.asm.sdiv(size, SCRATCH_2, quotient, divisor);
                self.asm.msub(size, remainder, SCRATCH_2, divisor, quotient);
            }
            Division::RemU => {
                self.asm.udiv(size, SCRATCH_2, quotient, divisor);
                self.asm.msub(size, remainder, SCRATCH_2, divisor, quotient);
            }
        }
    }

    /// `dst = a / divisor`, see [`MacroAssembler::divide_constant`].
    pub(super) fn quotient_by_constant(
        &mut self,
        op: Division,
        width: Width,
        dst: Gpr,
        a: Gpr,
        divisor: u64,
    ) {
        let size = size(width);
        match op {
            Division::DivU | Division::RemU => match magic::unsigned(width, divisor) {
                Unsigned::Shift(shift) => {
                    self.asm.shift_ri(Shift::Lsr, size, dst, a, shift.into());
                }
                Unsigned::Multiply(multiplier, shift) => {
                    self.high_product(width, dst, a, multiplier, shift.into());
                }
                Unsigned::ShiftMultiply(first, multiplier, shift) => {
                    self.asm.shift_ri(Shift::Lsr, size, dst, a, first.into());
                    self.high_product(width, dst, dst, multiplier, shift.into());
                }
                Unsigned::MultiplyAdd(multiplier, shift) => {
                    self.high_product(width, dst, a, multiplier, 0);
                    self.add_and_shift(width, dst, a, shift.into());
                }
            },
            Division::DivS | Division::RemS => {
                let divisor = match width {
                    Width::W32 => i64::from(divisor as i32),
                    Width::W64 => divisor as i64,
                };
                if divisor == 1 {
                    return self.asm.mov_rr(size, dst, a);
                }
                match magic::signed(width, divisor.unsigned_abs()) {
                    Signed::Shift(shift) => self.signed_shift(width, dst, a, shift.into()),
                    Signed::Multiply(multiplier, shift) => {
                        self.signed_product(width, dst, a, multiplier, shift.into());
                    }
                }
                if divisor < 0 {
                    self.asm.neg(size, dst, dst);
                }
            }
        }
    }

    /// `dst = a - dst * divisor`.
    pub(super) fn remainder_of_quotient(&mut self, width: Width, dst: Gpr, a: Gpr, divisor: u64) {
        let divisor = self.constant(width, divisor);
        self.asm.msub(size(width), dst, dst, divisor, a);
    }

    /// The high half of an unsigned product, shifted right.
    fn high_product(&mut self, width: Width, dst: Gpr, a: Gpr, multiplier: u64, shift: u32) {
        let multiplier = self.constant(width, multiplier);
        match width {
            Width::W32 => {
                self.asm.umull(dst, a, multiplier);
                self.asm
                    .shift_ri(Shift::Lsr, Size::S64, dst, dst, 32 + shift);
            }
            Width::W64 => {
                self.asm.umulh(dst, a, multiplier);
                if shift != 0 {
                    self.asm.shift_ri(Shift::Lsr, Size::S64, dst, dst, shift);
                }
            }
        }
    }

    /// `dst = (dst + a) >> shift` with a sum of one more bit.
    fn add_and_shift(&mut self, width: Width, dst: Gpr, a: Gpr, shift: u32) {
        let size = Size::S64;
        match width {
            Width::W32 => {
                self.asm.add_rr(size, dst, dst, a);
                self.asm.shift_ri(Shift::Lsr, size, dst, dst, shift);
            }
            Width::W64 => {
                // Half the difference first: dst is at most a.
                self.asm.sub_rr(size, SCRATCH, a, dst);
                self.asm
                    .arith_rs(Arith::Add, size, dst, dst, SCRATCH, Shift::Lsr, 1);
                if shift != 1 {
                    self.asm.shift_ri(Shift::Lsr, size, dst, dst, shift - 1);
                }
            }
        }
    }

    fn signed_shift(&mut self, width: Width, dst: Gpr, a: Gpr, shift: u32) {
        let size = size(width);
        self.asm.shift_ri(Shift::Asr, size, dst, a, size.bits() - 1);
        let of_sign = size.bits() - shift;
        self.asm
            .arith_rs(Arith::Add, size, dst, a, dst, Shift::Lsr, of_sign);
        self.asm.shift_ri(Shift::Asr, size, dst, dst, shift);
    }

    fn signed_product(&mut self, width: Width, dst: Gpr, a: Gpr, multiplier: u64, shift: u32) {
        let multiplier = self.constant(Width::W64, multiplier);
        match width {
            Width::W32 => {
                // The multiplier has all of its 32 bits: too many for a signed half.
                self.asm.sxtw(dst, a);
                self.asm.mul(Size::S64, dst, dst, multiplier);
                self.asm
                    .shift_ri(Shift::Asr, Size::S64, dst, dst, 32 + shift);
            }
            Width::W64 => {
                self.asm.smulh(dst, a, multiplier);
                // The multiplier's top bit was taken for a sign, so the product lacks 2^64 times the number.
                self.asm.add_rr(Size::S64, dst, dst, a);
                if shift != 0 {
                    self.asm.shift_ri(Shift::Asr, Size::S64, dst, dst, shift);
                }
            }
        }
        // One more below zero.
        let size = size(width);
        self.asm
            .arith_rs(Arith::Add, size, dst, dst, a, Shift::Lsr, size.bits() - 1);
    }
}

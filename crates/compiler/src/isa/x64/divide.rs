//! Divisions, by what is only known at run time and by constants.

use super::*;
use crate::magic::{self, Signed, Unsigned};
use pvf_assembler::x64::Shift;

impl Function<'_> {
    pub(super) fn emit_divide(&mut self, op: Division, width: Width, divisor: Gpr) {
        let size = size(width);
        match op {
            Division::DivU | Division::RemU => {
                self.asm.alu_rr(Alu::Xor, Size::S32, Gpr::Rdx, Gpr::Rdx);
                self.site(TrapKind::IntegerDivideByZero);
                self.asm.div_r(size, divisor);
            }
            Division::DivS | Division::RemS => {
                let (plain, done) = (self.asm.new_label(), self.asm.new_label());
                self.asm.alu_ri(Alu::Cmp, size, divisor, -1);
                self.asm.jcc_short(Cond::NE, plain);
                if op == Division::DivS {
                    let overflow = self.trap_label(TrapKind::IntegerOverflow);
                    self.asm.neg_r(size, Gpr::Rax);
                    self.asm.jcc(Cond::O, overflow);
                } else {
                    self.asm.alu_rr(Alu::Xor, Size::S32, Gpr::Rdx, Gpr::Rdx);
                }
                self.asm.jmp_short(done);
                self.asm.bind(plain);
                match width {
                    Width::W32 => self.asm.cdq(),
                    Width::W64 => self.asm.cqo(),
                }
                self.site(TrapKind::IntegerDivideByZero);
                self.asm.idiv_r(size, divisor);
                self.asm.bind(done);
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
        match op {
            Division::DivU | Division::RemU => match magic::unsigned(width, divisor) {
                Unsigned::Shift(shift) => {
                    self.asm.mov_rr(size(width), dst, a);
                    self.shift_by(Shift::Shr, width, dst, shift);
                }
                Unsigned::Multiply(multiplier, shift) => {
                    self.high_product(width, dst, a, multiplier, shift);
                }
                Unsigned::ShiftMultiply(first, multiplier, shift) => {
                    // Only with 64 bits: the factor in `rax` is not `a`.
                    self.asm.mov_rr(Size::S64, Gpr::Rax, a);
                    self.shift_by(Shift::Shr, width, Gpr::Rax, first);
                    self.asm.mov_ri64(dst, multiplier);
                    self.asm.mul_r(Size::S64, dst);
                    self.shift_by(Shift::Shr, width, dst, shift);
                }
                Unsigned::MultiplyAdd(multiplier, shift) => {
                    self.high_product(width, dst, a, multiplier, 0);
                    self.add_and_shift(width, dst, a, shift);
                }
            },
            Division::DivS | Division::RemS => {
                let divisor = match width {
                    Width::W32 => i64::from(divisor as i32),
                    Width::W64 => divisor as i64,
                };
                if divisor == 1 {
                    return self.asm.mov_rr(size(width), dst, a);
                }
                match magic::signed(width, divisor.unsigned_abs()) {
                    Signed::Shift(shift) => self.signed_shift(width, dst, a, shift),
                    Signed::Multiply(multiplier, shift) => {
                        self.signed_product(width, dst, a, multiplier, shift);
                    }
                }
                if divisor < 0 {
                    self.asm.neg_r(size(width), dst);
                }
            }
        }
    }

    /// `dst = a - dst * divisor`.
    pub(super) fn remainder_of_quotient(&mut self, width: Width, dst: Gpr, a: Gpr, divisor: u64) {
        let size = size(width);
        match immediate(width, divisor) {
            Some(divisor) => self.asm.imul_rri(size, SCRATCH, dst, divisor),
            None => {
                self.asm.mov_ri64(SCRATCH, divisor);
                self.asm.imul_rr(size, SCRATCH, dst);
            }
        }
        self.asm.mov_rr(size, dst, a);
        self.asm.alu_rr(Alu::Sub, size, dst, SCRATCH);
    }

    fn shift_by(&mut self, shift: Shift, width: Width, dst: Gpr, count: u8) {
        if count != 0 {
            self.asm.shift_ri(shift, size(width), dst, count);
        }
    }

    /// The high half of an unsigned product, shifted right.
    fn high_product(&mut self, width: Width, dst: Gpr, a: Gpr, multiplier: u64, shift: u8) {
        match width {
            Width::W32 => {
                self.asm.mov_ri32(dst, multiplier as u32);
                self.asm.imul_rr(Size::S64, dst, a);
                self.asm.shift_ri(Shift::Shr, Size::S64, dst, 32 + shift);
            }
            Width::W64 => {
                assert!(dst == Gpr::Rdx, "the high half is in rdx");
                self.asm.mov_ri64(Gpr::Rax, multiplier);
                self.asm.mul_r(Size::S64, a);
                self.shift_by(Shift::Shr, width, dst, shift);
            }
        }
    }

    /// `dst = (dst + a) >> shift` with a sum of one more bit.
    fn add_and_shift(&mut self, width: Width, dst: Gpr, a: Gpr, shift: u8) {
        match width {
            Width::W32 => {
                self.asm.alu_rr(Alu::Add, Size::S64, dst, a);
                self.asm.shift_ri(Shift::Shr, Size::S64, dst, shift);
            }
            Width::W64 => {
                // Half the difference first: dst is at most a.
                self.asm.mov_rr(Size::S64, Gpr::Rax, a);
                self.asm.alu_rr(Alu::Sub, Size::S64, Gpr::Rax, dst);
                self.asm.shift_ri(Shift::Shr, Size::S64, Gpr::Rax, 1);
                self.asm.alu_rr(Alu::Add, Size::S64, dst, Gpr::Rax);
                self.shift_by(Shift::Shr, width, dst, shift - 1);
            }
        }
    }

    fn signed_shift(&mut self, width: Width, dst: Gpr, a: Gpr, shift: u8) {
        let (size, bits) = match width {
            Width::W32 => (Size::S32, 32),
            Width::W64 => (Size::S64, 64),
        };
        self.asm.mov_rr(size, dst, a);
        self.asm.shift_ri(Shift::Sar, size, dst, bits - 1);
        self.asm.shift_ri(Shift::Shr, size, dst, bits - shift);
        self.asm.alu_rr(Alu::Add, size, dst, a);
        self.asm.shift_ri(Shift::Sar, size, dst, shift);
    }

    fn signed_product(&mut self, width: Width, dst: Gpr, a: Gpr, multiplier: u64, shift: u8) {
        match width {
            Width::W32 => {
                self.asm.movsx_rr(Size::S32, Size::S64, dst, a);
                self.asm.mov_ri32(SCRATCH, multiplier as u32);
                self.asm.imul_rr(Size::S64, dst, SCRATCH);
                // Below zero the product is as well.
                self.asm.mov_rr(Size::S64, SCRATCH, dst);
                self.asm.shift_ri(Shift::Shr, Size::S64, SCRATCH, 63);
                self.asm.shift_ri(Shift::Sar, Size::S64, dst, 32 + shift);
                self.asm.alu_rr(Alu::Add, Size::S32, dst, SCRATCH);
            }
            Width::W64 => {
                assert!(dst == Gpr::Rdx, "the high half is in rdx");
                self.asm.mov_ri64(Gpr::Rax, multiplier);
                self.asm.imul_r(Size::S64, a);
                // The multiplier's top bit was taken for a sign, so the product lacks 2^64 times the number.
                self.asm.alu_rr(Alu::Add, Size::S64, dst, a);
                self.shift_by(Shift::Sar, width, dst, shift);
                self.asm.mov_rr(Size::S64, SCRATCH, a);
                self.asm.shift_ri(Shift::Shr, Size::S64, SCRATCH, 63);
                self.asm.alu_rr(Alu::Add, Size::S64, dst, SCRATCH);
            }
        }
    }
}

//! Integer operations.

use super::pending::Shifted;
use super::*;
use pvf_assembler::aarch64::{Lane, VSize};

/// A second operand, in any register.
#[derive(Clone, Copy)]
pub(super) enum Operand {
    Register(Gpr),
    Const(u64),
    Slot(u32),
}

impl From<Source> for Operand {
    fn from(source: Source) -> Self {
        match source {
            Source::Reg(register) => Self::Register(gpr(register)),
            Source::Const(bits) => Self::Const(bits),
            Source::Slot(at) => Self::Slot(at),
        }
    }
}

/// A constant as it is at a width, zero-extended.
pub(super) fn truncated(width: Width, bits: u64) -> u64 {
    match width {
        Width::W32 => u64::from(bits as u32),
        Width::W64 => bits,
    }
}

/// The negation of a constant at a width.
fn negated(width: Width, bits: u64) -> u64 {
    truncated(width, bits.wrapping_neg())
}

impl Emitter<'_> {
    pub(super) fn emit_int_binary(
        &mut self,
        op: IntBinary,
        width: Width,
        dst: Gpr,
        a: Gpr,
        b: Operand,
    ) {
        match op {
            IntBinary::Add => self.add(Arith::Add, width, dst, a, b),
            IntBinary::Sub => self.add(Arith::Sub, width, dst, a, b),
            IntBinary::Mul => self.multiply(width, dst, a, b),
            IntBinary::And => self.bitwise(Logic::And, width, dst, a, b),
            IntBinary::Or => self.bitwise(Logic::Orr, width, dst, a, b),
            IntBinary::Xor => self.bitwise(Logic::Eor, width, dst, a, b),
            IntBinary::Shl => self.shift(Shift::Lsl, width, dst, a, b),
            IntBinary::ShrS => self.shift(Shift::Asr, width, dst, a, b),
            IntBinary::ShrU => self.shift(Shift::Lsr, width, dst, a, b),
            IntBinary::Rotr => self.shift(Shift::Ror, width, dst, a, b),
            IntBinary::Rotl => self.rotate_left(width, dst, a, b),
        }
    }

    /// The operand in a register, its own, a constant's or the scratch register.
    fn in_register(&mut self, width: Width, operand: Operand) -> Gpr {
        match operand {
            Operand::Register(register) => register,
            Operand::Const(bits) => self.constant(width, bits),
            Operand::Slot(at) => {
                let from = self.operand(memory::slot(at), bytes(size(width)), SCRATCH);
                self.asm.ldr(size(width), SCRATCH, from);
                SCRATCH
            }
        }
    }

    /// Addition or subtraction, which may set the flags.
    fn add(&mut self, op: Arith, width: Width, dst: Gpr, a: Gpr, b: Operand) {
        let size = size(width);
        if let Operand::Const(bits) = b {
            let opposite = match op {
                Arith::Add => Arith::Sub,
                Arith::Sub => Arith::Add,
                Arith::Adds => Arith::Subs,
                Arith::Subs => Arith::Adds,
            };
            if let Some(immediate) = Imm12::new(truncated(width, bits)) {
                return self.asm.arith_ri(op, size, dst, a, immediate);
            }
            // Not of zero nor of the least number, of which the carry and the overflow would differ.
            if let Some(immediate) = Imm12::new(negated(width, bits)) {
                return self.asm.arith_ri(opposite, size, dst, a, immediate);
            }
        }
        if let Operand::Const(bits) = b
            && self.add_in_two(op, width, dst, a, bits)
        {
            return;
        }
        let b = self.in_register(width, b);
        self.asm.arith_rr(op, size, dst, a, b);
    }

    /// Adds or subtracts a constant of up to 24 bits in two instructions, if no register holds it and the flags are not
    /// set.
    fn add_in_two(&mut self, op: Arith, width: Width, dst: Gpr, a: Gpr, bits: u64) -> bool {
        let bits = truncated(width, bits);
        let short = bits <= 0xffff || self.held_constant(width, bits).is_some();
        if short || !matches!(op, Arith::Add | Arith::Sub) {
            return false;
        }
        let low = bits & 0xfff;
        let (Some(high), Some(low)) = (Imm12::new(bits - low), Imm12::new(low)) else {
            return false;
        };
        let size = size(width);
        self.asm.arith_ri(op, size, dst, a, high);
        self.asm.arith_ri(op, size, dst, dst, low);
        true
    }

    fn bitwise(&mut self, op: Logic, width: Width, dst: Gpr, a: Gpr, b: Operand) {
        let size = size(width);
        if let Operand::Const(bits) = b
            && let Some(immediate) = LogicalImm::new(truncated(width, bits), size)
        {
            if op == Logic::And {
                self.pending = Some(Pending::Masked {
                    to: dst,
                    from: a,
                    pattern: immediate,
                    size,
                });
                return;
            }
            return self.asm.logic_ri(op, dst, a, immediate);
        }
        let b = self.in_register(width, b);
        self.asm.logic_rr(op, size, dst, a, b);
    }

    fn multiply(&mut self, width: Width, dst: Gpr, a: Gpr, b: Operand) {
        let size = size(width);
        if let Operand::Const(bits) = b {
            let bits = truncated(width, bits);
            if bits.is_power_of_two() {
                let by = Operand::Const(bits.trailing_zeros().into());
                return self.shift(Shift::Lsl, width, dst, a, by);
            }
            if bits > 2 && (bits - 1).is_power_of_two() {
                let shift = (bits - 1).trailing_zeros();
                return self
                    .asm
                    .arith_rs(Arith::Add, size, dst, a, a, Shift::Lsl, shift);
            }
        }
        let b = self.in_register(width, b);
        if b == SCRATCH {
            return self.asm.mul(size, dst, a, b);
        }
        self.pending = Some(Pending::Product {
            size,
            to: dst,
            factors: [a, b],
        });
    }

    fn shift(&mut self, shift: Shift, width: Width, dst: Gpr, a: Gpr, b: Operand) {
        let size = size(width);
        match b {
            Operand::Const(bits) => {
                self.pending = Some(Pending::Shifted(Shifted {
                    size,
                    shift,
                    to: dst,
                    from: a,
                    by: bits as u32 & (size.bits() - 1),
                }));
            }
            _ => {
                let b = self.in_register(width, b);
                self.asm.shift_rr(shift, size, dst, a, b);
            }
        }
    }

    fn rotate_left(&mut self, width: Width, dst: Gpr, a: Gpr, b: Operand) {
        match b {
            Operand::Const(bits) => {
                let right = Operand::Const(bits.wrapping_neg());
                self.shift(Shift::Ror, width, dst, a, right);
            }
            _ => {
                let size = size(width);
                let b = self.in_register(width, b);
                self.asm.neg(size, SCRATCH, b);
                self.asm.shift_rr(Shift::Ror, size, dst, a, SCRATCH);
            }
        }
    }

    pub(super) fn emit_int_unary(&mut self, op: IntUnary, width: Width, dst: Gpr, src: Gpr) {
        let size = size(width);
        match op {
            IntUnary::Clz => self.asm.clz(size, dst, src),
            IntUnary::Ctz => {
                self.asm.rbit(size, dst, src);
                self.asm.clz(size, dst, dst);
            }
            IntUnary::Popcnt => {
                // Only vectors count ones, and only by the byte.
                let vector = FLOAT_SCRATCH;
                self.asm.fmov_fr(fsize(width), vector, src);
                self.asm.cnt(VSize::S64, vector, vector);
                self.asm.addv(VSize::S64, Lane::B, vector, vector);
                self.asm.fmov_rf(FSize::S32, dst, vector);
            }
            IntUnary::Extend8S => self.asm.sxtb(size, dst, src),
            IntUnary::Extend16S => self.asm.sxth(size, dst, src),
            IntUnary::Extend32S => self.asm.sxtw(dst, src),
            IntUnary::Wrap => self.asm.mov_rr(Size::S32, dst, src),
            IntUnary::SwapBytes => self.asm.rev(size, dst, src),
        }
    }

    pub(super) fn emit_compare(&mut self, width: Width, a: Gpr, b: Operand) {
        self.add(Arith::Subs, width, Gpr::ZR, a, b);
    }

    pub(super) fn emit_test(&mut self, width: Width, a: Gpr, b: Operand) {
        self.bitwise(Logic::Ands, width, Gpr::ZR, a, b);
    }

    /// Compares the first scratch register with a constant; uses the second one.
    pub(super) fn compare_scratch(&mut self, width: Width, constant: u64) {
        let operand = match Imm12::new(truncated(width, constant)) {
            Some(_) => Operand::Const(constant),
            None => {
                let second = SCRATCH_2;
                self.asm.mov_imm(size(width), second, constant);
                Operand::Register(second)
            }
        };
        self.emit_compare(width, SCRATCH, operand);
    }
}

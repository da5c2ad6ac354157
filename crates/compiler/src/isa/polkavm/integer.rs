//! Integer operations.

use super::*;

/// The operation on registers.
fn three(op: IntBinary, width: Width) -> Three {
    match (op, width) {
        (IntBinary::Add, Width::W32) => Three::Add32,
        (IntBinary::Add, Width::W64) => Three::Add64,
        (IntBinary::Sub, Width::W32) => Three::Sub32,
        (IntBinary::Sub, Width::W64) => Three::Sub64,
        (IntBinary::Mul, Width::W32) => Three::Mul32,
        (IntBinary::Mul, Width::W64) => Three::Mul64,
        // Of sign-extended values the result is one.
        (IntBinary::And, _) => Three::And,
        (IntBinary::Or, _) => Three::Or,
        (IntBinary::Xor, _) => Three::Xor,
        (IntBinary::Shl, Width::W32) => Three::Shl32,
        (IntBinary::Shl, Width::W64) => Three::Shl64,
        (IntBinary::ShrS, Width::W32) => Three::ShrSigned32,
        (IntBinary::ShrS, Width::W64) => Three::ShrSigned64,
        (IntBinary::ShrU, Width::W32) => Three::ShrUnsigned32,
        (IntBinary::ShrU, Width::W64) => Three::ShrUnsigned64,
        (IntBinary::Rotl, Width::W32) => Three::RotateLeft32,
        (IntBinary::Rotl, Width::W64) => Three::RotateLeft64,
        (IntBinary::Rotr, Width::W32) => Three::RotateRight32,
        (IntBinary::Rotr, Width::W64) => Three::RotateRight64,
    }
}

/// The operation with an immediate, and the immediate; `None` if there is no such instruction.
fn with_constant(op: IntBinary, width: Width, bits: u64) -> Option<(Immediate, i32)> {
    let wide = width == Width::W64;
    let choose = |narrow, full| if wide { full } else { narrow };
    let count = match wide {
        true => bits as i32 & 63,
        false => bits as i32 & 31,
    };
    let whole = immediate(width, bits);
    Some(match op {
        IntBinary::Add => (choose(Immediate::Add32, Immediate::Add64), whole?),
        IntBinary::Sub => {
            let negative = match wide {
                true => whole?.checked_neg()?,
                false => whole?.wrapping_neg(),
            };
            (choose(Immediate::Add32, Immediate::Add64), negative)
        }
        IntBinary::Mul => (choose(Immediate::Mul32, Immediate::Mul64), whole?),
        IntBinary::And => (Immediate::And, whole?),
        IntBinary::Or => (Immediate::Or, whole?),
        IntBinary::Xor => (Immediate::Xor, whole?),
        IntBinary::Shl => (choose(Immediate::Shl32, Immediate::Shl64), count),
        IntBinary::ShrS => (
            choose(Immediate::ShrSigned32, Immediate::ShrSigned64),
            count,
        ),
        IntBinary::ShrU => (
            choose(Immediate::ShrUnsigned32, Immediate::ShrUnsigned64),
            count,
        ),
        IntBinary::Rotr => (
            choose(Immediate::RotateRight32, Immediate::RotateRight64),
            count,
        ),
        IntBinary::Rotl => {
            let bits = if wide { 64 } else { 32 };
            (
                choose(Immediate::RotateRight32, Immediate::RotateRight64),
                (bits - count) % bits,
            )
        }
    })
}

impl Function<'_> {
    /// Uses [`SCRATCH`] unless the second operand is in a register or an immediate.
    pub(super) fn emit_int_binary(
        &mut self,
        op: IntBinary,
        width: Width,
        dst: Gpr,
        a: Gpr,
        b: Source,
    ) {
        let b = match b {
            Source::Reg(b) => gpr(b),
            Source::Const(bits) => {
                if let Some((op, with)) = with_constant(op, width, bits) {
                    return self.asm.immediate(op, dst, a, with);
                }
                self.asm.load_const(SCRATCH, extended(width, bits));
                SCRATCH
            }
            Source::Slot(at) => {
                let (base, offset) = slot(at);
                self.asm.load(whole(width).0, SCRATCH, base, offset);
                SCRATCH
            }
        };
        self.asm.three(three(op, width), dst, a, b);
    }

    /// `dst = a op` what is in [`SCRATCH_2`].
    pub(super) fn emit_with_scratch(&mut self, op: IntBinary, width: Width, dst: Gpr, a: Gpr) {
        self.asm.three(three(op, width), dst, a, SCRATCH_2);
    }

    pub(super) fn emit_int_unary(&mut self, op: IntUnary, width: Width, dst: Gpr, src: Gpr) {
        let wide = width == Width::W64;
        let op = match op {
            IntUnary::Clz if wide => Two::LeadingZeros64,
            IntUnary::Clz => Two::LeadingZeros32,
            IntUnary::Ctz if wide => Two::TrailingZeros64,
            IntUnary::Ctz => Two::TrailingZeros32,
            IntUnary::Popcnt if wide => Two::Ones64,
            IntUnary::Popcnt => Two::Ones32,
            IntUnary::Extend8S => Two::SignExtend8,
            IntUnary::Extend16S => Two::SignExtend16,
            IntUnary::Extend32S | IntUnary::Wrap => {
                return self.asm.immediate(Immediate::Add32, dst, src, 0);
            }
            IntUnary::SwapBytes => {
                self.asm.two(Two::ReverseBytes, dst, src);
                if !wide {
                    self.asm.immediate(Immediate::ShrSigned64, dst, dst, 32);
                }
                return;
            }
        };
        self.asm.two(op, dst, src);
    }

    /// `dst` = the low 32 bits.
    pub(super) fn emit_zero_extend(&mut self, dst: Gpr, src: Gpr) {
        self.asm.immediate(Immediate::Shl64, dst, src, 32);
        self.asm.immediate(Immediate::ShrUnsigned64, dst, dst, 32);
    }

    pub(super) fn emit_divide(&mut self, op: Division, width: Width, divisor: Gpr) {
        let (dividend, remainder) = (gpr(REGISTERS.division.0), gpr(REGISTERS.division.1));
        let zero = self.trap_label(TrapKind::IntegerDivideByZero);
        self.asm.branch_immediate(Compare::Equal, divisor, 0, zero);
        if op == Division::DivS {
            let overflow = self.trap_label(TrapKind::IntegerOverflow);
            let fits = self.asm.new_label();
            self.asm
                .branch_immediate(Compare::NotEqual, divisor, -1, fits);
            match width {
                Width::W32 => {
                    self.asm
                        .branch_immediate(Compare::Equal, dividend, i32::MIN, overflow);
                }
                Width::W64 => {
                    self.asm.load_const(SCRATCH, i64::MIN as u64);
                    self.asm.branch(Compare::Equal, dividend, SCRATCH, overflow);
                }
            }
            self.asm.bind(fits);
        }
        let dst = match op {
            Division::DivS | Division::DivU => dividend,
            Division::RemS | Division::RemU => remainder,
        };
        self.asm.three(division(op, width), dst, dividend, divisor);
    }

    pub(super) fn emit_divide_constant(
        &mut self,
        op: Division,
        width: Width,
        dst: Gpr,
        a: Gpr,
        divisor: u64,
    ) {
        self.asm.load_const(SCRATCH, extended(width, divisor));
        self.asm.three(division(op, width), dst, a, SCRATCH);
    }
}

fn division(op: Division, width: Width) -> Three {
    match (op, width) {
        (Division::DivS, Width::W32) => Three::DivSigned32,
        (Division::DivS, Width::W64) => Three::DivSigned64,
        (Division::DivU, Width::W32) => Three::DivUnsigned32,
        (Division::DivU, Width::W64) => Three::DivUnsigned64,
        (Division::RemS, Width::W32) => Three::RemSigned32,
        (Division::RemS, Width::W64) => Three::RemSigned64,
        (Division::RemU, Width::W32) => Three::RemUnsigned32,
        (Division::RemU, Width::W64) => Three::RemUnsigned64,
    }
}

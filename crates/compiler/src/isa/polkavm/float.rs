//! Floats: moves of bits here, arithmetic by services of the engine. Their results have canonical NaNs.

use super::*;
use fixed::FloatOperation;

impl Function<'_> {
    /// Asks for a service.
    fn float_service(&mut self, operation: FloatOperation, width: Width) {
        self.asm.host_call(operation.service(width == Width::W64));
    }

    pub(super) fn emit_float_binary(
        &mut self,
        op: FloatBinary,
        width: Width,
        dst: Reg,
        a: Reg,
        b: Reg,
    ) {
        self.load_field(SCRATCH, float_field(a));
        self.load_field(SCRATCH_2, float_field(b));
        let operation = match op {
            FloatBinary::Add => FloatOperation::Add,
            FloatBinary::Sub => FloatOperation::Sub,
            FloatBinary::Mul => FloatOperation::Mul,
            FloatBinary::Div => FloatOperation::Div,
            FloatBinary::Min => FloatOperation::Min,
            FloatBinary::Max => FloatOperation::Max,
            FloatBinary::Copysign => {
                self.drop_sign(width);
                match width {
                    Width::W32 => {
                        self.asm
                            .immediate(Immediate::And, SCRATCH_2, SCRATCH_2, i32::MIN);
                    }
                    Width::W64 => {
                        self.asm
                            .immediate(Immediate::ShrUnsigned64, SCRATCH_2, SCRATCH_2, 63);
                        self.asm
                            .immediate(Immediate::Shl64, SCRATCH_2, SCRATCH_2, 63);
                    }
                }
                self.asm.three(Three::Or, SCRATCH, SCRATCH, SCRATCH_2);
                return self.store_field(float_field(dst), SCRATCH);
            }
        };
        self.float_service(operation, width);
        self.store_field(float_field(dst), SCRATCH);
    }

    /// Clears the sign in [`SCRATCH`].
    fn drop_sign(&mut self, width: Width) {
        match width {
            Width::W32 => {
                self.asm
                    .immediate(Immediate::And, SCRATCH, SCRATCH, i32::MAX);
            }
            Width::W64 => {
                self.asm.immediate(Immediate::Shl64, SCRATCH, SCRATCH, 1);
                self.asm
                    .immediate(Immediate::ShrUnsigned64, SCRATCH, SCRATCH, 1);
            }
        }
    }

    pub(super) fn emit_float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.load_field(SCRATCH, float_field(src));
        match op {
            FloatUnary::Abs => self.drop_sign(width),
            FloatUnary::Neg => {
                let sign = match width {
                    Width::W32 => 1 << 31,
                    Width::W64 => 1 << 63,
                };
                self.asm.load_const(SCRATCH_2, sign);
                self.asm.three(Three::Xor, SCRATCH, SCRATCH, SCRATCH_2);
            }
            FloatUnary::Sqrt => self.float_service(FloatOperation::Sqrt, width),
            FloatUnary::Ceil => self.float_service(FloatOperation::Ceil, width),
            FloatUnary::Floor => self.float_service(FloatOperation::Floor, width),
            FloatUnary::Trunc => self.float_service(FloatOperation::Trunc, width),
            FloatUnary::Nearest => self.float_service(FloatOperation::Nearest, width),
        }
        self.store_field(float_field(dst), SCRATCH);
    }

    pub(super) fn emit_float_compare(&mut self, width: Width, a: Reg, b: Reg) {
        self.load_field(SCRATCH, float_field(a));
        self.load_field(SCRATCH_2, float_field(b));
        self.float_service(FloatOperation::Compare, width);
        self.store_field(fixed::field::FIRST, SCRATCH);
        self.pending = Some(Pending::Floats);
    }

    pub(super) fn emit_convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        match conversion {
            Conversion::Truncate { from, to, signed } => {
                self.load_field(SCRATCH, float_field(src));
                self.float_service(
                    match (to, signed) {
                        (Width::W32, true) => FloatOperation::ToI32,
                        (Width::W32, false) => FloatOperation::ToU32,
                        (Width::W64, true) => FloatOperation::ToI64,
                        (Width::W64, false) => FloatOperation::ToU64,
                    },
                    from,
                );
                let invalid = self.trap_label(TrapKind::InvalidConversionToInteger);
                let overflow = self.trap_label(TrapKind::IntegerOverflow);
                for (status, label) in [(1, invalid), (2, overflow)] {
                    self.asm
                        .branch_immediate(Compare::Equal, SCRATCH_2, status, label);
                }
                self.asm.two(Two::Move, gpr(dst), SCRATCH);
            }
            Conversion::TruncateSaturating { from, to, signed } => {
                self.load_field(SCRATCH, float_field(src));
                self.float_service(
                    match (to, signed) {
                        (Width::W32, true) => FloatOperation::ToI32Saturating,
                        (Width::W32, false) => FloatOperation::ToU32Saturating,
                        (Width::W64, true) => FloatOperation::ToI64Saturating,
                        (Width::W64, false) => FloatOperation::ToU64Saturating,
                    },
                    from,
                );
                self.asm.two(Two::Move, gpr(dst), SCRATCH);
            }
            Conversion::Convert { from, to, signed } => {
                self.asm.two(Two::Move, SCRATCH, gpr(src));
                self.float_service(
                    match (from, signed) {
                        (Width::W32, true) => FloatOperation::FromI32,
                        (Width::W32, false) => FloatOperation::FromU32,
                        (Width::W64, true) => FloatOperation::FromI64,
                        (Width::W64, false) => FloatOperation::FromU64,
                    },
                    to,
                );
                self.store_field(float_field(dst), SCRATCH);
            }
            Conversion::Promote | Conversion::Demote => {
                self.load_field(SCRATCH, float_field(src));
                let from = match conversion {
                    Conversion::Promote => Width::W32,
                    _ => Width::W64,
                };
                self.float_service(FloatOperation::Convert, from);
                self.store_field(float_field(dst), SCRATCH);
            }
            Conversion::ReinterpretToInt(width) => {
                let (base, offset) = place_in_context(float_field(src));
                self.asm.load(whole(width).0, gpr(dst), base, offset);
            }
            Conversion::ReinterpretToFloat(width) => {
                let value = match width {
                    Width::W64 => gpr(src),
                    Width::W32 => {
                        self.emit_zero_extend(SCRATCH, gpr(src));
                        SCRATCH
                    }
                };
                self.store_field(float_field(dst), value);
            }
        }
    }

    /// Which of two is chosen by a branch: both are in memory.
    pub(super) fn emit_float_select(&mut self, condition: Condition, dst: Reg, a: Reg, b: Reg) {
        let (first, done) = (self.asm.new_label(), self.asm.new_label());
        self.emit_jump_if(condition, first);
        self.load_field(SCRATCH, float_field(b));
        self.asm.jump(done);
        self.asm.bind(first);
        self.load_field(SCRATCH, float_field(a));
        self.asm.bind(done);
        self.store_field(float_field(dst), SCRATCH);
    }
}

//! Operations of many instructions as one piece of code for the whole module, where a function has no code to spare.
//!
//! All registers stay but scratch registers and results. Where an operation can trap the piece comes back to one of the
//! traps that stand after the call, so that they are instructions of the function, or else after them.
//!
//! - Conversions: what is converted is in a scratch register, and so is the result.
//! - Divisions: the divisor is in the scratch register, everything else where the machine has it.
//! - Floats: the first operand and the result are in one register, for each of which there is a piece; a second operand
//!   is in a scratch register.

use super::*;

/// The piece of code borrows it and puts it back.
const BORROWED: Gpr = Gpr::Rax;

/// Below the stack pointer: signals have a stack of their own.
fn saved() -> Mem {
    Mem::base(Gpr::Rsp, -8)
}

/// Bytes of a trap.
const TRAP_BYTES: i32 = 2;

impl Function<'_> {
    /// Both must be able to trap where they do.
    pub(super) fn emit_divide_shared(&mut self, op: Division, width: Width, divisor: Gpr) {
        let Some(function) = Shared::Divide(op, width).function() else {
            return self.emit_divide(op, width, divisor);
        };
        self.asm.mov_rr(size(width), SCRATCH, divisor);
        self.call(function);
        self.trap_here(TrapKind::IntegerDivideByZero);
        if op == Division::DivS {
            self.trap_here(TrapKind::IntegerOverflow);
        }
    }

    pub(super) fn emit_float_binary_shared(
        &mut self,
        op: FloatBinary,
        width: Width,
        dst: Reg,
        a: Reg,
        b: Reg,
    ) {
        let Some(function) = Shared::FloatBinary(op, width, dst).function() else {
            return self.emit_float_binary(op, width, xmm(dst), xmm(a), xmm(b));
        };
        self.asm.movs_rr(fsize(width), FLOAT_SCRATCH_2, xmm(b));
        if dst != a {
            self.asm.movs_rr(fsize(width), xmm(dst), xmm(a));
        }
        self.call(function);
    }

    pub(super) fn emit_float_unary_shared(
        &mut self,
        op: FloatUnary,
        width: Width,
        dst: Reg,
        src: Reg,
    ) {
        let Some(function) = Shared::FloatUnary(op, width, dst).function() else {
            return self.emit_float_unary(op, width, xmm(dst), xmm(src));
        };
        if dst != src {
            self.asm.movs_rr(fsize(width), xmm(dst), xmm(src));
        }
        self.call(function);
    }

    pub(super) fn emit_canonicalise_shared(&mut self, width: Width, register: Reg) {
        match Shared::Canonicalise(width, register).function() {
            Some(function) => self.call(function),
            None => self.canonicalise(width, register),
        }
    }

    pub(super) fn emit_convert_shared(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        let Some(function) = Shared::Convert(conversion).function() else {
            return self.emit_convert(conversion, dst, src);
        };
        match conversion {
            Conversion::Truncate { from, .. } | Conversion::TruncateSaturating { from, .. } => {
                self.asm.movs_rr(fsize(from), FLOAT_SCRATCH_2, xmm(src));
                self.call(function);
                if let Conversion::Truncate { .. } = conversion {
                    self.trap_here(TrapKind::InvalidConversionToInteger);
                    self.trap_here(TrapKind::IntegerOverflow);
                }
                self.asm.mov_rr(Size::S64, gpr(dst), SCRATCH);
            }
            Conversion::Convert { to, .. } => {
                self.asm.mov_rr(Size::S64, SCRATCH, gpr(src));
                self.call(function);
                self.asm.movs_rr(fsize(to), xmm(dst), FLOAT_SCRATCH_2);
            }
            _ => self.emit_convert(conversion, dst, src),
        }
    }

    pub(super) fn emit_shared_stub(&mut self, shared: Shared) -> u32 {
        let start = self.asm.entry();
        match shared {
            Shared::Convert(conversion) => self.emit_conversion(conversion),
            Shared::Divide(op, width) => self.emit_division(op, width),
            Shared::Canonicalise(width, register) => self.emit_canonicalisation(width, register),
            Shared::FloatUnary(op, width, register) => {
                self.emit_float_unary(op, width, xmm(register), xmm(register));
                self.asm.ret();
            }
            Shared::FloatBinary(op, width, register) => {
                let register = xmm(register);
                self.emit_float_binary(op, width, register, register, FLOAT_SCRATCH_2);
                self.asm.ret();
            }
        }
        start
    }

    /// The divisor is in the scratch register.
    fn emit_division(&mut self, op: Division, width: Width) {
        let [plain, zero, overflow] = [(); 3].map(|()| self.asm.new_label());
        let traps = if op == Division::DivS { 2 } else { 1 };
        self.asm.alu_ri(Alu::Cmp, size(width), SCRATCH, -1);
        self.asm.jcc_short(Cond::NE, plain);
        match op {
            Division::DivS => {
                self.asm.neg_r(size(width), Gpr::Rax);
                self.asm.jcc_short(Cond::O, overflow);
            }
            _ => self.asm.alu_rr(Alu::Xor, Size::S32, Gpr::Rdx, Gpr::Rdx),
        }
        self.come_back(traps * TRAP_BYTES);
        self.asm.bind(plain);
        self.asm.test_rr(size(width), SCRATCH, SCRATCH);
        self.asm.jcc_short(Cond::E, zero);
        match width {
            Width::W32 => self.asm.cdq(),
            Width::W64 => self.asm.cqo(),
        }
        self.asm.idiv_r(size(width), SCRATCH);
        self.come_back(traps * TRAP_BYTES);
        if op == Division::DivS {
            self.asm.bind(overflow);
            self.come_back(TRAP_BYTES);
        }
        self.asm.bind(zero);
        self.asm.ret();
    }

    fn emit_canonicalisation(&mut self, width: Width, register: Reg) {
        let register = xmm(register);
        let number = self.asm.new_label();
        self.asm.ucomis_rr(fsize(width), register, register);
        self.asm.jcc_short(Cond::NP, number);
        self.float_const(width, register, canonical_nan(width));
        self.asm.bind(number);
        self.asm.ret();
    }

    fn emit_conversion(&mut self, conversion: Conversion) {
        let borrowed = reg(BORROWED);
        match conversion {
            Conversion::Truncate { from, to, signed } => {
                let [invalid, overflow] = [(); 2].map(|()| self.asm.new_label());
                self.check_truncation(from, to, signed, FLOAT_SCRATCH_2, invalid, overflow);
                self.asm.mov_mr(Size::S64, saved(), BORROWED);
                self.truncate_in_range(from, to, signed, BORROWED, FLOAT_SCRATCH_2);
                self.give_back();
                self.come_back(2 * TRAP_BYTES);
                self.asm.bind(overflow);
                self.come_back(TRAP_BYTES);
                self.asm.bind(invalid);
                self.asm.ret();
            }
            Conversion::TruncateSaturating { .. } => {
                self.asm.mov_mr(Size::S64, saved(), BORROWED);
                let src = Reg::float(FLOAT_SCRATCH_2.number());
                self.emit_convert(conversion, borrowed, src);
                self.give_back();
                self.asm.ret();
            }
            _ => {
                self.asm.mov_mr(Size::S64, saved(), BORROWED);
                self.asm.mov_rr(Size::S64, BORROWED, SCRATCH);
                let dst = Reg::float(FLOAT_SCRATCH_2.number());
                self.emit_convert(conversion, dst, borrowed);
                self.asm.mov_rm(Size::S64, BORROWED, saved());
                self.asm.ret();
            }
        }
    }

    /// The result to the scratch register.
    fn give_back(&mut self) {
        self.asm.mov_rr(Size::S64, SCRATCH, BORROWED);
        self.asm.mov_rm(Size::S64, BORROWED, saved());
    }

    /// Returns to `bytes` bytes after the call.
    fn come_back(&mut self, bytes: i32) {
        let address = Mem::base(Gpr::Rsp, 0);
        self.asm.alu_mi(Alu::Add, Size::S64, address, bytes);
        self.asm.ret();
    }
}

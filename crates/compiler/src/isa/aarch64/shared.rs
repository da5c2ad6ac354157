//! Truncations and divisions that can trap as one piece of code for the whole module, where a function has no code to
//! spare.
//!
//! The operand of a truncation is in a scratch register, and so is the result. A divisor is in a scratch register,
//! everything else where the generator has it. All registers but those stay. The piece comes back to one of the traps
//! that stand after the call, so that they are instructions of the function, or else after them.

use super::*;

/// Bytes of a trap.
const TRAP_BYTES: u64 = 4;

impl Emitter<'_> {
    pub(super) fn emit_convert_shared(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        let function = Shared::Convert(conversion).function();
        let (Conversion::Truncate { from, .. }, Some(function)) = (conversion, function) else {
            return self.emit_convert(conversion, dst, src);
        };
        self.asm.fmov_ff(fsize(from), FLOAT_SCRATCH_2, fpr(src));
        self.emit_call(function);
        self.trap_here(TrapKind::InvalidConversionToInteger);
        self.trap_here(TrapKind::IntegerOverflow);
        let dst = self.target(dst);
        self.asm.mov_rr(Size::S64, dst, SCRATCH);
    }

    pub(super) fn emit_divide_shared(&mut self, op: Division, width: Width, divisor: Gpr) {
        let (quotient, remainder) = REGISTERS.division;
        let results = (self.target(quotient), self.target(remainder));
        let Some(function) = Shared::Divide(op, width).function() else {
            return self.emit_divide(op, width, results, divisor);
        };
        if self.far_calls {
            // The call itself needs the scratch registers.
            return self.emit_divide(op, width, results, divisor);
        }
        self.asm.mov_rr(size(width), SCRATCH, divisor);
        self.emit_call(function);
        self.trap_here(TrapKind::IntegerDivideByZero);
        if op == Division::DivS {
            self.trap_here(TrapKind::IntegerOverflow);
        }
    }

    pub(super) fn emit_shared_stub(&mut self, shared: Shared) -> u32 {
        let start = self.asm.entry();
        match shared {
            Shared::Convert(Conversion::Truncate { from, to, signed }) => {
                self.emit_truncation(from, to, signed);
            }
            Shared::Divide(op, width) => self.emit_division(op, width),
            // Nothing calls others.
            _ => {}
        }
        start
    }

    fn emit_truncation(&mut self, from: Width, to: Width, signed: bool) {
        let [invalid, overflow] = [(); 2].map(|()| self.asm.new_label());
        let (src, range) = (FLOAT_SCRATCH_2, range(from, to, signed));
        self.jump_unless_in_range(from, &range, src, invalid, overflow);
        let (sign, to, from) = (convert::sign(signed), size(to), fsize(from));
        self.asm.fcvtz(sign, to, from, SCRATCH, src);
        self.come_back(2 * TRAP_BYTES);
        self.asm.bind(overflow);
        self.come_back(TRAP_BYTES);
        self.asm.bind(invalid);
        self.asm.ret();
    }

    /// The divisor is in the scratch register.
    fn emit_division(&mut self, op: Division, width: Width) {
        let [zero, overflow] = [(); 2].map(|()| self.asm.new_label());
        let (quotient, remainder) = REGISTERS.division;
        let traps = if op == Division::DivS { 2 } else { 1 };
        self.jump_unless_divisible(op, width, gpr(quotient), SCRATCH, zero, overflow);
        self.quotient_and_remainder(op, width, (gpr(quotient), gpr(remainder)), SCRATCH);
        self.come_back(traps * TRAP_BYTES);
        if op == Division::DivS {
            self.asm.bind(overflow);
            self.come_back(TRAP_BYTES);
        }
        self.asm.bind(zero);
        self.asm.ret();
    }

    /// Returns to `bytes` bytes after the call.
    fn come_back(&mut self, bytes: u64) {
        if let Some(bytes) = Imm12::new(bytes) {
            self.asm.add_ri(Size::S64, Gpr::LR, Gpr::LR, bytes);
        }
        self.asm.ret();
    }
}

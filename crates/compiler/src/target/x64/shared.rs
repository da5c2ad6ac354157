//! Conversions of many instructions as one piece of code for the whole module, where a function has no code to spare.
//!
//! What is converted is in a scratch register, and so is the result; all registers but those stay. A truncation that traps comes back
//! to one of the two traps that stand behind the call, so that they are instructions of the function; else
//! it comes back behind them.

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
    pub(super) fn convert_by_call(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        let Some(function) = shared_conversion(conversion) else {
            return self.conversion(conversion, dst, src);
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
            _ => self.conversion(conversion, dst, src),
        }
    }

    pub(super) fn emit_conversion_stub(&mut self, conversion: Conversion) -> u32 {
        let start = self.asm.entry();
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
                self.conversion(conversion, borrowed, src);
                self.give_back();
                self.asm.ret();
            }
            _ => {
                self.asm.mov_mr(Size::S64, saved(), BORROWED);
                self.asm.mov_rr(Size::S64, BORROWED, SCRATCH);
                let dst = Reg::float(FLOAT_SCRATCH_2.number());
                self.conversion(conversion, dst, borrowed);
                self.asm.mov_rm(Size::S64, BORROWED, saved());
                self.asm.ret();
            }
        }
        start
    }

    /// The result to the scratch register.
    fn give_back(&mut self) {
        self.asm.mov_rr(Size::S64, SCRATCH, BORROWED);
        self.asm.mov_rm(Size::S64, BORROWED, saved());
    }

    /// Returns so many bytes behind the call.
    fn come_back(&mut self, bytes: i32) {
        let address = Mem::base(Gpr::Rsp, 0);
        self.asm.alu_mi(Alu::Add, Size::S64, address, bytes);
        self.asm.ret();
    }
}

//! The meters: the logical stack and gas; and the audit of frames.

use super::*;

/// A charge that may have to be taken back.
#[derive(Clone, Copy)]
pub(super) enum Charge {
    Const(i32),
    /// In the scratch register.
    Scratch,
}

impl Function<'_> {
    /// Before the frame is made, so that a call that does not fit makes none.
    pub(super) fn emit_enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        // Locals and heights have limits that keep a cost far below 2^31.
        let (op, below, leaf_cost) = match leaf {
            true => (Alu::Cmp, Cond::L, cost),
            false => (Alu::Sub, Cond::S, 0),
        };
        self.asm.alu_ri(op, Size::S64, LOGICAL, cost as i32);
        self.asm.jcc(below, label);
        self.asm.bind(resume);
        self.later(Late::LogicalGrowth {
            label,
            resume,
            leaf_cost,
        });
    }

    pub(super) fn emit_leave_logical_stack(&mut self, cost: u32) {
        self.asm.alu_ri(Alu::Add, Size::S64, LOGICAL, cost as i32);
    }

    pub(super) fn emit_logical_growth(&mut self, label: Label, resume: Label, leaf_cost: u32) {
        self.asm.bind(label);
        let admitted = self.asm.new_label();
        let beyond = context(context::LOGICAL_BEYOND);
        self.asm
            .lea(Size::S64, SCRATCH, Mem::base(LOGICAL, -(leaf_cost as i32)));
        self.asm.alu_rm(Alu::Add, Size::S64, SCRATCH, beyond);
        self.asm.jcc_short(Cond::NS, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        self.asm.mov_mr(Size::S64, beyond, SCRATCH);
        self.asm.mov_ri32(LOGICAL, leaf_cost);
        self.asm.jmp(resume);
    }

    /// The counter is what the module may have made of it. It stands beyond the limit when the call traps.
    pub(super) fn emit_charge_counter(&mut self, counter: u32, cost: u32) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        let size = Size::S32;
        self.asm.mov_rm(size, SCRATCH, context(counter));
        self.asm.alu_ri(Alu::Add, size, SCRATCH, cost as i32);
        self.asm.mov_mr(size, context(counter), SCRATCH);
        let peak = context(context::COUNTER_PEAK);
        self.asm.alu_rm(Alu::Cmp, size, SCRATCH, peak);
        self.asm.jcc(Cond::A, label);
        self.asm.bind(resume);
        self.later(Late::CounterGrowth { label, resume });
    }

    pub(super) fn emit_counter_growth(&mut self, label: Label, resume: Label) {
        self.asm.bind(label);
        let admitted = self.asm.new_label();
        let limit = context(context::COUNTER_LIMIT);
        self.asm.alu_rm(Alu::Cmp, Size::S32, SCRATCH, limit);
        self.asm.jcc_short(Cond::BE, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        let peak = context(context::COUNTER_PEAK);
        self.asm.mov_mr(Size::S32, peak, SCRATCH);
        self.asm.jmp(resume);
    }

    pub(super) fn emit_charge_gas(&mut self, cost: u64) {
        let charge = match i32::try_from(cost) {
            Ok(cost) => {
                self.asm.alu_ri(Alu::Sub, Size::S64, GAS, cost);
                Charge::Const(cost)
            }
            Err(_) => {
                self.asm.mov_ri64(SCRATCH, cost);
                self.charge_scratch()
            }
        };
        self.check_charge(charge);
    }

    pub(super) fn emit_charge_gas_for(&mut self, units: Gpr, cost: u32) {
        // Below 2^64: both are below 2^32.
        self.asm.mov_ri32(SCRATCH, cost);
        self.asm.imul_rr(Size::S64, SCRATCH, units);
        let charge = self.charge_scratch();
        self.check_charge(charge);
    }

    fn charge_scratch(&mut self) -> Charge {
        self.asm.alu_rr(Alu::Sub, Size::S64, GAS, SCRATCH);
        Charge::Scratch
    }

    fn check_charge(&mut self, charge: Charge) {
        let label = self.asm.new_label();
        self.asm.jcc(Cond::B, label);
        self.later(Late::OutOfGas { label, charge });
    }

    pub(super) fn emit_out_of_gas(&mut self, label: Label, charge: Charge) {
        self.asm.bind(label);
        match charge {
            Charge::Const(cost) => self.asm.alu_ri(Alu::Add, Size::S64, GAS, cost),
            Charge::Scratch => self.asm.alu_rr(Alu::Add, Size::S64, GAS, SCRATCH),
        }
        self.trap_here(TrapKind::OutOfGas);
    }

    /// Counts the frame just made and compares the count with the stack pointer.
    pub(super) fn emit_audit(&mut self, frame_bytes: u32) {
        let depth = context(context::AUDIT_DEPTH);
        self.asm
            .alu_mi(Alu::Add, Size::S64, depth, frame_bytes as i32);
        self.asm
            .mov_rm(Size::S64, SCRATCH, context(context::STACK_TOP));
        self.asm.alu_rr(Alu::Sub, Size::S64, SCRATCH, Gpr::Rsp);
        self.asm.alu_rm(Alu::Xor, Size::S64, SCRATCH, depth);
        let difference = context(context::AUDIT_DIFFERENCE);
        self.asm.alu_mr(Alu::Or, Size::S64, difference, SCRATCH);
        let calls = context(context::AUDIT_CALLS);
        self.asm.alu_mi(Alu::Add, Size::S64, calls, 1);
    }

    pub(super) fn emit_leave_audited(&mut self, frame_bytes: u32) {
        let depth = context(context::AUDIT_DEPTH);
        self.asm
            .alu_mi(Alu::Sub, Size::S64, depth, frame_bytes as i32);
    }
}

//! The meters: the logical stack and gas; and the audit of frames.

use super::memory::place_in_context;
use super::*;

/// A charge that may have to be taken back.
#[derive(Clone, Copy)]
pub(super) enum Charge {
    Const(Imm12),
    /// In the scratch register.
    Scratch,
}

impl Emitter<'_> {
    /// `dst = a op constant`, through the scratch register if need be.
    pub(super) fn arith_const(&mut self, op: Arith, dst: Gpr, a: Gpr, constant: u64) -> Charge {
        match Imm12::new(constant) {
            Some(immediate) => {
                self.asm.arith_ri(op, Size::S64, dst, a, immediate);
                Charge::Const(immediate)
            }
            None => {
                self.asm.mov_imm(Size::S64, SCRATCH, constant);
                self.asm.arith_rr(op, Size::S64, dst, a, SCRATCH);
                Charge::Scratch
            }
        }
    }

    /// Before the frame is made, so that a call that does not fit makes none.
    pub(super) fn emit_enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        let (dst, below, leaf_cost) = match leaf {
            true => (Gpr::ZR, Cond::LT, cost),
            false => (LOGICAL, Cond::MI, 0),
        };
        self.arith_const(Arith::Subs, dst, LOGICAL, cost.into());
        self.asm.b_cond(below, label);
        self.asm.bind(resume);
        self.later(Late::LogicalGrowth {
            label,
            resume,
            leaf_cost,
        });
    }

    pub(super) fn emit_leave_logical_stack(&mut self, cost: u32) {
        self.arith_const(Arith::Add, LOGICAL, LOGICAL, cost.into());
    }

    pub(super) fn emit_logical_growth(&mut self, label: Label, resume: Label, leaf_cost: u32) {
        self.asm.bind(label);
        let admitted = self.asm.new_label();
        // Nothing has been taken from the sum of base and index yet: a function begins here.
        self.load_context_word(SCRATCH_2, context::LOGICAL_BEYOND);
        self.asm.add_rr(Size::S64, SCRATCH_2, SCRATCH_2, LOGICAL);
        self.arith_const(Arith::Subs, SCRATCH_2, SCRATCH_2, leaf_cost.into());
        self.asm.b_cond(Cond::PL, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        self.store_context_word(context::LOGICAL_BEYOND, SCRATCH_2);
        self.asm.mov_imm(Size::S64, LOGICAL, leaf_cost.into());
        self.asm.b(resume);
    }

    /// The counter is what the module may have made of it. It stands beyond the limit when the call traps.
    pub(super) fn emit_charge_counter(&mut self, counter: u32, cost: u32) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        self.add_to_counter(counter, cost);
        self.load_context_half(SCRATCH, context::COUNTER_PEAK);
        self.asm.cmp_rr(Size::S32, SCRATCH_2, SCRATCH);
        self.asm.b_cond(Cond::HI, label);
        self.asm.bind(resume);
        self.later(Late::CounterGrowth { label, resume });
    }

    /// Adds to it; [`SCRATCH_2`] is the sum afterwards.
    pub(super) fn add_to_counter(&mut self, counter: u32, amount: u32) {
        let (sum, size) = (SCRATCH_2, Size::S32);
        self.load_context_half(sum, counter);
        let (op, distance) = match amount as i32 {
            negative @ ..0 => (Arith::Sub, negative.unsigned_abs()),
            _ => (Arith::Add, amount),
        };
        match Imm12::new(distance.into()) {
            Some(immediate) => self.asm.arith_ri(op, size, sum, sum, immediate),
            None => {
                self.asm.mov_imm(size, SCRATCH, distance.into());
                self.asm.arith_rr(op, size, sum, sum, SCRATCH);
            }
        }
        let to = self.operand(place_in_context(counter), Bytes::B4, SCRATCH);
        self.asm.str(size, sum, to);
    }

    /// Four bytes of the context.
    fn load_context_half(&mut self, dst: Gpr, offset: u32) {
        let from = self.operand(place_in_context(offset), Bytes::B4, dst);
        self.asm.ldr(Size::S32, dst, from);
    }

    pub(super) fn emit_counter_growth(&mut self, label: Label, resume: Label) {
        self.asm.bind(label);
        let (admitted, size) = (self.asm.new_label(), Size::S32);
        self.load_context_half(SCRATCH, context::COUNTER_LIMIT);
        self.asm.cmp_rr(size, SCRATCH_2, SCRATCH);
        self.asm.b_cond(Cond::LS, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        let peak = self.operand(place_in_context(context::COUNTER_PEAK), Bytes::B4, SCRATCH);
        self.asm.str(size, SCRATCH_2, peak);
        self.asm.b(resume);
    }

    pub(super) fn emit_charge_gas(&mut self, cost: u64) {
        let charge = self.arith_const(Arith::Subs, GAS, GAS, cost);
        self.check_charge(charge);
    }

    pub(super) fn emit_charge_gas_for(&mut self, units: Gpr, cost: u32) {
        // Below 2^64: both are below 2^32.
        self.asm.mov_imm(Size::S32, SCRATCH, cost.into());
        self.asm.mul(Size::S64, SCRATCH, SCRATCH, units);
        self.asm.arith_rr(Arith::Subs, Size::S64, GAS, GAS, SCRATCH);
        self.check_charge(Charge::Scratch);
    }

    fn check_charge(&mut self, charge: Charge) {
        let label = self.asm.new_label();
        self.asm.b_cond(Cond::LO, label);
        self.later(Late::OutOfGas { label, charge });
    }

    pub(super) fn emit_out_of_gas(&mut self, label: Label, charge: Charge) {
        self.asm.bind(label);
        match charge {
            Charge::Const(cost) => self.asm.add_ri(Size::S64, GAS, GAS, cost),
            Charge::Scratch => self.asm.add_rr(Size::S64, GAS, GAS, SCRATCH),
        }
        self.trap_here(TrapKind::OutOfGas);
    }

    /// Counts the frame just made and compares the count with the stack pointer.
    pub(super) fn emit_audit(&mut self, frame_bytes: u32) {
        let count = SCRATCH_2;
        self.load_context_word(count, context::AUDIT_DEPTH);
        self.arith_const(Arith::Add, count, count, frame_bytes.into());
        self.store_context_word(context::AUDIT_DEPTH, count);
        self.load_context_word(SCRATCH, context::STACK_TOP);
        let size = Size::S64;
        self.asm.sub_rr(size, SCRATCH, SCRATCH, count);
        // The difference of top and count is where the stack pointer should be.
        self.asm.mov_sp(count, Gpr::SP);
        self.asm.sub_rr(size, SCRATCH, SCRATCH, count);
        self.load_context_word(count, context::AUDIT_DIFFERENCE);
        self.asm.logic_rr(Logic::Orr, size, count, count, SCRATCH);
        self.store_context_word(context::AUDIT_DIFFERENCE, count);
        self.load_context_word(count, context::AUDIT_CALLS);
        self.asm.add_ri(size, count, count, Imm12::low(1));
        self.store_context_word(context::AUDIT_CALLS, count);
    }

    pub(super) fn emit_leave_audited(&mut self, frame_bytes: u32) {
        let count = SCRATCH_2;
        self.load_context_word(count, context::AUDIT_DEPTH);
        self.arith_const(Arith::Sub, count, count, frame_bytes.into());
        self.store_context_word(context::AUDIT_DEPTH, count);
    }
}

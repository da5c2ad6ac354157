//! The meters: the logical stack and gas. All counters are in the context.

use super::*;

impl Function<'_> {
    /// Before the frame is made, so that a call that does not fit makes none.
    pub(super) fn emit_enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        self.load_field(SCRATCH, fixed::field::LOGICAL);
        // Locals and heights have limits that keep a cost far below 2^31.
        self.asm
            .immediate(Immediate::Add64, SCRATCH, SCRATCH, -(cost as i32));
        self.asm
            .branch_immediate(Compare::LessSigned, SCRATCH, 0, label);
        self.asm.bind(resume);
        if !leaf {
            self.store_field(fixed::field::LOGICAL, SCRATCH);
        }
        let leaf_cost = if leaf { cost } else { 0 };
        self.later(Late::LogicalGrowth {
            label,
            resume,
            leaf_cost,
        });
    }

    pub(super) fn emit_leave_logical_stack(&mut self, cost: u32) {
        self.load_field(SCRATCH, fixed::field::LOGICAL);
        self.asm
            .immediate(Immediate::Add64, SCRATCH, SCRATCH, cost as i32);
        self.store_field(fixed::field::LOGICAL, SCRATCH);
    }

    /// [`SCRATCH`] has the units beyond the greatest height, negative.
    pub(super) fn emit_logical_growth(&mut self, label: Label, resume: Label, leaf_cost: u32) {
        self.asm.bind(label);
        let admitted = self.asm.new_label();
        self.load_field(SCRATCH_2, context::LOGICAL_BEYOND);
        self.asm.three(Three::Add64, SCRATCH_2, SCRATCH_2, SCRATCH);
        self.asm
            .branch_immediate(Compare::GreaterEqualSigned, SCRATCH_2, 0, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        self.store_field(context::LOGICAL_BEYOND, SCRATCH_2);
        match leaf_cost {
            // It is written where the function goes on.
            0 => self.asm.load_const(SCRATCH, 0),
            // Nothing was taken, and what would have been is now below the greatest height.
            cost => {
                let (base, offset) = place_in_context(fixed::field::LOGICAL);
                self.asm
                    .store_immediate(Store::U64, base, offset, cost as i32);
            }
        }
        self.asm.jump(resume);
    }

    /// The counter is what the module may have made of it. It stands beyond the limit when the call traps.
    pub(super) fn emit_charge_counter(&mut self, counter: u32, cost: u32) {
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        self.add_to_counter(counter, cost);
        self.load_word(SCRATCH_2, context::COUNTER_PEAK);
        self.asm
            .branch(Compare::GreaterUnsigned, SCRATCH, SCRATCH_2, label);
        self.asm.bind(resume);
        self.later(Late::CounterGrowth { label, resume });
    }

    /// The sum is left in [`SCRATCH`].
    pub(super) fn add_to_counter(&mut self, counter: u32, cost: u32) {
        self.load_word(SCRATCH, counter);
        self.asm
            .immediate(Immediate::Add32, SCRATCH, SCRATCH, cost as i32);
        self.store_word(counter, SCRATCH);
    }

    pub(super) fn emit_counter_growth(&mut self, label: Label, resume: Label) {
        self.asm.bind(label);
        let admitted = self.asm.new_label();
        self.load_word(SCRATCH_2, context::COUNTER_LIMIT);
        self.asm
            .branch(Compare::LessEqualUnsigned, SCRATCH, SCRATCH_2, admitted);
        self.trap_here(TrapKind::StackOverflow);
        self.asm.bind(admitted);
        self.store_word(context::COUNTER_PEAK, SCRATCH);
        self.asm.jump(resume);
    }

    fn load_word(&mut self, dst: Gpr, offset: u32) {
        let (base, offset) = place_in_context(offset);
        self.asm.load(Load::I32, dst, base, offset);
    }

    fn store_word(&mut self, offset: u32, src: Gpr) {
        let (base, offset) = place_in_context(offset);
        self.asm.store(Store::U32, base, offset, src);
    }

    pub(super) fn emit_charge_gas(&mut self, cost: u64) {
        let label = self.asm.new_label();
        self.load_field(SCRATCH, context::GAS_LEFT);
        match i32::try_from(cost) {
            Ok(cost) => {
                self.asm
                    .branch_immediate(Compare::LessUnsigned, SCRATCH, cost, label);
                self.asm
                    .immediate(Immediate::Add64, SCRATCH, SCRATCH, -cost);
            }
            Err(_) => {
                self.asm.load_const(SCRATCH_2, cost);
                self.asm
                    .branch(Compare::LessUnsigned, SCRATCH, SCRATCH_2, label);
                self.asm.three(Three::Sub64, SCRATCH, SCRATCH, SCRATCH_2);
            }
        }
        self.store_field(context::GAS_LEFT, SCRATCH);
        self.later(Late::OutOfGas { label, charge: () });
    }

    pub(super) fn emit_charge_gas_for(&mut self, units: Gpr, cost: u32) {
        let label = self.asm.new_label();
        // Below 2^64: both are below 2^32.
        self.emit_zero_extend(SCRATCH_2, units);
        self.asm.load_const(SCRATCH, cost.into());
        self.asm.three(Three::Mul64, SCRATCH_2, SCRATCH_2, SCRATCH);
        self.load_field(SCRATCH, context::GAS_LEFT);
        self.asm
            .branch(Compare::LessUnsigned, SCRATCH, SCRATCH_2, label);
        self.asm.three(Three::Sub64, SCRATCH, SCRATCH, SCRATCH_2);
        self.store_field(context::GAS_LEFT, SCRATCH);
        self.later(Late::OutOfGas { label, charge: () });
    }
}

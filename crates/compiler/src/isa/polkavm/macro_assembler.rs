//! The operations of [`masm`](crate::isa::masm) for PolkaVM.
//!
//! A trait is implemented in one block, so an operation of more than a few lines is a method of its own in the file of
//! its theme. The method of the operation `x` is called `emit_x`, here and there.

use super::*;
use pvf_assembler::polkavm;

impl Machine for PolkaVm {
    const NEAR_BYTES: usize = i32::MAX as usize;
    /// A trap.
    const PADDING: u8 = 0;

    type Masm<'m> = Function<'m>;

    /// All calls reach all code.
    fn new(options: &CompileOptions, _: Reach) -> Self {
        Self {
            asm: Assembler::with_capacity(1 << 16),
            meters: Meters::of(options),
            record: Record::default(),
            late: Vec::new(),
        }
    }

    fn registers(&self) -> &'static Registers {
        &REGISTERS
    }

    fn record_code_map(&mut self) {
        self.record.keep_map();
    }

    fn reserve(&mut self, bytes: usize, labels: usize) {
        self.asm.reserve(bytes, labels);
    }

    fn begin_function(&mut self, wasm_offset: u32) -> Self::Masm<'_> {
        self.record.set_wasm_offset(wasm_offset, self.asm.offset());
        self.late.clear();
        Function {
            asm: &mut self.asm,
            meters: self.meters,
            record: &mut self.record,
            late: &mut self.late,
            pending: None,
            last_call: 0,
        }
    }

    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError> {
        let finished = self.asm.finish();
        let code = self.record.take(self.asm.take_code());
        finished.map(|()| code)
    }

    fn link_call(code: &mut [u8], at: u32, distance: i32) {
        polkavm::link_call(code, at, distance);
    }
}

impl MacroAssembler for Function<'_> {
    const MEMORY_OPERANDS: bool = false;
    const I32_SIGN_EXTENDED: bool = true;
    const LATE_CANONICALISATION_BYTES: u64 = 0;
    /// A call overwrites the register of the return address.
    const CALLS_IN_LEAVES: bool = false;

    fn offset(&self) -> u32 {
        self.asm.offset()
    }

    fn new_label(&mut self) -> Label {
        self.asm.new_label()
    }

    fn bind(&mut self, label: Label) {
        self.pending = None;
        self.asm.bind(label);
    }

    fn set_wasm_offset(&mut self, offset: u32) {
        self.record.set_wasm_offset(offset, self.asm.offset());
    }

    fn finish_function(mut self) -> u32 {
        let mut all = std::mem::take(self.late);
        for (wasm_offset, late) in all.drain(..) {
            self.set_wasm_offset(wasm_offset);
            self.emit_late(&late);
        }
        *self.late = all;
        self.asm.offset()
    }

    /// Audits are for code that counts frames in another way than the stack pointer; here there is no other.
    fn enter_frame(&mut self, frame_bytes: u32, calls: bool) {
        let frame = frame_bytes as i32;
        self.asm
            .immediate(Immediate::Add64, Gpr::Sp, Gpr::Sp, -frame);
        if self.meters.native_stack != NativeStack::Unchecked {
            let (slow, resume) = (self.asm.new_label(), self.asm.new_label());
            self.load_field(SCRATCH, context::STACK_LOW);
            // With signs: a large frame may lie below address 0.
            self.asm.branch(Compare::LessSigned, Gpr::Sp, SCRATCH, slow);
            self.asm.bind(resume);
            self.later(Late::StackGrowth {
                label: slow,
                resume,
            });
        }
        if calls {
            let (base, offset) = slot(frame_bytes - abi::SLOT_BYTES);
            self.asm.store(Store::U64, base, offset, Gpr::Ra);
        }
    }

    fn leave_frame(&mut self, frame_bytes: u32, calls: bool) {
        if calls {
            let (base, offset) = slot(frame_bytes - abi::SLOT_BYTES);
            self.asm.load(Load::U64, Gpr::Ra, base, offset);
        }
        let frame = frame_bytes as i32;
        self.asm
            .immediate(Immediate::Add64, Gpr::Sp, Gpr::Sp, frame);
    }

    fn return_from_function(&mut self) {
        self.asm.jump_indirect(Gpr::Ra);
    }

    fn zero_slots(&mut self, from: u32, to: u32) {
        self.emit_zero_slots(from, to);
    }

    fn copy_slots(&mut self, dst: u32, src: u32, slots: u32) {
        self.emit_copy_slots(dst, src, slots);
    }

    fn enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        self.emit_enter_logical_stack(cost, leaf);
    }

    fn leave_logical_stack(&mut self, cost: u32) {
        self.emit_leave_logical_stack(cost);
    }

    fn charge_counter(&mut self, counter: u32, cost: u32) {
        self.emit_charge_counter(counter, cost);
    }

    fn release_counter(&mut self, counter: u32, cost: u32) {
        self.add_to_counter(counter, cost.wrapping_neg());
    }

    fn charge_gas(&mut self, cost: u64) {
        self.emit_charge_gas(cost);
    }

    fn charge_gas_for(&mut self, units: Reg, cost: u32) {
        self.emit_charge_gas_for(gpr(units), cost);
    }

    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        match ty.class() {
            Class::General => {
                self.overwrite(gpr(dst));
                self.asm.two(Two::Move, gpr(dst), gpr(src));
            }
            Class::Float => {
                self.load_field(SCRATCH, float_field(src));
                self.store_field(float_field(dst), SCRATCH);
            }
        }
    }

    fn exchange(&mut self, a: Reg, b: Reg) {
        match a.class() {
            Class::General => {
                let (a, b) = (gpr(a), gpr(b));
                self.overwrite(a);
                self.overwrite(b);
                self.asm.two(Two::Move, SCRATCH, a);
                self.asm.two(Two::Move, a, b);
                self.asm.two(Two::Move, b, SCRATCH);
            }
            Class::Float => {
                let (a, b) = (float_field(a), float_field(b));
                self.load_field(SCRATCH, a);
                self.store_field(fixed::field::SPARE, SCRATCH);
                self.load_field(SCRATCH, b);
                self.store_field(a, SCRATCH);
                self.load_field(SCRATCH, fixed::field::SPARE);
                self.store_field(b, SCRATCH);
            }
        }
    }

    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64) {
        match ty.class() {
            Class::General => {
                self.overwrite(gpr(dst));
                let bits = extended(type_width(ty), bits);
                self.asm.load_const(gpr(dst), bits);
            }
            Class::Float => {
                // All 64 bits: those of an `f32` are zero-extended.
                let to = place_in_context(float_field(dst));
                self.store_const(ValType::F64, to, bits);
            }
        }
    }

    fn load_slot(&mut self, ty: ValType, dst: Reg, at: u32) {
        if ty.class() == Class::General {
            self.overwrite(gpr(dst));
        }
        self.load_typed(ty, dst, slot(at));
    }

    fn store_slot(&mut self, ty: ValType, at: u32, src: Reg) {
        self.store_typed(ty, slot(at), src);
    }

    fn store_slot_const(&mut self, ty: ValType, at: u32, bits: u64) {
        self.store_const(ty, slot(at), bits);
    }

    fn copy_slot(&mut self, dst: u32, src: u32) {
        self.emit_copy_slot(dst, src);
    }

    fn move_sum(&mut self, width: Width, dst: Reg, a: Reg, constant: u64) {
        self.overwrite(gpr(dst));
        let constant = Source::Const(constant);
        self.emit_int_binary(IntBinary::Add, width, gpr(dst), gpr(a), constant);
    }

    fn load_context(&mut self, ty: ValType, dst: Reg, offset: u32) {
        if ty.class() == Class::General {
            self.overwrite(gpr(dst));
        }
        self.load_typed(ty, dst, place_in_context(offset));
    }

    fn store_context(&mut self, ty: ValType, offset: u32, src: Source) {
        let to = place_in_context(offset);
        match src {
            Source::Reg(src) => self.store_typed(ty, to, src),
            Source::Const(bits) => self.store_const(ty, to, bits),
            Source::Slot(at) => {
                let (load, store) = whole(type_width(ty));
                let (base, offset) = slot(at);
                self.asm.load(load, SCRATCH, base, offset);
                self.asm.store(store, to.0, to.1, SCRATCH);
            }
        }
    }

    fn load(&mut self, access: Access, dst: Reg, address: Address) {
        self.emit_load(access, dst, address);
    }

    fn store(&mut self, access: Access, address: Address, src: Source) {
        self.emit_store(access, address, src);
    }

    fn int_binary_memory(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Address) {
        self.load_linear(whole(width).0, SCRATCH_2, b);
        self.emit_with_scratch(op, width, gpr(dst), gpr(a));
    }

    fn compare_with_memory(&mut self, width: Width, a: Reg, b: Address) {
        self.load_linear(whole(width).0, SCRATCH_2, b);
        self.pending = Some(Pending::Integers(gpr(a), condition::Right::Reg(SCRATCH_2)));
    }

    fn compare_memory(&mut self, access: Access, a: Address, b: u32) {
        self.load_linear(memory::load(signed(access)), SCRATCH_2, a);
        let right = condition::Right::Immediate(b as i32);
        self.pending = Some(Pending::Integers(SCRATCH_2, right));
    }

    fn copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32) {
        self.emit_copy_memory(dst, src, bytes);
    }

    fn fill_memory(&mut self, dst: Reg, value: u8, bytes: u32) {
        self.emit_fill_memory(dst, value, bytes);
    }

    fn memory_size(&mut self, dst: Reg) {
        let dst = gpr(dst);
        self.load_field(dst, context::MEMORY_BYTES);
        self.asm.immediate(Immediate::ShrUnsigned64, dst, dst, 16);
    }

    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source) {
        self.emit_int_binary(op, width, gpr(dst), gpr(a), b);
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, dst: Reg, src: Reg) {
        self.emit_int_unary(op, width, gpr(dst), gpr(src));
    }

    fn zero_extend(&mut self, dst: Reg, src: Reg) {
        self.emit_zero_extend(gpr(dst), gpr(src));
    }

    fn divide(&mut self, op: Division, width: Width, divisor: Reg) {
        self.emit_divide(op, width, gpr(divisor));
    }

    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64) {
        self.emit_divide_constant(op, width, gpr(dst), gpr(a), divisor);
    }

    fn compare(&mut self, width: Width, a: Reg, b: Source) {
        self.emit_compare(width, gpr(a), b);
    }

    fn compare_zero(&mut self, _: Width, a: Reg) {
        let zero = condition::Right::Immediate(0);
        self.pending = Some(Pending::Integers(gpr(a), zero));
    }

    fn test(&mut self, width: Width, a: Reg, b: Source) {
        self.emit_test(width, gpr(a), b);
    }

    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.emit_float_binary(op, width, dst, a, b);
    }

    fn float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.emit_float_unary(op, width, dst, src);
    }

    /// Any NaN that an operation made is canonical already.
    fn canonicalise(&mut self, _: Width, _: Reg) {}

    fn float_compare(&mut self, width: Width, a: Reg, b: Reg) {
        self.emit_float_compare(width, a, b);
    }

    fn convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.emit_convert(conversion, dst, src);
    }

    fn set_condition(&mut self, condition: Condition, dst: Reg) {
        self.emit_set_condition(condition, gpr(dst));
    }

    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg) {
        match ty.class() {
            Class::General => self.emit_select(condition, gpr(dst), gpr(a), gpr(b)),
            Class::Float => self.emit_float_select(condition, dst, a, b),
        }
    }

    fn jump(&mut self, label: Label) {
        self.asm.jump(label);
    }

    fn jump_if(&mut self, condition: Condition, label: Label) {
        self.emit_jump_if(condition, label);
    }

    fn jump_table(&mut self, index: Reg, labels: &[Label]) {
        let index = gpr(index);
        let Some((&default, labels)) = labels.split_last() else {
            unreachable!("a table has a default");
        };
        if labels.is_empty() {
            return self.asm.jump(default);
        }
        // Labels are limited far below 2^31.
        let count = labels.len() as i32;
        self.asm
            .branch_immediate(Compare::GreaterEqualUnsigned, index, count, default);
        self.asm.immediate(Immediate::Shl64, index, index, 1);
        self.asm.jump_table(index, labels);
    }

    fn trap(&mut self, kind: TrapKind) {
        self.trap_here(kind);
    }

    fn call(&mut self, function: u32) {
        self.last_call = self.asm.offset();
        let field = self.asm.call();
        self.record.call(function, field);
    }

    /// The engine writes the host call where the call of its stub is.
    fn mark_host_call(&mut self) {
        self.record.site(TrapKind::HostError, self.last_call);
    }

    fn call_indirect(&mut self, index: Reg, signature: u32, table: Table) {
        let index = gpr(index);
        let out_of_bounds = self.trap_label(TrapKind::TableOutOfBounds);
        match i32::try_from(table.entries) {
            Ok(entries) => self.asm.branch_immediate(
                Compare::GreaterEqualUnsigned,
                index,
                entries,
                out_of_bounds,
            ),
            // A table so long does not fit, which the engine says before anything runs.
            Err(_) => self.asm.jump(out_of_bounds),
        }
        self.asm.immediate(Immediate::Shl64, index, index, 4);
        let field = |field| (fixed::CONTEXT + table.offset + field) as i32;
        let base = Base::Reg(index);
        let at = field(abi::TABLE_ENTRY_SIGNATURE);
        self.asm.load(Load::I32, SCRATCH, base, at);
        let label = self.asm.new_label();
        let expected = signature as i32 + 1;
        self.asm
            .branch_immediate(Compare::NotEqual, SCRATCH, expected, label);
        self.later(Late::Own(SignatureMismatch(label)));
        let at = field(abi::TABLE_ENTRY_CODE);
        self.asm.load(Load::U32, SCRATCH, base, at);
        // The entry may be an imported function.
        self.site(TrapKind::HostError);
        self.asm.call_indirect(SCRATCH);
    }

    fn jump_unless_in_memory(&mut self, _: Reg, _: u64, _: Reg, _: Label) {
        no_idioms();
    }

    fn jump_if_within(&mut self, _: Reg, _: i64, _: Reg, _: Reg, _: Label) {
        no_idioms();
    }

    fn charge_iterations(&mut self, _: Reg, _: u8, _: u32, _: Label) {
        no_idioms();
    }

    fn linear_address(&mut self, _: Reg, _: u64) {
        no_idioms();
    }

    fn repeat(&mut self, _: Reg, _: u8) {
        no_idioms();
    }

    fn block(&mut self, _: BlockOperation) {
        no_idioms();
    }

    /// Nothing calls it.
    fn block_stub(&mut self, _: BlockOperation) -> u32 {
        self.asm.offset()
    }

    fn host_stub(&mut self, index: u32, _: Label) -> u32 {
        let start = self.asm.offset();
        self.asm.host_call(index);
        self.asm.jump_indirect(Gpr::Ra);
        start
    }

    /// The engine reads registers and slots by itself.
    fn host_gate(&mut self, _: Label, _: &Convention) {}

    /// As [`Self::host_gate`].
    fn plain_host_gate(&mut self, _: Label, _: &Convention) {}

    /// The engine enters functions themselves.
    fn entry_stub(&mut self, _: &Convention) -> u32 {
        self.asm.offset()
    }

    fn builtin_immediate(&mut self, value: u32) {
        self.asm
            .load_const(SCRATCH, extended(Width::W32, value.into()));
    }
}

/// `compile` switches loop idioms off.
fn no_idioms() {
    unreachable!("modules are compiled without loop idioms for this target");
}

/// The same access, narrow ones with their sign.
fn signed(access: Access) -> Access {
    let signed = Some(Width::W32);
    match access {
        Access::Bits8 { .. } => Access::Bits8 { signed },
        Access::Bits16 { .. } => Access::Bits16 { signed },
        Access::Bits32 { .. } => Access::Bits32 { signed },
        other => other,
    }
}

//! The operations of [`masm`](crate::isa::masm) on aarch64.
//!
//! A trait is implemented in one block, so an operation of more than a few lines is a method of its own in the file of
//! its theme. The method of the operation `x` is called `emit_x`, here and there.

use super::integer::Operand;
use super::memory::{place_in_context, slot};
use super::*;
use pvf_rules::SLOT_BYTES;

/// Bytes of a return address.
const RETURN_ADDRESS_BYTES: i64 = 8;

impl Machine for Aarch64 {
    const NEAR_BYTES: usize = calls::NEAR_BYTES;
    const PADDING: u8 = 0;

    type Masm<'m> = Watched<Function<'m>>;

    fn new(options: &CompileOptions, reach: Reach) -> Self {
        Self {
            asm: Assembler::with_capacity(1 << 16),
            meters: Meters::of(options),
            far_calls: reach == Reach::Far,
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
        self.asm.keep_in_range(OPERATION_BYTES);
        self.late.clear();
        let mut asm = Code::new(&mut self.asm);
        asm.entry();
        watched(Function::new(Emitter {
            asm,
            meters: self.meters,
            far_calls: self.far_calls,
            record: &mut self.record,
            pending: None,
            late: &mut self.late,
        }))
    }

    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError> {
        let finished = self.asm.finish();
        let code = self.record.take(self.asm.take_code());
        finished.map(|()| code)
    }

    fn link_call(code: &mut [u8], at: u32, distance: i32) {
        calls::link(code, at, distance);
    }
}

impl MacroAssembler for Function<'_> {
    const MEMORY_OPERANDS: bool = false;
    const LATE_CANONICALISATION_BYTES: u64 = 0;
    /// A call overwrites the register of the return address.
    const CALLS_IN_LEAVES: bool = false;

    fn offset(&self) -> u32 {
        self.code_offset()
    }

    fn new_label(&mut self) -> Label {
        self.label()
    }

    fn bind(&mut self, label: Label) {
        self.begin().asm.bind(label);
    }

    fn set_wasm_offset(&mut self, offset: u32) {
        let notes = self.notes();
        notes.record.set_wasm_offset(offset, notes.offset);
    }

    fn finish_function(self) -> u32 {
        self.finish()
    }

    fn enter_frame(&mut self, frame_bytes: u32, calls: bool) {
        let emitter = self.begin();
        // Below the stack pointer, but no deeper than its margin: signals have a stack of their own.
        let topmost = Mem::offset(Gpr::SP, -RETURN_ADDRESS_BYTES, Bytes::B8);
        if let Some(topmost) = topmost.filter(|_| calls) {
            emitter.asm.str(Size::S64, Gpr::LR, topmost);
        }
        emitter.move_stack_pointer(Arith::Sub, frame_bytes);
        if emitter.meters.native_stack != NativeStack::Unchecked {
            let (slow, resume) = (emitter.asm.new_label(), emitter.asm.new_label());
            emitter.compare_stack_pointer(STACK_LOW);
            emitter.asm.b_cond(Cond::LO, slow);
            emitter.asm.bind(resume);
            emitter.later(Late::StackGrowth {
                label: slow,
                resume,
            });
        }
        if emitter.meters.native_stack == NativeStack::Audited {
            emitter.emit_audit(frame_bytes);
        }
    }

    fn leave_frame(&mut self, frame_bytes: u32, calls: bool) {
        let emitter = self.begin();
        if emitter.meters.native_stack == NativeStack::Audited {
            emitter.emit_leave_audited(frame_bytes);
        }
        emitter.move_stack_pointer(Arith::Add, frame_bytes);
        let topmost = Mem::offset(Gpr::SP, -RETURN_ADDRESS_BYTES, Bytes::B8);
        if let Some(topmost) = topmost.filter(|_| calls) {
            emitter.asm.ldr(Size::S64, Gpr::LR, topmost);
        }
    }

    fn return_from_function(&mut self) {
        self.begin().asm.ret();
    }

    fn enter_logical_stack(&mut self, cost: u32, leaf: bool) {
        self.begin().emit_enter_logical_stack(cost, leaf);
    }

    fn leave_logical_stack(&mut self, cost: u32) {
        self.begin().emit_leave_logical_stack(cost);
    }

    fn charge_counter(&mut self, counter: u32, cost: u32) {
        self.begin().emit_charge_counter(counter, cost);
    }

    fn release_counter(&mut self, counter: u32, cost: u32) {
        self.begin().add_to_counter(counter, cost.wrapping_neg());
    }

    fn charge_gas(&mut self, cost: u64) {
        self.begin().emit_charge_gas(cost);
    }

    fn charge_gas_for(&mut self, units: Reg, cost: u32) {
        self.begin().emit_charge_gas_for(gpr(units), cost);
    }

    fn zero_slots(&mut self, from: u32, to: u32) {
        let emitter = self.begin();
        // Arguments may be in any register but the scratch ones.
        let end = SCRATCH_2;
        emitter.slot_address(SCRATCH, from);
        emitter.slot_address(end, to);
        let next = emitter.asm.new_label();
        emitter.asm.bind(next);
        if let Some(at) = Mem::post(SCRATCH, 8, Bytes::B8) {
            emitter.asm.str(Size::S64, Gpr::ZR, at);
        }
        emitter.asm.cmp_rr(Size::S64, SCRATCH, end);
        emitter.asm.b_cond(Cond::LO, next);
    }

    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        let emitter = self.begin();
        match ty.class() {
            Class::General => {
                let dst = emitter.target(dst);
                emitter.asm.mov_rr(size(type_width(ty)), dst, gpr(src));
            }
            Class::Float => emitter
                .asm
                .fmov_ff(fsize(type_width(ty)), fpr(dst), fpr(src)),
        }
    }

    fn exchange(&mut self, a: Reg, b: Reg) {
        let emitter = self.begin();
        match a.class() {
            Class::General => {
                let (a, b) = (emitter.target(a), emitter.target(b));
                emitter.asm.mov_rr(Size::S64, SCRATCH, a);
                emitter.asm.mov_rr(Size::S64, a, b);
                emitter.asm.mov_rr(Size::S64, b, SCRATCH);
            }
            Class::Float => {
                emitter.asm.fmov_ff(FSize::S64, FLOAT_SCRATCH, fpr(a));
                emitter.asm.fmov_ff(FSize::S64, fpr(a), fpr(b));
                emitter.asm.fmov_ff(FSize::S64, fpr(b), FLOAT_SCRATCH);
            }
        }
    }

    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64) {
        let emitter = self.begin();
        let width = type_width(ty);
        match ty.class() {
            Class::General => {
                let dst = emitter.target(dst);
                emitter.load_integer_const(width, dst, bits);
            }
            Class::Float => emitter.float_const(width, fpr(dst), bits),
        }
    }

    fn load_slot(&mut self, ty: ValType, dst: Reg, at: u32) {
        self.begin().load_typed(ty, dst, slot(at));
    }

    fn store_slot(&mut self, ty: ValType, at: u32, src: Reg) {
        match ty.class() {
            Class::General => {
                let (undone, emitter) = self.begin_with();
                emitter.store_slot_later(at, gpr(src), undone.pending);
            }
            Class::Float => {
                self.begin().store_typed(ty, slot(at), src);
            }
        }
    }

    fn store_slot_const(&mut self, ty: ValType, at: u32, bits: u64) {
        self.begin().store_const(ty, slot(at), bits);
    }

    fn copy_slot(&mut self, dst: u32, src: u32) {
        let emitter = self.begin();
        emitter.load_float_slot(FLOAT_SCRATCH, src);
        emitter.store_float_slot(dst, FLOAT_SCRATCH);
    }

    fn copy_slots(&mut self, dst: u32, src: u32, slots: u32) {
        let emitter = self.begin();
        // The last is a holder of constants, which the label forgets.
        let (from, to, last) = (SCRATCH, SCRATCH_2, Gpr::X25);
        let slot_bytes = SLOT_BYTES as u32;
        let above = (slots - 1) * slot_bytes;
        let upwards = dst <= src;
        let (begin, end, step) = match upwards {
            true => (0, above, i64::from(slot_bytes)),
            false => (above, 0, -i64::from(slot_bytes)),
        };
        emitter.slot_address(from, src + begin);
        emitter.slot_address(to, dst + begin);
        emitter.slot_address(last, src + end);
        let next = emitter.asm.new_label();
        emitter.asm.bind(next);
        let post = |base| Mem::post(base, step, Bytes::B8).expect("a slot is a small step");
        emitter.asm.ldr_f(FSize::S64, FLOAT_SCRATCH, post(from));
        emitter.asm.str_f(FSize::S64, FLOAT_SCRATCH, post(to));
        emitter.asm.cmp_rr(Size::S64, from, last);
        let more = if upwards { Cond::LS } else { Cond::HS };
        emitter.asm.b_cond(more, next);
    }

    fn move_sum(&mut self, width: Width, dst: Reg, a: Reg, constant: u64) {
        let emitter = self.begin();
        let dst = emitter.target(dst);
        emitter.emit_int_binary(IntBinary::Add, width, dst, gpr(a), Operand::Const(constant));
    }

    fn load_context(&mut self, ty: ValType, dst: Reg, offset: u32) {
        self.begin().load_typed(ty, dst, place_in_context(offset));
    }

    fn store_context(&mut self, ty: ValType, offset: u32, src: Source) {
        let emitter = self.begin();
        let to = place_in_context(offset);
        match src {
            Source::Reg(src) => emitter.store_typed(ty, to, src),
            Source::Const(bits) => emitter.store_const(ty, to, bits),
            Source::Slot(at) => {
                let size = size(type_width(ty));
                let from = emitter.operand(slot(at), bytes(size), SCRATCH);
                emitter.asm.ldr(size, SCRATCH, from);
                let to = emitter.operand(to, bytes(size), SCRATCH_2);
                emitter.asm.str(size, SCRATCH, to);
            }
        }
    }

    fn load(&mut self, access: Access, dst: Reg, address: Address) {
        self.begin().emit_load(access, dst, address);
    }

    fn store(&mut self, access: Access, address: Address, src: Source) {
        self.begin().emit_store(access, address, src);
    }

    fn int_binary_memory(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Address) {
        let emitter = self.begin();
        let b = emitter.load_operand(whole(width), b);
        let dst = emitter.target(dst);
        emitter.emit_int_binary(op, width, dst, gpr(a), Operand::Register(b));
    }

    fn compare_with_memory(&mut self, width: Width, a: Reg, b: Address) {
        let emitter = self.begin();
        let b = emitter.load_operand(whole(width), b);
        emitter.asm.cmp_rr(size(width), gpr(a), b);
    }

    fn compare_memory(&mut self, access: Access, a: Address, b: u32) {
        let emitter = self.begin();
        emitter.load_operand(signed(access), a);
        match access {
            Access::Bits64 => emitter.compare_scratch(Width::W64, b as i32 as u64),
            _ => emitter.compare_scratch(Width::W32, b.into()),
        }
    }

    fn copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32) {
        self.begin().emit_copy_memory(gpr(dst), gpr(src), bytes);
    }

    fn fill_memory(&mut self, dst: Reg, value: u8, bytes: u32) {
        self.begin().emit_fill_memory(gpr(dst), value, bytes);
    }

    fn memory_size(&mut self, dst: Reg) {
        let emitter = self.begin();
        let dst = emitter.target(dst);
        emitter.load_context_word(dst, context::MEMORY_BYTES);
        emitter.asm.shift_ri(Shift::Lsr, Size::S64, dst, dst, 16);
    }

    fn last_use(&mut self, registers: RegSet) {
        self.note_last_use(registers);
    }

    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source) {
        let (Undone { pending, last_use }, emitter) = self.begin_with();
        let (dst, a) = (emitter.target(dst), gpr(a));
        if let Some(waiting) = pending {
            if emitter.fuse(waiting, (op, width), dst, (a, b), last_use) {
                return;
            }
            emitter.emit_pending(waiting);
        }
        emitter.emit_int_binary(op, width, dst, a, b.into());
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, dst: Reg, src: Reg) {
        let emitter = self.begin();
        let dst = emitter.target(dst);
        emitter.emit_int_unary(op, width, dst, gpr(src));
    }

    fn divide(&mut self, op: Division, width: Width, divisor: Reg) {
        let emitter = self.begin();
        let (quotient, remainder) = REGISTERS.division;
        let results = (emitter.target(quotient), emitter.target(remainder));
        emitter.emit_divide(op, width, results, gpr(divisor));
    }

    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64) {
        let emitter = self.begin();
        let (dst, a) = (emitter.target(dst), gpr(a));
        emitter.quotient_by_constant(op, width, dst, a, divisor);
        if matches!(op, Division::RemS | Division::RemU) {
            emitter.remainder_of_quotient(width, dst, a, divisor);
        }
    }

    fn compare(&mut self, width: Width, a: Reg, b: Source) {
        let emitter = self.begin();
        match b {
            Source::Const(0) => emitter.pending = Some(Pending::Zero(gpr(a), size(width))),
            _ => emitter.emit_compare(width, gpr(a), b.into()),
        }
    }

    fn compare_zero(&mut self, width: Width, a: Reg) {
        self.begin().pending = Some(Pending::Zero(gpr(a), size(width)));
    }

    fn test(&mut self, width: Width, a: Reg, b: Source) {
        let emitter = self.begin();
        match b {
            Source::Const(bits) if integer::truncated(width, bits).is_power_of_two() => {
                emitter.pending = Some(Pending::Bit(gpr(a), bits.trailing_zeros(), size(width)));
            }
            _ => emitter.emit_test(width, gpr(a), b.into()),
        }
    }

    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.begin()
            .emit_float_binary(op, width, fpr(dst), fpr(a), fpr(b));
    }

    fn float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.begin().emit_float_unary(op, width, fpr(dst), fpr(src));
    }

    /// Any NaN that an operation made is canonical already.
    fn canonicalise(&mut self, _: Width, _: Reg) {}

    fn float_compare(&mut self, width: Width, a: Reg, b: Reg) {
        self.begin().asm.fcmp(fsize(width), fpr(a), fpr(b));
    }

    fn convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.begin().emit_convert(conversion, dst, src);
    }

    fn divide_shared(&mut self, op: Division, width: Width, divisor: Reg) {
        self.begin().emit_divide_shared(op, width, gpr(divisor));
    }

    fn convert_shared(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.begin().emit_convert_shared(conversion, dst, src);
    }

    fn shared_stub(&mut self, shared: Shared) -> u32 {
        self.begin().emit_shared_stub(shared)
    }

    fn set_condition(&mut self, condition: Condition, dst: Reg) {
        let emitter = self.begin();
        let dst = emitter.target(dst);
        emitter.asm.cset(code(condition), Size::S32, dst);
    }

    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg) {
        let emitter = self.begin();
        let condition = code(condition);
        match ty.class() {
            Class::General => {
                let (size, dst) = (size(type_width(ty)), emitter.target(dst));
                emitter.asm.csel(condition, size, dst, gpr(a), gpr(b));
            }
            Class::Float => {
                let size = fsize(type_width(ty));
                emitter.asm.fcsel(condition, size, fpr(dst), fpr(a), fpr(b));
            }
        }
    }

    fn jump(&mut self, label: Label) {
        self.begin().asm.b(label);
    }

    fn jump_if(&mut self, condition: Condition, label: Label) {
        let (undone, emitter) = self.begin_with();
        if let Some(waiting) = undone.pending {
            if emitter.branch_by_test(waiting, condition, label) {
                return;
            }
            emitter.emit_pending(waiting);
        }
        emitter.asm.b_cond(code(condition), label);
    }

    fn jump_table(&mut self, index: Reg, labels: &[Label]) {
        self.begin().table_of_jumps(gpr(index), labels);
    }

    fn trap(&mut self, kind: TrapKind) {
        self.begin().trap_here(kind);
    }

    fn call(&mut self, function: u32) {
        self.begin().emit_call(function);
    }

    fn mark_host_call(&mut self) {
        let notes = self.notes();
        notes.record.site(TrapKind::HostError, notes.offset - 1);
    }

    fn call_indirect(&mut self, index: Reg, signature: u32, table: Table) {
        self.begin()
            .emit_call_indirect(gpr(index), signature, table);
    }

    fn jump_unless_in_memory(&mut self, index: Reg, offset: u64, bytes: Reg, label: Label) {
        self.begin()
            .emit_jump_unless_in_memory(gpr(index), offset, gpr(bytes), label);
    }

    fn jump_if_within(&mut self, a: Reg, distance: i64, b: Reg, bytes: Reg, label: Label) {
        self.begin()
            .emit_jump_if_within(gpr(a), distance, gpr(b), gpr(bytes), label);
    }

    fn charge_iterations(&mut self, bytes: Reg, shift: u8, cost: u32, label: Label) {
        self.begin()
            .emit_charge_iterations(gpr(bytes), shift, cost, label);
    }

    fn linear_address(&mut self, index: Reg, offset: u64) {
        let emitter = self.begin();
        let index = emitter.target(index);
        emitter.emit_linear_address(index, offset);
    }

    fn repeat(&mut self, register: Reg, bytes: u8) {
        let emitter = self.begin();
        let register = emitter.target(register);
        emitter.emit_repeat(register, bytes);
    }

    fn block(&mut self, operation: BlockOperation) {
        self.call(operation.function());
    }

    fn block_stub(&mut self, operation: BlockOperation) -> u32 {
        self.begin().emit_block_stub(operation)
    }

    fn host_stub(&mut self, index: u32, gate: Label) -> u32 {
        self.begin().emit_host_stub(index, gate)
    }

    fn host_gate(&mut self, gate: Label, ty: &Convention) {
        self.begin().emit_host_gate(gate, ty);
    }

    fn plain_host_gate(&mut self, gate: Label, ty: &Convention) {
        self.begin().emit_plain_host_gate(gate, ty);
    }

    fn entry_stub(&mut self, ty: &Convention) -> u32 {
        self.begin().emit_entry_stub(ty)
    }

    fn builtin_immediate(&mut self, value: u32) {
        self.begin().emit_builtin_immediate(value);
    }
}

/// A load of this width.
fn whole(width: Width) -> Access {
    match width {
        Width::W32 => Access::Bits32 { signed: None },
        Width::W64 => Access::Bits64,
    }
}

/// The same access, narrow ones with their sign.
fn signed(access: Access) -> Access {
    let signed = Some(Width::W32);
    match access {
        Access::Bits8 { .. } => Access::Bits8 { signed },
        Access::Bits16 { .. } => Access::Bits16 { signed },
        other => other,
    }
}

//! The operations of [`masm`](crate::isa::masm) on x86-64.
//!
//! A trait is implemented in one block, so an operation of more than a few lines is a method of its own in the file of
//! its theme. The method of the operation `x` is called `emit_x`, here and there.

use super::*;
#[cfg(debug_assertions)]
use crate::isa::checked::Flags;
use pvf_rules::SLOT_BYTES;

impl Machine for X64 {
    const NEAR_BYTES: usize = i32::MAX as usize;
    const PADDING: u8 = 0xcc;

    type Masm<'m> = Watched<Function<'m>>;

    /// All calls reach 2 GiB.
    fn new(options: &CompileOptions, _: Reach) -> Self {
        Self {
            asm: Assembler::with_capacity(1 << 16),
            meters: Meters::of(options),
            record: Record::default(),
            late: Vec::new(),
        }
    }

    fn registers(&self) -> &'static Registers {
        &REGISTERS[usize::from(self.meters.logical_stack)][usize::from(self.meters.gas)]
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
        let mut asm = Code::new(&mut self.asm);
        asm.entry();
        watched(Function {
            asm,
            meters: self.meters,
            record: &mut self.record,
            late: &mut self.late,
        })
    }

    fn take(&mut self) -> Result<MachineCode, pvf_assembler::FinishError> {
        let finished = self.asm.finish();
        let code = self.record.take(self.asm.take_code());
        finished.map(|()| code)
    }

    fn link_call(code: &mut [u8], at: u32, distance: i32) {
        // The displacement counts from the end of its field.
        let displacement = distance.wrapping_sub(4);
        code[at as usize..][..4].copy_from_slice(&displacement.to_le_bytes());
    }
}

#[cfg(debug_assertions)]
impl Flags for Function<'_> {
    fn flag_writes(&self) -> u64 {
        self.asm.flag_trace().count()
    }
}

impl MacroAssembler for Function<'_> {
    const MEMORY_OPERANDS: bool = true;
    const SCALED_SUMS: bool = true;
    const LATE_CANONICALISATION_BYTES: u64 = 20;
    /// A call pushes the address.
    const CALLS_IN_LEAVES: bool = true;

    fn offset(&self) -> u32 {
        self.asm.offset()
    }

    fn new_label(&mut self) -> Label {
        self.asm.new_label()
    }

    fn bind(&mut self, label: Label) {
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

    fn enter_frame(&mut self, frame_bytes: u32, _: bool) {
        let (slow, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.alu_ri(
            Alu::Sub,
            Size::S64,
            Gpr::Rsp,
            (frame_bytes - RETURN_ADDRESS_BYTES) as i32,
        );
        if self.meters.native_stack != NativeStack::Unchecked {
            self.asm
                .alu_rm(Alu::Cmp, Size::S64, Gpr::Rsp, context(context::STACK_LOW));
            self.asm.jcc(Cond::B, slow);
            self.asm.bind(resume);
            self.later(Late::StackGrowth {
                label: slow,
                resume,
            });
        }
        if self.meters.native_stack == NativeStack::Audited {
            self.emit_audit(frame_bytes);
        }
    }

    fn leave_frame(&mut self, frame_bytes: u32, _: bool) {
        if self.meters.native_stack == NativeStack::Audited {
            self.emit_leave_audited(frame_bytes);
        }
        self.asm.alu_ri(
            Alu::Add,
            Size::S64,
            Gpr::Rsp,
            (frame_bytes - RETURN_ADDRESS_BYTES) as i32,
        );
    }

    fn return_from_function(&mut self) {
        self.asm.ret();
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
        self.asm
            .alu_mi(Alu::Sub, Size::S32, context(counter), cost as i32);
    }

    fn charge_gas(&mut self, cost: u64) {
        self.emit_charge_gas(cost);
    }

    fn charge_gas_for(&mut self, units: Reg, cost: u32) {
        self.emit_charge_gas_for(gpr(units), cost);
    }

    fn zero_slots(&mut self, from: u32, to: u32) {
        // Arguments may be in any register but the scratch ones.
        self.asm.mov_ri32(SCRATCH, from);
        self.asm.fbit_rrr(
            pvf_assembler::x64::FBit::Xor,
            FSize::S64,
            FLOAT_SCRATCH,
            FLOAT_SCRATCH,
            FLOAT_SCRATCH,
        );
        let next = self.asm.new_label();
        self.asm.bind(next);
        self.asm.movs_mr(
            FSize::S64,
            Mem::base_index(Gpr::Rsp, SCRATCH, Scale::One, 0),
            FLOAT_SCRATCH,
        );
        self.asm.alu_ri(Alu::Add, Size::S64, SCRATCH, 8);
        self.asm.alu_ri(Alu::Cmp, Size::S32, SCRATCH, to as i32);
        self.asm.jcc(Cond::B, next);
    }

    fn move_register(&mut self, ty: ValType, dst: Reg, src: Reg) {
        if dst == src {
            return;
        }
        match ty.class() {
            Class::General => self.asm.mov_rr(size(type_width(ty)), gpr(dst), gpr(src)),
            Class::Float => self.asm.movs_rr(fsize(type_width(ty)), xmm(dst), xmm(src)),
        }
    }

    fn exchange(&mut self, a: Reg, b: Reg) {
        match a.class() {
            Class::General => self.asm.xchg_rr(Size::S64, gpr(a), gpr(b)),
            Class::Float => {
                self.asm.movs_rr(FSize::S64, FLOAT_SCRATCH, xmm(a));
                self.asm.movs_rr(FSize::S64, xmm(a), xmm(b));
                self.asm.movs_rr(FSize::S64, xmm(b), FLOAT_SCRATCH);
            }
        }
    }

    fn load_const(&mut self, ty: ValType, dst: Reg, bits: u64) {
        match ty {
            ValType::I32 => self.asm.mov_ri32(gpr(dst), bits as u32),
            ValType::I64 => self.asm.mov_ri64(gpr(dst), bits),
            ValType::F32 | ValType::F64 => self.float_const(type_width(ty), xmm(dst), bits),
        }
    }

    fn load_slot(&mut self, ty: ValType, dst: Reg, at: u32) {
        self.load_typed(ty, dst, slot(at));
    }

    fn store_slot(&mut self, ty: ValType, at: u32, src: Reg) {
        self.store_typed(ty, slot(at), src);
    }

    fn store_slot_const(&mut self, ty: ValType, at: u32, bits: u64) {
        self.store_const(ty, slot(at), bits);
    }

    fn copy_slot(&mut self, dst: u32, src: u32) {
        self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, slot(src));
        self.asm.movs_mr(FSize::S64, slot(dst), FLOAT_SCRATCH);
    }

    fn copy_slots(&mut self, dst: u32, src: u32, slots: u32) {
        let bytes = slots * SLOT_BYTES as u32;
        let upwards = dst <= src;
        let (first, down) = match upwards {
            true => (0, 0),
            false => (bytes, SLOT_BYTES as i32),
        };
        let at = |base: u32| Mem::base_index(Gpr::Rsp, SCRATCH, Scale::One, base as i32 - down);
        self.asm.mov_ri32(SCRATCH, first);
        let next = self.asm.new_label();
        self.bind(next);
        self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, at(src));
        self.asm.movs_mr(FSize::S64, at(dst), FLOAT_SCRATCH);
        match upwards {
            true => {
                self.asm
                    .alu_ri(Alu::Add, Size::S64, SCRATCH, SLOT_BYTES as i32);
                self.asm.alu_ri(Alu::Cmp, Size::S32, SCRATCH, bytes as i32);
                self.asm.jcc(Cond::B, next);
            }
            false => {
                self.asm
                    .alu_ri(Alu::Sub, Size::S64, SCRATCH, SLOT_BYTES as i32);
                self.asm.jcc(Cond::NE, next);
            }
        }
    }

    fn move_sum(&mut self, width: Width, dst: Reg, a: Reg, constant: u64) {
        let (dst, a) = (gpr(dst), gpr(a));
        let sum = match immediate(width, constant) {
            Some(value) => Mem::base(a, value),
            None => {
                self.asm.mov_ri64(SCRATCH, constant);
                Mem::base_index(a, SCRATCH, Scale::One, 0)
            }
        };
        self.asm.lea(size(width), dst, sum);
    }

    fn load_context(&mut self, ty: ValType, dst: Reg, offset: u32) {
        self.load_typed(ty, dst, context(offset));
    }

    fn store_context(&mut self, ty: ValType, offset: u32, src: Source) {
        match src {
            Source::Reg(src) => self.store_typed(ty, context(offset), src),
            Source::Const(bits) => self.store_const(ty, context(offset), bits),
            Source::Slot(at) => {
                self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, slot(at));
                self.asm
                    .movs_mr(fsize(type_width(ty)), context(offset), FLOAT_SCRATCH);
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
        self.emit_int_binary_memory(op, width, dst, a, b);
    }

    fn compare_with_memory(&mut self, width: Width, a: Reg, b: Address) {
        self.alu_memory(Alu::Cmp, width, gpr(a), b);
    }

    fn compare_memory(&mut self, access: Access, a: Address, b: u32) {
        let a = self.linear(a);
        self.site(TrapKind::MemoryOutOfBounds);
        self.asm.alu_mi(Alu::Cmp, access_size(access), a, b as i32);
    }

    fn copy_memory(&mut self, dst: Reg, src: Reg, bytes: u32) {
        self.emit_copy_memory(gpr(dst), gpr(src), bytes);
    }

    fn fill_memory(&mut self, dst: Reg, value: u8, bytes: u32) {
        self.emit_fill_memory(gpr(dst), value, bytes);
    }

    fn memory_size(&mut self, dst: Reg) {
        self.asm
            .mov_rm(Size::S64, gpr(dst), context(context::MEMORY_BYTES));
        self.asm
            .shift_ri(pvf_assembler::x64::Shift::Shr, Size::S64, gpr(dst), 16);
    }

    fn int_binary(&mut self, op: IntBinary, width: Width, dst: Reg, a: Reg, b: Source) {
        self.emit_int_binary(op, width, gpr(dst), gpr(a), b);
    }

    fn int_unary(&mut self, op: IntUnary, width: Width, dst: Reg, src: Reg) {
        self.emit_int_unary(op, width, gpr(dst), gpr(src));
    }

    fn scaled_sum(&mut self, width: Width, dst: Reg, a: Reg, b: Reg, shift: u8) {
        self.emit_scaled_sum(width, gpr(dst), gpr(a), gpr(b), shift);
    }

    fn divide(&mut self, op: Division, width: Width, divisor: Reg) {
        self.emit_divide(op, width, gpr(divisor));
    }

    fn divide_constant(&mut self, op: Division, width: Width, dst: Reg, a: Reg, divisor: u64) {
        self.quotient_by_constant(op, width, gpr(dst), gpr(a), divisor);
        if matches!(op, Division::RemS | Division::RemU) {
            self.remainder_of_quotient(width, gpr(dst), gpr(a), divisor);
        }
    }

    fn compare(&mut self, width: Width, a: Reg, b: Source) {
        self.emit_compare(width, gpr(a), b);
    }

    fn compare_zero(&mut self, width: Width, a: Reg) {
        if !self.asm.has_zero_flag(gpr(a), size(width)) {
            self.emit_compare(width, gpr(a), Source::Const(0));
        }
    }

    fn test(&mut self, width: Width, a: Reg, b: Source) {
        self.emit_test(width, gpr(a), b);
    }

    fn float_binary(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.emit_float_binary(op, width, xmm(dst), xmm(a), xmm(b));
    }

    fn float_unary(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.emit_float_unary(op, width, xmm(dst), xmm(src));
    }

    fn canonicalise(&mut self, width: Width, register: Reg) {
        let register = xmm(register);
        let (label, resume) = (self.asm.new_label(), self.asm.new_label());
        self.asm.ucomis_rr(fsize(width), register, register);
        self.asm.jcc(Cond::P, label);
        self.asm.bind(resume);
        self.later(Late::Own(Own::Canonicalise {
            label,
            resume,
            width,
            register,
        }));
    }

    fn float_compare(&mut self, width: Width, a: Reg, b: Reg) {
        self.asm.ucomis_rr(fsize(width), xmm(a), xmm(b));
    }

    fn convert(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.emit_convert(conversion, dst, src);
    }

    fn set_condition(&mut self, condition: Condition, dst: Reg) {
        let dst = gpr(dst);
        self.asm.setcc_r(code(condition), dst);
        match condition {
            Condition::FloatEqual => {
                self.asm.setcc_r(Cond::NP, SCRATCH);
                self.asm.alu_rr(Alu::And, Size::S32, dst, SCRATCH);
            }
            Condition::FloatNotEqual => {
                self.asm.setcc_r(Cond::P, SCRATCH);
                self.asm.alu_rr(Alu::Or, Size::S32, dst, SCRATCH);
            }
            _ => {}
        }
        self.asm.movzx_rr(Size::S8, dst, dst);
    }

    fn select(&mut self, condition: Condition, ty: ValType, dst: Reg, a: Reg, b: Reg) {
        match (ty.class(), condition) {
            (Class::Float, _) => self.select_float(condition, ty, dst, a, b),
            (Class::General, Condition::FloatEqual) => {
                self.select(Condition::FloatNotEqual, ty, dst, b, a);
            }
            (Class::General, _)
                if dst == a && dst != b && condition != Condition::FloatNotEqual =>
            {
                let condition = code(condition.inverted());
                self.asm
                    .cmov_rr(condition, size(type_width(ty)), gpr(dst), gpr(b));
            }
            (Class::General, _) => {
                let mut taken = a;
                if dst == a && dst != b {
                    self.asm.mov_rr(Size::S64, SCRATCH, gpr(a));
                    taken = reg(SCRATCH);
                }
                self.move_register(ty, dst, b);
                let size = size(type_width(ty));
                self.asm
                    .cmov_rr(code(condition), size, gpr(dst), gpr(taken));
                if condition == Condition::FloatNotEqual {
                    self.asm.cmov_rr(Cond::P, size, gpr(dst), gpr(taken));
                }
            }
        }
    }

    fn jump(&mut self, label: Label) {
        self.asm.jmp(label);
    }

    fn jump_if(&mut self, condition: Condition, label: Label) {
        match condition {
            Condition::FloatEqual => {
                let unordered = self.asm.new_label();
                self.asm.jcc_short(Cond::P, unordered);
                self.asm.jcc(Cond::E, label);
                self.asm.bind(unordered);
            }
            Condition::FloatNotEqual => {
                self.asm.jcc(Cond::P, label);
                self.asm.jcc(Cond::NE, label);
            }
            _ => self.asm.jcc(code(condition), label),
        }
    }

    fn jump_table(&mut self, index: Reg, labels: &[Label]) {
        let Some((&default, rest)) = labels.split_last() else {
            return;
        };
        let index = gpr(index);
        self.asm
            .alu_ri(Alu::Cmp, Size::S32, index, rest.len() as i32);
        self.asm.jcc(Cond::AE, default);
        let table = self.asm.new_label();
        self.asm.lea_label(SCRATCH, table);
        self.asm.movsx_rm(
            Size::S32,
            Size::S64,
            index,
            Mem::base_index(SCRATCH, index, Scale::Four, 0),
        );
        self.asm.alu_rr(Alu::Add, Size::S64, index, SCRATCH);
        self.asm.jmp_r(index);
        self.asm.bind(table);
        for &label in rest {
            self.asm.emit_label_difference_i32(label, table);
        }
    }

    fn trap(&mut self, kind: TrapKind) {
        self.trap_here(kind);
    }

    fn call(&mut self, function: u32) {
        let at = self.asm.call_rel32_placeholder();
        self.record.call(function, at);
    }

    fn mark_host_call(&mut self) {
        self.record.site(TrapKind::HostError, self.asm.offset() - 1);
    }

    fn call_indirect(&mut self, index: Reg, signature: u32, table: Table) {
        let out_of_bounds = self.trap_label(TrapKind::TableOutOfBounds);
        self.asm
            .alu_ri(Alu::Cmp, Size::S32, gpr(index), table.entries as i32);
        self.asm.jcc(Cond::AE, out_of_bounds);
        self.asm
            .shift_ri(pvf_assembler::x64::Shift::Shl, Size::S64, gpr(index), 4);
        let field = |field| {
            Mem::base_index(
                CONTEXT,
                gpr(index),
                Scale::One,
                (table.offset + field) as i32,
            )
        };
        let entry = field(abi::TABLE_ENTRY_SIGNATURE);
        self.asm
            .alu_mi(Alu::Cmp, Size::S32, entry, signature as i32 + 1);
        let label = self.asm.new_label();
        self.asm.jcc(Cond::NE, label);
        self.later(Late::Own(Own::SignatureMismatch { label, entry }));
        self.asm.call_m(field(abi::TABLE_ENTRY_CODE));
    }

    fn jump_unless_in_memory(&mut self, index: Reg, offset: u64, bytes: Reg, label: Label) {
        self.emit_jump_unless_in_memory(gpr(index), offset, gpr(bytes), label);
    }

    fn jump_if_within(&mut self, a: Reg, distance: i64, b: Reg, bytes: Reg, label: Label) {
        self.emit_jump_if_within(gpr(a), distance, gpr(b), gpr(bytes), label);
    }

    fn charge_iterations(&mut self, bytes: Reg, shift: u8, cost: u32, label: Label) {
        self.emit_charge_iterations(gpr(bytes), shift, cost, label);
    }

    fn linear_address(&mut self, index: Reg, offset: u64) {
        self.emit_linear_address(gpr(index), offset);
    }

    fn repeat(&mut self, register: Reg, bytes: u8) {
        self.emit_repeat(gpr(register), bytes);
    }

    fn block(&mut self, operation: BlockOperation) {
        self.call(operation.function());
    }

    fn divide_shared(&mut self, op: Division, width: Width, divisor: Reg) {
        self.emit_divide_shared(op, width, gpr(divisor));
    }

    fn float_binary_shared(&mut self, op: FloatBinary, width: Width, dst: Reg, a: Reg, b: Reg) {
        self.emit_float_binary_shared(op, width, dst, a, b);
    }

    fn float_unary_shared(&mut self, op: FloatUnary, width: Width, dst: Reg, src: Reg) {
        self.emit_float_unary_shared(op, width, dst, src);
    }

    fn canonicalise_shared(&mut self, width: Width, register: Reg) {
        self.emit_canonicalise_shared(width, register);
    }

    fn convert_shared(&mut self, conversion: Conversion, dst: Reg, src: Reg) {
        self.emit_convert_shared(conversion, dst, src);
    }

    fn shared_stub(&mut self, shared: Shared) -> u32 {
        self.emit_shared_stub(shared)
    }

    fn block_stub(&mut self, operation: BlockOperation) -> u32 {
        self.emit_block_stub(operation)
    }

    fn host_stub(&mut self, index: u32, gate: Label) -> u32 {
        self.emit_host_stub(index, gate)
    }

    fn host_gate(&mut self, gate: Label, ty: &Convention) {
        self.emit_host_gate(gate, ty);
    }

    fn plain_host_gate(&mut self, gate: Label, ty: &Convention) {
        self.emit_plain_host_gate(gate, ty);
    }

    fn entry_stub(&mut self, ty: &Convention) -> u32 {
        self.emit_entry_stub(ty)
    }

    fn builtin_immediate(&mut self, value: u32) {
        self.asm.mov_ri32(Gpr::Rdx, value);
    }
}

//! The stubs between generated code and the runtime; see [`crate::abi`].

use super::memory::{Place, slot};
use super::*;

/// Bytes of the stack that a gate takes, for its return address: a multiple of 16, as all that move the stack pointer.
const GATE_BYTES: u32 = 16;

/// The index of an imported function or builtin, for the runtime. Neither it nor the next is a register of arguments.
const INDEX: Gpr = Gpr::X9;
/// A builtin's immediate.
const IMMEDIATE: Gpr = Gpr::X10;
/// The address of the slots.
const SLOTS: Gpr = Gpr::X1;

/// The registers of the fifth and sixth parameter of C functions.
const C_INDEX: Gpr = Gpr::X4;
const C_STORE: Gpr = Gpr::X5;

impl Emitter<'_> {
    pub(super) fn emit_host_stub(&mut self, index: u32, gate: Label) -> u32 {
        let start = self.asm.entry();
        self.asm.mov_imm(Size::S32, INDEX, index.into());
        self.asm.b(gate);
        start
    }

    pub(super) fn emit_host_gate(&mut self, gate: Label, ty: &Convention) {
        self.asm.entry();
        self.asm.bind(gate);
        self.push_return_address();
        let on_stack = ty.params.iter().any(|place| place.register.is_none());
        for (param, place) in ty.params.iter().enumerate() {
            if let Some(register) = place.register {
                let at = if on_stack {
                    place.slot
                } else {
                    param as u32 * abi::SLOT_BYTES
                };
                self.store_typed(place.ty, slot(GATE_BYTES + at), register);
            }
        }
        if on_stack {
            self.reverse_slots(ty.params.len() as u32);
        }
        let above = Imm12::low(GATE_BYTES);
        self.asm.add_ri(Size::S64, SLOTS, Gpr::SP, above);
        self.note_gas();
        self.load_context_word(SCRATCH, context::HOST_CALL);
        self.asm.blr(SCRATCH);
        if ty.results.len() > 1 {
            self.reverse_slots(ty.results.len() as u32);
        }
        for place in &ty.results {
            if let Some(register) = place.register {
                self.load_typed(place.ty, register, slot(GATE_BYTES + place.slot));
            }
        }
        self.return_from_gate();
    }

    /// The parameters are where C functions expect them; the context, the memory's base and the meters are in
    /// registers that those keep.
    pub(super) fn emit_plain_host_gate(&mut self, gate: Label, ty: &Convention) {
        for (place, number) in ty.params.iter().zip(0..) {
            assert!(
                place.register == Some(Reg::general(number)),
                "the first integer parameters are passed as in C"
            );
        }
        self.asm.entry();
        self.asm.bind(gate);
        self.push_return_address();
        self.note_gas();
        self.asm.mov_sp(SCRATCH, Gpr::SP);
        self.store_context_word(context::WASM_SP, SCRATCH);
        self.load_context_word(SCRATCH, context::HOST_SP);
        self.asm.mov_sp(Gpr::SP, SCRATCH);
        self.asm.mov_rr(Size::S32, C_INDEX, INDEX);
        self.load_context_word(C_STORE, context::STORE);
        self.load_context_word(SCRATCH, context::IMPORTS);
        let entry = Mem::index(SCRATCH, INDEX, Extend::Uxtx, true, Bytes::B8);
        self.asm.ldr(Size::S64, SCRATCH, entry);
        self.asm.blr(SCRATCH);
        self.load_context_word(SCRATCH, context::WASM_SP);
        self.asm.mov_sp(Gpr::SP, SCRATCH);
        let ended = self.asm.new_label();
        self.asm.cbnz(Size::S64, Gpr::X1, ended);
        for place in &ty.results {
            match place.register {
                Some(register) if gpr(register) == Gpr::X0 => {}
                Some(register) => self.asm.mov_rr(Size::S64, gpr(register), Gpr::X0),
                None => {
                    self.store_typed(ValType::I64, slot(GATE_BYTES + place.slot), Reg::general(0))
                }
            }
        }
        self.return_from_gate();
        self.asm.bind(ended);
        self.load_context_word(SCRATCH, context::ENDED);
        self.asm.br(SCRATCH);
    }

    pub(super) fn emit_entry_stub(&mut self, ty: &Convention) -> u32 {
        let start = self.asm.entry();
        self.load_context_word(MEMORY, context::MEMORY_BASE);
        self.load_context_word(STACK_LOW, context::STACK_LOW);
        if self.meters.gas {
            self.load_context_word(GAS, context::GAS_LEFT);
        }
        if self.meters.logical_stack {
            self.asm.mov_imm(Size::S64, LOGICAL, 0);
        }
        let array = SCRATCH_2;
        let element = |index: usize| Place::at(array, index as u64 * u64::from(abi::SLOT_BYTES));
        self.load_context_word(array, context::ENTRY_SLOTS);
        for (param, place) in ty.params.iter().enumerate() {
            match place.register {
                Some(register) => self.load_typed(place.ty, register, element(param)),
                None => {
                    let from = self.operand(element(param), Bytes::B8, SCRATCH);
                    self.asm.ldr_f(FSize::S64, FLOAT_SCRATCH, from);
                    self.store_float_slot(place.slot, FLOAT_SCRATCH);
                }
            }
        }
        self.load_context_word(SCRATCH, context::ENTRY_FUNCTION);
        self.asm.blr(SCRATCH);
        self.note_gas();
        self.load_context_word(array, context::ENTRY_SLOTS);
        for (result, place) in ty.results.iter().enumerate() {
            match place.register {
                Some(register) => self.store_typed(place.ty, element(result), register),
                None => {
                    self.load_float_slot(FLOAT_SCRATCH, place.slot);
                    let to = self.operand(element(result), Bytes::B8, SCRATCH);
                    self.asm.str_f(FSize::S64, FLOAT_SCRATCH, to);
                }
            }
        }
        self.load_context_word(SCRATCH, context::EXIT);
        self.asm.br(SCRATCH);
        start
    }

    pub(super) fn emit_builtin_immediate(&mut self, value: u32) {
        self.asm.mov_imm(Size::S32, IMMEDIATE, value.into());
    }

    /// Pushes the return address, so that it lies at the stack pointer, where the runtime reads it.
    fn push_return_address(&mut self) {
        if let Some(to) = Mem::pre(Gpr::SP, -i64::from(GATE_BYTES), Bytes::B8) {
            self.asm.str(Size::S64, Gpr::LR, to);
        }
    }

    fn return_from_gate(&mut self) {
        if let Some(from) = Mem::post(Gpr::SP, GATE_BYTES.into(), Bytes::B8) {
            self.asm.ldr(Size::S64, Gpr::LR, from);
        }
        self.asm.ret();
    }

    /// The runtime reads it if the run ends.
    fn note_gas(&mut self) {
        if self.meters.gas {
            self.store_context_word(context::GAS_LEFT, GAS);
        }
    }

    /// The host counts slots upwards, generated code from the last one.
    fn reverse_slots(&mut self, count: u32) {
        for low in 0..count / 2 {
            let low_slot = GATE_BYTES + low * abi::SLOT_BYTES;
            let high_slot = GATE_BYTES + (count - 1 - low) * abi::SLOT_BYTES;
            self.load_float_slot(FLOAT_SCRATCH, low_slot);
            self.load_float_slot(FLOAT_SCRATCH_2, high_slot);
            self.store_float_slot(low_slot, FLOAT_SCRATCH_2);
            self.store_float_slot(high_slot, FLOAT_SCRATCH);
        }
    }
}

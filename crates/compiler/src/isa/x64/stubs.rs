//! The stubs between generated code and the runtime; see [`crate::abi`].

use super::*;

/// Offset of the slots in the stub of an imported function: they are above its return address.
const STUB_SLOTS: u32 = RETURN_ADDRESS_BYTES;

/// The registers of the first parameters of C functions on x86-64 Unix.
const C_ARGUMENTS: [Reg; abi::PLAIN_PARAMS] =
    [reg(Gpr::Rdi), reg(Gpr::Rsi), reg(Gpr::Rdx), reg(Gpr::Rcx)];

impl Function<'_> {
    pub(super) fn emit_host_stub(&mut self, index: u32, gate: Label) -> u32 {
        let start = self.asm.entry();
        self.asm.mov_ri32(Gpr::Rax, index);
        self.asm.jmp(gate);
        start
    }

    pub(super) fn emit_host_gate(&mut self, gate: Label, ty: &Convention) {
        self.asm.entry();
        self.asm.bind(gate);
        let on_stack = ty.params.iter().any(|place| place.register.is_none());
        for (param, place) in ty.params.iter().enumerate() {
            if let Some(register) = place.register {
                let at = if on_stack {
                    place.slot
                } else {
                    param as u32 * abi::SLOT_BYTES
                };
                self.store_typed(place.ty, slot(STUB_SLOTS + at), register);
            }
        }
        if on_stack {
            self.reverse_slots(ty.params.len() as u32);
        }
        self.asm.lea(Size::S64, Gpr::Rsi, slot(STUB_SLOTS));
        self.note_gas();
        self.asm.call_m(context(context::HOST_CALL));
        if ty.results.len() > 1 {
            self.reverse_slots(ty.results.len() as u32);
        }
        for place in &ty.results {
            if let Some(register) = place.register {
                self.load_typed(place.ty, register, slot(STUB_SLOTS + place.slot));
            }
        }
        self.asm.ret();
    }

    /// The parameters are where C functions expect them; the context, the memory's base and the meters are in
    /// registers that those keep.
    pub(super) fn emit_plain_host_gate(&mut self, gate: Label, ty: &Convention) {
        let places = ty.params.iter().zip(&C_ARGUMENTS);
        for (place, &register) in places {
            assert!(
                place.register == Some(register),
                "the first integer parameters are passed as in C"
            );
        }
        self.asm.entry();
        self.asm.bind(gate);
        self.note_gas();
        self.asm
            .mov_mr(Size::S64, context(context::WASM_SP), Gpr::Rsp);
        self.asm
            .mov_rm(Size::S64, Gpr::Rsp, context(context::HOST_SP));
        self.asm.mov_rr(Size::S32, Gpr::R8, Gpr::Rax);
        self.asm.mov_rm(Size::S64, Gpr::R9, context(context::STORE));
        self.asm
            .mov_rm(Size::S64, SCRATCH, context(context::IMPORTS));
        self.asm
            .call_m(Mem::base_index(SCRATCH, Gpr::Rax, Scale::Eight, 0));
        self.asm
            .mov_rm(Size::S64, Gpr::Rsp, context(context::WASM_SP));
        let ended = self.asm.new_label();
        self.asm.test_rr(Size::S64, Gpr::Rdx, Gpr::Rdx);
        self.asm.jcc_short(Cond::NE, ended);
        for place in &ty.results {
            match place.register {
                Some(register) if gpr(register) == Gpr::Rax => {}
                Some(register) => self.asm.mov_rr(Size::S64, gpr(register), Gpr::Rax),
                None => self
                    .asm
                    .mov_mr(Size::S64, slot(STUB_SLOTS + place.slot), Gpr::Rax),
            }
        }
        self.asm.ret();
        self.asm.bind(ended);
        self.asm.jmp_m(context(context::ENDED));
    }

    /// The runtime reads it if the run ends.
    fn note_gas(&mut self) {
        if self.meters.gas {
            self.asm.mov_mr(Size::S64, context(context::GAS_LEFT), GAS);
        }
    }

    /// The host counts slots upwards, generated code from the last one.
    fn reverse_slots(&mut self, count: u32) {
        for low in 0..count / 2 {
            let low_slot = slot(STUB_SLOTS + low * abi::SLOT_BYTES);
            let high_slot = slot(STUB_SLOTS + (count - 1 - low) * abi::SLOT_BYTES);
            self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, low_slot);
            self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH_2, high_slot);
            self.asm.movs_mr(FSize::S64, low_slot, FLOAT_SCRATCH_2);
            self.asm.movs_mr(FSize::S64, high_slot, FLOAT_SCRATCH);
        }
    }

    pub(super) fn emit_entry_stub(&mut self, ty: &Convention) -> u32 {
        let start = self.asm.entry();
        self.asm
            .mov_rm(Size::S64, MEMORY, context(context::MEMORY_BASE));
        if self.meters.gas {
            self.asm.mov_rm(Size::S64, GAS, context(context::GAS_LEFT));
        }
        if self.meters.logical_stack {
            self.asm.mov_ri32(LOGICAL, 0);
        }
        self.asm
            .mov_rm(Size::S64, SCRATCH, context(context::ENTRY_SLOTS));
        for (param, place) in ty.params.iter().enumerate() {
            let from = Mem::base(SCRATCH, (param as u32 * abi::SLOT_BYTES) as i32);
            match place.register {
                Some(register) => self.load_typed(place.ty, register, from),
                None => {
                    self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, from);
                    self.asm
                        .movs_mr(FSize::S64, slot(place.slot), FLOAT_SCRATCH);
                }
            }
        }
        self.asm.call_m(context(context::ENTRY_FUNCTION));
        self.note_gas();
        self.asm
            .mov_rm(Size::S64, SCRATCH, context(context::ENTRY_SLOTS));
        for (result, place) in ty.results.iter().enumerate() {
            let to = Mem::base(SCRATCH, (result as u32 * abi::SLOT_BYTES) as i32);
            match place.register {
                Some(register) => self.store_typed(place.ty, to, register),
                None => {
                    self.asm
                        .movs_rm(FSize::S64, FLOAT_SCRATCH, slot(place.slot));
                    self.asm.movs_mr(FSize::S64, to, FLOAT_SCRATCH);
                }
            }
        }
        self.asm.jmp_m(context(context::EXIT));
        start
    }
}

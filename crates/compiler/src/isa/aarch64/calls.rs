//! Calls, frames and tables of jumps.

use super::*;
use pvf_assembler::aarch64::with_branch_distance;

/// Offsets of the two halves of the distance in a far call; see `emit_call`.
const FAR_HALVES: [(u32, u32); 2] = [(4, 0), (8, 16)];

/// The field of the constant in `movz` and `movk`.
const HALF_SHIFT: u32 = 5;

/// The top bits of `bl`.
const NEAR: u32 = 0b100101;

/// The reach of `bl`.
pub(super) const NEAR_BYTES: usize = 128 << 20;

/// Fills in a call, near or far.
pub(super) fn link(code: &mut [u8], at: u32, distance: i32) {
    let instruction = word(code, at);
    if instruction >> 26 == NEAR {
        let call = with_branch_distance(instruction, distance.into());
        let call = call.expect("near calls are for code that they reach over");
        return put_word(code, at, call);
    }
    for (behind, shift) in FAR_HALVES {
        let half = (distance >> shift) as u16;
        let instruction = word(code, at + behind);
        put_word(
            code,
            at + behind,
            instruction | u32::from(half) << HALF_SHIFT,
        );
    }
}

fn word(code: &[u8], at: u32) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&code[at as usize..][..4]);
    u32::from_le_bytes(word)
}

fn put_word(code: &mut [u8], at: u32, word: u32) {
    code[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
}

impl Emitter<'_> {
    /// A call of what the linker knows. A far one is `adr x16, .; movz x17, #low; movk x17, #high, lsl #16;
    /// add x16, x16, w17, sxtw; blr x16`.
    pub(super) fn emit_call(&mut self, function: u32) {
        if !self.far_calls {
            let at = self.asm.bl_placeholder();
            return self.record.call(function, at);
        }
        let here = self.asm.new_label();
        self.asm.bind(here);
        self.record.call(function, self.asm.offset());
        self.asm.adr(SCRATCH, here);
        self.asm.movz(Size::S64, SCRATCH_2, 0, 0);
        self.asm.movk(Size::S64, SCRATCH_2, 0, 1);
        let (add, size) = (Arith::Add, Size::S64);
        self.asm
            .arith_rx(add, size, SCRATCH, SCRATCH, SCRATCH_2, Extend::Sxtw, 0);
        self.asm.blr(SCRATCH);
    }

    pub(super) fn emit_call_indirect(&mut self, index: Gpr, signature: u32, table: Table) {
        let out_of_bounds = self.trap_label(TrapKind::TableOutOfBounds);
        self.compare_const(index, table.entries.into());
        self.asm.b_cond(Cond::HS, out_of_bounds);
        let entry_shift = abi::TABLE_ENTRY_BYTES.trailing_zeros();
        let (add, size) = (Arith::Add, Size::S64);
        self.asm
            .arith_rs(add, size, index, CONTEXT, index, Shift::Lsl, entry_shift);
        let place = |field: u32| memory::Place::at(index, (table.offset + field).into());
        let from = self.operand(place(abi::TABLE_ENTRY_SIGNATURE), Bytes::B4, SCRATCH_2);
        self.asm.ldr(Size::S32, SCRATCH_2, from);
        let mismatch = self.asm.new_label();
        self.compare_const(SCRATCH_2, u64::from(signature) + 1);
        self.asm.b_cond(Cond::NE, mismatch);
        self.later(Late::Own(SignatureMismatch(mismatch)));
        let from = self.operand(place(abi::TABLE_ENTRY_CODE), Bytes::B8, SCRATCH_2);
        self.asm.ldr(Size::S64, SCRATCH_2, from);
        self.asm.blr(SCRATCH_2);
    }

    /// Compares 32 bits with a constant.
    fn compare_const(&mut self, a: Gpr, constant: u64) {
        match Imm12::new(constant) {
            Some(immediate) => self.asm.cmp_ri(Size::S32, a, immediate),
            None => {
                let constant = self.constant(Width::W32, constant);
                self.asm.cmp_rr(Size::S32, a, constant);
            }
        }
    }

    /// Adds to the stack pointer, or subtracts from it.
    pub(super) fn move_stack_pointer(&mut self, op: Arith, bytes: u32) {
        match Imm12::new(bytes.into()) {
            Some(immediate) => {
                self.asm
                    .arith_ri(op, Size::S64, Gpr::SP, Gpr::SP, immediate);
            }
            None => {
                self.asm.mov_imm(Size::S64, SCRATCH, bytes.into());
                let size = Size::S64;
                self.asm
                    .arith_rx(op, size, Gpr::SP, Gpr::SP, SCRATCH, Extend::Uxtx, 0);
            }
        }
    }

    /// The address of a slot.
    pub(super) fn slot_address(&mut self, dst: Gpr, at: u32) {
        match Imm12::new(at.into()) {
            Some(immediate) => self.asm.add_ri(Size::S64, dst, Gpr::SP, immediate),
            None => {
                self.asm.mov_imm(Size::S64, dst, at.into());
                let (add, size) = (Arith::Add, Size::S64);
                self.asm
                    .arith_rx(add, size, dst, Gpr::SP, dst, Extend::Uxtx, 0);
            }
        }
    }

    /// The last label is that of all indices beyond, by its place in the table, so that no branch has to
    /// reach over a long one.
    pub(super) fn table_of_jumps(&mut self, index: Gpr, labels: &[Label]) {
        let Some(last) = labels.len().checked_sub(1) else {
            return;
        };
        let table_bytes = labels.len() as u32 * 4;
        self.asm.keep_in_range(OPERATION_BYTES + table_bytes);
        let (table, limit) = (self.asm.new_label(), SCRATCH_2);
        self.asm.mov_imm(Size::S32, limit, last as u64);
        self.asm.cmp_rr(Size::S32, index, limit);
        self.asm.csel(Cond::LO, Size::S32, index, index, limit);
        self.asm.adr(SCRATCH, table);
        let entry = Mem::index(SCRATCH, index, Extend::Uxtx, true, Bytes::B4);
        self.asm.ldrsw(limit, entry);
        self.asm.add_rr(Size::S64, SCRATCH, SCRATCH, limit);
        self.asm.br(SCRATCH);
        self.asm.bind(table);
        for &label in labels {
            self.asm.emit_label_difference_i32(label, table);
        }
    }
}

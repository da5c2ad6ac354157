//! Block operations: copies, fills and comparisons at the speed of memory.
//!
//! The checks before one are inline; the work is in stubs, one of each per artifact, so that a recognised
//! loop costs little code. Vectors of 256 bits need no more than AVX.

use super::*;
use pvf_assembler::x64::{FBit, Shift, VSize};

const FIRST: Gpr = Gpr::R8;
const SECOND: Gpr = Gpr::R9;
const BYTES: Gpr = Gpr::R10;

/// A place so far above what the register points at.
fn at(base: Gpr, disp: i32) -> Mem {
    Mem::base(base, disp)
}

/// A place so far below the end of the range that begins where the register points.
fn end(base: Gpr, below: i32) -> Mem {
    Mem::base_index(base, BYTES, Scale::One, -below)
}

impl Function<'_> {
    pub(super) fn emit_jump_unless_in_memory(
        &mut self,
        index: Gpr,
        offset: u64,
        bytes: Gpr,
        label: Label,
    ) {
        // The recogniser keeps offsets below 2^31.
        let behind = Mem::base_index(index, bytes, Scale::One, offset as i32);
        self.asm.lea(Size::S64, SCRATCH, behind);
        let size = context(context::MEMORY_BYTES);
        self.asm.alu_rm(Alu::Cmp, Size::S64, SCRATCH, size);
        self.asm.jcc(Cond::A, label);
    }

    pub(super) fn emit_jump_if_within(
        &mut self,
        a: Gpr,
        distance: i64,
        b: Gpr,
        bytes: Gpr,
        label: Label,
    ) {
        self.asm.lea(Size::S64, SCRATCH, at(a, distance as i32));
        self.asm.alu_rr(Alu::Sub, Size::S64, SCRATCH, b);
        self.asm.alu_rr(Alu::Cmp, Size::S64, SCRATCH, bytes);
        self.asm.jcc(Cond::B, label);
    }

    pub(super) fn emit_charge_iterations(
        &mut self,
        bytes: Gpr,
        shift: u8,
        cost: u32,
        label: Label,
    ) {
        if !self.meters.gas || cost == 0 {
            return;
        }
        self.asm.imul_rri(Size::S64, SCRATCH, bytes, cost as i32);
        if shift > 0 {
            self.asm.shift_ri(Shift::Shr, Size::S64, SCRATCH, shift);
        }
        self.asm.alu_rr(Alu::Cmp, Size::S64, GAS, SCRATCH);
        self.asm.jcc(Cond::B, label);
        self.asm.alu_rr(Alu::Sub, Size::S64, GAS, SCRATCH);
    }

    pub(super) fn emit_linear_address(&mut self, index: Gpr, offset: u64) {
        let place = Mem::base_index(MEMORY, index, Scale::One, offset as i32);
        self.asm.lea(Size::S64, index, place);
    }

    pub(super) fn emit_repeat(&mut self, register: Gpr, bytes: u8) {
        let ones = match bytes {
            1 => {
                self.asm.movzx_rr(Size::S8, register, register);
                0x0101_0101_0101_0101
            }
            2 => {
                self.asm.movzx_rr(Size::S16, register, register);
                0x0001_0001_0001_0001
            }
            4 => {
                self.asm.mov_rr(Size::S32, register, register);
                0x0000_0001_0000_0001
            }
            _ => return,
        };
        self.asm.mov_ri64(SCRATCH, ones);
        self.asm.imul_rr(Size::S64, register, SCRATCH);
    }

    pub(super) fn emit_block_stub(&mut self, operation: BlockOperation) -> u32 {
        // The stubs begin with eight bytes.
        const { assert!(BlockOperation::MIN_BYTES == 8) };
        let start = self.asm.entry();
        match operation {
            BlockOperation::CopyForward => self.copy_stub(false),
            BlockOperation::CopyBackward => self.copy_stub(true),
            BlockOperation::Fill => self.fill_stub(),
            BlockOperation::Compare => self.compare_stub(),
        }
        start
    }

    /// Up to 32 bytes are all loaded before any is stored. Of more, the last 32 on the way are loaded
    /// before all others and stored after them.
    fn copy_stub(&mut self, backward: bool) {
        let (more, eight, next) = (
            self.asm.new_label(),
            self.asm.new_label(),
            self.asm.new_label(),
        );
        self.asm.alu_ri(Alu::Cmp, Size::S64, BYTES, 32);
        self.asm.jcc_short(Cond::A, more);
        self.asm.alu_ri(Alu::Cmp, Size::S64, BYTES, 16);
        self.asm.jcc_short(Cond::B, eight);
        self.asm.movv_rm(VSize::S128, FLOAT_SCRATCH, at(SECOND, 0));
        self.asm
            .movv_rm(VSize::S128, FLOAT_SCRATCH_2, end(SECOND, 16));
        self.asm.movv_mr(VSize::S128, at(FIRST, 0), FLOAT_SCRATCH);
        self.asm
            .movv_mr(VSize::S128, end(FIRST, 16), FLOAT_SCRATCH_2);
        self.asm.ret();
        self.asm.bind(eight);
        self.asm.movs_rm(FSize::S64, FLOAT_SCRATCH, at(SECOND, 0));
        self.asm
            .movs_rm(FSize::S64, FLOAT_SCRATCH_2, end(SECOND, 8));
        self.asm.movs_mr(FSize::S64, at(FIRST, 0), FLOAT_SCRATCH);
        self.asm.movs_mr(FSize::S64, end(FIRST, 8), FLOAT_SCRATCH_2);
        self.asm.ret();
        self.asm.bind(more);
        match backward {
            false => self.copy_up(next),
            true => self.copy_down(next),
        }
        self.asm.zero_upper();
        self.asm.ret();
    }

    fn copy_up(&mut self, next: Label) {
        self.asm
            .movv_rm(VSize::S256, FLOAT_SCRATCH, end(SECOND, 32));
        self.asm.lea(Size::S64, SCRATCH, end(FIRST, 32));
        self.asm.bind(next);
        self.asm
            .movv_rm(VSize::S256, FLOAT_SCRATCH_2, at(SECOND, 0));
        self.asm.movv_mr(VSize::S256, at(FIRST, 0), FLOAT_SCRATCH_2);
        self.asm.alu_ri(Alu::Add, Size::S64, SECOND, 32);
        self.asm.alu_ri(Alu::Add, Size::S64, FIRST, 32);
        self.asm.alu_rr(Alu::Cmp, Size::S64, FIRST, SCRATCH);
        self.asm.jcc_short(Cond::B, next);
        self.asm.movv_mr(VSize::S256, at(SCRATCH, 0), FLOAT_SCRATCH);
    }

    fn copy_down(&mut self, next: Label) {
        self.asm.movv_rm(VSize::S256, FLOAT_SCRATCH, at(SECOND, 0));
        self.asm.lea(Size::S64, SCRATCH, at(BYTES, -32));
        self.asm.bind(next);
        let from = Mem::base_index(SECOND, SCRATCH, Scale::One, 0);
        let to = Mem::base_index(FIRST, SCRATCH, Scale::One, 0);
        self.asm.movv_rm(VSize::S256, FLOAT_SCRATCH_2, from);
        self.asm.movv_mr(VSize::S256, to, FLOAT_SCRATCH_2);
        self.asm.alu_ri(Alu::Sub, Size::S64, SCRATCH, 32);
        self.asm.jcc_short(Cond::G, next);
        self.asm.movv_mr(VSize::S256, at(FIRST, 0), FLOAT_SCRATCH);
    }

    /// The last store overlaps the one before: the range is a multiple of the pattern's own length.
    fn fill_stub(&mut self) {
        let (more, eight, next) = (
            self.asm.new_label(),
            self.asm.new_label(),
            self.asm.new_label(),
        );
        self.asm.movd_xr(Size::S64, FLOAT_SCRATCH, SECOND);
        self.asm.double64_rr(FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.alu_ri(Alu::Cmp, Size::S64, BYTES, 32);
        self.asm.jcc_short(Cond::A, more);
        self.asm.alu_ri(Alu::Cmp, Size::S64, BYTES, 16);
        self.asm.jcc_short(Cond::B, eight);
        self.asm.movv_mr(VSize::S128, at(FIRST, 0), FLOAT_SCRATCH);
        self.asm.movv_mr(VSize::S128, end(FIRST, 16), FLOAT_SCRATCH);
        self.asm.ret();
        self.asm.bind(eight);
        self.asm.mov_mr(Size::S64, at(FIRST, 0), SECOND);
        self.asm.mov_mr(Size::S64, end(FIRST, 8), SECOND);
        self.asm.ret();
        self.asm.bind(more);
        self.asm
            .join128_rrr(FLOAT_SCRATCH, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.lea(Size::S64, SCRATCH, end(FIRST, 32));
        self.asm.bind(next);
        self.asm.movv_mr(VSize::S256, at(FIRST, 0), FLOAT_SCRATCH);
        self.asm.alu_ri(Alu::Add, Size::S64, FIRST, 32);
        self.asm.alu_rr(Alu::Cmp, Size::S64, FIRST, SCRATCH);
        self.asm.jcc_short(Cond::B, next);
        self.asm.movv_mr(VSize::S256, at(SCRATCH, 0), FLOAT_SCRATCH);
        self.asm.zero_upper();
        self.asm.ret();
    }

    /// Sixteen bytes at a time, then eight, then the last eight of the range once more. `r11` counts from
    /// minus the length up to 0.
    fn compare_stub(&mut self) {
        let next = self.asm.new_label();
        let (rest, last) = (self.asm.new_label(), self.asm.new_label());
        let (differ, different, done) = (
            self.asm.new_label(),
            self.asm.new_label(),
            self.asm.new_label(),
        );
        let place = |base| Mem::base_index(base, SCRATCH, Scale::One, 0);
        self.asm.push_r(BYTES);
        self.asm.alu_rr(Alu::Add, Size::S64, FIRST, BYTES);
        self.asm.alu_rr(Alu::Add, Size::S64, SECOND, BYTES);
        self.asm.mov_rr(Size::S64, SCRATCH, BYTES);
        self.asm.neg_r(Size::S64, SCRATCH);
        self.asm.bind(next);
        self.asm.alu_ri(Alu::Cmp, Size::S64, SCRATCH, -16);
        self.asm.jcc_short(Cond::G, rest);
        self.asm.movv_rm(VSize::S128, FLOAT_SCRATCH, place(FIRST));
        self.asm.fbit_rrm(
            FBit::Xor,
            FSize::S32,
            FLOAT_SCRATCH,
            FLOAT_SCRATCH,
            place(SECOND),
        );
        self.asm.testv_rr(FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.jcc_short(Cond::NE, differ);
        self.asm.alu_ri(Alu::Add, Size::S64, SCRATCH, 16);
        self.asm.jmp_short(next);

        self.asm.bind(rest);
        self.asm.alu_ri(Alu::Cmp, Size::S64, SCRATCH, -8);
        self.asm.jcc_short(Cond::G, last);
        self.difference(place(FIRST), place(SECOND));
        self.asm.jcc_short(Cond::NE, different);
        self.asm.bind(last);
        self.asm.mov_ri64(SCRATCH, -8i64 as u64);
        self.difference(place(FIRST), place(SECOND));
        self.asm.jcc_short(Cond::NE, different);
        self.asm.mov_ri32(SCRATCH, 0);
        self.asm.jmp_short(done);

        self.asm.bind(differ);
        self.difference(place(FIRST), place(SECOND));
        self.asm.jcc_short(Cond::NE, different);
        self.asm.alu_ri(Alu::Add, Size::S64, SCRATCH, 8);
        self.difference(place(FIRST), place(SECOND));
        self.asm.bind(different);
        self.asm.tzcnt_rr(Size::S64, BYTES, BYTES);
        self.asm.shift_ri(Shift::Shr, Size::S64, BYTES, 3);
        self.asm.alu_rr(Alu::Add, Size::S64, SCRATCH, BYTES);
        self.asm.bind(done);
        self.asm.pop_r(BYTES);
        self.asm.alu_rr(Alu::Add, Size::S64, BYTES, SCRATCH);
        self.asm.ret();
    }

    /// `r10` = where eight bytes differ.
    fn difference(&mut self, a: Mem, b: Mem) {
        self.asm.mov_rm(Size::S64, BYTES, a);
        self.asm.alu_rm(Alu::Xor, Size::S64, BYTES, b);
    }
}

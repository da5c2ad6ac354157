//! Block operations: copies, fills and comparisons at the speed of memory.
//!
//! The checks before one are inline; the work is in stubs, one of each per artifact, so that a recognised
//! loop costs little code. A stub takes indices in linear memory and compares them with its size once more before it makes
//! addresses of them: so no address is in a register that generated code works with, and what a stub touches is
//! memory's, whatever it is given. If the comparison fails, which only wrong code can bring about, it ends in a trap that has no
//! trap site: a failure of the host, never an outcome.

use super::*;
use pvf_assembler::aarch64::{Lane, MemPair, VBit, VSize};

const FIRST: Gpr = Gpr::X9;
const SECOND: Gpr = Gpr::X10;
const BYTES: Gpr = Gpr::X11;

/// Two more registers that the generator does not know of: what lies at the end of a range.
const REST: [Fpr; 2] = [Fpr::V28, Fpr::V29];
/// Registers of the data being moved.
const MOVED: [Fpr; 2] = [FLOAT_SCRATCH, FLOAT_SCRATCH_2];

const SIXTEEN: Bytes = Bytes::B16;

/// The operand of sixteen or eight bytes, `distance` below the register.
fn below(base: Gpr, distance: i64, bytes: Bytes) -> Mem {
    // -256 to 0 always fit.
    Mem::offset(base, -distance, bytes).unwrap_or(Mem::base(base, bytes))
}

/// The operand at the sum of two registers.
fn indexed(base: Gpr, index: Gpr, bytes: Bytes) -> Mem {
    Mem::index(base, index, Extend::Uxtx, false, bytes)
}

impl Emitter<'_> {
    pub(super) fn emit_jump_unless_in_memory(
        &mut self,
        index: Gpr,
        offset: u64,
        bytes: Gpr,
        label: Label,
    ) {
        self.add_const(SCRATCH, index, offset);
        self.asm.add_rr(Size::S64, SCRATCH, SCRATCH, bytes);
        let size = SCRATCH_2;
        self.load_context_word(size, context::MEMORY_BYTES);
        self.asm.cmp_rr(Size::S64, SCRATCH, size);
        self.asm.b_cond(Cond::HI, label);
    }

    /// `dst = a + constant`; `a` is not the scratch register.
    fn add_const(&mut self, dst: Gpr, a: Gpr, constant: u64) {
        match (Imm12::new(constant), Imm12::new(constant.wrapping_neg())) {
            (Some(immediate), _) => self.asm.add_ri(Size::S64, dst, a, immediate),
            (_, Some(immediate)) => self.asm.sub_ri(Size::S64, dst, a, immediate),
            _ => {
                self.asm.mov_imm(Size::S64, SCRATCH, constant);
                self.asm.add_rr(Size::S64, dst, a, SCRATCH);
            }
        }
    }

    pub(super) fn emit_jump_if_within(
        &mut self,
        a: Gpr,
        distance: i64,
        b: Gpr,
        bytes: Gpr,
        label: Label,
    ) {
        self.add_const(SCRATCH, a, distance as u64);
        self.asm.sub_rr(Size::S64, SCRATCH, SCRATCH, b);
        self.asm.cmp_rr(Size::S64, SCRATCH, bytes);
        self.asm.b_cond(Cond::LO, label);
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
        self.asm.mov_imm(Size::S32, SCRATCH, cost.into());
        self.asm.mul(Size::S64, SCRATCH, SCRATCH, bytes);
        if shift > 0 {
            let shift = shift.into();
            self.asm
                .shift_ri(Shift::Lsr, Size::S64, SCRATCH, SCRATCH, shift);
        }
        self.asm.cmp_rr(Size::S64, GAS, SCRATCH);
        self.asm.b_cond(Cond::LO, label);
        self.asm.sub_rr(Size::S64, GAS, GAS, SCRATCH);
    }

    /// The stub adds the base.
    pub(super) fn emit_linear_address(&mut self, index: Gpr, offset: u64) {
        if offset != 0 {
            self.add_const(index, index, offset);
        }
    }

    pub(super) fn emit_repeat(&mut self, register: Gpr, bytes: u8) {
        let ones = match bytes {
            1 => {
                self.asm.uxtb(register, register);
                0x0101_0101_0101_0101
            }
            2 => {
                self.asm.uxth(register, register);
                0x0001_0001_0001_0001
            }
            4 => {
                self.asm.mov_rr(Size::S32, register, register);
                0x0000_0001_0000_0001
            }
            _ => return,
        };
        self.asm.mov_imm(Size::S64, SCRATCH, ones);
        self.asm.mul(Size::S64, register, register, SCRATCH);
    }

    pub(super) fn emit_block_stub(&mut self, operation: BlockOperation) -> u32 {
        // The stubs begin with eight bytes.
        const { assert!(BlockOperation::MIN_BYTES == 8) };
        let start = self.asm.entry();
        self.enter_memory(operation != BlockOperation::Fill);
        match operation {
            BlockOperation::CopyForward => self.copy_stub(false),
            BlockOperation::CopyBackward => self.copy_stub(true),
            BlockOperation::Fill => self.fill_stub(),
            BlockOperation::Compare => self.compare_stub(),
        }
        start
    }

    /// From indices to addresses, of both ranges or of the first only; all of them must lie in memory.
    fn enter_memory(&mut self, both: bool) {
        let [outside, inside] = [(); 2].map(|()| self.asm.new_label());
        let highest = SCRATCH;
        self.load_context_word(highest, context::MEMORY_BYTES);
        self.asm
            .arith_rr(Arith::Subs, Size::S64, highest, highest, BYTES);
        self.asm.b_cond(Cond::LO, outside);
        if both {
            self.asm.cmp_rr(Size::S64, SECOND, highest);
            self.asm.b_cond(Cond::HI, outside);
        }
        self.asm.cmp_rr(Size::S64, FIRST, highest);
        self.asm.b_cond(Cond::LS, inside);
        self.asm.bind(outside);
        self.asm.udf(0);
        self.asm.bind(inside);
        self.asm.add_rr(Size::S64, FIRST, FIRST, MEMORY);
        if both {
            self.asm.add_rr(Size::S64, SECOND, SECOND, MEMORY);
        }
    }

    /// The ends of both ranges, or of the first only.
    fn find_ends(&mut self, both: bool) {
        self.asm.add_rr(Size::S64, SCRATCH, FIRST, BYTES);
        if both {
            self.asm.add_rr(Size::S64, SCRATCH_2, SECOND, BYTES);
        }
    }

    /// Labels for more than 32 bytes and for less than 16, and the jumps there.
    fn by_length(&mut self) -> [Label; 2] {
        let (more, eight) = (self.asm.new_label(), self.asm.new_label());
        self.asm.cmp_ri(Size::S64, BYTES, Imm12::low(32));
        self.asm.b_cond(Cond::HI, more);
        self.asm.cmp_ri(Size::S64, BYTES, Imm12::low(16));
        self.asm.b_cond(Cond::LO, eight);
        [more, eight]
    }

    /// Up to 32 bytes are all loaded before any is stored. Of more, the last 32 on the way are loaded
    /// before all others and stored after them.
    fn copy_stub(&mut self, backward: bool) {
        self.find_ends(true);
        let [more, eight] = self.by_length();
        self.asm.ldr_q(MOVED[0], Mem::base(SECOND, SIXTEEN));
        self.asm.ldr_q(MOVED[1], below(SCRATCH_2, 16, SIXTEEN));
        self.asm.str_q(MOVED[0], Mem::base(FIRST, SIXTEEN));
        self.asm.str_q(MOVED[1], below(SCRATCH, 16, SIXTEEN));
        self.asm.ret();
        self.asm.bind(eight);
        let (size, bytes) = (FSize::S64, Bytes::B8);
        self.asm.ldr_f(size, MOVED[0], Mem::base(SECOND, bytes));
        self.asm.ldr_f(size, MOVED[1], below(SCRATCH_2, 8, bytes));
        self.asm.str_f(size, MOVED[0], Mem::base(FIRST, bytes));
        self.asm.str_f(size, MOVED[1], below(SCRATCH, 8, bytes));
        self.asm.ret();
        self.asm.bind(more);
        match backward {
            false => self.copy_up(),
            true => self.copy_down(),
        }
        self.asm.ret();
    }

    fn load_pair(&mut self, [a, b]: [Fpr; 2], from: Option<MemPair>) {
        debug_assert!(from.is_some(), "32 bytes away is near enough");
        if let Some(from) = from {
            self.asm.ldp_q(a, b, from);
        }
    }

    fn store_pair(&mut self, [a, b]: [Fpr; 2], to: Option<MemPair>) {
        debug_assert!(to.is_some(), "32 bytes away is near enough");
        if let Some(to) = to {
            self.asm.stp_q(a, b, to);
        }
    }

    fn copy_up(&mut self) {
        let next = self.asm.new_label();
        self.load_pair(REST, MemPair::offset(SCRATCH_2, -32, SIXTEEN));
        self.asm.sub_ri(Size::S64, SCRATCH, SCRATCH, Imm12::low(32));
        self.asm.bind(next);
        self.load_pair(MOVED, MemPair::post(SECOND, 32, SIXTEEN));
        self.store_pair(MOVED, MemPair::post(FIRST, 32, SIXTEEN));
        self.asm.cmp_rr(Size::S64, FIRST, SCRATCH);
        self.asm.b_cond(Cond::LO, next);
        self.store_pair(REST, MemPair::offset(SCRATCH, 0, SIXTEEN));
    }

    fn copy_down(&mut self) {
        let next = self.asm.new_label();
        self.load_pair(REST, MemPair::offset(SECOND, 0, SIXTEEN));
        // Nobody needs the second range's start any more.
        self.asm.add_ri(Size::S64, SECOND, FIRST, Imm12::low(32));
        self.asm.bind(next);
        self.load_pair(MOVED, MemPair::pre(SCRATCH_2, -32, SIXTEEN));
        self.store_pair(MOVED, MemPair::pre(SCRATCH, -32, SIXTEEN));
        self.asm.cmp_rr(Size::S64, SCRATCH, SECOND);
        self.asm.b_cond(Cond::HI, next);
        self.store_pair(REST, MemPair::offset(FIRST, 0, SIXTEEN));
    }

    /// The last store overlaps the one before: the range is a multiple of the pattern's own length.
    fn fill_stub(&mut self) {
        let next = self.asm.new_label();
        let [pattern, _] = MOVED;
        self.find_ends(false);
        self.asm.dup(VSize::S128, Lane::D, pattern, SECOND);
        let [more, eight] = self.by_length();
        self.asm.str_q(pattern, Mem::base(FIRST, SIXTEEN));
        self.asm.str_q(pattern, below(SCRATCH, 16, SIXTEEN));
        self.asm.ret();
        self.asm.bind(eight);
        self.asm.str(Size::S64, SECOND, Mem::base(FIRST, Bytes::B8));
        self.asm
            .str(Size::S64, SECOND, below(SCRATCH, 8, Bytes::B8));
        self.asm.ret();
        self.asm.bind(more);
        self.asm.sub_ri(Size::S64, SCRATCH, SCRATCH, Imm12::low(32));
        self.asm.bind(next);
        self.store_pair([pattern; 2], MemPair::post(FIRST, 32, SIXTEEN));
        self.asm.cmp_rr(Size::S64, FIRST, SCRATCH);
        self.asm.b_cond(Cond::LO, next);
        self.store_pair([pattern; 2], MemPair::offset(SCRATCH, 0, SIXTEEN));
        self.asm.ret();
    }

    /// Sixteen bytes at a time, then eight, then the last eight of the range once more. The scratch register counts
    /// the bytes that are equal.
    fn compare_stub(&mut self) {
        let [next, rest, last, differ, different] = [(); 5].map(|()| self.asm.new_label());
        self.asm.mov_imm(Size::S64, SCRATCH, 0);
        self.asm.bind(next);
        self.asm.sub_rr(Size::S64, SCRATCH_2, BYTES, SCRATCH);
        self.asm.cmp_ri(Size::S64, SCRATCH_2, Imm12::low(16));
        self.asm.b_cond(Cond::LO, rest);
        let [a, b] = MOVED;
        self.asm.ldr_q(a, indexed(FIRST, SCRATCH, SIXTEEN));
        self.asm.ldr_q(b, indexed(SECOND, SCRATCH, SIXTEEN));
        self.asm.cmeq(VSize::S128, Lane::B, a, a, b);
        self.asm.uminv(VSize::S128, Lane::B, a, a);
        self.asm.fmov_rf(FSize::S32, SCRATCH_2, a);
        self.asm.cbz(Size::S32, SCRATCH_2, differ);
        self.asm.add_ri(Size::S64, SCRATCH, SCRATCH, Imm12::low(16));
        self.asm.b(next);

        self.asm.bind(rest);
        self.asm.cmp_ri(Size::S64, SCRATCH_2, Imm12::low(8));
        self.asm.b_cond(Cond::LO, last);
        self.difference();
        self.asm.cbnz(Size::S64, SCRATCH_2, different);
        self.asm.bind(last);
        self.asm.sub_ri(Size::S64, SCRATCH, BYTES, Imm12::low(8));
        self.difference();
        self.asm.cbnz(Size::S64, SCRATCH_2, different);
        self.asm.ret();

        self.asm.bind(differ);
        self.difference();
        self.asm.cbnz(Size::S64, SCRATCH_2, different);
        self.asm.add_ri(Size::S64, SCRATCH, SCRATCH, Imm12::low(8));
        self.difference();
        self.asm.bind(different);
        self.asm.rbit(Size::S64, SCRATCH_2, SCRATCH_2);
        self.asm.clz(Size::S64, SCRATCH_2, SCRATCH_2);
        self.asm.arith_rs(
            Arith::Add,
            Size::S64,
            BYTES,
            SCRATCH,
            SCRATCH_2,
            Shift::Lsr,
            3,
        );
        self.asm.ret();
    }

    /// Where eight bytes differ.
    fn difference(&mut self) {
        let [a, b] = MOVED;
        let at = |base| indexed(base, SCRATCH, Bytes::B8);
        self.asm.ldr_f(FSize::S64, a, at(FIRST));
        self.asm.ldr_f(FSize::S64, b, at(SECOND));
        self.asm.vbit(VBit::Eor, VSize::S64, a, a, b);
        self.asm.fmov_rf(FSize::S64, SCRATCH_2, a);
    }
}

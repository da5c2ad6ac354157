//! Polkadot's allocator inside the program: the usual work of `malloc` and `free` without a hand-over to the host.
//!
//! The rules are those of the allocator in `pvf-validation`, which does the rest: what is rare, large or wrong. Both work
//! on one state, [`AllocatorState`], in the program's memory behind the context. A routine does nothing before it knows
//! that it can do all; else it calls the host, with its argument where it was.

use pvf_assembler::Label;
use pvf_assembler::polkavm::{Assembler, Base, Compare, Immediate, Load, Reg, Store, Three, Two};
use pvf_compiler::abi::context;
use pvf_compiler::abi::polkavm::CONTEXT;

/// Orders of pieces.
pub const ORDERS: usize = 23;

/// Bytes of the state in the program's memory.
pub(crate) const STATE_BYTES: u32 = 16 + 4 * ORDERS as u32;

/// Requests from here on are the host's.
const LARGE: i32 = 64 << 10;

/// Bytes of a header, and of the smallest piece.
const HEADER: i32 = 8;

/// In a header, the bit that marks a piece in use.
const IN_USE_BIT: i32 = 32;

/// The end of a free list.
const NIL: i32 = -1;

/// Offsets in the state.
mod field {
    /// 1 if there is a heap and it is not poisoned, else 0.
    pub const READY: u32 = 0;
    pub const BUMPER: u32 = 4;
    pub const ALLOCATED: u32 = 8;
    pub const PEAK: u32 = 12;
    pub const FREE: u32 = 16;
}

/// The imported functions, by index, that the program does itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocator {
    /// Those that allocate, of type `[i32] -> [i32]`.
    pub malloc: Vec<u32>,
    /// Those that free, of type `[i32] -> []`.
    pub free: Vec<u32>,
}

/// The state of the heap that host and program share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatorState {
    /// There is a heap, and no call has failed.
    pub ready: bool,
    /// The end of everything allocated so far.
    pub bumper: u32,
    /// Bytes allocated now.
    pub allocated: u32,
    /// The most bytes ever allocated.
    pub peak: u32,
    /// For each order, the address of the first free header.
    pub free: [u32; ORDERS],
}

impl AllocatorState {
    pub(crate) fn to_bytes(self) -> [u8; STATE_BYTES as usize] {
        let head = [
            u32::from(self.ready),
            self.bumper,
            self.allocated,
            self.peak,
        ];
        let mut bytes = [0; STATE_BYTES as usize];
        for (into, word) in bytes.chunks_exact_mut(4).zip(head.iter().chain(&self.free)) {
            into.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; STATE_BYTES as usize]) -> Self {
        let word = |at: usize| {
            let [a, b, c, d] = [0, 1, 2, 3].map(|byte| bytes[at * 4 + byte]);
            u32::from_le_bytes([a, b, c, d])
        };
        Self {
            ready: word(0) != 0,
            bumper: word(1),
            allocated: word(2),
            peak: word(3),
            free: std::array::from_fn(|order| word(4 + order)),
        }
    }
}

/// The routines: code, and where each begins in it. `state` is the state's address, `malloc` and `free` are services.
pub(crate) fn routines(state: u32, malloc: u32, free: u32) -> (Vec<u8>, u32, u32) {
    let mut asm = Routine {
        asm: Assembler::new(),
        state,
    };
    let malloc_at = asm.asm.offset();
    asm.malloc(malloc);
    let free_at = asm.asm.offset();
    asm.free(free);
    // All labels are bound above.
    let finished = asm.asm.finish();
    debug_assert!(finished.is_ok(), "the routines bind their labels");
    (asm.asm.into_code(), malloc_at, free_at)
}

struct Routine {
    asm: Assembler,
    state: u32,
}

impl Routine {
    fn field(&self, field: u32) -> i32 {
        (self.state + field) as i32
    }

    fn load_field(&mut self, op: Load, dst: Reg, field: u32) {
        let at = self.field(field);
        self.asm.load(op, dst, Base::Absolute, at);
    }

    fn store_field(&mut self, field: u32, src: Reg) {
        let at = self.field(field);
        self.asm.store(Store::U32, Base::Absolute, at, src);
    }

    fn expect_ready(&mut self, slow: Label) {
        self.load_field(Load::U32, Reg::T0, field::READY);
        self.asm.branch_immediate(Compare::Equal, Reg::T0, 0, slow);
    }

    fn load_memory_bytes(&mut self, dst: Reg) {
        let at = (CONTEXT + context::MEMORY_BYTES) as i32;
        self.asm.load(Load::U64, dst, Base::Absolute, at);
    }

    /// `A3` = bytes of a piece of the order in `A2`, `A4` = four times the order.
    fn piece(&mut self) {
        self.asm.load_const(Reg::A3, HEADER as u64);
        self.asm.three(Three::Shl64, Reg::A3, Reg::A3, Reg::A2);
        self.asm
            .immediate(Immediate::Add64, Reg::A3, Reg::A3, HEADER);
        self.asm.immediate(Immediate::Shl64, Reg::A4, Reg::A2, 2);
    }

    /// `T1` = whether the header in `S1` is of a piece in use.
    fn in_use(&mut self) {
        let shift = Immediate::ShrUnsigned64;
        self.asm.immediate(shift, Reg::T1, Reg::S1, IN_USE_BIT);
        self.asm.immediate(Immediate::And, Reg::T1, Reg::T1, 1);
    }

    fn slow(&mut self, slow: Label, service: u32) {
        self.asm.bind(slow);
        self.asm.host_call(service);
        self.asm.jump_indirect(Reg::Ra);
    }

    /// The argument, and the result, is in `A0`.
    fn malloc(&mut self, service: u32) {
        let [slow, usual, bump, take, done] = [(); 5].map(|()| self.asm.new_label());
        let size = Reg::A0;
        self.asm
            .branch_immediate(Compare::GreaterEqualUnsigned, size, LARGE, slow);
        self.expect_ready(slow);
        // The order: of the next power of two, from 8 on.
        self.asm.immediate(Immediate::Add64, Reg::A1, size, -1);
        self.asm
            .branch_immediate(Compare::GreaterUnsigned, size, HEADER, usual);
        self.asm.load_const(Reg::A1, HEADER as u64 - 1);
        self.asm.bind(usual);
        self.asm.two(Two::LeadingZeros64, Reg::A2, Reg::A1);
        self.asm
            .immediate(Immediate::Negate64, Reg::A2, Reg::A2, 61);
        self.piece();
        self.load_memory_bytes(Reg::T1);
        let free = self.field(field::FREE);
        let list = Base::Reg(Reg::A4);
        self.asm.load(Load::I32, Reg::A5, list, free);
        self.asm
            .branch_immediate(Compare::Equal, Reg::A5, NIL, bump);
        // The first of the free list. An address from 2^31 on is negative here, and so beyond memory.
        self.asm.three(Three::Add64, Reg::S0, Reg::A5, Reg::A3);
        self.asm
            .branch(Compare::GreaterUnsigned, Reg::S0, Reg::T1, slow);
        self.asm
            .branch(Compare::GreaterUnsigned, Reg::A5, Reg::T1, slow);
        self.asm
            .load(Load::U64, Reg::S1, Base::MemoryReg(Reg::A5), 0);
        self.in_use();
        self.asm
            .branch_immediate(Compare::NotEqual, Reg::T1, 0, slow);
        self.asm.store(Store::U32, list, free, Reg::S1);
        self.asm.jump(take);
        self.asm.bind(bump);
        self.load_field(Load::U32, Reg::A5, field::BUMPER);
        self.asm.three(Three::Add64, Reg::S0, Reg::A5, Reg::A3);
        self.asm
            .branch(Compare::GreaterUnsigned, Reg::S0, Reg::T1, slow);
        self.store_field(field::BUMPER, Reg::S0);
        self.asm.bind(take);
        self.asm.load_const(Reg::T1, 1 << IN_USE_BIT);
        self.asm.three(Three::Or, Reg::T1, Reg::T1, Reg::A2);
        self.asm
            .store(Store::U64, Base::MemoryReg(Reg::A5), 0, Reg::T1);
        self.load_field(Load::I32, Reg::T1, field::ALLOCATED);
        self.asm.three(Three::Add32, Reg::T1, Reg::T1, Reg::A3);
        self.store_field(field::ALLOCATED, Reg::T1);
        self.load_field(Load::I32, Reg::T0, field::PEAK);
        self.asm
            .branch(Compare::GreaterEqualUnsigned, Reg::T0, Reg::T1, done);
        self.store_field(field::PEAK, Reg::T1);
        self.asm.bind(done);
        self.asm
            .immediate(Immediate::Add32, Reg::A0, Reg::A5, HEADER);
        self.asm.jump_indirect(Reg::Ra);
        self.slow(slow, service);
    }

    /// The argument is in `A0`.
    fn free(&mut self, service: u32) {
        let slow = self.asm.new_label();
        let address = Reg::A0;
        self.expect_ready(slow);
        self.asm
            .branch_immediate(Compare::LessUnsigned, address, HEADER, slow);
        self.load_memory_bytes(Reg::T1);
        self.asm
            .branch(Compare::GreaterUnsigned, address, Reg::T1, slow);
        self.asm
            .immediate(Immediate::Add64, Reg::A1, address, -HEADER);
        self.asm
            .load(Load::U64, Reg::S1, Base::MemoryReg(Reg::A1), 0);
        self.in_use();
        self.asm.branch_immediate(Compare::Equal, Reg::T1, 0, slow);
        self.asm.immediate(Immediate::Shl64, Reg::A2, Reg::S1, 32);
        self.asm
            .immediate(Immediate::ShrUnsigned64, Reg::A2, Reg::A2, 32);
        let orders = ORDERS as i32;
        self.asm
            .branch_immediate(Compare::GreaterEqualUnsigned, Reg::A2, orders, slow);
        self.piece();
        self.load_field(Load::U32, Reg::T1, field::ALLOCATED);
        self.asm
            .branch(Compare::LessUnsigned, Reg::T1, Reg::A3, slow);
        self.asm.three(Three::Sub64, Reg::T1, Reg::T1, Reg::A3);
        self.store_field(field::ALLOCATED, Reg::T1);
        let free = self.field(field::FREE);
        let list = Base::Reg(Reg::A4);
        self.asm.load(Load::U32, Reg::T0, list, free);
        self.asm.store(Store::U32, list, free, Reg::A1);
        self.asm
            .store(Store::U64, Base::MemoryReg(Reg::A1), 0, Reg::T0);
        self.asm.jump_indirect(Reg::Ra);
        self.slow(slow, service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let state = AllocatorState {
            ready: true,
            bumper: 1,
            allocated: 2,
            peak: u32::MAX,
            free: std::array::from_fn(|order| order as u32 * 7),
        };
        assert_eq!(AllocatorState::from_bytes(&state.to_bytes()), state);
    }
}

//! The open blocks, their labels and the states at these.
//!
//! The first branch to a label fixes where the locals alive there are: where they are at that branch
//! ([`edges`](super::edges)). A loop's label is fixed when the loop begins ([`loops`](super::loops)).
//! Until a label is bound, its state may still be weakened: that a local's home holds its value too stays true only if
//! it is true at every branch.
//!
//! A label is only branched to from inside its block. So what is known of it is kept with the block, and branches name
//! it by the depth of the block.

use crate::instruction::{BlockSignature, Depth, LabelId};
use crate::isa::masm::{Reg, RegSet};
use pvf_assembler::Label;
use pvf_metering::give_back;
use pvf_rules::Limits;
use std::ops::{Index, IndexMut};

/// The locations of values at a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelState {
    /// Registers that hold a local there.
    pub held: RegSet,
    /// The local that each of them holds. Only the first 256 locals are ever in registers.
    pub locals: [u8; Reg::COUNT],
    /// The registers of [`Self::held`] whose local is in its home too.
    pub clean: RegSet,
    /// Register of the value carried to the label, if it is one; several are in
    /// their homes.
    pub value: Option<Reg>,
    /// The `br_table` that referred to it last, and what it jumps to there.
    pub table: (u32, Option<Label>),
    /// Its entry from homes, once a branch takes the long way.
    pub home_entry: Option<Label>,
    /// Bytes of the budget reserved for the label.
    pub reserved: u32,
}

impl LabelState {
    /// The state of a label where everything is at home, or that is not fixed yet.
    pub const AT_HOME: Self = Self {
        held: RegSet::of(&[]),
        locals: [0; Reg::COUNT],
        clean: RegSet::of(&[]),
        value: None,
        table: (0, None),
        home_entry: None,
        reserved: 0,
    };

    /// Says that a register holds a local.
    pub fn hold(&mut self, register: Reg, local: u32, clean: bool) {
        self.held.insert(register);
        self.locals[register.index()] = local as u8;
        if clean {
            self.clean.insert(register);
        }
    }

    /// A register no longer holds a local.
    pub fn let_go(&mut self, register: Reg) {
        self.held.remove(register);
        self.clean.remove(register);
    }

    /// The local that one of [`Self::held`] holds.
    pub fn local(&self, register: Reg) -> u32 {
        u32::from(self.locals[register.index()])
    }

    /// Whether some register holds a local.
    pub fn holds(&self, local: u32) -> bool {
        self.held
            .iter()
            .any(|register| self.local(register) == local)
    }
}

const _: () = assert!(crate::analysis::TRACKED_LOCALS <= 1 << 8);

/// The values carried to a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    /// Height below them.
    pub base: u32,
    /// Number of carried values.
    pub arity: u32,
}

/// Place of a block among the open ones: how many blocks are open around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockIndex(u32);

/// The block of the function body.
pub(super) const BODY: BlockIndex = BlockIndex(0);

/// An open block and its label. It is small, since a million blocks may be nested at whose labels everything is at
/// home.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenBlock {
    /// Height below its parameters.
    pub base: u32,
    /// Its label: that of the end, of a loop that of the start.
    pub label: LabelId,
    /// Place of the label in the code, once something refers to it.
    pub place: Option<Label>,
    /// Index of the label's state; [`NOWHERE`] if that is [`LabelState::AT_HOME`].
    state: u32,
    /// The signature, and [`flag`]s above it.
    bits: u32,
}

const _: () = assert!(size_of::<OpenBlock>() == 20);

const NOWHERE: u32 = u32::MAX;

/// What an open block is; a block that is not [`LOOP`](flag::LOOP) or [`IF`](flag::IF) is a `block`, an `else` or the
/// body.
pub(super) mod flag {
    pub const LOOP: u32 = 1 << 31;
    /// An `if` before its `else`.
    pub const IF: u32 = 1 << 30;
    /// Code here cannot be reached.
    pub const UNREACHABLE: u32 = 1 << 29;
    /// The state at the label is fixed.
    pub const FIXED: u32 = 1 << 28;
    /// The label's place is reached: the state can no longer be weakened.
    pub const BOUND: u32 = 1 << 27;
}

/// The signature of a block among its bits.
const SIGNATURE: u32 = flag::BOUND - 1;

const _: () = assert!(Limits::DEFAULT.types < SIGNATURE / 2);

impl OpenBlock {
    pub fn signature(&self) -> BlockSignature {
        BlockSignature::from_bits(self.bits & SIGNATURE)
    }

    /// Whether all of these flags are set.
    #[inline(always)]
    pub fn is(&self, flags: u32) -> bool {
        self.bits & flags == flags
    }

    #[inline(always)]
    pub fn set(&mut self, flags: u32) {
        self.bits |= flags;
    }

    #[inline(always)]
    pub fn clear(&mut self, flags: u32) {
        self.bits &= !flags;
    }
}

/// The label of an `else` that has not come yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenElse {
    pub place: Label,
    /// Index of the state; [`NOWHERE`] if that is [`LabelState::AT_HOME`].
    state: u32,
}

/// The open blocks of a function, the body first.
#[derive(Default)]
pub(super) struct OpenBlocks {
    open: Vec<OpenBlock>,
    /// Of those blocks that are an `if` with an `else` to come, the labels of the `else`, in order.
    elses: Vec<OpenElse>,
    /// The states of labels where not everything is at home.
    states: Vec<LabelState>,
    /// Places among the states that are free.
    free: Vec<u32>,
    /// Labels so far.
    labels: LabelId,
}

impl OpenBlocks {
    /// Removes everything and keeps the allocations. At most `deepest` blocks will be open.
    pub fn reset(&mut self, deepest: u32) {
        self.open.clear();
        self.open.reserve_exact(deepest as usize);
        self.elses.clear();
        self.states.clear();
        self.free.clear();
        self.labels = 0;
    }

    /// Opens a block, which has the next label.
    pub fn open(&mut self, base: u32, signature: BlockSignature, flags: u32) -> BlockIndex {
        debug_assert!(signature.bits() <= SIGNATURE, "a module has fewer types");
        self.open.push(OpenBlock {
            base,
            label: self.labels,
            place: None,
            state: NOWHERE,
            bits: signature.bits() | flags,
        });
        self.labels += 1;
        self.innermost()
    }

    /// The next label is passed over: that of an `else`, which is the next one when the `else` comes.
    pub fn pass_label(&mut self) {
        self.labels += 1;
    }

    #[inline(always)]
    pub fn innermost(&self) -> BlockIndex {
        BlockIndex(self.open.len() as u32 - 1)
    }

    /// The block that a branch names.
    #[inline(always)]
    pub fn at(&self, depth: Depth) -> BlockIndex {
        BlockIndex(self.open.len() as u32 - 1 - depth)
    }

    /// Whether code here can be reached. After the body's end, none can.
    #[inline(always)]
    pub fn reachable(&self) -> bool {
        let innermost = self.open.last();
        innermost.is_some_and(|block| !block.is(flag::UNREACHABLE))
    }

    #[inline(always)]
    pub fn get(&self, block: BlockIndex) -> &OpenBlock {
        &self.open[block.0 as usize]
    }

    #[inline(always)]
    pub fn get_mut(&mut self, block: BlockIndex) -> &mut OpenBlock {
        &mut self.open[block.0 as usize]
    }

    /// Removes the innermost block. Returns it with the state at its label.
    pub fn close(&mut self) -> Option<(OpenBlock, LabelState)> {
        let closed = self.open.pop()?;
        give_back(&mut self.open);
        Some((closed, self.take_state(closed.state)))
    }

    /// Notes the label of an `else` that is to come.
    pub fn open_else(&mut self, place: Label, state: LabelState) {
        let state = match state.held.is_empty() {
            true => NOWHERE,
            false => self.begin_state(state),
        };
        self.elses.push(OpenElse { place, state });
    }

    /// The `else` of the innermost `if` comes: its label's place and state.
    pub fn close_else(&mut self) -> Option<(Label, LabelState)> {
        let closed = self.elses.pop()?;
        Some((closed.place, self.take_state(closed.state)))
    }

    /// A state that is not needed any more.
    fn take_state(&mut self, state: u32) -> LabelState {
        let Some(&taken) = self.states.get(state as usize) else {
            return LabelState::AT_HOME;
        };
        match state as usize + 1 == self.states.len() {
            true => self.states.truncate(state as usize),
            false => self.free.push(state),
        }
        taken
    }

    /// Writes a weakened state of a label back, unless everything is at home there.
    pub fn weaken(&mut self, block: BlockIndex, weakened: LabelState) {
        let state = self.get(block).state;
        if let Some(state) = self.states.get_mut(state as usize) {
            *state = weakened;
        }
    }

    #[inline(never)]
    fn begin_state(&mut self, state: LabelState) -> u32 {
        match self.free.pop() {
            Some(free) => {
                self.states[free as usize] = state;
                free
            }
            None => {
                self.states.push(state);
                self.states.len() as u32 - 1
            }
        }
    }
}

/// The state at the label of a block.
impl Index<BlockIndex> for OpenBlocks {
    type Output = LabelState;

    #[inline(always)]
    fn index(&self, block: BlockIndex) -> &LabelState {
        let state = self.get(block).state;
        self.states
            .get(state as usize)
            .unwrap_or(&LabelState::AT_HOME)
    }
}

/// The state at the label of a block, which gets one of its own: something is about to be elsewhere than at home.
impl IndexMut<BlockIndex> for OpenBlocks {
    #[inline(always)]
    fn index_mut(&mut self, block: BlockIndex) -> &mut LabelState {
        let state = match self.get(block).state {
            NOWHERE => {
                let state = self.begin_state(LabelState::AT_HOME);
                self.get_mut(block).state = state;
                state
            }
            state => state,
        };
        &mut self.states[state as usize]
    }
}

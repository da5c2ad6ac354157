//! The labels of open blocks and the states at them.
//!
//! The first branch to a label fixes where the locals alive there are: where they are at that branch
//! ([`edges`](super::edges)). A loop's label is fixed when the loop begins ([`loops`](super::loops)).
//! Until a label is bound, its state may still be weakened: that a local's home holds its value too stays true only if
//! it is true at every branch.

use crate::instruction::LabelId;
use crate::isa::masm::{Reg, RegSet};
use pvf_assembler::Label;
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

/// The state of a label where everything is at home, or that is not fixed yet.
static AT_HOME: LabelState = LabelState {
    held: RegSet::of(&[]),
    locals: [0; Reg::COUNT],
    clean: RegSet::of(&[]),
    value: None,
    table: (0, None),
    home_entry: None,
    reserved: 0,
};

impl LabelState {
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

/// A label of an open block. It is small, since a million blocks may be nested at whose labels everything is at home.
pub(super) struct OpenLabel {
    /// Height below the values carried.
    base: u32,
    /// Its place in the code, once something refers to it.
    pub place: Option<Label>,
    /// Index of its state; [`NOWHERE`] if that is [`AT_HOME`].
    state: u32,
    /// How many values are carried.
    arity: u16,
    /// The state at it is fixed.
    pub fixed: bool,
    /// Its place is reached: the state can no longer be weakened.
    pub bound: bool,
}

const _: () = assert!(size_of::<OpenLabel>() <= 16);

const NOWHERE: u32 = u32::MAX;

/// The labels of the open blocks.
///
/// A label is only branched to from inside its block, so there are never more than blocks nested.
#[derive(Default)]
pub(super) struct OpenLabels {
    /// The open labels, in order.
    open: Vec<OpenLabel>,
    /// Index of each label so far among the open ones, if it is open.
    places: Vec<u32>,
    /// The states of labels where not everything is at home.
    states: Vec<LabelState>,
    /// Places among the states that are free.
    free: Vec<u32>,
}

impl OpenLabels {
    /// Removes everything and keeps the allocations.
    pub fn clear(&mut self) {
        self.open.clear();
        self.places.clear();
        self.states.clear();
        self.free.clear();
    }

    /// Opens the next label.
    pub fn open(&mut self, base: u32, arity: u32) {
        self.places.push(self.open.len() as u32);
        self.open.push(OpenLabel {
            base,
            place: None,
            state: NOWHERE,
            arity: arity.try_into().expect("the validator allows 1,000 values"),
            fixed: false,
            bound: false,
        });
    }

    /// The label that is opened next.
    pub fn next(&self) -> LabelId {
        self.places.len() as LabelId
    }

    /// An open label.
    #[inline(always)]
    pub fn get(&self, label: LabelId) -> &OpenLabel {
        &self.open[self.places[label as usize] as usize]
    }

    #[inline(always)]
    pub fn get_mut(&mut self, label: LabelId) -> &mut OpenLabel {
        &mut self.open[self.places[label as usize] as usize]
    }

    /// The values carried to a label.
    #[inline(always)]
    pub fn carried(&self, label: LabelId) -> Carried {
        let open = self.get(label);
        Carried {
            base: open.base,
            arity: open.arity.into(),
        }
    }

    /// Skips the next label, which nothing refers to.
    pub fn skip(&mut self) {
        self.places.push(u32::MAX);
    }

    /// Closes this label and those opened after it, and passes their places and states to `known`.
    pub fn close(&mut self, label: LabelId, mut known: impl FnMut(Option<Label>, LabelState)) {
        for closed in self.open.drain(self.places[label as usize] as usize..) {
            if closed.state == NOWHERE {
                continue;
            }
            known(closed.place, self.states[closed.state as usize]);
            match closed.state as usize + 1 == self.states.len() {
                true => self.states.truncate(closed.state as usize),
                false => self.free.push(closed.state),
            }
        }
    }

    /// Writes a weakened state of a label back, unless everything is at home there.
    pub fn weaken(&mut self, label: LabelId, weakened: LabelState) {
        let state = self.get(label).state;
        if let Some(state) = self.states.get_mut(state as usize) {
            *state = weakened;
        }
    }

    #[inline(never)]
    fn begin_state(&mut self, place: usize) -> u32 {
        let state = match self.free.pop() {
            Some(free) => {
                self.states[free as usize] = AT_HOME;
                free
            }
            None => {
                self.states.push(AT_HOME);
                self.states.len() as u32 - 1
            }
        };
        self.open[place].state = state;
        state
    }
}

impl Index<LabelId> for OpenLabels {
    type Output = LabelState;

    #[inline(always)]
    fn index(&self, label: LabelId) -> &LabelState {
        let state = self.get(label).state;
        self.states.get(state as usize).unwrap_or(&AT_HOME)
    }
}

/// The state of a label, which gets one of its own: something is about to be elsewhere than at home.
impl IndexMut<LabelId> for OpenLabels {
    #[inline(always)]
    fn index_mut(&mut self, label: LabelId) -> &mut LabelState {
        let place = self.places[label as usize] as usize;
        let state = match self.open[place].state {
            NOWHERE => self.begin_state(place),
            state => state,
        };
        &mut self.states[state as usize]
    }
}

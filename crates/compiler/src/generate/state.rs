//! The abstract state of the walk: the location of every value.
//!
//! Every local and every operand position has a home in the frame; registers only
//! cache homes. A local's value is in a register, in its home, in both, or a known constant (and perhaps also in its
//! home). An operand is a constant, in a register of its own, in its home, or *is* a local's value, as long as that
//! local is not written.
//!
//! Locals from [`TRACKED_LOCALS`] on are only in their homes and do not appear here.

use crate::analysis::TRACKED_LOCALS;
use crate::isa::masm::{Condition, Reg, RegSet};
use crate::types::ValType;
use std::ops::Range;

/// The bits of a constant, so aligned that an operand has 16 bytes: there may be hundreds of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub(super) struct Bits(pub u64);

const _: () = assert!(size_of::<Operand>() == 16);

/// The location of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Nowhere: its bits are known.
    Const(Bits),
    /// In a register that belongs to it.
    Reg(Reg),
    /// In its home: that of this position on the operand stack.
    Home(u32),
    /// It is the present value of this tracked local.
    Local(u32),
    /// It is 1 if the condition holds, else 0; only ever the topmost operand.
    Flags(Condition),
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub location: Location,
    pub ty: ValType,
    /// It may be a NaN other than the canonical one, and has to be canonicalised before it becomes visible.
    pub raw_nan: bool,
    /// It is a local's value, and this is the last use of that value.
    pub last_use: bool,
}

/// The owner of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    /// A tracked local.
    Local(u32),
    /// The operand at this position.
    Operand(u32),
    /// The operator being translated.
    Temporary,
}

const WORDS: usize = TRACKED_LOCALS as usize / 64;

/// A set of tracked locals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalSet([u64; WORDS]);

impl LocalSet {
    /// Words of such a set.
    pub const WORDS: usize = WORDS;

    /// The first `count` locals.
    pub fn first(count: u32) -> Self {
        Self(std::array::from_fn(|word| {
            match count.saturating_sub(word as u32 * 64) {
                bits @ 0..64 => (1 << bits) - 1,
                _ => u64::MAX,
            }
        }))
    }

    /// The intersection with another set.
    pub fn and(self, other: &[u64]) -> Self {
        let other = |word: usize| other.get(word).copied().unwrap_or(0);
        Self(std::array::from_fn(|word| self.0[word] & other(word)))
    }

    /// The members that are not in the other set.
    pub fn without(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn contains(&self, local: u32) -> bool {
        self.0[local as usize / 64] >> (local % 64) & 1 != 0
    }

    pub fn insert(&mut self, local: u32) {
        self.0[local as usize / 64] |= 1 << (local % 64);
    }

    pub fn remove(&mut self, local: u32) {
        self.0[local as usize / 64] &= !(1 << (local % 64));
    }

    /// The members that are in the other set too, in order.
    pub fn members_in<'s>(&'s self, other: &'s [u64]) -> impl Iterator<Item = u32> + 's {
        self.0
            .iter()
            .zip(other)
            .enumerate()
            .flat_map(|(word, (own, other))| {
                let mut bits = own & other;
                std::iter::from_fn(move || {
                    let bit = bits.trailing_zeros();
                    (bits != 0).then(|| {
                        bits &= bits - 1;
                        word as u32 * 64 + bit
                    })
                })
            })
    }
}

/// The state.
pub(super) struct State {
    pub operands: Vec<Operand>,
    pub owners: [Owner; Reg::COUNT],
    /// The local that each register of [`Self::held`] belongs to.
    pub holders: [u8; Reg::COUNT],
    /// Registers without an owner.
    pub free: RegSet,
    /// Registers that belong to locals.
    pub held: RegSet,
    /// Registers of the operator being translated.
    pub temporaries: RegSet,
    /// Registers it reads, which must stay where they are.
    pub locked: RegSet,
    /// Register of each tracked local.
    pub register: [Option<Reg>; TRACKED_LOCALS as usize],
    /// Register each tracked local was in last.
    pub preferred: [Option<Reg>; TRACKED_LOCALS as usize],
    /// Operands that are this local's value.
    pub references: [u32; TRACKED_LOCALS as usize],
    /// Locals whose home holds their value.
    pub home: LocalSet,
    /// Locals whose value is a known constant.
    pub constant: LocalSet,
    /// The values of the locals in [`Self::constant`].
    pub constants: [u64; TRACKED_LOCALS as usize],
    /// All operands below this position were constants or in their homes.
    settled: usize,
    /// Operands at these positions were in their homes and canonical. A branch of two bytes can carry a thousand such
    /// operands, which are not looked at one by one.
    homed: Range<usize>,
    /// Least height since then: what is above is newer.
    lowest: usize,
}

impl State {
    pub fn new() -> Self {
        Self {
            operands: Vec::new(),
            owners: [Owner::Nobody; Reg::COUNT],
            holders: [0; Reg::COUNT],
            free: RegSet::default(),
            held: RegSet::default(),
            temporaries: RegSet::default(),
            locked: RegSet::default(),
            register: [None; TRACKED_LOCALS as usize],
            preferred: [None; TRACKED_LOCALS as usize],
            references: [0; TRACKED_LOCALS as usize],
            home: LocalSet::default(),
            constant: LocalSet::default(),
            constants: [0; TRACKED_LOCALS as usize],
            settled: 0,
            homed: 0..0,
            lowest: 0,
        }
    }

    /// Forgets everything; `all` registers are free, the first `tracked` locals have no value.
    pub fn reset(&mut self, all: RegSet, tracked: usize) {
        self.operands.clear();
        self.owners = [Owner::Nobody; Reg::COUNT];
        self.free = all;
        self.held = RegSet::default();
        self.temporaries = RegSet::default();
        self.locked = RegSet::default();
        self.register[..tracked].fill(None);
        self.preferred[..tracked].fill(None);
        self.references[..tracked].fill(0);
        self.home = LocalSet::default();
        self.constant = LocalSet::default();
        self.settled = 0;
        self.homed = 0..0;
    }

    /// Takes a register out of the free ones for the operator being translated.
    pub fn take(&mut self, register: Reg) {
        debug_assert!(
            self.free.contains(register),
            "only a free register can be taken"
        );
        self.free.remove(register);
        self.temporaries.insert(register);
        self.owners[register.index()] = Owner::Temporary;
    }

    /// Frees a register.
    pub fn release(&mut self, register: Reg) {
        self.owners[register.index()] = Owner::Nobody;
        self.temporaries.remove(register);
        self.held.remove(register);
        self.free.insert(register);
    }

    /// Gives a register to an owner that keeps it.
    pub fn give(&mut self, register: Reg, owner: Owner) {
        self.free.remove(register);
        self.temporaries.remove(register);
        self.held.remove(register);
        self.owners[register.index()] = owner;
    }

    /// The local that a register of [`Self::held`] belongs to.
    #[inline]
    pub fn holder(&self, register: Reg) -> u32 {
        let local = self.holders[register.index()].into();
        debug_assert_eq!(
            self.owners[register.index()],
            Owner::Local(local),
            "{register:?} belongs to a local"
        );
        local
    }

    /// Makes a register the local's, whose value it holds.
    pub fn bind_local(&mut self, local: u32, register: Reg) {
        debug_assert!(
            self.register[local as usize].is_none(),
            "a local has one register"
        );
        self.give(register, Owner::Local(local));
        self.held.insert(register);
        self.holders[register.index()] = local as u8;
        self.register[local as usize] = Some(register);
        self.preferred[local as usize] = Some(register);
    }

    /// The local's register no longer holds its value; it is free.
    pub fn unbind_local(&mut self, local: u32) {
        if let Some(register) = self.register[local as usize].take() {
            self.release(register);
        }
    }

    /// The operator is translated: what it held is free.
    pub fn end_operator(&mut self) {
        for register in self.temporaries.iter() {
            self.owners[register.index()] = Owner::Nobody;
        }
        self.free = RegSet(self.free.0 | self.temporaries.0);
        self.temporaries = RegSet::default();
        self.locked = RegSet::default();
    }

    /// Position the next operand gets.
    pub fn height(&self) -> u32 {
        self.operands.len() as u32
    }

    /// Pushes an operand; a register becomes its own.
    #[inline]
    pub fn push(&mut self, ty: ValType, location: Location) {
        match location {
            Location::Reg(register) => self.give(register, Owner::Operand(self.height())),
            Location::Local(local) => self.references[local as usize] += 1,
            Location::Const(_) | Location::Home(_) | Location::Flags(_) => {}
        }
        self.push_operand(ty, location, false);
    }

    /// Pushes a constant by its bits.
    #[inline]
    pub fn push_constant(&mut self, ty: ValType, bits: u64) {
        self.push_operand(ty, Location::Const(Bits(bits)), false);
    }

    /// Pushes the present value of a local. Perhaps this is its last use.
    #[inline]
    pub fn push_local(&mut self, ty: ValType, local: u32, last_use: bool) {
        self.references[local as usize] += 1;
        self.push_operand(ty, Location::Local(local), last_use);
    }

    #[inline]
    fn push_operand(&mut self, ty: ValType, location: Location, last_use: bool) {
        self.operands.push(Operand {
            location,
            ty,
            raw_nan: false,
            last_use,
        });
    }

    /// Pops an operand; its register becomes the operator's.
    pub fn pop(&mut self) -> Operand {
        let operand = self
            .operands
            .pop()
            .expect("validated code does not pop from an empty stack");
        match operand.location {
            Location::Reg(register) => {
                self.owners[register.index()] = Owner::Temporary;
                self.temporaries.insert(register);
            }
            Location::Local(local) => self.references[local as usize] -= 1,
            Location::Const(_) | Location::Home(_) | Location::Flags(_) => {}
        }
        self.lowest = self.lowest.min(self.operands.len());
        operand
    }

    /// All operands below this position are constants or in their homes.
    pub fn settled(&self) -> usize {
        self.settled.min(self.lowest)
    }

    /// Records that all operands below a position are constants or in their homes.
    pub fn set_settled(&mut self, below: usize) {
        self.homed = self.homed();
        self.settled = below;
        self.lowest = self.operands.len();
    }

    /// Operands at these positions are in their homes and canonical.
    pub fn homed(&self) -> Range<usize> {
        self.homed.start..self.homed.end.min(self.lowest)
    }

    /// Records that the operands from a position on are in their homes and canonical.
    pub fn set_homed(&mut self, from: usize) {
        self.settled = self.settled();
        self.homed = self.homed();
        if self.homed.end < from || from < self.homed.start {
            self.homed.start = from;
        }
        self.homed.end = self.operands.len();
        self.lowest = self.operands.len();
    }

    /// The positions of a range that are not [`Self::homed`].
    pub fn not_homed(
        &self,
        positions: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let Range { start, end } = self.homed();
        let below = positions.start..positions.end.min(start.max(positions.start));
        let above = positions.start.max(end.max(below.end))..positions.end;
        below.chain(above)
    }

    /// Drops operands down to a height.
    pub fn truncate(&mut self, height: u32) {
        while self.height() > height {
            let operand = self.pop();
            if let Location::Reg(register) = operand.location {
                self.release(register);
            }
        }
    }
}

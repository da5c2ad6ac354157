//! Knowledge about registers: bounds, which are joined at labels, and facts, which end at labels.

use super::instruction::NONE;
use super::{R11, RSP, XMM14, XMM15};

/// The low byte contains a value, the other bytes do not.
pub(super) const LOW_BYTE: u8 = 65;
/// The register contains nothing that may be read.
pub(super) const NOTHING: u8 = 66;
/// A fixed register.
pub(super) const FIXED: u8 = 67;

/// In functions, the bound of the stack pointer says whether the code is reached. It is not yet, because only later code
/// branches to this loop;
pub(super) const ASSUMED: u8 = FIXED;
/// it is reached.
pub(super) const REACHED: u8 = FIXED + 1;

/// In shared code, the bound of the stack pointer describes the borrowed register instead. From the strongest to the
/// weakest: the register is saved below the stack pointer and has its original value;
pub(super) const KEPT: u8 = FIXED;
/// it has its original value;
pub(super) const UNTOUCHED: u8 = FIXED + 1;
/// it is saved and has another value;
pub(super) const BORROWED: u8 = FIXED + 2;
/// its original value may be lost.
pub(super) const LOST: u8 = FIXED + 3;

/// The bounds of 16 general registers, then of 16 float registers.
pub(super) type Bounds = [u8; 32];

/// Joins the bounds of two paths.
#[inline(always)]
pub(super) fn join(bounds: &mut Bounds, other: &Bounds) {
    // In this form the compiler takes vectors.
    *bounds = std::array::from_fn(|register| bounds[register].max(other[register]));
}

/// Joins the bounds of two paths in shared code.
pub(super) fn join_shared(bounds: &mut Bounds, other: &Bounds) {
    let stack = usize::from(RSP);
    let pair = (bounds[stack], other[stack]);
    join(bounds, other);
    if matches!(pair, (UNTOUCHED, BORROWED) | (BORROWED, UNTOUCHED)) {
        bounds[stack] = LOST;
    }
}

/// Weakens the bounds at the start of a loop to those that hold in every iteration of most loops: scratch registers
/// contain nothing, and a value has 32 or 64 bits.
pub(super) fn widen(bounds: &mut Bounds) {
    for bound in bounds.iter_mut() {
        *bound = match *bound {
            0..=32 => 32,
            33..=64 => 64,
            other => other,
        };
    }
    bounds[usize::from(R11)] = NOTHING;
    bounds[xmm(XMM14)] = NOTHING;
    bounds[xmm(XMM15)] = NOTHING;
}

/// The effects of shared code on its caller.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contract {
    /// The set of registers that it may change, as bits.
    pub written: u32,
    /// The bounds of those registers afterwards.
    pub bounds: Bounds,
    /// The number of traps after a call of it.
    pub traps: u32,
}

/// States that `index + length + offset` is at most the memory's bytes plus `slack`.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub index: u8,
    pub length: u8,
    pub offset: u64,
    pub slack: u64,
    /// Whether the index was replaced by the address of the range's first byte.
    pub is_address: bool,
}

/// Knowledge besides bounds, between two labels.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// The set of general registers that appear in a fact. Without one of them there is no fact about any.
    about: u16,
    /// The set of float registers that appear in a fact, likewise.
    about_floats: u16,
    /// Registers that always count as such, so that every write to them is seen: the fixed ones at least.
    watched: u16,
    watched_floats: u16,
    /// The constant in the scratch register.
    pub constant: Option<u64>,
    /// A float register with a constant, and the constant's size in bytes.
    pub float_constant: Option<(u8, u64, u8)>,
    /// A float register whose value, of this size in bytes, is above -1, and whether the value is below 2^32.
    pub float: Option<(u8, u8, bool)>,
    /// The upper bound of a register.
    pub most: Option<(u8, u64)>,
    /// Lower bounds of registers.
    pub least: [(u8, u64); 4],
    /// The first register is greater than or equal to the second.
    pub not_below: Option<(u8, u8)>,
    /// The first register is the sum of index, length and offset.
    pub sum: Option<(u8, u8, u8, u64)>,
    pub ranges: [Option<Range>; 2],
}

impl Facts {
    /// No facts. `watched`: see the fields.
    pub const fn none(watched: u16, watched_floats: u16) -> Self {
        Self {
            about: watched,
            about_floats: watched_floats,
            watched,
            watched_floats,
            constant: None,
            float_constant: None,
            float: None,
            most: None,
            least: [(NONE, 0); 4],
            not_below: None,
            sum: None,
            ranges: [None; 2],
        }
    }

    /// Forgets everything.
    #[inline(always)]
    pub fn clear(&mut self) {
        if self.about != self.watched || self.about_floats != self.watched_floats {
            *self = Self::none(self.watched, self.watched_floats);
        }
    }

    #[inline(always)]
    pub fn is_about(&self, register: u8) -> bool {
        self.about >> (register & 15) & 1 != 0
    }

    #[inline(always)]
    pub fn is_about_float(&self, register: u8) -> bool {
        self.about_floats >> (register & 15) & 1 != 0
    }

    pub fn note(&mut self, register: u8) {
        self.about |= 1 << (register & 15);
    }

    pub fn note_float(&mut self, register: u8) {
        self.about_floats |= 1 << (register & 15);
    }

    pub fn least(&self, register: u8) -> u64 {
        let known = self.least.iter().find(|least| least.0 == register);
        known.map_or(0, |least| least.1)
    }

    pub fn set_least(&mut self, register: u8, value: u64) {
        let place = self.least.iter().position(|least| least.0 == register);
        let place = place.or_else(|| self.least.iter().position(|least| least.0 == NONE));
        self.least[place.unwrap_or(3)] = (register, value);
        self.note(register);
    }

    #[cold]
    pub fn forget(&mut self, register: u8) {
        let bit = 1 << (register & 15);
        self.about = self.about & !bit | self.watched;
        if register == R11 {
            self.constant = None;
        }
        self.most = self.most.filter(|most| most.0 != register);
        for least in &mut self.least {
            if least.0 == register {
                *least = (NONE, 0);
            }
        }
        self.not_below = self
            .not_below
            .filter(|&(a, b)| a != register && b != register);
        self.sum = self
            .sum
            .filter(|&(sum, index, length, _)| ![sum, index, length].contains(&register));
        for range in &mut self.ranges {
            *range = range.filter(|it| it.index != register && it.length != register);
        }
    }

    #[cold]
    pub fn forget_float(&mut self, register: u8) {
        let bit = 1 << (register & 15);
        self.about_floats = self.about_floats & !bit | self.watched_floats;
        self.float_constant = self.float_constant.filter(|it| it.0 != register);
        self.float = self.float.filter(|it| it.0 != register);
    }

    pub fn range(&self, index: u8, length: u8) -> Option<Range> {
        let mut ranges = self.ranges.iter().flatten();
        ranges
            .find(|it| it.index == index && it.length == length)
            .copied()
    }

    pub fn set_range(&mut self, range: Range) {
        let of_index = |it: &Option<Range>| it.is_some_and(|it| it.index == range.index);
        let place = self.ranges.iter().position(of_index);
        let place = place.or_else(|| self.ranges.iter().position(Option::is_none));
        self.ranges[place.unwrap_or(1)] = Some(range);
        self.note(range.index);
        self.note(range.length);
    }
}

#[inline(always)]
pub(super) fn bits(value: u64) -> u8 {
    (64 - value.leading_zeros()) as u8
}

#[inline(always)]
pub(super) fn xmm(register: u8) -> usize {
    16 + usize::from(register & 15)
}

//! Knowledge about registers: bounds, which are joined at labels, and facts, which end at labels.

use super::super::decode::NONE;
use super::super::{R11, RSP, XMM14, XMM15};
use crate::wasm::ValType;

/// The low byte contains a value, the other bytes do not.
pub(super) const LOW_BYTE: u8 = 65;
/// The register contains nothing that may be read.
pub(super) const NOTHING: u8 = 66;
/// A fixed register.
pub(super) const FIXED: u8 = 67;

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

/// The target of branches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Label {
    pub(super) bounds: Bounds,
    pub(super) reached: bool,
    /// Whether the bounds were weakened since the last walk from this label.
    pub(super) has_changed: bool,
    /// Whether a later branch goes back to this label.
    pub is_head: bool,
}

impl Label {
    /// Joins the bounds of a path to this label. Returns whether they changed.
    #[inline]
    pub(super) fn add(&mut self, bounds: &Bounds, shared: bool) -> bool {
        let mut bounds = *bounds;
        if self.is_head {
            // Scratch registers contain nothing from one iteration to the next.
            bounds[usize::from(R11)] = NOTHING;
            bounds[xmm(XMM14)] = NOTHING;
            bounds[xmm(XMM15)] = NOTHING;
        }
        if !self.reached {
            self.bounds = bounds;
            self.reached = true;
            return true;
        }
        let before = self.bounds;
        join(&mut self.bounds, &bounds, shared);
        self.bounds != before
    }
}

/// The effects of shared code on its caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contract {
    /// The set of registers that it may change, as bits.
    pub(super) written: u32,
    /// The bounds of those registers afterwards.
    pub(super) bounds: Bounds,
    /// The number of traps after a call of it.
    pub traps: u32,
}

/// States that `index + length + offset` is at most the memory's bytes plus `slack`.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub(super) index: u8,
    pub(super) length: u8,
    pub(super) offset: u64,
    pub(super) slack: u64,
    /// Whether the index was replaced by the address of the range's first byte.
    pub(super) is_address: bool,
}

/// Knowledge besides bounds, between two labels.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    /// The constant in the scratch register.
    pub(super) constant: Option<u64>,
    /// A float register with a constant, and the constant's size in bytes.
    pub(super) float_constant: Option<(u8, u64, u8)>,
    /// A float register whose value, of this size in bytes, is above -1, and whether the value is below 2^32.
    pub(super) float: Option<(u8, u8, bool)>,
    /// The upper bound of a register.
    pub(super) most: Option<(u8, u64)>,
    /// Lower bounds of registers.
    pub(super) least: [(u8, u64); 4],
    /// The first register is greater than or equal to the second.
    pub(super) not_below: Option<(u8, u8)>,
    /// The first register is the sum of index, length and offset.
    pub(super) sum: Option<(u8, u8, u8, u64)>,
    pub(super) ranges: [Option<Range>; 2],
    /// The set of general registers that appear in any fact.
    pub(super) about: u16,
}

impl Facts {
    pub(super) const NONE: Self = Self {
        constant: None,
        float_constant: None,
        float: None,
        most: None,
        least: [(NONE, 0); 4],
        not_below: None,
        sum: None,
        ranges: [None; 2],
        about: 0,
    };

    pub(super) fn is_about(&self, register: u8) -> bool {
        self.about >> (register & 15) & 1 != 0
    }

    pub(super) fn least(&self, register: u8) -> u64 {
        let known = self.least.iter().find(|least| least.0 == register);
        known.map_or(0, |least| least.1)
    }

    pub(super) fn set_least(&mut self, register: u8, value: u64) {
        let place = self.least.iter().position(|least| least.0 == register);
        let place = place.or_else(|| self.least.iter().position(|least| least.0 == NONE));
        self.least[place.unwrap_or(3)] = (register, value);
        self.about |= 1 << (register & 15);
    }

    #[cold]
    pub(super) fn forget(&mut self, register: u8) {
        self.about &= !(1 << (register & 15));
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

    #[inline]
    pub(super) fn forget_float(&mut self, register: u8) {
        self.float_constant = self.float_constant.filter(|it| it.0 != register);
        self.float = self.float.filter(|it| it.0 != register);
    }

    pub(super) fn range(&self, index: u8, length: u8) -> Option<Range> {
        let mut ranges = self.ranges.iter().flatten();
        ranges
            .find(|it| it.index == index && it.length == length)
            .copied()
    }

    pub(super) fn set_range(&mut self, range: Range) {
        let of_index = |it: &Option<Range>| it.is_some_and(|it| it.index == range.index);
        let place = self.ranges.iter().position(of_index);
        let place = place.or_else(|| self.ranges.iter().position(Option::is_none));
        self.ranges[place.unwrap_or(1)] = Some(range);
        self.about |= 1 << (range.index & 15) | 1 << (range.length & 15);
    }
}

pub(super) fn bits(value: u64) -> u8 {
    (64 - value.leading_zeros()) as u8
}

pub(super) fn xmm(register: u8) -> usize {
    16 + usize::from(register & 15)
}

pub(super) fn width(ty: ValType) -> u8 {
    match ty.is_wide() {
        true => 64,
        false => 32,
    }
}

pub(super) fn join(label: &mut Bounds, other: &Bounds, shared: bool) {
    let stack = usize::from(RSP);
    let pair = (label[stack], other[stack]);
    for (bound, other) in label.iter_mut().zip(other) {
        *bound = (*bound).max(*other);
    }
    if shared && matches!(pair, (UNTOUCHED, BORROWED) | (BORROWED, UNTOUCHED)) {
        label[stack] = LOST;
    }
}

//! Loops that copy, fill or compare memory, recognised by their shape.
//!
//! In: the instructions of an innermost loop and the locals alive at its start. Out: an [`Idiom`], if
//! every full iteration of the loop does nothing but move its induction locals by constants and copy, fill
//! or compare the next few bytes.
//!
//! Pass 2 puts code before such a loop that does as many of its iterations at once as it can prove to be
//! full ones without a trap, with the gas they cost, and leaves the rest to the loop itself, which
//! stays as it is. So the last iteration, every exit, every trap and every local at the loop's end are
//! the loop's own work, and one argument is all there is to check: so many full iterations have exactly
//! the effect of one block operation, the steps of the induction locals, and the gas.
//!
//! Files: [`iteration`] what one iteration does, as expressions of the locals at its start; [`shape`] which iterations
//! are an idiom; [`survey`] counts them.

mod iteration;
mod shape;
mod survey;
#[cfg(test)]
mod tests;

pub use survey::{LoopIdioms, loop_idioms};

use crate::analysis::Locals;
use crate::instruction::Code;
use crate::instruction::LabelId;
use crate::operation::Condition;
use std::ops::Range;

/// Marks the absence of a local in a [`Sum`].
const NO_LOCAL: u32 = u32::MAX;

/// An `i32`: the sum of at most two locals at the start of an iteration and a constant, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// In order, absent ones last.
    locals: [u32; 2],
    pub constant: u32,
}

impl Sum {
    pub fn constant(constant: u32) -> Self {
        let locals = [NO_LOCAL; 2];
        Self { locals, constant }
    }

    pub fn local(local: u32) -> Self {
        Self {
            locals: [local, NO_LOCAL],
            constant: 0,
        }
    }

    /// Its locals.
    pub fn locals(&self) -> impl Iterator<Item = u32> {
        self.locals.into_iter().filter(|&local| local != NO_LOCAL)
    }

    /// The local it is, if it is one and nothing else.
    pub fn as_local(&self) -> Option<u32> {
        let alone = self.locals[1] == NO_LOCAL && self.constant == 0;
        (alone && self.locals[0] != NO_LOCAL).then_some(self.locals[0])
    }

    /// The constant it is, if it has no locals.
    pub fn as_constant(&self) -> Option<u32> {
        (self.locals[0] == NO_LOCAL).then_some(self.constant)
    }

    /// Both together, if they have no more than two locals.
    fn plus(self, other: Self) -> Option<Self> {
        let mut all = self.locals().chain(other.locals());
        let mut locals = [all.next(), all.next()].map(|local| local.unwrap_or(NO_LOCAL));
        locals.sort_unstable();
        all.next().is_none().then_some(Self {
            locals,
            constant: self.constant.wrapping_add(other.constant),
        })
    }
}

/// A range of memory that the iterations go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The lowest index of the first iteration's accesses.
    pub index: Sum,
    /// How far above that index the lowest byte accessed lies.
    pub offset: u64,
}

/// The value of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// These eight bytes over and over.
    Const(u64),
    /// The low bytes of a local.
    Local(u32),
}

/// The operation of all iterations together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Bytes are copied one after the other.
    Copy { to: Place, from: Place },
    /// Words are put together from two aligned ones each: the one loaded in the iteration before, which a local
    /// carries, and the one loaded in this iteration.
    CopyShifted {
        to: Place,
        /// The place of this iteration's word.
        from: Place,
        carried: u32,
        /// By how much the word at the lower address is shifted right.
        right: Sum,
        /// By how much the word at the higher address is shifted left.
        left: Sum,
    },
    /// A pattern of so many bytes (1, 2, 4 or 8) is stored over and over.
    Fill {
        to: Place,
        pattern: Pattern,
        unit: u8,
    },
    /// Bytes are compared, and a difference leaves the loop.
    Compare { a: Place, b: Place },
}

/// The kinds of operation, for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopIdiomKind {
    /// Copies bytes.
    Copy,
    /// Copies words to another alignment.
    CopyShifted,
    /// Fills with a pattern.
    Fill,
    /// Compares bytes.
    Compare,
}

impl Operation {
    pub fn kind(&self) -> LoopIdiomKind {
        match self {
            Self::Copy { .. } => LoopIdiomKind::Copy,
            Self::CopyShifted { .. } => LoopIdiomKind::CopyShifted,
            Self::Fill { .. } => LoopIdiomKind::Fill,
            Self::Compare { .. } => LoopIdiomKind::Compare,
        }
    }
}

/// A condition without which the iteration is not a full one, over values of the first iteration of which one
/// comes nearer to the other by 2^`shift` with each iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Holds between `high` and `low`: not equal, or greater (or equal), signed or unsigned.
    pub condition: Condition,
    pub high: Sum,
    pub low: Sum,
    pub shift: u8,
}

/// A recognised loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Idiom {
    pub label: LabelId,
    pub operation: Operation,
    /// Each iteration does 2^`shift` bytes.
    pub shift: u8,
    /// From high addresses to low ones.
    pub backward: bool,
    /// As many iterations are full ones as all of these say.
    pub bounds: Vec<Bound>,
    /// By how much each induction local changes in an iteration.
    pub steps: Vec<(u32, i32)>,
    /// Gas of a full iteration.
    pub gas: u32,
}

/// An innermost loop that may be an idiom.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub label: LabelId,
    /// Its instructions, from the `loop` to the `end`.
    pub instructions: Range<usize>,
}

/// Loops of more instructions, charges not counted, are no candidates.
pub(crate) const MAX_INSTRUCTIONS: usize = 160;

/// The idiom that a candidate is, if it is one. `live` are the tracked locals alive at
/// its start.
pub(crate) fn recognise(
    code: &Code,
    locals: &Locals,
    candidate: &Candidate,
    live: &[u64],
) -> Option<Idiom> {
    let instructions = &code.instructions()[candidate.instructions.clone()];
    let iteration = iteration::follow(instructions, code, locals)?;
    let mut idiom = shape::classify(&iteration, candidate.label, live)?;
    // So that the gas of as many iterations as memory has bytes is below 2^64.
    idiom.gas = u32::try_from(iteration.gas)
        .ok()
        .filter(|&gas| gas < 1 << 20)?;
    Some(idiom)
}

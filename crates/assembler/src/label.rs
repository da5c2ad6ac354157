//! Labels: names for places in the code, bound now or later.
//!
//! In: requests for new labels, and the offset where each is bound. Out: the
//! offsets, and a typed error for what can only be found when all is bound. How
//! an instruction refers to a label is the target's matter.

use std::fmt;
use std::num::NonZeroU32;

/// A place in the code of one assembler. Not valid after that assembler was
/// cleared. That there may be none takes no further byte.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Label(NonZeroU32);

impl Label {
    /// The label's number, counting from 0 in the order of creation.
    pub fn number(self) -> u32 {
        self.0.get() - 1
    }

    pub(crate) fn from_number(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }
}

/// Why the code could not be finished. Offsets are in bytes from its start.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum FinishError {
    /// `label` is used by the field at `at` but was never bound.
    UnboundLabel {
        /// The label that was never bound.
        label: Label,
        /// Offset of the field that refers to it.
        at: u32,
    },
    /// `label` was bound a second time, at `at`.
    BoundTwice {
        /// The label.
        label: Label,
        /// Offset of the second binding.
        at: u32,
    },
    /// The short jump whose 8-bit field is at `at` cannot reach `label`.
    ShortJumpOutOfRange {
        /// The jump's target.
        label: Label,
        /// Offset of the 8-bit field.
        at: u32,
    },
    /// The instruction at `at` cannot reach `label`.
    OutOfReach {
        /// The label.
        label: Label,
        /// Offset of the instruction.
        at: u32,
    },
    /// The unsigned label difference at `at` is below zero.
    NegativeDifference {
        /// The label subtracted from.
        label: Label,
        /// Offset of the 32-bit field.
        at: u32,
    },
    /// The code is longer than a 32-bit displacement reaches.
    CodeTooLarge {
        /// Bytes emitted.
        bytes: usize,
    },
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnboundLabel { label, at } => {
                write!(
                    f,
                    "label {} is used at offset {at} but never bound",
                    label.number()
                )
            }
            Self::BoundTwice { label, at } => {
                write!(
                    f,
                    "label {} is bound a second time at offset {at}",
                    label.number()
                )
            }
            Self::ShortJumpOutOfRange { label, at } => {
                write!(
                    f,
                    "the short jump at offset {at} cannot reach label {}",
                    label.number()
                )
            }
            Self::OutOfReach { label, at } => {
                write!(
                    f,
                    "the instruction at offset {at} cannot reach label {}",
                    label.number()
                )
            }
            Self::NegativeDifference { label, at } => {
                write!(
                    f,
                    "the unsigned difference at offset {at}, to label {}, is negative",
                    label.number()
                )
            }
            Self::CodeTooLarge { bytes } => write!(f, "{bytes} bytes of code are too many"),
        }
    }
}

impl std::error::Error for FinishError {}

/// Where each label is bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    offsets: Vec<u32>,
}

impl Labels {
    const UNBOUND: u32 = u32::MAX;

    pub(crate) fn clear(&mut self) {
        self.offsets.clear();
    }

    pub(crate) fn reserve(&mut self, labels: usize) {
        self.offsets.reserve(labels);
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    #[inline]
    pub(crate) fn create(&mut self) -> Label {
        let number = self.offsets.len();
        debug_assert!(
            number < u32::MAX as usize,
            "labels are numbered with 32 bits"
        );
        self.offsets.push(Self::UNBOUND);
        Label::from_number(number as u32)
    }

    /// Binds `label`; false if it was bound before, which leaves it where it was.
    #[inline]
    pub(crate) fn bind(&mut self, label: Label, offset: u32) -> bool {
        let slot = &mut self.offsets[label.number() as usize];
        let fresh = *slot == Self::UNBOUND;
        if fresh {
            *slot = offset;
        }
        fresh
    }

    #[inline]
    pub(crate) fn offset(&self, label: Label) -> Option<u32> {
        let offset = self.offsets[label.number() as usize];
        (offset != Self::UNBOUND).then_some(offset)
    }

    /// The offset of a label that the field at `at` refers to.
    pub(crate) fn known(&self, label: Label, at: u32) -> Result<u32, FinishError> {
        self.offset(label)
            .ok_or(FinishError::UnboundLabel { label, at })
    }
}

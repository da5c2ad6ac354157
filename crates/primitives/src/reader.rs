//! Reads SCALE without making copies: what is read borrows from the bytes.
//!
//! `parity-scale-codec` decodes into owned values: a list of 40 million empty strings, which takes 40 MB, would become
//! a gigabyte. A collator's file is read here before anything has vouched for it, so lists are walked and counted.

use crate::Hash;
use parity_scale_codec::{Compact, Decode};

/// Why bytes do not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleError {
    /// The part that does not decode.
    pub part: &'static str,
    /// Offset of the part in the bytes.
    pub offset: usize,
    /// The reason.
    pub reason: ScaleErrorReason,
}

/// The reason why a part does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScaleErrorReason {
    /// The bytes end within the part.
    End,
    /// A length or a number is not encoded as SCALE encodes it.
    Number,
    /// A variant that does not exist, by its index.
    Variant(u8),
    /// Bytes follow after the last part.
    Trailing(usize),
}

impl std::fmt::Display for ScaleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, offset, .. } = self;
        match self.reason {
            ScaleErrorReason::End => write!(f, "the bytes end within {part} at offset {offset:#x}"),
            ScaleErrorReason::Number => {
                write!(f, "{part} at offset {offset:#x} has no valid number")
            }
            ScaleErrorReason::Variant(index) => {
                write!(
                    f,
                    "{part} at offset {offset:#x} is {index}, which is not known"
                )
            }
            ScaleErrorReason::Trailing(bytes) => {
                write!(
                    f,
                    "{bytes} bytes follow after {part}, from offset {offset:#x}"
                )
            }
        }
    }
}

impl std::error::Error for ScaleError {}

/// Strings of a list: how many, and their bytes without the lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// Number of strings.
    pub count: usize,
    /// Sum of their bytes.
    pub bytes: usize,
    /// Bytes of the largest.
    pub largest: usize,
}

/// A position in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// An error at this position.
    pub(crate) fn failed(&self, part: &'static str, reason: ScaleErrorReason) -> ScaleError {
        ScaleError {
            part,
            offset: self.at,
            reason,
        }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// What was read since `start` had this reader's position.
    pub(crate) fn since(&self, start: &Self) -> &'a [u8] {
        &self.bytes[start.at..self.at]
    }

    pub(crate) fn take(
        &mut self,
        part: &'static str,
        length: usize,
    ) -> Result<&'a [u8], ScaleError> {
        let taken = self.rest().get(..length);
        let taken = taken.ok_or_else(|| self.failed(part, ScaleErrorReason::End))?;
        self.at += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        part: &'static str,
    ) -> Result<[u8; N], ScaleError> {
        let end = self.failed(part, ScaleErrorReason::End);
        self.take(part, N)?.try_into().map_err(|_| end)
    }

    pub(crate) fn byte(&mut self, part: &'static str) -> Result<u8, ScaleError> {
        self.array::<1>(part).map(|[byte]| byte)
    }

    pub(crate) fn hash(&mut self, part: &'static str) -> Result<Hash, ScaleError> {
        self.array(part)
    }

    pub(crate) fn u32(&mut self, part: &'static str) -> Result<u32, ScaleError> {
        self.array(part).map(u32::from_le_bytes)
    }

    /// A variant that does not exist; `index` has just been read.
    pub(crate) fn variant(&self, part: &'static str, index: u8) -> ScaleError {
        ScaleError {
            offset: self.at.saturating_sub(1),
            ..self.failed(part, ScaleErrorReason::Variant(index))
        }
    }

    pub(crate) fn compact_u64(&mut self, part: &'static str) -> Result<u64, ScaleError> {
        let mut rest = self.rest();
        if rest.is_empty() {
            return Err(self.failed(part, ScaleErrorReason::End));
        }
        let Compact(value) = Compact::<u64>::decode(&mut rest)
            .map_err(|_| self.failed(part, ScaleErrorReason::Number))?;
        self.at = self.bytes.len() - rest.len();
        Ok(value)
    }

    pub(crate) fn length(&mut self, part: &'static str) -> Result<usize, ScaleError> {
        let start = self.clone();
        let value = self.compact_u64(part)?;
        // Lengths are of 32 bits.
        match u32::try_from(value) {
            Ok(value) => Ok(value as usize),
            Err(_) => Err(start.failed(part, ScaleErrorReason::Number)),
        }
    }

    pub(crate) fn string(&mut self, part: &'static str) -> Result<&'a [u8], ScaleError> {
        let length = self.length(part)?;
        self.take(part, length)
    }

    pub(crate) fn strings(&mut self, part: &'static str) -> Result<Strings, ScaleError> {
        let count = self.length(part)?;
        let mut strings = Strings::default();
        for _ in 0..count {
            let string = self.string(part)?;
            strings.count += 1;
            strings.bytes += string.len();
            strings.largest = strings.largest.max(string.len());
        }
        Ok(strings)
    }

    pub(crate) fn end(&self, last: &'static str) -> Result<(), ScaleError> {
        match self.rest().len() {
            0 => Ok(()),
            bytes => Err(self.failed(last, ScaleErrorReason::Trailing(bytes))),
        }
    }
}

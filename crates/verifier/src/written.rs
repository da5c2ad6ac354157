//! Which slots of a frame were written on all paths to a point.

use crate::layout::SLOT_BYTES;

/// The number of slots that are followed: the lowest ones. Of others nothing is known, so that the cost of a label does not
/// grow with the frame.
const FOLLOWED: u64 = 256;

/// A set of slots, those of the function itself, by their distance from the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written([u64; FOLLOWED as usize / 64]);

impl Written {
    /// No slot.
    pub const NONE: Self = Self([0; FOLLOWED as usize / 64]);
    /// All slots.
    pub const ALL: Self = Self([u64::MAX; FOLLOWED as usize / 64]);

    /// Adds the slot at an offset.
    #[inline(always)]
    pub fn insert(&mut self, offset: u64) {
        let slot = offset / u64::from(SLOT_BYTES);
        if let Some(word) = self.0.get_mut((slot / 64) as usize) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Whether the slot at an offset is in the set, or is not followed.
    #[inline(always)]
    pub fn contains(&self, offset: u64) -> bool {
        let slot = offset / u64::from(SLOT_BYTES);
        let word = self.0.get((slot / 64) as usize);
        word.is_none_or(|word| word >> (slot % 64) & 1 != 0)
    }

    /// Adds the slots from one offset up to another.
    pub fn insert_range(&mut self, start: u64, end: u64) {
        for slot in Self::slots(start, end) {
            self.insert(slot * u64::from(SLOT_BYTES));
        }
    }

    /// Whether all followed slots from one offset up to another are in the set.
    pub fn contains_range(&self, start: u64, end: u64) -> bool {
        Self::slots(start, end).all(|slot| self.contains(slot * u64::from(SLOT_BYTES)))
    }

    fn slots(start: u64, end: u64) -> std::ops::Range<u64> {
        let slot_bytes = u64::from(SLOT_BYTES);
        start / slot_bytes..end.div_ceil(slot_bytes).min(FOLLOWED)
    }

    /// Keeps the slots that another path has written, too.
    #[inline(always)]
    pub fn meet(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own &= other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followed_slots_are_written_one_by_one_and_others_always() {
        let mut written = Written::NONE;
        written.insert(8);
        written.insert_range(64, 81);
        assert!(!written.contains(0) && written.contains(8) && written.contains(12));
        assert!(written.contains_range(64, 88) && !written.contains_range(56, 88));
        let last = 8 * (FOLLOWED - 1);
        assert!(!written.contains(last) && written.contains(last + 8));
        assert!(written.contains_range(last + 8, u64::MAX));
        written.insert_range(0, u64::MAX);
        assert_eq!(written, Written::ALL);
        written.meet(&Written::NONE);
        assert_eq!(written, Written::NONE);
    }
}

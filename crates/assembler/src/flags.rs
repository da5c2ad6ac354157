//! Which instructions write the flags.
//!
//! In debug builds an assembler keeps count, so that a compiler can hold what it believes about the flags against
//! what was emitted. Nothing of it is in a release build.

/// What an assembler has emitted that writes the flags. A call counts as well, since the function called may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagTrace {
    count: u64,
    end: Option<u32>,
}

impl FlagTrace {
    /// How many such instructions there were, ever.
    pub fn count(self) -> u64 {
        self.count
    }

    /// Where the last one ends in the present code.
    pub fn end(self) -> Option<u32> {
        self.end
    }

    pub(crate) fn write(&mut self, end: u32) {
        self.count += 1;
        self.end = Some(end);
    }

    pub(crate) fn clear(&mut self) {
        self.end = None;
    }
}

//! Which instructions write the flags.
//!
//! In debug builds an assembler counts them, so that a compiler can check its knowledge of the flags against the code
//! that was emitted. Release builds do not count.

/// The instructions an assembler has emitted that write the flags. A call counts too, because the callee may write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagTrace {
    count: u64,
    end: Option<u32>,
}

impl FlagTrace {
    /// Number of such instructions since the assembler was made.
    pub fn count(self) -> u64 {
        self.count
    }

    /// End offset of the last of them in the present code.
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

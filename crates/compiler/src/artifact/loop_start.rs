//! Where loops begin in the code, for a reader of the code that cannot look ahead.
//!
//! It is not part of an artifact, because execution does not need it. [`crate::compile_with_loops`] returns it together
//! with an artifact.

/// The start of a loop, and what its registers hold on every iteration. Registers are bits by their numbers on the target,
/// float registers from bit 16 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopStart {
    /// Its offset in the code.
    pub code_offset: u32,
    /// The registers that hold values of 32 bits.
    pub words: u32,
    /// The registers that hold values of 64 bits.
    pub doubles: u32,
}

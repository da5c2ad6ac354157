//! Why machine code is refused.

use std::fmt;

/// What has to hold. The numbers are those of the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Invariant {
    /// What the maker says of a function is what the module says.
    Claims = 0,
    /// All bytes of a function are decoded exactly once, in order.
    DecodedOnce = 1,
    /// Only encodings of the list.
    Encodings = 2,
    /// Each instruction is reached from before it.
    Reached = 3,
    /// Branches and calls go to starts.
    Targets = 4,
    /// Indirect jumps and calls stand at the end of their sequence.
    Indirect = 5,
    /// A function does not run out at its end.
    Ends = 6,
    /// Fixed registers keep what they hold.
    FixedRegisters = 7,
    /// Registers are read only where they hold something of the width that is read.
    Widths = 8,
    /// What crosses a call has the width of its type.
    Calls = 9,
    /// Accesses stay within the reservation of linear memory.
    LinearMemory = 10,
    /// What can fault has a trap site.
    TrapSites = 11,
    /// Accesses of the stack stay within the frame's slots.
    Frame = 12,
    /// A callee's slots lie within the caller's frame.
    CalleeSlots = 13,
    /// Accesses of the context are to fields that are code's to touch.
    Context = 14,
    /// Table entries are read below the table's size, and called after their signature was compared.
    Table = 15,
    /// Code is read by jump tables alone.
    CodeData = 16,
    /// Prologue and epilogue.
    Phases = 17,
    /// The frame is what the formula gives for the body.
    FrameBytes = 18,
    /// Charges, costs, and kinds and places of traps are what the body says.
    Meters = 19,
    /// Stubs are those that the signatures give.
    Stubs = 21,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Claims,
        Self::DecodedOnce,
        Self::Encodings,
        Self::Reached,
        Self::Targets,
        Self::Indirect,
        Self::Ends,
        Self::FixedRegisters,
        Self::Widths,
        Self::Calls,
        Self::LinearMemory,
        Self::TrapSites,
        Self::Frame,
        Self::CalleeSlots,
        Self::Context,
        Self::Table,
        Self::CodeData,
        Self::Phases,
        Self::FrameBytes,
        Self::Meters,
        Self::Stubs,
    ];

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::DecodedOnce => "decoded once",
            Self::Encodings => "encodings",
            Self::Reached => "reached",
            Self::Targets => "targets",
            Self::Indirect => "indirect",
            Self::Ends => "ends",
            Self::FixedRegisters => "fixed registers",
            Self::Widths => "widths",
            Self::Calls => "calls",
            Self::LinearMemory => "linear memory",
            Self::TrapSites => "trap sites",
            Self::Frame => "frame",
            Self::CalleeSlots => "callee's slots",
            Self::Context => "context",
            Self::Table => "table",
            Self::CodeData => "code as data",
            Self::Phases => "phases",
            Self::FrameBytes => "frame bytes",
            Self::Meters => "meters",
            Self::Stubs => "stubs",
        }
    }
}

/// Machine code that does not keep to an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What does not hold.
    pub invariant: Invariant,
    /// The function, imported ones counted; none for stubs and for the module as a whole.
    pub function: Option<u32>,
    /// Where in the code.
    pub offset: u32,
    /// What is wrong there.
    pub what: &'static str,
}

impl Refusal {
    /// Something about the module as a whole.
    pub const fn of_module(invariant: Invariant, what: &'static str) -> Self {
        Self {
            invariant,
            function: None,
            offset: 0,
            what,
        }
    }

    /// Something in a function.
    pub const fn of_function(
        invariant: Invariant,
        function: u32,
        offset: u32,
        what: &'static str,
    ) -> Self {
        Self {
            invariant,
            function: Some(function),
            offset,
            what,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, name) = (self.invariant.number(), self.invariant.name());
        write!(f, "invariant {number} ({name}): {}", self.what)?;
        match self.function {
            Some(function) => write!(f, ", function {function}, code offset {:#x}", self.offset),
            None => write!(f, ", code offset {:#x}", self.offset),
        }
    }
}

impl std::error::Error for Refusal {}

/// A module that the verifier cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the module cannot be read: {what}, at offset {offset:#x}")]
pub struct Unreadable {
    /// Where in the module.
    pub offset: u32,
    /// What was expected there.
    pub what: &'static str,
}

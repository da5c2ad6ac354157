//! Why machine code is refused.

use std::fmt;

/// A condition that must hold. The numbers are those of the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Invariant {
    /// The claims about a function agree with the module.
    Claims = 0,
    /// All bytes of a function are decoded exactly once, in order.
    DecodedOnce = 1,
    /// The code contains only accepted encodings.
    Encodings = 2,
    /// Each instruction is reachable from an earlier one.
    Reached = 3,
    /// The targets of branches and calls are starts of instructions or functions.
    Targets = 4,
    /// Indirect jumps and calls are at the end of their sequence.
    Indirect = 5,
    /// Execution never continues after a function's last instruction.
    Ends = 6,
    /// Fixed registers keep their values.
    FixedRegisters = 7,
    /// Registers are read only if they hold a value of the width that is read.
    Widths = 8,
    /// Arguments and results have the widths of their types.
    Calls = 9,
    /// Accesses stay within the reserved region of linear memory.
    LinearMemory = 10,
    /// Every instruction that can fault has a trap site.
    TrapSites = 11,
    /// Accesses to the stack stay within the frame's slots.
    Frame = 12,
    /// A callee's slots are within the caller's frame.
    CalleeSlots = 13,
    /// Accesses to the context are to fields that functions may access.
    Context = 14,
    /// A table entry is read only below the table's size, and called only after the comparison of its signature.
    Table = 15,
    /// Only jump tables read code as data.
    CodeData = 16,
    /// Prologue and epilogue are the expected sequences.
    Phases = 17,
    /// The frame has the size that the formula gives for the body.
    FrameBytes = 18,
    /// Charges, costs, and the kinds and positions of traps agree with the body.
    Meters = 19,
    /// A slot is read only after it was written.
    Written = 20,
    /// The stubs are those that the signatures determine.
    Stubs = 21,
}

impl Invariant {
    /// All invariants.
    pub const ALL: [Self; 22] = [
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
        Self::Written,
        Self::Stubs,
    ];

    /// The number of the invariant.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name of the invariant.
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
            Self::Written => "written slots",
            Self::Stubs => "stubs",
        }
    }
}

/// Why machine code is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The invariant that does not hold.
    pub invariant: Invariant,
    /// The function; indices include imported functions. `None` for stubs and for the module as a whole.
    pub function: Option<u32>,
    /// The offset in the code.
    pub offset: u32,
    /// The reason.
    pub what: &'static str,
}

impl Refusal {
    /// A refusal of the module as a whole.
    pub const fn of_module(invariant: Invariant, what: &'static str) -> Self {
        Self {
            invariant,
            function: None,
            offset: 0,
            what,
        }
    }

    /// A refusal of a function.
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
    /// The offset in the module.
    pub offset: u32,
    /// The expected content at that offset.
    pub what: &'static str,
}

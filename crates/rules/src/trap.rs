//! The kinds of traps.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! trap_kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $message:literal;)*) => {
        /// Why an execution ended without a result.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum TrapKind {
            $($(#[$doc])* $variant = $code,)*
        }

        impl TrapKind {
            /// Every kind, by code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in JSON output and in conformance vectors.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A description as text.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }

            /// The kind with this code, as it stands in artifacts.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

trap_kinds! {
    /// The `unreachable` instruction was executed.
    Unreachable = 0, "unreachable", "unreachable executed";
    /// A call would have taken the stack beyond its limit.
    StackOverflow = 1, "stack_overflow", "stack overflow";
    /// A block costs more than the gas that is left.
    OutOfGas = 2, "out_of_gas", "out of gas";
    /// A load, store or bulk operation reached outside the memory.
    MemoryOutOfBounds = 3, "memory_out_of_bounds", "out of bounds memory access";
    /// A table operation or indirect call reached outside the table.
    TableOutOfBounds = 4, "table_out_of_bounds", "out of bounds table access";
    /// An indirect call named another type than the function has.
    IndirectCallTypeMismatch = 5, "indirect_call_type_mismatch", "indirect call type mismatch";
    /// An indirect call reached an entry that holds no function.
    UndefinedElement = 6, "undefined_element", "undefined table element";
    /// An integer was divided by zero.
    IntegerDivideByZero = 7, "integer_divide_by_zero", "integer divide by zero";
    /// A quotient or a converted float does not fit its integer type.
    IntegerOverflow = 8, "integer_overflow", "integer overflow";
    /// A NaN was to be converted to an integer.
    InvalidConversionToInteger = 9, "invalid_conversion_to_integer", "invalid conversion to integer";
    /// A host function failed, or one that does not exist was called.
    HostError = 10, "host_error", "host function failed";
}

impl TrapKind {
    /// The code as it stands in artifacts.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// A trap with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The kind.
    pub kind: TrapKind,
    /// Index of the function, imports counted, where it happened. For a host
    /// function's error: the caller's.
    pub function: Option<u32>,
    /// Byte offset in the (decompressed) module of the instruction; for
    /// [`TrapKind::StackOverflow`], of the function's body.
    pub offset: Option<u32>,
    /// The error message of a host function.
    pub message: Option<String>,
}

impl Trap {
    /// A trap whose location is not known.
    pub fn new(kind: TrapKind) -> Self {
        Self {
            kind,
            function: None,
            offset: None,
            message: None,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        match (self.function, self.offset) {
            (Some(function), Some(offset)) => {
                write!(f, " (function {function}, offset {offset:#x})")
            }
            (Some(function), None) => write!(f, " (function {function})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Trap {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for &kind in TrapKind::ALL {
            assert_eq!(TrapKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(TrapKind::from_code(TrapKind::ALL.len() as u8), None);
    }
}

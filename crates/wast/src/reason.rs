//! Why a directive of a script was not run: a closed list.

use pvf_rules::FeatureSwitch;
use std::fmt;

/// A proposal that is not part of the language a script is run with.
///
/// In the order in which [`crate::language`] tries them: a feature stands behind
/// those it builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// A switch of the accepted language that is off in this run.
    SignExtension,
    /// A switch of the accepted language that is off in this run.
    SaturatingFloatToInt,
    /// A switch of the accepted language that is off in this run.
    MultiValue,
    /// A switch of the accepted language that is off in this run.
    BulkMemory,
    /// Reference types and the instructions on them, several tables.
    ReferenceTypes,
    /// Arithmetic in constant expressions.
    ExtendedConst,
    /// `return_call` and `return_call_indirect`.
    TailCall,
    /// 128-bit vectors.
    Simd,
    /// Relaxed vector instructions.
    RelaxedSimd,
    /// Several memories.
    MultiMemory,
    /// Memories with 64-bit addresses.
    Memory64,
    /// Shared memories and atomics.
    Threads,
    /// Exception handling.
    Exceptions,
    /// Typed function references.
    FunctionReferences,
    /// Garbage-collected types.
    Gc,
    /// Pages of another size.
    CustomPageSizes,
    /// 128-bit arithmetic.
    WideArithmetic,
    /// Stack switching.
    StackSwitching,
    /// Components.
    Components,
}

impl Feature {
    /// The proposal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignExtension => FeatureSwitch::SignExtension.name(),
            Self::SaturatingFloatToInt => FeatureSwitch::SaturatingFloatToInt.name(),
            Self::MultiValue => FeatureSwitch::MultiValue.name(),
            Self::BulkMemory => FeatureSwitch::BulkMemory.name(),
            Self::ReferenceTypes => "reference-types",
            Self::ExtendedConst => "extended-const",
            Self::TailCall => "tail-call",
            Self::Simd => "simd",
            Self::RelaxedSimd => "relaxed-simd",
            Self::MultiMemory => "multi-memory",
            Self::Memory64 => "memory64",
            Self::Threads => "threads",
            Self::Exceptions => "exceptions",
            Self::FunctionReferences => "function-references",
            Self::Gc => "gc",
            Self::CustomPageSizes => "custom-page-sizes",
            Self::WideArithmetic => "wide-arithmetic",
            Self::StackSwitching => "stack-switching",
            Self::Components => "component-model",
        }
    }
}

/// What two instances of a script would have to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// A memory.
    Memory,
    /// A table.
    Table,
    /// A mutable global.
    MutableGlobal,
}

/// Why a directive was skipped.
///
/// A directive is skipped for the same reason if it acts on an instance that was not made
/// for such a reason, on one that imports from it, or on one that would have shared memory, table
/// or a mutable global with it and so might differ by now from what the script expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// The module is valid only in a language with this proposal, which is not accepted.
    OutsideLanguage(Feature),
    /// The script asserts that a module is invalid that this switch of the accepted
    /// language made valid.
    MadeValidBy(Feature),
    /// The module imports from another instance what instances cannot share here: an
    /// instance owns its memory, table and globals.
    SharedState(Shared),
    /// Custom sections are ignored whatever they hold, so they are never malformed.
    CustomSection,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideLanguage(feature) => {
                write!(f, "outside the accepted language: {}", feature.name())
            }
            Self::MadeValidBy(feature) => {
                write!(f, "asserted invalid, made valid by {}", feature.name())
            }
            Self::SharedState(Shared::Memory) => f.write_str("instances cannot share a memory"),
            Self::SharedState(Shared::Table) => f.write_str("instances cannot share a table"),
            Self::SharedState(Shared::MutableGlobal) => {
                f.write_str("instances cannot share a mutable global")
            }
            Self::CustomSection => f.write_str("the contents of custom sections are ignored"),
        }
    }
}

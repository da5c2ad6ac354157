//! Everything that can go wrong, by whose fault it is.

use pvf_compiler::{ArtifactError, Target};
use pvf_compiler::{FuncType, ValType};
use pvf_rules::{Name, Rejection, RejectionClass, RuleId, Trap, TrapKind};
use std::io;

/// The machine could not do its part. Never an outcome of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostFailure {
    /// The operating system did not supply memory or address space.
    #[error("cannot get {bytes} bytes for {purpose}: {source}")]
    Memory {
        /// What the memory was to be used for.
        purpose: &'static str,
        /// How much was asked for.
        bytes: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A limit was asked for that the code does not count towards.
    #[error("the artifact was prepared without counting {meter}, so that it cannot be limited")]
    Uncounted {
        /// The meter.
        meter: &'static str,
    },
    /// Another request that the operating system refused.
    #[error("{action} failed: {source}")]
    System {
        /// What was asked for.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system could not back a page that was promised (SIGBUS).
    #[error("memory could not be backed at byte {address:#x} of linear memory")]
    PageUnavailable {
        /// Offset in linear memory.
        address: u64,
    },
    /// Somebody ended the run, or its time was up: see [`Interrupt`](crate::Interrupt).
    #[error("interrupted before it ended: nothing is known of how it would have")]
    Interrupted,
    /// The file that code was mapped from has become shorter since.
    #[error("the artifact's file was cut short while it was in use")]
    ArtifactCut,
    /// A broken invariant of compiler or runtime, caught before it did harm.
    #[error("internal error: {0}")]
    Internal(String),
}

impl HostFailure {
    /// The error in `errno`, for a request about memory.
    pub(crate) fn memory(purpose: &'static str, bytes: usize) -> Self {
        Self::Memory {
            purpose,
            bytes: bytes as u64,
            source: io::Error::last_os_error(),
        }
    }

    /// The error in `errno`, for any other request.
    pub(crate) fn system(action: &'static str) -> Self {
        Self::System {
            action,
            source: io::Error::last_os_error(),
        }
    }
}

/// Why an artifact cannot become a [`Module`](crate::Module).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It was made for another instruction set.
    #[error("the artifact is for {artifact}, this machine is {machine}")]
    Target {
        /// What the artifact was made for.
        artifact: Target,
        /// What this machine executes.
        machine: &'static str,
    },
    /// The processor lacks something the artifact's target takes for granted.
    #[error("this processor lacks {0}, which the artifact's code needs")]
    Processor(&'static str),
    /// The file is not an intact artifact.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The metadata contradicts itself.
    #[error("inconsistent artifact: {what} {index}")]
    Inconsistent {
        /// What is wrong.
        what: &'static str,
        /// Of which item.
        index: u64,
    },
    /// The machine could not do its part.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

/// Why the imports of a module cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing has this name.
    #[error("unknown import {}:{} ({kind})", Name(module), Name(name))]
    Unknown {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// `"function"`, `"table"`, `"memory"` or `"global"`.
        kind: &'static str,
    },
    /// What has this name is of another kind.
    #[error(
        "import {}:{} is a {expected}, the host offers a {found}",
        Name(module),
        Name(name)
    )]
    Kind {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// What the module imports.
        expected: &'static str,
        /// What the host offers.
        found: &'static str,
    },
    /// The types do not match (for memories and tables: the limits).
    #[error(
        "import {}:{} has type {expected}, the host's has {found}",
        Name(module),
        Name(name)
    )]
    Type {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// What the module imports.
        expected: String,
        /// What the host offers.
        found: String,
    },
}

impl LinkError {
    /// The rejection of the module.
    pub fn rejection(&self) -> Rejection {
        let rule = match self {
            Self::Unknown { .. } | Self::Kind { .. } => RuleId::HOST_2,
            Self::Type { .. } => RuleId::HOST_4,
        };
        let class = RejectionClass::RuntimeConstruction;
        Rejection::new(class, rule, self.to_string())
    }
}

/// A segment, to name it in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A data segment by index.
    Data(u32),
    /// An element segment by index.
    Element(u32),
}

/// Why a module cannot be instantiated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// Imports do not link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The memory starts larger than it may become.
    #[error("the memory starts with {minimum} pages, the limit is {limit}")]
    MemoryTooLarge {
        /// Initial size in pages.
        minimum: u32,
        /// Largest size in pages.
        limit: u32,
    },
    /// An active segment does not fit into memory or table.
    #[error("{segment:?} segment does not fit: {trap}")]
    SegmentOutOfBounds {
        /// Which one.
        segment: Segment,
        /// The trap this is by the WebAssembly specification.
        trap: Trap,
    },
    /// The start function trapped.
    #[error("the start function trapped: {0}")]
    Start(Trap),
    /// The machine could not do its part.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

impl InstantiateError {
    /// The rejection of the module, if this is one.
    ///
    /// # Errors
    /// The failure, if there is no outcome.
    pub fn rejection(self) -> Result<Rejection, HostFailure> {
        let message = self.to_string();
        let rule = match self {
            Self::Link(error) => return Ok(error.rejection()),
            Self::MemoryTooLarge { .. } => RuleId::MEM_4,
            Self::SegmentOutOfBounds { .. } => RuleId::SEG_2,
            Self::Start(_) => RuleId::START_2,
            Self::Failure(failure) => return Err(failure),
        };
        let class = RejectionClass::RuntimeConstruction;
        Ok(Rejection::new(class, rule, message))
    }
}

/// Why a call did not return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// It trapped.
    #[error(transparent)]
    Trap(#[from] Trap),
    /// The arguments do not have the types of the parameters.
    #[error("arguments {given:?} for a function of type {expected}")]
    Arguments {
        /// The function's type.
        expected: FuncTypeDisplay,
        /// The arguments' types.
        given: Vec<ValType>,
    },
    /// No function has this index.
    #[error("there is no function {0}")]
    NoSuchFunction(u32),
    /// The host cannot enter this function: none of its type is exported or the start function.
    #[error("the host cannot enter function {0}: no function of its type is exported")]
    NoEntry(u32),
    /// No export has this name.
    #[error("there is no export {0:?}")]
    NoSuchExport(String),
    /// The export of this name is not a function.
    #[error("the export {0:?} is not a function")]
    NotAFunction(String),
    /// The machine could not do its part.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

/// How a host function fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The run ends with the trap [`TrapKind::HostError`] and this message. It is an
    /// outcome, so it must depend on nothing but the run.
    #[error("{0}")]
    Trap(String),
    /// The run ends with a trap of this kind.
    #[error("{0}: {1}")]
    TrapKind(TrapKind, String),
    /// The machine could not do its part: no outcome.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

/// A function type as `[i32 i64] -> [f32]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncTypeDisplay(pub FuncType);

impl std::fmt::Display for FuncTypeDisplay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |types: &[ValType]| {
            let names: Vec<_> = types.iter().map(|&ty| value_type_name(ty)).collect();
            format!("[{}]", names.join(" "))
        };
        write!(f, "{} -> {}", list(&self.0.params), list(&self.0.results))
    }
}

/// The name of a value type in the text format.
pub(crate) fn value_type_name(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
    }
}

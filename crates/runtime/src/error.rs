//! The crate's errors, by their cause: host failures, artifacts, imports, instantiation, calls,
//! host functions.

use pvf_compiler::{ArtifactError, Target};
use pvf_compiler::{FuncType, ValType};
use pvf_rules::{Name, Rejection, RejectionClass, RuleId, Trap, TrapKind};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A failure of the machine or the operating system. Never an outcome of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostFailure {
    /// The operating system did not supply memory or address space.
    #[error("cannot get {bytes} bytes for {purpose}: {source}")]
    Memory {
        /// The purpose of the memory.
        purpose: &'static str,
        /// Requested bytes.
        bytes: u64,
        /// The operating system's error.
        source: io::Error,
    },
    /// The execution parameters limit a meter that the artifact's code does not count.
    #[error("the artifact was prepared without counting {meter}, which the parameters limit")]
    Uncounted {
        /// The meter.
        meter: &'static str,
    },
    /// The operating system refused another request.
    #[error("{action} failed: {source}")]
    System {
        /// The request.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system could not back a mapped page of linear memory (SIGBUS).
    #[error("the system could not supply the page at byte {address:#x} of linear memory")]
    PageUnavailable {
        /// Offset in linear memory.
        address: u64,
    },
    /// The run was interrupted, by a time limit or another thread: see
    /// [`Interrupt`](crate::Interrupt).
    #[error("interrupted before it ended, so that it has no outcome")]
    Interrupted,
    /// The file from which code is mapped has been truncated.
    #[error("the artifact's file was truncated while it was in use")]
    ArtifactCut,
    /// The artifact's target cannot hold what the module or the parameters ask for.
    #[error("not supported by this target: {0}")]
    Unsupported(String),
    /// A broken invariant of the compiler or the runtime, detected before it did harm.
    #[error("internal error: {0}")]
    Internal(String),
}

impl HostFailure {
    /// A request for memory that failed with the error in `errno`.
    pub(crate) fn memory(purpose: &'static str, bytes: usize) -> Self {
        Self::Memory {
            purpose,
            bytes: bytes as u64,
            source: io::Error::last_os_error(),
        }
    }

    /// Another request that failed with the error in `errno`.
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
    /// The artifact was made for another instruction set.
    #[error("the artifact is for {artifact}, this machine is {machine}")]
    Target {
        /// The artifact's target.
        artifact: Target,
        /// The name of the target that this machine executes.
        machine: &'static str,
    },
    /// The processor lacks a feature that the artifact's code requires.
    #[error("this processor lacks {0}, which the artifact's code needs")]
    Processor(&'static str),
    /// The file is not an intact artifact.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The metadata is inconsistent.
    #[error("inconsistent artifact: {what} {index}")]
    Inconsistent {
        /// Description of the inconsistency.
        what: &'static str,
        /// Index of the affected item, or the offending number.
        index: u64,
    },
    /// A failure of the machine or the operating system.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

/// Why the imports of a module cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no definition of this name.
    #[error("unknown import {}:{} ({kind})", Name(module), Name(name))]
    Unknown {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// `"function"`, `"table"`, `"memory"` or `"global"`.
        kind: &'static str,
    },
    /// The definition of this name is of another kind.
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
        /// The kind that the module imports.
        expected: &'static str,
        /// The kind of the host's definition.
        found: &'static str,
    },
    /// The types differ, or, for memories and tables, the limits do not match.
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
        /// The type that the module imports.
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

/// A segment, as named in messages.
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
    /// The initial size of the memory exceeds its limit.
    #[error("the memory starts with {minimum} pages, the limit is {limit}")]
    MemoryTooLarge {
        /// Initial size in pages.
        minimum: u32,
        /// Limit in pages.
        limit: u32,
    },
    /// An active segment does not fit into the memory or the table.
    #[error("{segment:?} segment does not fit: {trap}")]
    SegmentOutOfBounds {
        /// The segment.
        segment: Segment,
        /// The corresponding trap of the WebAssembly specification.
        trap: Trap,
    },
    /// The start function trapped.
    #[error("the start function trapped: {0}")]
    Start(Trap),
    /// A failure of the machine or the operating system.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

impl InstantiateError {
    /// The rejection of the module, if this is one.
    /// The rejection of the module.
    ///
    /// # Errors
    /// The failure of the host, if there is no outcome.
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
    /// The function trapped.
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
    /// The host cannot enter this function: neither an exported function nor the start function has
    /// its type.
    #[error(
        "the host cannot enter function {0}: neither an exported function nor the start function has its type"
    )]
    NoEntry(u32),
    /// No export has this name.
    #[error("there is no export {0:?}")]
    NoSuchExport(String),
    /// The export of this name is not a function.
    #[error("the export {0:?} is not a function")]
    NotAFunction(String),
    /// A failure of the machine or the operating system.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

/// Why a host function failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The run ends with the trap [`TrapKind::HostError`] and this message. The message is part of
    /// the outcome, so it must depend only on the run.
    #[error("{0}")]
    Trap(String),
    /// The run ends with a trap of this kind.
    #[error("{0}: {1}")]
    TrapKind(TrapKind, String),
    /// A failure of the machine or the operating system: the run has no outcome.
    #[error(transparent)]
    Failure(#[from] HostFailure),
}

impl HostError {
    /// The trap for a panic of a host function, whose payload this takes.
    #[cold]
    pub fn panicked(payload: Box<dyn Any + Send>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(no message)");
        let message = format!("host function panicked: {message}");
        // Dropping the payload may panic again; the second payload is leaked.
        if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            std::mem::forget(again);
        }
        Self::Trap(message)
    }
}

/// Displays a function type as `[i32 i64] -> [f32]`.
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

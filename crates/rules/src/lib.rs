//! The outcome rules of the executor, as code.
//!
//! Everything that may never differ between two machines is defined here once: the limits on counts ([`Limits`]), the
//! accepted language ([`Features`]), the cost of a frame ([`frame_bytes`]), the kinds of traps ([`TrapKind`]), the
//! parameters of an execution, the [`Outcome`] with its digest, and why a module is rejected ([`Rejection`], by
//! [`RuleId`]). Nothing in this crate generates code or uses the operating system. Every other crate depends on it, and
//! it depends on none of them.
#![forbid(unsafe_code)]

mod features;
mod frame;
mod limits;
mod outcome;
mod parameters;
mod rejection;
mod rule;
mod text;
mod trap;

pub use features::{Dialect, FeatureSwitch, Features};
pub use frame::{FRAME_HEADER_BYTES, SLOT_BYTES, frame_bytes};
pub use limits::{LimitExceeded, Limits};
pub use outcome::{Execution, HashedOutcome, Outcome, RejectionStage, StackPeaks};
pub use parameters::{
    DEFAULT_MAX_MEMORY_PAGES, DEFAULT_STACK_LOGICAL_MAX, DEFAULT_STACK_NATIVE_MAX,
    ExecutionParameters, MOST_MEMORY_PAGES, PAGE_BYTES,
};
pub use rejection::{Place, Rejection, RejectionClass};
pub use rule::RuleId;
pub use text::{Name, visible};
pub use trap::{Trap, TrapKind};

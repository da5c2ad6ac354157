//! What happens to a parachain's runtime before its first block.
//!
//! In: a blob, as it is or would be stored on chain, and [`Settings`]: a network's parameters and a node's version. Out: a
//! [`Report`]: one [`Line`] for each thing that a node or the relay chain checks, with what is used of its limit, and what
//! the blob says about itself.
//!
//! | line | refused by | when |
//! | --- | --- | --- |
//! | code size | the relay chain | when the code is announced |
//! | decompression, language, compilation, imports | validators | when they vote on the code (pre-checking) |
//! | preparation memory and time | validators | the same |
//! | instance, entry point, stack, memory | validators | at the first candidate |
//!
//! The first that fails decides what happens on the network, but all that can be checked are.
//!
//! ```
//! use pvf_check::{Settings, Status, check};
//! use pvf_primitives::Network;
//!
//! let report = check(b"\0asm\x01\0\0\0", &Settings::of_network(Network::Polkadot))?;
//! // Pre-checking passes it, but every candidate fails: it has no `validate_block`.
//! assert!(!report.passes);
//! let failed = report.lines.iter().filter(|line| line.status == Status::Fail);
//! assert_eq!(failed.map(|line| line.check).collect::<Vec<_>>(), ["entry_point"]);
//! # Ok::<(), pvf_check::CheckError>(())
//! ```
#![forbid(unsafe_code)]

mod about;
mod check;
mod names;
mod node;
mod report;
mod settings;

pub use about::{About, Feature, Tool, Version};
pub use check::check;
pub use names::readable_name;
pub use node::{NODES, Node};
pub use report::{Imports, Line, Report, Status, Unit};
pub use settings::{Settings, StockRatio, Usage, unmeasured};

use pvf_executor::HostFailure;

/// Why there is no report: this machine could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The machine or the operating system failed.
    #[error(transparent)]
    Host(#[from] HostFailure),
    /// The meter did not do the work that it was given.
    #[error("the meter of processor time did not run what it was given")]
    Meter,
}

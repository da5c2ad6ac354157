//! Drop-in PVF workers for a Polkadot node: the two processes in which a validator compiles and executes code
//! that nobody trusts.
//!
//! In come requests of the node's PVF host over a Unix socket ([`pvf_node_protocol`]); out go answers that become votes. An unmodified
//! node starts the binaries of this crate when its option `--workers-path` names their directory.
//!
//! ```text
//! node ── socket ── worker: new root directory, Landlock, a list of allowed system calls
//!                     │ one process a job, in namespaces of its own, with limits
//!                     └── pipe ── job: no files, nothing to write to but the pipe, a shorter list
//! ```
//!
//! The worker receives requests, has jobs started, watches their CPU time and judges how they end. A prepare job is a fork of the worker; jobs
//! of an execute worker are forks of its launcher, which has seen no candidate, and an artifact is read by a job of its own. Each
//! runs one [`PrepareJob`] or [`ExecuteJob`] behind all barriers ([`security`]); what it says is
//! taken for the word of whoever wrote the code.
//!
//! | module | is about |
//! | --- | --- |
//! | [`command_line`], [`version`] | how the node starts workers |
//! | [`entry`] | from the command line to the loop over requests |
//! | [`security`] | the barriers |
//! | [`job`] | a process for a job, from the fork to its end |
//! | [`prepare`], [`execute`] | both kinds of worker |
//! | [`second_opinion`] | another engine first, ours if it says no |
//! | [`allocator`] | counts and limits what a preparation allocates |
#![deny(unsafe_code)]

pub mod allocator;
mod artifacts;
pub mod command_line;
pub mod entry;
pub mod execute;
mod files;
pub mod job;
mod launcher;
mod loading;
mod logging;
pub mod parameters;
pub mod prepare;
#[allow(unsafe_code, reason = "fork as a system call has no safe form")]
mod process;
mod request;
pub mod second_opinion;
pub mod security;
mod texts;
pub mod version;

pub use entry::{Worker, main};
pub use execute::{ExecuteJob, Validation};
pub use prepare::{Compilation, PrepareJob, Prepared};

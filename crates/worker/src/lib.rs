//! Drop-in PVF workers for a Polkadot node: the two programs with which a validator compiles and
//! executes untrusted code.
//!
//! A worker receives requests of the node's PVF host over a Unix socket ([`pvf_node_protocol`]) and
//! sends answers, which decide the validator's votes. An unmodified node starts the binaries of
//! this crate when its option `--workers-path` names their directory.
//!
//! ```text
//! node ── socket ── worker: new root directory, Landlock, a list of allowed system calls
//!                     │ one process per job, in new namespaces, with limits
//!                     └── pipe ── job: no files, writes to the pipe only, a shorter list
//! ```
//!
//! The worker receives requests, starts jobs, watches their CPU time, and turns the end of a job
//! into an answer. A prepare job is forked from the worker. The jobs of an execute worker are
//! forked from its launcher, which has seen no candidate; a separate job loads each artifact. A job
//! runs one [`PrepareJob`] or [`ExecuteJob`] behind all barriers ([`security`]). The worker treats
//! a job's output as written by the author of the untrusted code.
//!
//! | module | content |
//! | --- | --- |
//! | [`command_line`], [`version`] | how the node starts workers |
//! | [`entry`] | `main`: command line, handshake, isolation |
//! | [`security`] | the barriers |
//! | [`job`] | a job's process, from the fork to its end |
//! | [`prepare`], [`execute`] | the two kinds of worker |
//! | [`second_opinion`] | another engine first, ours before a vote against a candidate |
//! | [`observation`] | shadow mode and recording: what is observed beside the answers |
//! | [`allocator`] | counts and limits the allocations of a preparation |
#![deny(unsafe_code)]

pub mod allocator;
mod artifacts;
pub mod beside;
pub mod command_line;
pub mod entry;
pub mod execute;
mod files;
pub mod job;
mod launcher;
mod loading;
mod logging;
pub mod observation;
pub mod parameters;
pub mod prepare;
#[allow(unsafe_code, reason = "fork as a system call has no safe form")]
mod process;
mod request;
pub mod second_opinion;
pub mod security;
mod texts;
mod verification;
pub mod version;

pub use entry::{Worker, main};
pub use execute::{ExecuteJob, Validation};
pub use prepare::{Compilation, PrepareJob, Prepared};

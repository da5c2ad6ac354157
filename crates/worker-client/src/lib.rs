//! The host's side of a PVF worker: starts one, as a Polkadot node does, and talks to it.
//!
//! In: a program that speaks the protocol of [`pvf_node_protocol`], a directory for it, requests. Out: its answers. Used by whoever has workers: a service
//! with a pool of them, an execute worker that asks two engines. [`install`] puts the programs where a node finds them.
//!
//! ```no_run
//! # fn example(request: &pvf_node_protocol::PrepareRequest) -> Result<(), pvf_worker_client::ProcessError> {
//! use pvf_node_protocol::{PrepareResponse, SecurityStatus};
//! use pvf_worker_client::{Launch, PREPARE_ANSWER_BYTES, Process};
//! use std::time::Duration;
//!
//! let program = "/usr/lib/polkadot/polkadot-prepare-worker";
//! let launch = Launch::new(program, "prepare-worker", SecurityStatus::ALL);
//! let mut worker = Process::start(&launch, "/var/cache/pvf/worker".into())?;
//! let answer: PrepareResponse = worker.ask(request, PREPARE_ANSWER_BYTES, Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod checks;
pub mod install;
mod process;
pub mod service;

pub use checks::security;
pub use process::{
    EXECUTE_ANSWER_BYTES, Launch, PREPARE_ANSWER_BYTES, Process, ProcessError, patience,
};

//! The host's side of a PVF worker: starts a worker process, as a Polkadot node does, sends
//! requests and receives the answers.
//!
//! A worker is a program that implements the protocol of [`pvf_node_protocol`]. [`Process`] is one
//! running worker, [`service`] a pool of workers with a cache of artifacts, [`observation`] the settings of
//! shadow mode and recording, [`install`] puts the programs into a directory for a node, and [`smoke`] tries them
//! there.
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
pub mod observation;
mod process;
pub mod service;
pub mod smoke;

pub use checks::security;
pub use process::{
    Launch, PREPARE_ANSWER_BYTES, Process, ProcessError, execute_answer_bytes, patience,
};

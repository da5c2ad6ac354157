//! Polkadot's execution environment for parachain validation functions (PVFs) on the
//! deterministic executor.
//!
//! The input is a prepared module ([`Module`]), a candidate (SCALE-encoded `ValidationParams`) and
//! [`HostParameters`]. The output is an [`Execution`]: a valid result, an invalid candidate or a
//! rejected module. The host functions are those of `sp-io` in the versions that the network runs,
//! so that signatures and trie roots agree with the network. The allocator and the bindings of a
//! few hash functions are our own, for speed; tests compare them with `sc-allocator` and `sp-io`.
//!
//! ```no_run
//! # fn example(module: pvf_validation::Module, candidate: &[u8]) -> Result<(), pvf_validation::HostFailure> {
//! use pvf_validation::{HostParameters, Pvf};
//!
//! let pvf = Pvf::new(module, HostParameters::default());
//! let execution = pvf.validate(candidate)?;
//! println!("{:?}", execution.outcome);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod candidate;
mod context;
mod externalities;
mod functions;
mod heap;
mod hot_functions;
mod link;
mod observer;
mod own_functions;
mod parameters;
#[cfg(feature = "polkavm")]
mod polkavm;
mod pvf;
pub mod runtime_api;
mod runtime_version;
mod sr25519;
mod state;
pub mod trace;
mod twox;

pub use functions::{function_types, host_function_type};
pub use observer::Observer;
pub use parameters::{
    HostParameters, LogLevel, LogRecord, LogSink, MAX_LOG_LEVEL, execution_parameters,
};
#[cfg(feature = "polkavm")]
pub use polkavm::PolkaVmPvf;
pub use pvf::{HeapUse, Pvf, Run, Timings};
pub use pvf_primitives::{ExecutorParams, Network, PvfExecKind, ValidationResult};
pub use pvf_rules::{Execution, ExecutionParameters, Outcome, Rejection};
pub use pvf_runtime::{HostFailure, Module, placed};
pub use runtime_version::RuntimeVersion;

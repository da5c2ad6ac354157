//! Executes modules that were compiled for PolkaVM: the same outcomes as on hardware, by another machine.
//!
//! In: an [`Artifact`](pvf_compiler::Artifact) for [`Target::PolkaVm`](pvf_compiler::Target::PolkaVm), execution
//! parameters, host functions. Out: what [`pvf_runtime`] gives for the same module: results or traps with kind and place,
//! the peaks of both stacks, gas. What PolkaVM cannot hold is a
//! [`HostFailure::Unsupported`](pvf_runtime::HostFailure::Unsupported), never an outcome.
//!
//! `allocator` is Polkadot's allocator inside the program, for validation functions. `program` makes a PolkaVM program of an artifact's code, `module` keeps it, `instance` runs it, `guest` is its memory,
//! `builtins` and `float` do what the code asks its engine for.
//!
//! Everything is behind the feature `engine`; without it this crate is empty.

#![cfg(feature = "engine")]
#![forbid(unsafe_code)]

mod allocator;
mod builtins;
mod float;
mod guest;
mod instance;
mod layout;
mod module;
mod opcodes;
mod program;

pub use allocator::{Allocator, AllocatorState, ORDERS};
pub use guest::Guest;
pub use instance::{Caller, HostFunction, Imports, Instance};
pub use module::{Engine, Module};
pub use program::ProgramError;

//! Fuzzing of the executor.
//!
//! - [`differential`] runs random modules of the accepted language in this executor with both meters, and in Wasmtime
//!   and wasmi after `wasm-instrument`. Results, traps (including those of the meters), gas, both peaks, memory, globals
//!   and the calls of host functions must be equal, bit for bit.
//! - [`bad_input`] damages blobs, candidates and artifacts, which must end in typed errors.
//! - [`targets`] are the functions that coverage-guided fuzzers call.
//!
//! The seed determines everything, so every finding can be repeated.
#![deny(unsafe_code)]

pub mod bad_input;
mod compare;
pub mod corpus;
pub mod differential;
mod guest;
mod instrumented;
mod interpreter;
mod keep_apart;
mod peer;
pub mod scripts;
pub mod targets;
mod threads;

pub use peer::Peer;
pub use pvf_generators::{
    Call, Ending, Function, Generator, HostFunctions, Limits, Mode, Observation, Ours, Plan,
    Random, Run, Sharing, Step, Subject, folder, generate_from, mutant_of, program_from, shrink,
};
use pvf_generators::{damage, generate, limits, observe, ours, random};
pub use threads::in_threads;

//! Fuzzing of the executor: what goes in, and who says what has to come out.
//!
//! - [`differential`]: random modules of the accepted language run here with both meters, and in
//!   Wasmtime and wasmi after `wasm-instrument`; results, traps (those of the meters counted), gas, depth, memory,
//!   globals and the calls of host functions have to be the same, bit for bit.
//! - [`bad_input`]: damaged blobs, candidates and artifacts have to end in typed
//!   errors.
//!
//! Everything follows from a seed, so every finding can be repeated.
#![deny(unsafe_code)]

pub mod bad_input;
mod compare;
pub mod corpus;
pub mod differential;
mod instrumented;
mod interpreter;
mod keep_apart;
mod peer;
pub mod scripts;
mod threads;

pub use peer::Peer;
pub use pvf_generators::{
    Call, Ending, Function, Generator, HostFunctions, Limits, Mode, Observation, Ours, Plan,
    Random, Run, Sharing, Step, Subject, folder, generate_from, mutant_of, shrink,
};
use pvf_generators::{damage, generate, limits, observe, ours, random};
pub use threads::in_threads;

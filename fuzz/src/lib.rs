//! Fuzzing of the executor: what goes in, and who says what has to come out.
//!
//! - [`differential`]: random modules of the accepted language run here with both meters, and in
//!   Wasmtime and wasmi after `wasm-instrument`; results, traps (those of the meters counted), gas, depth, memory,
//!   globals and the calls of host functions have to be the same, bit for bit.
//! - [`bad_input`]: damaged blobs, candidates and artifacts have to end in typed
//!   errors.
//!
//! Everything follows from a seed, so every finding can be repeated.
#![forbid(unsafe_code)]

pub mod bad_input;
mod compare;
pub mod corpus;
mod damage;
pub mod differential;
pub mod folder;
mod generate;
mod instrumented;
mod interpreter;
mod keep_apart;
mod limits;
mod mutate;
mod observe;
mod ours;
mod peer;
mod program;
mod random;
pub mod scripts;
mod threads;

pub use generate::{Generator, Mode, Subject, generate_from, mutant_of};
pub use mutate::shrink;
pub use observe::{Call, Ending, Function, HostFunctions, Limits, Observation, Plan, Step};
pub use ours::{Ours, Run};
pub use peer::Peer;
pub use random::Random;
pub use threads::in_threads;

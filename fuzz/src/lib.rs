//! Fuzzing of the executor: what goes in, and who says what has to come out.
//!
//! - [`differential`]: random modules of the accepted language run here and in
//!   Wasmtime; results, traps, memory, globals and the calls of host functions have to
//!   be the same, bit for bit.
//! - [`bad_input`]: damaged blobs, candidates and artifacts have to end in typed
//!   errors.
//!
//! Everything follows from a seed, so every finding can be repeated.
#![forbid(unsafe_code)]

pub mod bad_input;
mod damage;
pub mod differential;
mod generate;
mod observe;
mod ours;
mod peer;
mod program;
mod random;

pub use generate::{Mode, Subject, generate, generate_from};
pub use observe::{Ending, HostFunctions, Observation, Plan, Step};
pub use ours::Ours;
pub use peer::Peer;
pub use random::Random;

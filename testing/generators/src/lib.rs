//! Random modules, plans of calls, and this executor's observations of both. The fuzzers and the comparison of machines
//! share them. This crate uses no other engine.
//!
//! - [`Generator`] makes a [`Subject`], a module of the accepted language, from a seed.
//! - A [`Plan`] lists the calls, and [`limits`] draws the limits they run within.
//! - [`Ours`] executes a plan, and an [`Observation`] records what a call did.
//! - [`worst_case`] searches for modules that are expensive to compile.
//! - [`suite`] selects the parts of WebAssembly's test suite that test the accepted language.
#![deny(unsafe_code)]

pub mod bodies;
pub mod damage;
pub mod folder;
pub mod generate;
pub mod limits;
pub mod mutate;
pub mod observe;
pub mod ours;
mod program;
pub mod random;
pub mod sharing;
mod sparse;
pub mod suite;
pub mod worst_case;

pub use generate::{Generator, Mode, Subject, generate_from, mutant_of, program_from};
pub use mutate::shrink;
pub use observe::{Call, Ending, Function, HostFunctions, Limits, Observation, Plan, Step};
pub use ours::{Ours, Run};
pub use random::Random;
pub use sharing::Sharing;

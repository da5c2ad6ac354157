//! Random modules, what to do with them, and what this executor makes of it: what the fuzzers beside other engines and the
//! comparison of machines have in common. No other engine is needed here.
//!
//! - [`Generator`] makes a [`Subject`], a module of the accepted language, from a seed;
//! - a [`Plan`] says what to call in it, [`limits`] within which limits;
//! - [`worst_case`] searches for modules that are dear to compile;
//! - [`Ours`] does it, and an [`Observation`] says what was to be seen.
#![deny(unsafe_code)]

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
pub mod worst_case;

pub use generate::{Generator, Mode, Subject, generate_from, mutant_of};
pub use mutate::shrink;
pub use observe::{Call, Ending, Function, HostFunctions, Limits, Observation, Plan, Step};
pub use ours::{Ours, Run};
pub use random::Random;
pub use sharing::Sharing;

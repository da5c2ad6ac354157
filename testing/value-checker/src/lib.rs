//! Whether machine code computes what its Wasm says: translation validation of the compiler's output.
//!
//! In: a module, its machine code as the verifier takes it, and the compiler's code map, which is believed in nothing:
//! a wrong one can only make a check fail. Out: for each function [`Outcome::Checked`], [`Outcome::Unchecked`] with a
//! reason, or [`Outcome::Alarm`] with the place where the two differ.
//!
//! Both sides are executed over [terms](term): the machine code instruction by instruction ([`walk`], with a lifter for
//! each target), the Wasm operator by operator as far as the code asks ([`wasm`]). Effects must be equal and in the same
//! order: loads, stores, globals, calls with their arguments, traps with their kind and place, branches, results. Where
//! paths meet, places that held the same on all of them still do ([`join`]); no hint says which, so what the compiler
//! believes about registers and homes is found out instead of believed.
//!
//! Not checked here: charges of gas and the logical stack (invariant 19 of the verifier), what calls leave in registers
//! of the meters, stubs, and loops that the compiler turns into block operations (compile with `loop_idioms = false`).
//!
//! The crate never panics on any input.
#![forbid(unsafe_code)]

mod body;
mod check;
mod compiled;
pub mod faults;
mod join;
mod machine;
mod magic;
mod report;
mod swap;
mod target;
mod term;
mod walk;
mod wasm;
mod x64;

pub use check::{Checker, Input, Piece};
pub use compiled::{Compiled, Setting};
pub use report::{Alarm, Outcome, Report, Unchecked};

//! Machine code to verify, and faults to seed in it.
//!
//! [`corpus`] has the modules of the repository and of the WebAssembly suites. [`Made`] is a module compiled with one
//! of [all settings](settings) of the meters. [`faults`] are edits of machine code that a verifier must refuse.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod faults;
mod made;

pub use made::{Made, Setting, settings};

//! Machine code to verify, and faults to seed in it.
//!
//! [`corpus`] has the modules of the repository and of the WebAssembly suites, [`Made`] is one of them compiled with
//! [every setting](settings) of the meters, [`faults`] are edits of machine code of which a verifier must refuse every one.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod faults;
mod made;

pub use made::{Made, Setting, settings};

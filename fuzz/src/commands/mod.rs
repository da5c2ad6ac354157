//! The commands of the program.

pub mod bad_input;
pub mod differential;

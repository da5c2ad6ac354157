//! The commands of the program.

pub mod bad_input;
pub mod corpus;
pub mod counts;
pub mod differential;
pub mod meters;
pub mod worst_case;

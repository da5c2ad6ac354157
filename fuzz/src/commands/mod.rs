//! The commands of the program.

pub mod bad_input;
pub mod corpus;
pub mod counts;
pub mod differential;
pub mod executions;
pub mod meters;
pub mod targets;
pub mod worst_case;

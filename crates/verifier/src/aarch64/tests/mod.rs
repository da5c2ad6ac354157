//! Tests of the aarch64 rules that need what is inside.

mod corpus;
mod decoder;
mod far;
mod faults;

//! Tests of the aarch64 rules that use internal items.

mod corpus;
mod decoder;
mod far;
mod faults;

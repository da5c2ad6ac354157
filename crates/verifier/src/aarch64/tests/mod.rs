//! Tests of the aarch64 rules.

mod decoder;

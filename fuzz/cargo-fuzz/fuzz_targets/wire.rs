//! The target `wire`.
#![no_main]
pvf_cargo_fuzz::target!("wire");

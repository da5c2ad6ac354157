//! The target `module`.
#![no_main]
pvf_cargo_fuzz::target!("module");

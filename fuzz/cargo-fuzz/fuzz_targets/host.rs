//! The target `host`.
#![no_main]
pvf_cargo_fuzz::target!("host");

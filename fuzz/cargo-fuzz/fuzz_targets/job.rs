//! The target `job`.
#![no_main]
pvf_cargo_fuzz::target!("job");

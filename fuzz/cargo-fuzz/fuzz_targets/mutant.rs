//! The target `mutant`.
#![no_main]
pvf_cargo_fuzz::target!("mutant");

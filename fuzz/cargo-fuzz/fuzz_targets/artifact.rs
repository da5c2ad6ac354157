//! The target `artifact`.
#![no_main]
pvf_cargo_fuzz::target!("artifact");

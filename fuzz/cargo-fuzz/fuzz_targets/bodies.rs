//! The target `bodies`.
#![no_main]
pvf_cargo_fuzz::target!("bodies");

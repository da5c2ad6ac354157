//! The target `differential`.
#![no_main]
pvf_cargo_fuzz::target!("differential");

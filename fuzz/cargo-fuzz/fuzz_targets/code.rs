//! The target `code`.
#![no_main]
pvf_cargo_fuzz::target!("code");

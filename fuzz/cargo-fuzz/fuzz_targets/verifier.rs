//! The target `verifier`.
#![no_main]
pvf_cargo_fuzz::target!("verifier");

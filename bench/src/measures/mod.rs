//! What is measured, one file each: `measure` makes rows, `tables` says what they show.

pub mod boundary;
pub mod cold;
pub mod compile;
pub mod execute;
pub mod instantiate;
pub mod linear;
pub mod meters;
pub mod programs;
pub mod wasm_opt;

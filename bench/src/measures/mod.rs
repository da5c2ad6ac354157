//! The measures, one file each: `measure` makes rows, `tables` formats them.

pub mod boundary;
pub mod cold;
pub mod compile;
pub mod execute;
pub mod instantiate;
pub mod linear;
pub mod meters;
pub mod programs;
pub mod public;
pub mod wasm_opt;

//! What is measured, one file each: `measure` makes rows, `tables` says what they show.

pub mod programs;

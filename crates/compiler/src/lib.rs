//! Wasm to machine code in two linear passes.
#![forbid(unsafe_code)]

pub mod abi;
pub mod artifact;
mod target;

pub use artifact::{Artifact, ArtifactError, ModuleInfo};
pub use target::Target;

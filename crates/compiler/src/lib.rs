//! Wasm to machine code in two linear passes.
#![forbid(unsafe_code)]

pub mod abi;
pub mod artifact;
mod error;
mod module;
mod target;

pub use artifact::{Artifact, ArtifactError, ModuleInfo};
pub use error::CompileError;
pub use module::function_names;
pub use target::Target;

//! Substrate's executor traits on the deterministic executor: a [`Runtime`] is a [`WasmModule`].
//!
//! In: a [`RuntimeBlob`] or a prepared artifact, host functions as Substrate declares them
//! ([`HostFunctions`](sp_wasm_interface::HostFunctions)), a [`Config`]. Out: runtimes, whose instances
//! take calls and answer with bytes or with an error of `sc-executor-common`.
//!
//! | module | is about |
//! | --- | --- |
//! | `config` | what can be chosen |
//! | `prepare` | from a blob to an artifact |
//! | `runtime` | from an artifact to a module with its imports resolved |
//! | `functions`, `context` | host functions, and what they see of their caller |
//! | `instance` | calls |
//!
//! Names and signatures are those of `sc-executor-wasmtime` 0.47, which the package of that name beside this one stands in for.
//! What differs:
//!
//! - The functions that take artifacts are safe to call: an artifact is checked before it is used. Like any file with machine code it
//!   must still come from a source that is trusted.
//! - NaNs are canonical whether or not [`Semantics::canonicalize_nans`] asks for it.
//! - The logical stack limit is a parameter of the execution, not part of the artifact.
//! - Without [`Semantics::deterministic_stack_limit`] the stack ends at [`STACK_NATIVE_MAX`] bytes, by the frame sizes of this
//!   executor, which are the same everywhere.
//! - [`Config::cache_path`] and [`Semantics::instantiation_strategy`] change nothing: compiling is fast, and so is making an instance.
//! - Vectors and reference types are not offered; a module that uses them is refused.
//! - When the machine fails (no memory, say), the error is `RuntimeConstruction`, which a PVF host does not take for a fault
//!   of the candidate.

mod config;
mod context;
mod functions;
mod instance;
mod prepare;
mod runtime;

pub use config::{
    Config, DeterministicStackLimit, InstantiationStrategy, STACK_NATIVE_MAX, Semantics,
};
pub use instance::RuntimeInstance;
pub use prepare::prepare_runtime_artifact;
pub use runtime::{
    Runtime, create_runtime, create_runtime_from_artifact, create_runtime_from_artifact_bytes,
};
pub use sc_executor_common::{
    runtime_blob::RuntimeBlob,
    wasm_runtime::{HeapAllocStrategy, WasmModule},
};

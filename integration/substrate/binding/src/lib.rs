//! Substrate's executor traits on the deterministic executor: a [`Runtime`] is a [`WasmModule`].
//!
//! The input is a [`RuntimeBlob`] or a prepared artifact, host functions as Substrate declares them
//! ([`HostFunctions`](sp_wasm_interface::HostFunctions)), and a [`Config`]. The output is runtimes
//! whose instances accept calls and return bytes or an error of `sc-executor-common`.
//!
//! | module | contents |
//! | --- | --- |
//! | `config` | the configuration |
//! | `prepare` | from a blob to an artifact |
//! | `runtime` | from an artifact to a module with its imports resolved |
//! | `functions`, `context` | host functions, and their access to the calling module |
//! | `instance` | calls |
//!
//! Names and signatures are those of `sc-executor-wasmtime` 0.47; the package of that name next to
//! this one replaces it. The differences:
//!
//! - Artifacts are checked before they are used. As with any file of machine code, they must still
//!   come from a trusted source.
//! - NaNs are always canonical, whatever [`Semantics::canonicalize_nans`] says.
//! - The logical stack limit is a parameter of the execution and not part of the artifact.
//! - Without [`Semantics::deterministic_stack_limit`] the stack limit is [`STACK_NATIVE_MAX`]
//!   bytes, counted by this executor's frame sizes, which are the same on every machine.
//! - [`Config::cache_path`] and [`Semantics::instantiation_strategy`] have no effect: compilation
//!   and instantiation are fast.
//! - Vector instructions and reference types are not supported; a module that uses them is refused.
//! - A failure of the host (for example, no memory) is the error `RuntimeConstruction`, which a PVF
//!   host does not take for a fault of the candidate.

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

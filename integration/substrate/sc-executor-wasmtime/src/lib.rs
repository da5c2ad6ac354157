//! Stands in for Substrate's crate of this name, so that a node runs on the deterministic executor without a change of its
//! source. To be used through `[patch.crates-io]`:
//!
//! ```toml
//! [patch.crates-io]
//! sc-executor-wasmtime = { path = "integration/substrate/sc-executor-wasmtime" }
//! ```
//!
//! In and out: what the crate's public items of version 0.47 take and give. All of it is in [`pvf_substrate`]. What is different
//! stands there.

pub use pvf_substrate::{
    Config, DeterministicStackLimit, HeapAllocStrategy, InstantiationStrategy,
    Runtime as WasmtimeRuntime, RuntimeBlob, Semantics, WasmModule, create_runtime,
    create_runtime_from_artifact, create_runtime_from_artifact_bytes, prepare_runtime_artifact,
};

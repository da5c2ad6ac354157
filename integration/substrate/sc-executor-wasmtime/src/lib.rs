//! Replaces Substrate's crate of this name, so that a node runs on the deterministic executor
//! without changes to its source. Used through `[patch.crates-io]`:
//!
//! ```toml
//! [patch.crates-io]
//! sc-executor-wasmtime = { path = "integration/substrate/sc-executor-wasmtime" }
//! ```
//!
//! Inputs and outputs are those of the public items of version 0.47. All items are in
//! [`pvf_substrate`], which also lists the differences.

pub use pvf_substrate::{
    Config, DeterministicStackLimit, HeapAllocStrategy, InstantiationStrategy,
    Runtime as WasmtimeRuntime, RuntimeBlob, Semantics, WasmModule, create_runtime,
    create_runtime_from_artifact, create_runtime_from_artifact_bytes, prepare_runtime_artifact,
};

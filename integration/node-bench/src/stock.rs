//! Preparation and execution by the functions that a node's workers call.
//!
//! [`prepare`] does what the prepare worker does between receiving a blob and writing an artifact.
//! [`load_and_execute`] does what the execute worker does between reading the artifact and having a
//! result. To measure execution alone, [`Loaded`] keeps the runtime that `execute_artifact` creates
//! for each candidate.

use polkadot_node_core_pvf_common::compute_checksum;
use polkadot_node_core_pvf_common::executor_interface as stock;
use polkadot_primitives::ExecutorParams;
use sc_executor_common::wasm_runtime::WasmModule;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::path::Path;

/// Polkadot's `VALIDATION_CODE_BOMB_LIMIT`; networks set values of this order.
const CODE_BOMB_LIMIT: usize = 50 << 20;

/// The result, or `None` if the candidate is invalid.
pub type Judged = Option<Vec<u8>>;

/// Prepares a blob and returns the artifact's bytes.
pub fn prepare(code: &[u8]) -> Result<Vec<u8>, String> {
    let code = decompress(code)?;
    let blob = stock::prevalidate(&code).map_err(|error| error.to_string())?;
    stock::prepare(blob, &ExecutorParams::default()).map_err(|error| error.to_string())
}

/// Size of a blob's decompressed code.
pub fn wasm_bytes(code: &[u8]) -> Result<usize, String> {
    decompress(code).map(|code| code.len())
}

fn decompress(code: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let code = sp_maybe_compressed_blob::decompress(code, CODE_BOMB_LIMIT);
    code.map_err(|error| format!("{error:?}"))
}

/// The checksum of an artifact that the host keeps.
pub fn checksum(artifact: &[u8]) -> polkadot_node_core_pvf_common::ArtifactChecksum {
    compute_checksum(artifact)
}

/// Reads an artifact, verifies its checksum and executes a candidate.
pub fn load_and_execute(
    artifact: &Path,
    checksum: &polkadot_node_core_pvf_common::ArtifactChecksum,
    candidate: &[u8],
) -> Result<Judged, String> {
    let bytes = std::fs::read(artifact).map_err(|error| error.to_string())?;
    if compute_checksum(&bytes) != *checksum {
        return Err("the artifact is corrupted".to_owned());
    }
    // SAFETY: `prepare` made the artifact, and the checksum shows that it is unchanged.
    let judged = unsafe { stock::execute_artifact(&bytes, &ExecutorParams::default(), candidate) };
    Ok(judged.ok())
}

/// An artifact that stays loaded in memory.
pub struct Loaded(Box<dyn WasmModule>);

impl Loaded {
    /// Loads an artifact that [`prepare`] made.
    pub fn new(artifact: &[u8]) -> Result<Self, String> {
        // SAFETY: `prepare` made the artifact in this process.
        let runtime = unsafe {
            stock::create_runtime_from_artifact_bytes(artifact, &ExecutorParams::default())
        };
        Ok(Self(Box::new(runtime.map_err(|error| error.to_string())?)))
    }

    /// Executes a candidate in a fresh instance.
    pub fn execute(&self, candidate: &[u8]) -> Result<Judged, String> {
        let (semantics, _) = stock::params_to_wasmtime_semantics(&ExecutorParams::default());
        // With the node's externalities, a candidate that accesses storage panics; with these it
        // does not. The measured candidates do not access storage.
        let mut externalities = sp_state_machine::BasicExternalities::default();
        let call = || {
            let mut instance = self.0.new_instance(semantics.heap_alloc_strategy)?;
            instance.call("validate_block", candidate)
        };
        // A call does not change the runtime, and the instance is dropped after a panic.
        let call = AssertUnwindSafe(call);
        let called = sc_executor::with_externalities_safe(&mut externalities, call);
        Ok(called.and_then(|result| result).ok())
    }
}

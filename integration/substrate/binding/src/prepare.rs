//! Preparation: from a blob to an artifact.

use crate::Semantics;
use pvf_executor::{
    Artifact, CompileOptions, Features, Metering, NotPrepared, Purpose, Rules, prepare,
};
use sc_executor_common::error::WasmError;
use sc_executor_common::runtime_blob::RuntimeBlob;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Compiles a module to an artifact for
/// [`create_runtime_from_artifact`](crate::create_runtime_from_artifact) and
/// [`create_runtime_from_artifact_bytes`](crate::create_runtime_from_artifact_bytes).
///
/// # Errors
/// The module is invalid, or exceeds a limit of the compiler.
pub fn prepare_runtime_artifact(
    blob: RuntimeBlob,
    semantics: &Semantics,
) -> Result<Vec<u8>, WasmError> {
    compile(blob, semantics).map(|artifact| artifact.to_bytes())
}

/// Rewrites the module as nodes do and prepares it. The stack limiter is left out, because the
/// compiler counts the logical stack.
pub(crate) fn compile(mut blob: RuntimeBlob, semantics: &Semantics) -> Result<Artifact, WasmError> {
    blob.convert_memory_import_into_export()?;
    blob.clear_memory_max_limit()?;
    let rules = Rules::new(options(semantics), Purpose::Execution);
    // The trait has one error type for rejections and failures. A caller that votes has to
    // distinguish them by the text.
    match prepare(&blob.serialize(), &rules) {
        Ok(prepared) => Ok(prepared.artifact),
        Err(NotPrepared::Rejected(rejection)) => Err(WasmError::Other(format!(
            "cannot create module: {rejection}"
        ))),
        Err(NotPrepared::Failed(failure)) => Err(WasmError::Other(format!(
            "the compiler failed, which says nothing about the module: {failure}"
        ))),
    }
}

fn options(semantics: &Semantics) -> CompileOptions {
    // The stock executor cannot switch off the first two features, but its parser refuses such
    // modules beforehand.
    let features = Features {
        sign_extension: true,
        saturating_float_to_int: true,
        multi_value: semantics.wasm_multi_value,
        bulk_memory: semantics.wasm_bulk_memory,
        ..Features::MVP
    };
    let mut options = CompileOptions::new(features);
    options.metering = Metering {
        logical_stack: semantics.deterministic_stack_limit.is_some(),
        gas: None,
    };
    if semantics.parallel_compilation {
        options.threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    }
    options
}

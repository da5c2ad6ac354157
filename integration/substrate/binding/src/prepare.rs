//! From a blob to an artifact.

use crate::Semantics;
use pvf_executor::artifact::ValType;
use pvf_executor::{Artifact, Features, Metering, ModuleInfo, PrepareOptions, prepare};
use sc_executor_common::error::WasmError;
use sc_executor_common::runtime_blob::RuntimeBlob;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Compiles a module to an artifact for
/// [`create_runtime_from_artifact`](crate::create_runtime_from_artifact) and its sibling.
///
/// # Errors
/// The module is invalid, or beyond a limit of the compiler.
pub fn prepare_runtime_artifact(
    blob: RuntimeBlob,
    semantics: &Semantics,
) -> Result<Vec<u8>, WasmError> {
    compile(blob, semantics).map(|artifact| artifact.to_bytes())
}

/// Rewrites the module as nodes do, all but the stack limiter, whose work the compiler does, and compiles it.
pub(crate) fn compile(mut blob: RuntimeBlob, semantics: &Semantics) -> Result<Artifact, WasmError> {
    blob.convert_memory_import_into_export()?;
    blob.clear_memory_max_limit()?;
    let artifact = prepare(&blob.serialize(), &options(semantics))
        .map_err(|error| {
            // The trait has one type for both. A caller that votes has to tell them apart by the text.
            let what = match error.is_refusal() {
                true => "cannot create module",
                false => "the compiler failed, which says nothing about the module",
            };
            WasmError::Other(format!("{what}: {error}"))
        })?;
    if semantics.deterministic_stack_limit.is_some() && limiter_breaks(&artifact.module) {
        let reason = "the imported globals shift the global of the stack limiter";
        return Err(WasmError::Other(reason.to_owned()));
    }
    Ok(artifact)
}

fn options(semantics: &Semantics) -> PrepareOptions {
    // The two that the stock executor cannot switch off; its parser does, before anything gets here.
    let features = Features {
        sign_extension: true,
        saturating_float_to_int: true,
        multi_value: semantics.wasm_multi_value,
        bulk_memory: semantics.wasm_bulk_memory,
    };
    let mut options = PrepareOptions::new(features);
    options.metering = Metering {
        logical_stack: semantics.deterministic_stack_limit.is_some(),
        gas: None,
    };
    if semantics.parallel_compilation {
        options.threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    }
    options
}

/// The stock executor adds a global for the stack limiter to the module, and counts only globals of the module's own when it refers
/// to it. If there are imported ones it refers to another global, and mostly makes the module invalid. A module with
/// imported globals is of no use in any case, but what it is refused for is a matter of votes.
fn limiter_breaks(module: &ModuleInfo) -> bool {
    let imported = module.imported_globals as usize;
    let own = module.globals.len().saturating_sub(imported);
    let referred = module.globals.get(own).map(|global| global.ty);
    imported > 0 && referred.is_some_and(|ty| !ty.mutable || ty.value != ValType::I32)
}

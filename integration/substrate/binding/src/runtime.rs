//! Runtimes: from an artifact to a module with resolved imports.
#![allow(unsafe_code, reason = "an artifact is code: who loads one vouches for it")]

use crate::context::State;
use crate::instance::Entry;
use crate::{Config, RuntimeInstance, STACK_NATIVE_MAX, Semantics, functions, prepare};
use pvf_executor::artifact::ExportKind;
use pvf_executor::{
    Artifact, ExecutionParameters, Linked, Linker, Module, check_linkable, open_module,
};
use sc_executor_common::error::{Error, WasmError};
use sc_executor_common::runtime_blob::RuntimeBlob;
use sc_executor_common::wasm_runtime::{HeapAllocStrategy, WasmInstance, WasmModule};
use sp_wasm_interface::HostFunctions;
use std::path::Path;
use std::sync::Arc;

/// Maximum pages of a memory by the WebAssembly specification.
const MOST_PAGES: u32 = 65_536;

/// A module that can be instantiated.
pub struct Runtime(Arc<Shared>);

/// The data that a runtime and its instances share.
pub(crate) struct Shared {
    pub(crate) linked: Linked<State>,
    pub(crate) entry: Entry,
    /// Initial size of the exported memory, in pages.
    initial_pages: u32,
    stack_native_max: u64,
    stack_logical_max: Option<u32>,
}

/// Compiles a module and resolves its imports with the host functions `H`.
///
/// # Errors
/// The module is invalid, or an import cannot be satisfied.
pub fn create_runtime<H: HostFunctions>(
    blob: RuntimeBlob,
    config: Config,
) -> Result<Runtime, WasmError> {
    let artifact = prepare::compile(blob, &config.semantics)?;
    Runtime::new::<H>(place(artifact)?, &config)
}

/// As [`create_runtime`], from a file that holds the result of
/// [`prepare_runtime_artifact`](crate::prepare_runtime_artifact). The file may be deleted or
/// replaced while the runtime exists, but not changed.
///
/// # Errors
/// The file cannot be read, is not an intact artifact for this machine, or was prepared for other
/// [`Semantics`]; or an import cannot be satisfied.
///
/// # Safety
/// The file's code is executed: [`prepare_runtime_artifact`](crate::prepare_runtime_artifact) made
/// it.
pub unsafe fn create_runtime_from_artifact<H: HostFunctions>(
    compiled_artifact_path: &Path,
    config: Config,
) -> Result<Runtime, WasmError> {
    // SAFETY: the caller promises that the file is trusted and does not change.
    let module = unsafe { open_module(compiled_artifact_path) }
        .map_err(|error| WasmError::Other(format!("cannot deserialize module: {error}")))?;
    Runtime::new::<H>(module, &config)
}

/// As [`create_runtime_from_artifact`], from the file's bytes.
///
/// # Errors
/// As [`create_runtime_from_artifact`].
///
/// # Safety
/// As [`create_runtime_from_artifact`].
pub unsafe fn create_runtime_from_artifact_bytes<H: HostFunctions>(
    compiled_artifact_bytes: &[u8],
    config: Config,
) -> Result<Runtime, WasmError> {
    // SAFETY: the caller promises that the bytes are trusted.
    let artifact = unsafe { Artifact::from_bytes(compiled_artifact_bytes) }
        .map_err(|error| WasmError::Other(format!("cannot deserialize module: {error}")))?;
    Runtime::new::<H>(place(artifact)?, &config)
}

fn place(artifact: Artifact) -> Result<Module, WasmError> {
    Module::new(artifact)
        .map_err(|error| WasmError::Other(format!("cannot deserialize module: {error}")))
}

impl Runtime {
    fn new<H: HostFunctions>(module: Module, config: &Config) -> Result<Self, WasmError> {
        check_meter(&module, &config.semantics)?;
        check_linkable(module.info(), &functions::types::<H>())
            .map_err(|rejection| WasmError::Other(rejection.to_string()))?;
        let mut linker = Linker::new();
        functions::define_all::<H>(&mut linker);
        if config.allow_missing_func_imports {
            linker.unknown_functions(Some(functions::MODULE));
        }
        let linked = linker
            .link(&module)
            .map_err(|error| WasmError::Other(error.rejection().to_string()))?;
        let limits = config.semantics.deterministic_stack_limit.as_ref();
        Ok(Self(Arc::new(Shared {
            linked,
            entry: Entry::find(module.info()),
            initial_pages: exported_pages(&module),
            stack_native_max: limits.map_or(STACK_NATIVE_MAX, |it| it.native_stack_max.into()),
            stack_logical_max: limits.map(|it| it.logical_max),
        })))
    }
}

impl WasmModule for Runtime {
    fn new_instance(&self, strategy: HeapAllocStrategy) -> Result<Box<dyn WasmInstance>, Error> {
        Ok(Box::new(RuntimeInstance::new(self.0.clone(), strategy)))
    }
}

impl Shared {
    /// The execution parameters of an instance.
    pub(crate) fn parameters(&self, strategy: HeapAllocStrategy) -> ExecutionParameters {
        let pages = match strategy {
            HeapAllocStrategy::Static { extra_pages } => {
                self.initial_pages.saturating_add(extra_pages)
            }
            HeapAllocStrategy::Dynamic { maximum_pages } => maximum_pages.unwrap_or(MOST_PAGES),
        };
        ExecutionParameters {
            max_memory_pages: pages.min(MOST_PAGES),
            ignore_declared_maximum: true,
            stack_native_max: self.stack_native_max,
            stack_logical_max: self.stack_logical_max,
            gas_limit: None,
        }
    }
}

/// Checks that the code counts the logical height exactly if the configuration limits it.
fn check_meter(module: &Module, semantics: &Semantics) -> Result<(), WasmError> {
    let counted = module.info().meters.logical_stack;
    match (counted, &semantics.deterministic_stack_limit) {
        (true, Some(_)) | (false, None) => Ok(()),
        (true, None) => Err(WasmError::Other(
            "the artifact was prepared with a deterministic stack limit".to_owned(),
        )),
        (false, Some(_)) => Err(WasmError::Other(
            "the artifact was prepared without a deterministic stack limit".to_owned(),
        )),
    }
}

/// Initial pages of the memory if it is exported, by any name; otherwise 0.
fn exported_pages(module: &Module) -> u32 {
    let info = module.info();
    let exported = info
        .exports
        .iter()
        .any(|export| matches!(export.kind, ExportKind::Memory));
    info.memory
        .filter(|_| exported)
        .map_or(0, |memory| memory.minimum)
}

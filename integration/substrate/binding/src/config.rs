//! What can be chosen. The types have the fields of those they stand in for.

use sc_executor_common::wasm_runtime::HeapAllocStrategy;
use std::path::PathBuf;

/// Bytes of stack where no deterministic limit is asked for: 16 times what the stock executor allows its own, larger or smaller frames.
pub const STACK_NATIVE_MAX: u64 = 16 << 20;

/// Limits of the stack. Where each is reached depends on the module only.
#[derive(Clone, Debug)]
pub struct DeterministicStackLimit {
    /// The greatest logical height, in units of the stack limiter of Polkadot's nodes.
    pub logical_max: u32,
    /// The most bytes of frames.
    pub native_stack_max: u32,
}

/// How the stock executor makes instances. Here it changes nothing.
#[non_exhaustive]
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum InstantiationStrategy {
    /// From a pool, memory copied on write.
    PoolingCopyOnWrite,
    /// Anew, memory copied on write.
    RecreateInstanceCopyOnWrite,
    /// From a pool.
    Pooling,
    /// Anew.
    RecreateInstance,
}

/// The rules of compilation and execution.
#[derive(Clone, Debug)]
pub struct Semantics {
    /// Changes nothing.
    pub instantiation_strategy: InstantiationStrategy,
    /// Limits of the stack; without them the logical height is not counted.
    pub deterministic_stack_limit: Option<DeterministicStackLimit>,
    /// Changes nothing: NaNs are always canonical.
    pub canonicalize_nans: bool,
    /// Compile on all processors. The artifact is the same.
    pub parallel_compilation: bool,
    /// Not used: instances are told their own.
    pub heap_alloc_strategy: HeapAllocStrategy,
    /// Accept functions and blocks with several results.
    pub wasm_multi_value: bool,
    /// Accept the bulk-memory instructions.
    pub wasm_bulk_memory: bool,
    /// Not offered.
    pub wasm_reference_types: bool,
    /// Not offered.
    pub wasm_simd: bool,
}

/// All choices for a runtime.
#[derive(Clone, Debug)]
pub struct Config {
    /// Let imports of functions that the host does not have trap when they are called. Without it a module that has such
    /// imports is refused.
    pub allow_missing_func_imports: bool,
    /// Not used.
    pub cache_path: Option<PathBuf>,
    /// The rules.
    pub semantics: Semantics,
}

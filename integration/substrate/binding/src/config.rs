//! Configuration. The types have the fields of their counterparts in the stock executor.

use sc_executor_common::wasm_runtime::HeapAllocStrategy;
use std::path::PathBuf;

/// Bytes of stack without a deterministic limit: 16 times the limit of the stock executor, whose
/// frames have other sizes.
pub const STACK_NATIVE_MAX: u64 = 16 << 20;

/// Limits of the stack. The depth at which each is reached depends only on the module.
#[derive(Clone, Debug)]
pub struct DeterministicStackLimit {
    /// Maximum logical height, in units of the stack limiter of Polkadot's nodes.
    pub logical_max: u32,
    /// Maximum bytes of frames.
    pub native_stack_max: u32,
}

/// How the stock executor makes instances. Has no effect here.
#[non_exhaustive]
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum InstantiationStrategy {
    /// From a pool, with copy-on-write memory.
    PoolingCopyOnWrite,
    /// A new instance, with copy-on-write memory.
    RecreateInstanceCopyOnWrite,
    /// From a pool.
    Pooling,
    /// A new instance.
    RecreateInstance,
}

/// The rules of compilation and execution.
#[derive(Clone, Debug)]
pub struct Semantics {
    /// Has no effect.
    pub instantiation_strategy: InstantiationStrategy,
    /// Limits of the stack. Without them the logical height is not counted.
    pub deterministic_stack_limit: Option<DeterministicStackLimit>,
    /// Has no effect: NaNs are always canonical.
    pub canonicalize_nans: bool,
    /// Compile on all processors. The artifact does not depend on it.
    pub parallel_compilation: bool,
    /// Not used: each instance gets its own strategy.
    pub heap_alloc_strategy: HeapAllocStrategy,
    /// Accept functions and blocks with several results.
    pub wasm_multi_value: bool,
    /// Accept the bulk-memory instructions.
    pub wasm_bulk_memory: bool,
    /// Not supported.
    pub wasm_reference_types: bool,
    /// Not supported.
    pub wasm_simd: bool,
}

/// The configuration of a runtime.
#[derive(Clone, Debug)]
pub struct Config {
    /// Link imports of functions that the host does not have; calling one traps. Otherwise a module
    /// with such imports is refused.
    pub allow_missing_func_imports: bool,
    /// Not used.
    pub cache_path: Option<PathBuf>,
    /// The rules.
    pub semantics: Semantics,
}

//! The parameters of an execution.

use serde::{Deserialize, Serialize};

/// Bytes of a page of linear memory.
pub const PAGE_BYTES: u64 = 65_536;

/// Most pages that a WebAssembly memory can have.
pub const MOST_MEMORY_PAGES: u32 = 65_536;

/// Polkadot's default: 2,048 pages of heap and 32 more.
pub const DEFAULT_MAX_MEMORY_PAGES: u32 = 2_080;

/// Polkadot's default `StackNativeMax`: 256 MiB.
pub const DEFAULT_STACK_NATIVE_MAX: u64 = 256 * 1024 * 1024;

/// Polkadot's default `StackLogicalMax`, in units.
pub const DEFAULT_STACK_LOGICAL_MAX: u32 = 65_536;

/// The parameters of an outcome, besides blob and candidate, that take effect when a module is instantiated. An
/// artifact does not depend on them, so that one artifact serves every set of parameters, as Polkadot's identity of
/// artifacts requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExecutionParameters {
    /// Largest size of a memory, in pages, whatever it declares; with a declared
    /// maximum the smaller of both holds unless `ignore_declared_maximum`.
    pub max_memory_pages: u32,
    /// Polkadot ignores the maximum a module declares for its memory.
    pub ignore_declared_maximum: bool,
    /// Largest sum of [`crate::frame_bytes`] over the active functions, in bytes.
    pub stack_native_max: u64,
    /// Largest logical stack height, in units of the stack limiter. Needs code that counts it; if it is
    /// `None`, such code counts without a limit.
    pub stack_logical_max: Option<u32>,
    /// Gas that an instance may use. Needs code that counts it; if it is `None`, such code counts without
    /// a limit.
    pub gas_limit: Option<u64>,
}

impl ExecutionParameters {
    /// The parameters of Polkadot's network when its executor parameters are empty.
    pub const POLKADOT: Self = Self {
        max_memory_pages: DEFAULT_MAX_MEMORY_PAGES,
        ignore_declared_maximum: true,
        stack_native_max: DEFAULT_STACK_NATIVE_MAX,
        stack_logical_max: Some(DEFAULT_STACK_LOGICAL_MAX),
        gas_limit: None,
    };

    /// Plain WebAssembly: declared maxima hold, memory up to 4 GiB.
    pub const WASM: Self = Self {
        max_memory_pages: MOST_MEMORY_PAGES,
        ignore_declared_maximum: false,
        stack_native_max: DEFAULT_STACK_NATIVE_MAX,
        stack_logical_max: None,
        gas_limit: None,
    };
}

//! Wasmtime with Polkadot's host functions, for the benchmarks, the fuzzers and the conformance adapter.
//!
//! [`engine`] is its configuration, [`trap_kind`] maps its traps to those of the rules, and [`Prepared`] executes
//! candidates with the same `sp-io` host functions and the same allocator as this executor, so that every difference
//! comes from the engine.
#![forbid(unsafe_code)]

mod candidate;
mod externalities;
mod host;
mod own_memory;

pub use candidate::{Ended, ExecuteError, Limits, Prepared, Times};
pub use own_memory::with_own_memory;

use pvf_rules::TrapKind;

/// Bytes of stack for Wasm in Wasmtime. The thread's stack must be larger.
pub const WASM_STACK_BYTES: usize = 64 << 20;

/// Bytes of stack for a thread that executes modules in Wasmtime.
pub const THREAD_STACK_BYTES: usize = WASM_STACK_BYTES + (16 << 20);

/// Cranelift at optimisation level speed, with canonical NaNs. It compiles in the calling thread, because the crate is
/// built without parallel compilation.
pub fn engine() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&config())
}

/// The configuration of [`engine`].
pub fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .cranelift_opt_level(wasmtime::OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        // Not used, but Wasmtime requires it to be at least as large as the stack.
        .async_stack_size(WASM_STACK_BYTES);
    config
}

/// The rules' kind of a Wasmtime trap; `None` for a trap that the accepted language cannot cause.
pub fn trap_kind(trap: wasmtime::Trap) -> Option<TrapKind> {
    use wasmtime::Trap as Peer;
    Some(match trap {
        Peer::UnreachableCodeReached => TrapKind::Unreachable,
        Peer::StackOverflow => TrapKind::StackOverflow,
        Peer::OutOfFuel => TrapKind::OutOfGas,
        Peer::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        Peer::TableOutOfBounds => TrapKind::TableOutOfBounds,
        Peer::BadSignature => TrapKind::IndirectCallTypeMismatch,
        Peer::IndirectCallToNull => TrapKind::UndefinedElement,
        Peer::IntegerDivisionByZero => TrapKind::IntegerDivideByZero,
        Peer::IntegerOverflow => TrapKind::IntegerOverflow,
        Peer::BadConversionToInteger => TrapKind::InvalidConversionToInteger,
        _ => return None,
    })
}

//! The rules of stack and gas for any engine: a module is rewritten so that it enforces them itself.
//!
//! In: a module's bytes and the meters wanted. Out: a module that does the same, overflows its stack at the same
//! call and runs out of gas at the same metered block as under our own engine with the same limits
//! (the chapters "Native stack", "Logical stack" and "Gas" of the specification).
//!
//! # What the new module holds
//! Functions, types, globals, memories, tables, segments, imports and exports keep their indices. After them come
//! mutable exported globals: one for each meter asked for, and [`TRAP`] if there is any meter:
//!
//! | export | type | is |
//! | --- | --- | --- |
//! | [`GAS_LEFT`] | i64, unsigned | gas left; starts at the limit. `limit - left` is the gas used: a charge that did not fit is not made |
//! | [`STACK_NATIVE_LEFT`] | i64, unsigned | bytes left of the native stack; starts at the limit |
//! | [`STACK_LOGICAL_LEFT`] | i64, unsigned | units left of the logical stack; starts at the limit |
//! | [`TRAP`] | i32 | 0; before an `unreachable` of a meter the code of the [`TrapKind`](pvf_rules::TrapKind): 1 stack overflow, 2 out of gas |
//!
//! So a trap comes from a meter if and only if [`TRAP`] is not 0.
//!
//! # How
//! - *Stack*: each defined function is charged at its entry (the logical stack first, then the native one, then gas), and the charges of the
//!   stack meters are given back where it returns. That covers direct and indirect calls, exports and the start function
//!   alike; imported functions are free. The body becomes a block of its own, so that `return` is a branch to the block's end and branches to the
//!   function's label end there too.
//! - *Gas*: charges stand where [`GasBlocks`](pvf_metering::GasBlocks) finds them in the original body. What
//!   `memory.grow` costs per page is charged right before it.
//!
//! A block has the results of its function, so a function of several needs multi-value only where it has it already;
//! one type may be added for it. Of the custom sections those that speak of places in code (debug information, branch hints, relocations) are left out;
//! the name section stays, without its names of labels.
//!
//! # An instance after a trap
//! A trap does not give back the charges of active functions. Before an instance is called again after a trap, the
//! caller sets [`STACK_NATIVE_LEFT`] and [`STACK_LOGICAL_LEFT`] to their limits and [`TRAP`] to 0.
//!
//! # What the module cannot do
//! The engine's own stack must be larger than the limit: an engine whose stack ends first traps there.
//!
//! ```
//! use pvf_instrument::{InstrumentOptions, instrument};
//! use pvf_rules::Features;
//!
//! let wasm = wat::parse_str("(module (func $f (export \"f\") (call $f)))")?;
//! let options = InstrumentOptions {
//!     stack_logical_max: Some(1024),
//!     ..InstrumentOptions::new(Features::POLKADOT)
//! };
//! assert!(instrument(&wasm, &options)?.len() > wasm.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod analysis;
mod body;
mod custom;
mod declarations;
mod error;
mod module;
pub mod profile;

pub use analysis::frames;
pub use error::InstrumentError;
pub use module::instrument;

use pvf_metering::Costs;
use pvf_rules::Features;

/// Name of the exported global with the gas left.
pub const GAS_LEFT: &str = "pvf_gas_left";
/// Name of the exported global with the bytes left of the native stack.
pub const STACK_NATIVE_LEFT: &str = "pvf_stack_native_left";
/// Name of the exported global with the units left of the logical stack.
pub const STACK_LOGICAL_LEFT: &str = "pvf_stack_logical_left";
/// Name of the exported global with the code of a meter's trap.
pub const TRAP: &str = "pvf_trap";

/// What to enforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentOptions {
    /// The accepted language. The new module needs no feature that the given module does not need.
    pub features: Features,
    /// Largest sum of the frames of active functions, in bytes; `None`: not counted.
    pub stack_native_max: Option<u64>,
    /// Largest height of the logical stack, in units; `None`: not counted.
    pub stack_logical_max: Option<u32>,
    /// Gas; `None`: not counted.
    pub gas: Option<GasLimit>,
}

/// A gas limit and the prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GasLimit {
    /// The prices.
    pub costs: Costs,
    /// Gas that may be used; `u64::MAX` only counts.
    pub limit: u64,
}

impl InstrumentOptions {
    /// Options without meters.
    pub fn new(features: Features) -> Self {
        Self {
            features,
            stack_native_max: None,
            stack_logical_max: None,
            gas: None,
        }
    }
}

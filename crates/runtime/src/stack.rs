//! The stack on which Wasm runs.
//!
//! ```text
//! | guard | room for signals | STACK_MARGIN_BYTES | stack_native_max | ENTRY_AREA_BYTES | guard |
//!                                                 ^ limit            ^ top
//! ```
//!
//! Generated code compares with the limit before it accesses a frame, so the guards are reached
//! only if the compiler or the runtime is wrong. The room for signals is for handlers of the
//! embedder that were installed without `SA_ONSTACK`.

use crate::HostFailure;
use crate::mapping::{Access, Mapping, page_bytes, round_up};
use pvf_compiler::abi::{ENTRY_AREA_BYTES, STACK_MARGIN_BYTES};
use std::ops::Range;

/// Inaccessible bytes at each end. Larger than most frames, so that an access beyond the stack hits
/// the guard rather than memory past it.
pub(crate) const GUARD: usize = 1 << 20;

/// Bytes for a signal handler of the embedder, in addition to the margin.
const SIGNAL_ROOM: usize = 64 * 1024;

/// A run deeper than this releases the memory below this depth. The memory above stays, so that
/// usual runs do not fault in their pages again.
const KEEP: usize = 256 * 1024;

/// A stack for Wasm. Memory is allocated as the stack is used.
#[derive(Debug)]
pub(crate) struct WasmStack {
    mapping: Mapping,
    /// Offset of depth 0 in the mapping.
    top: usize,
    native_max: usize,
}

impl WasmStack {
    /// Reserves a stack on which frames may take `native_max` bytes.
    pub fn new(native_max: u64) -> Result<Self, HostFailure> {
        const PURPOSE: &str = "the Wasm stack";
        let below = GUARD + SIGNAL_ROOM + STACK_MARGIN_BYTES as usize;
        let entry = (ENTRY_AREA_BYTES as usize).next_multiple_of(page_bytes());
        let sizes = || {
            let native_max = usize::try_from(native_max).ok()?;
            let top = round_up(native_max.checked_add(below)?)?;
            Some((native_max, top, top.checked_add(entry + GUARD)?))
        };
        let (native_max, top, bytes) = sizes().ok_or_else(|| HostFailure::Memory {
            purpose: PURPOSE,
            bytes: native_max,
            source: std::io::Error::from_raw_os_error(libc::ENOMEM),
        })?;
        let mut mapping = Mapping::new_stack(bytes, PURPOSE)?;
        mapping.protect(GUARD..top + entry, Access::ReadWrite)?;
        Ok(Self {
            mapping,
            top,
            native_max,
        })
    }

    /// The stack pointer at depth 0.
    pub fn top(&self) -> usize {
        self.mapping.base() as usize + self.top
    }

    /// Bytes that frames may take.
    pub fn native_max(&self) -> u64 {
        self.native_max as u64
    }

    /// The lowest stack pointer allowed.
    pub fn limit(&self) -> usize {
        self.top() - self.native_max
    }

    /// All addresses, guards included.
    pub fn reservation(&self) -> Range<usize> {
        self.mapping.addresses()
    }

    /// Releases memory after a run that used `depth` bytes, as far as the next run will hardly need
    /// it.
    pub fn trim(&mut self, depth: usize) -> Result<(), HostFailure> {
        if depth <= KEEP {
            return Ok(());
        }
        let keep = KEEP.next_multiple_of(page_bytes());
        self.mapping
            .discard(GUARD..self.top.saturating_sub(keep).max(GUARD))
    }
}

//! An allocator that counts live allocations, and ends a preparation that exceeds its limit.
//!
//! The network can limit the memory of a preparation (`PrecheckingMaxMemory`). The limit is
//! compared with the sum of live allocations, which depends on the code alone, and not with
//! resident pages. A job at its limit cannot allocate memory for an answer, so it writes the
//! constant `OUT_OF_MEMORY` to its pipe.
//!
//! If the system refuses memory below that limit, the machine is at fault, and the code must not be
//! turned down: the allocation fails, and the job with it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// The message "out of memory" on the pipe of a job. No other message begins with these bytes.
pub(crate) const OUT_OF_MEMORY: [u8; 8] = *b"\xff\xffoom\xff\xff\xff";

/// Exit status of a job that wrote [`OUT_OF_MEMORY`].
pub(crate) const OUT_OF_MEMORY_STATUS: i32 = 12;

/// An allocator, by default the system's, with a count of live allocations. For
/// `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator<A = System>(pub A);

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
static ANSWER_TO: AtomicI32 = AtomicI32::new(-1);

/// Resets the counters. Until [`stop`], the process exits when its live allocations exceed `limit`
/// bytes, and writes [`OUT_OF_MEMORY`] to `pipe` before.
pub(crate) fn start(limit: Option<u64>, pipe: RawFd) {
    ANSWER_TO.store(pipe, Relaxed);
    LIVE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    LIMIT.store(limit.unwrap_or(u64::MAX), Relaxed);
}

/// Removes the limit. Returns the largest sum of live allocations since [`start`].
pub(crate) fn stop() -> u64 {
    LIMIT.store(u64::MAX, Relaxed);
    ANSWER_TO.store(-1, Relaxed);
    PEAK.load(Relaxed)
}

/// Runs an action whose allocations belong to no preparation: they have no limit and no share in the
/// peak. Only for a process with one thread.
pub(crate) fn uncounted<T>(action: impl FnOnce() -> T) -> T {
    let peak = PEAK.load(Relaxed);
    let limit = LIMIT.swap(u64::MAX, Relaxed);
    let result = action();
    LIMIT.store(limit, Relaxed);
    PEAK.store(peak, Relaxed);
    result
}

/// Runs an action and returns the largest sum of its live allocations: what [`start`] and [`stop`] count of a preparation. The
/// counters are those of the process, so no other thread may allocate meanwhile; without [`CountingAllocator`] as its allocator
/// the sum is 0.
pub fn peak_of<T>(action: impl FnOnce() -> T) -> (T, u64) {
    start(None, -1);
    let result = action();
    (result, stop())
}

/// Whether the sum is negative, as a number in two's complement: memory that was allocated before
/// [`start`] may be freed after it.
fn below_zero(sum: u64) -> bool {
    sum > u64::MAX / 2
}

fn add(bytes: usize) {
    let bytes = bytes as u64;
    let live = LIVE.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    if below_zero(live) {
        return;
    }
    PEAK.fetch_max(live, Relaxed);
    if live > LIMIT.load(Relaxed) {
        out_of_memory();
    }
}

fn subtract(bytes: usize) {
    LIVE.fetch_sub(bytes as u64, Relaxed);
}

/// Writes [`OUT_OF_MEMORY`] and exits, if the allocations of a job are being counted.
#[allow(
    unsafe_code,
    reason = "calls of the C library are sure to allocate nothing"
)]
fn out_of_memory() {
    let pipe = ANSWER_TO.load(Relaxed);
    if pipe >= 0 {
        // SAFETY: both calls are async-signal-safe and allocate nothing; the bytes are a constant,
        // and the system checks the descriptor.
        unsafe {
            libc::write(pipe, OUT_OF_MEMORY.as_ptr().cast(), OUT_OF_MEMORY.len());
            libc::_exit(OUT_OF_MEMORY_STATUS);
        }
    }
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its interface")]
// SAFETY: all calls are passed on to the allocator, unchanged.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match new_size.checked_sub(layout.size()) {
            Some(more) => add(more),
            None => subtract(layout.size() - new_size),
        }
        // SAFETY: the caller keeps the contract.
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }
}

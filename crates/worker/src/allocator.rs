//! An allocator that counts, and ends a preparation that takes too much.
//!
//! The network can limit what a preparation allocates (`PrecheckingMaxMemory`). What counts is the sum of live allocations, which
//! depends on the code alone, not the pages that the system happened to give. Over the limit nothing can be
//! said any more that needs memory: the answer "out of memory" is written ready-made to the pipe of the job.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

/// Bytes that stand for "out of memory" on the pipe of a job; no other answer begins like this.
pub(crate) const OUT_OF_MEMORY: [u8; 8] = *b"\xff\xffoom\xff\xff\xff";

/// Exit status with it.
pub(crate) const OUT_OF_MEMORY_STATUS: i32 = 12;

/// Counts on top of the system's allocator. For `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);
static ANSWER_TO: AtomicI32 = AtomicI32::new(-1);

/// Begins to count anew: from now on, allocations of more than `limit` bytes at a time end the process.
pub(crate) fn start(limit: Option<u64>, pipe: RawFd) {
    ANSWER_TO.store(pipe, Relaxed);
    LIVE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    LIMIT.store(limit.unwrap_or(u64::MAX), Relaxed);
}

/// Ends the limit. Largest sum of live allocations since [`start`].
pub(crate) fn stop() -> u64 {
    LIMIT.store(u64::MAX, Relaxed);
    ANSWER_TO.store(-1, Relaxed);
    PEAK.load(Relaxed)
}

/// Allocations that were there before the start are freed as well: the sum may go below zero, which is where
/// the upper half of the numbers is.
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

/// Without memory: answers and ends, if a job is being counted.
#[allow(
    unsafe_code,
    reason = "what allocates nothing is a plain call of the C library"
)]
fn out_of_memory() {
    let pipe = ANSWER_TO.load(Relaxed);
    if pipe >= 0 {
        // SAFETY: both calls are async-signal-safe and allocate nothing; the bytes are a constant, the descriptor is checked by
        // the system.
        unsafe {
            libc::write(pipe, OUT_OF_MEMORY.as_ptr().cast(), OUT_OF_MEMORY.len());
            libc::_exit(OUT_OF_MEMORY_STATUS);
        }
    }
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its interface")]
// SAFETY: everything is passed on to the system's allocator, unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        subtract(layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match new_size.checked_sub(layout.size()) {
            Some(more) => add(more),
            None => subtract(layout.size() - new_size),
        }
        // SAFETY: the caller keeps the contract.
        checked(unsafe { System.realloc(pointer, layout, new_size) })
    }
}

/// The system has none left, or the backstop of the process is reached.
fn checked(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        out_of_memory();
    }
    pointer
}

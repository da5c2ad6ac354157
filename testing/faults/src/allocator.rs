//! An allocator whose allocations a tracer sees, counts and fails.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether allocations are marked.
static MARKING: AtomicBool = AtomicBool::new(false);

/// The address of the call that marks an allocation: at a page boundary, and never mapped.
pub(crate) const MARK: u64 = 0x5ee7_0000_0000_0000;

/// The system's allocator. After [`mark`], it makes a system call without effect before each
/// allocation; if a tracer fails that call, the allocation fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marked;

/// Marks the allocations of this process and of its forks from now on.
pub fn mark() {
    MARKING.store(true, Relaxed);
}

#[allow(
    unsafe_code,
    reason = "a call of the C library is sure to allocate nothing"
)]
fn is_granted() -> bool {
    // SAFETY: the advice is for no bytes, so the call has no effect; it allocates nothing. Every
    // filter of this repository allows it.
    !MARKING.load(Relaxed)
        || unsafe { libc::syscall(libc::SYS_madvise, MARK, 0, libc::MADV_DONTNEED) } == 0
}

#[allow(unsafe_code, reason = "an allocator is unsafe by its interface")]
// SAFETY: all calls are passed on to the system's allocator unchanged, or fail.
unsafe impl GlobalAlloc for Marked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_granted() {
            // SAFETY: the caller keeps the contract.
            true => unsafe { System.alloc(layout) },
            false => std::ptr::null_mut(),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_granted() {
            // SAFETY: the caller keeps the contract.
            true => unsafe { System.alloc_zeroed(layout) },
            false => std::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match is_granted() {
            // SAFETY: the caller keeps the contract.
            true => unsafe { System.realloc(pointer, layout, new_size) },
            false => std::ptr::null_mut(),
        }
    }
}

//! What every guest in Rust needs: an allocator, a panic that traps, numbers, a checksum.
#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

/// Blocks of powers of two with a list of free ones for each size, in memory that only grows: the
/// same kind of allocator that Polkadot's hosts offer their guests.
struct Allocator {
    state: UnsafeCell<State>,
}

struct State {
    free: [usize; 32],
    next: usize,
    end: usize,
}

// SAFETY: guests have one thread.
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator {
    state: UnsafeCell::new(State {
        free: [0; 32],
        next: 0,
        end: 0,
    }),
};

const PAGE: usize = 65536;

/// Index of the list for blocks that hold this layout.
fn class(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(8);
    size.next_power_of_two().trailing_zeros() as usize
}

// SAFETY: a block is on a list or in use, never both, and aligned to its size up to a page.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and nothing here allocates.
        let state = unsafe { &mut *self.state.get() };
        let class = class(layout);
        let head = state.free[class];
        if head != 0 {
            // SAFETY: a free block holds the next one's address in its first word.
            state.free[class] = unsafe { *(head as *const usize) };
            return head as *mut u8;
        }
        let size = 1 << class;
        let start = state.next.next_multiple_of(size.min(PAGE));
        if state.next == 0 || start + size > state.end {
            let pages = (size + PAGE - 1) / PAGE + 15;
            let old = core::arch::wasm32::memory_grow(0, pages);
            if old == usize::MAX {
                return core::ptr::null_mut();
            }
            state.end = (old + pages) * PAGE;
            state.next = old * PAGE + size;
            return (old * PAGE) as *mut u8;
        }
        state.next = start + size;
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; the block is at least eight bytes long.
        unsafe {
            let state = &mut *self.state.get();
            let class = class(layout);
            *(block as *mut usize) = state.free[class];
            state.free[class] = block as usize;
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

/// The next number of a sequence (xorshift, Marsaglia 2003).
pub struct Random(pub u64);

impl Random {
    /// Any 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Folds a value into a checksum.
pub fn fold(sum: u64, value: u64) -> u64 {
    let sum = (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    sum ^ (sum >> 29)
}

/// Folds bytes into a checksum.
pub fn fold_bytes(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, &byte| fold(sum, byte.into()))
}

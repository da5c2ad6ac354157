//! The allocator behind a module's `malloc` and `free`: a freeing bump allocator whose free lists
//! are in linear memory.
//!
//! The module can observe the addresses and the headers, so both are part of the outcome. The rules
//! are those of the crate `sc-allocator` 39.0.0 in Polkadot's nodes (`freeing_bump.rs`). The tests
//! compare every step with it. In short:
//!
//! - **Orders.** A request of up to 32 MiB is rounded up to a power of two, at least 8: order 0 is 8
//!   bytes, order 22 is 32 MiB. Each order has a list of free pieces.
//! - **Headers.** Each piece is preceded by 8 bytes, little-endian. The low half is the order of a
//!   piece in use, or the address of the next free piece's header ([`NIL`] at the end of the list).
//!   Bit 32 distinguishes the two (1: in use). Higher bits are ignored when read and written as
//!   zeros.
//! - **Allocation** takes the first piece of the order's list. If the list is empty, it takes the
//!   bytes at the *bumper*, which starts at the heap's base rounded up to 8 and only increases.
//!   **Freeing** puts a piece at the head of its list.
//! - **Growth.** If the bumper would exceed memory, memory grows to twice its pages, or to the
//!   pages needed if that is more, but not beyond its limit.
//! - **Poison.** After the first error every call fails.
//! - **Sums** wrap around at 2^32, as they do in the builds of Polkadot's nodes. Only a module that
//!   overwrites headers, or one with 4 GiB of memory, can cause it.
//!
//! The reference's rule for a memory that shrank is left out, since a Wasm memory cannot shrink.
//!
//! Nearly all calls find a free piece or room at the bumper, or free a sound piece. For them there is a
//! short way ([`Heap::quick_allocate`], [`Heap::quick_free`]) without errors, growth or announcements, which
//! has no effect if it does not apply. The tests compare both ways with the reference.

use pvf_rules::PAGE_BYTES;
use pvf_runtime::HostFailure;

#[cfg(test)]
mod tests;

/// Linear memory as the host accesses it, during a host call or between calls.
pub(crate) trait LinearMemory {
    /// Size in bytes.
    fn bytes(&self) -> u64;
    /// The header at an address: 8 bytes, little-endian.
    fn header(&mut self, address: u32) -> Result<u64, HeapError>;
    /// Writes a header.
    fn set_header(&mut self, address: u32, header: u64) -> Result<(), HeapError>;
    /// Writes bytes. `Ok(false)`, and nothing is written, if they are out of bounds.
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<bool, HostFailure>;
    /// Size in pages.
    fn pages(&self) -> u32;
    /// Maximum size in pages.
    fn limit_pages(&self) -> u32;
    /// Adds pages and returns the previous size; `None` if the new size would exceed the limit.
    fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure>;
    /// Announces that `bytes` bytes from `address` on will soon be written for the first time.
    fn expect_use(&mut self, address: u32, bytes: u32);
}

/// Why an allocation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeapError {
    /// A request for more than [`LARGEST`] bytes.
    #[error("Requested allocation size is too large")]
    TooLarge,
    /// Memory would have to grow beyond its limit.
    #[error("Allocator ran out of space")]
    OutOfSpace,
    /// A wrong address, an overwritten header, or an earlier error.
    #[error("Other: {0}")]
    Other(&'static str),
    /// There is no heap yet: the start function is running.
    #[error("host functions cannot use memory in the start function")]
    NotStarted,
    /// A failure of the host.
    #[error(transparent)]
    Host(#[from] HostFailure),
}

/// Maximum bytes of one allocation.
const LARGEST: u32 = 32 << 20;

/// Allocations of at least this many bytes are announced to the system.
const LARGE: u32 = 64 << 10;

/// Number of orders: powers of two from 8 to [`LARGEST`].
const ORDERS: usize = 23;

/// Bytes of a header; also the smallest size of a piece.
const HEADER: u32 = 8;

/// Marks the end of a free list.
const NIL: u32 = u32::MAX;

/// Set in the header of a piece in use.
const IN_USE: u64 = 1 << 32;

/// Amounts allocated, in bytes, headers included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeapStats {
    /// Currently allocated.
    pub(crate) allocated: u32,
    /// Maximum that was ever allocated.
    pub(crate) peak: u32,
    /// From the heap's base to the bumper.
    pub(crate) address_space: u32,
}

/// The heap of one instance.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq))]
pub(crate) struct Heap {
    /// For each order, the address of the first free header.
    free: [u32; ORDERS],
    bumper: u32,
    base: u32,
    poisoned: bool,
    allocated: u32,
    peak: u32,
}

impl Heap {
    /// A heap that begins at `base`, rounded up to a multiple of 8.
    ///
    /// An address in the last 7 bytes of the address space rounds up to 0, as in Polkadot's nodes,
    /// whose builds do not check that sum for overflow.
    pub(crate) fn new(base: u32) -> Self {
        let base = base.wrapping_add(7) & !7;
        Self {
            free: [NIL; ORDERS],
            bumper: base,
            base,
            poisoned: false,
            allocated: 0,
            peak: 0,
        }
    }

    /// Allocates as [`Heap::allocate`] does. `None`, and no effect, if memory has to grow, if the request is
    /// large, or if anything is wrong.
    #[inline]
    pub(crate) fn quick_allocate(&mut self, memory: &mut [u8], bytes: u32) -> Option<u32> {
        if self.poisoned || bytes >= LARGE {
            return None;
        }
        let order = order_for(bytes);
        let piece = piece_of(order);
        let first = self.free.get_mut(order as usize)?;
        let header = match *first {
            NIL => self.bumper,
            header => header,
        };
        let end = u64::from(header) + u64::from(piece);
        if end > memory.len() as u64 {
            return None;
        }
        let stored = memory
            .get_mut(header as usize..)?
            .first_chunk_mut::<{ HEADER as usize }>()?;
        match *first {
            NIL => self.bumper = header.wrapping_add(piece),
            _ => {
                let found = u64::from_le_bytes(*stored);
                if found & IN_USE != 0 {
                    return None;
                }
                *first = found as u32;
            }
        }
        *stored = (u64::from(order) | IN_USE).to_le_bytes();
        self.allocated = self.allocated.wrapping_add(piece);
        self.peak = self.peak.max(self.allocated);
        // `header` is not the last address, so the sum does not wrap around.
        Some(header.wrapping_add(HEADER))
    }

    /// Frees as [`Heap::deallocate`] does. `None`, and no effect, if anything is wrong.
    #[inline]
    pub(crate) fn quick_free(&mut self, memory: &mut [u8], address: u32) -> Option<()> {
        if self.poisoned {
            return None;
        }
        let header = address.checked_sub(HEADER)?;
        let stored = memory
            .get_mut(header as usize..)?
            .first_chunk_mut::<{ HEADER as usize }>()?;
        let found = u64::from_le_bytes(*stored);
        if found & IN_USE == 0 {
            return None;
        }
        let order = found as u32;
        let first = self.free.get_mut(order as usize)?;
        self.allocated = self.allocated.checked_sub(piece_of(order))?;
        *stored = u64::from(std::mem::replace(first, header)).to_le_bytes();
        Some(())
    }

    /// Allocates `bytes` bytes and returns their address. After an error every call fails.
    pub(crate) fn allocate(
        &mut self,
        memory: &mut impl LinearMemory,
        bytes: u32,
    ) -> Result<u32, HeapError> {
        self.check()?;
        let result = self.take(memory, bytes);
        self.poisoned = result.is_err();
        result
    }

    /// Frees the allocation at `address`. After an error every call fails.
    pub(crate) fn deallocate(
        &mut self,
        memory: &mut impl LinearMemory,
        address: u32,
    ) -> Result<(), HeapError> {
        self.check()?;
        let result = self.give_back(memory, address);
        self.poisoned = result.is_err();
        result
    }

    /// The part of the state that code on PolkaVM works on.
    #[cfg(feature = "polkavm")]
    pub(crate) fn shared(&self) -> pvf_polkavm::AllocatorState {
        const { assert!(ORDERS == pvf_polkavm::ORDERS) };
        pvf_polkavm::AllocatorState {
            ready: !self.poisoned,
            bumper: self.bumper,
            allocated: self.allocated,
            peak: self.peak,
            free: self.free,
        }
    }

    /// Takes over what code on PolkaVM made of [`Self::shared`].
    #[cfg(feature = "polkavm")]
    pub(crate) fn take_over(&mut self, shared: &pvf_polkavm::AllocatorState) {
        self.bumper = shared.bumper;
        self.allocated = shared.allocated;
        self.peak = shared.peak;
        self.free = shared.free;
    }

    /// The amounts allocated.
    pub(crate) fn stats(&self) -> HeapStats {
        HeapStats {
            allocated: self.allocated,
            peak: self.peak,
            address_space: self.bumper.wrapping_sub(self.base),
        }
    }

    #[inline]
    fn check(&self) -> Result<(), HeapError> {
        match self.poisoned {
            false => Ok(()),
            true => Err(HeapError::Other("the allocator has been poisoned")),
        }
    }

    #[inline]
    fn take(&mut self, memory: &mut impl LinearMemory, bytes: u32) -> Result<u32, HeapError> {
        if bytes > LARGEST {
            return Err(HeapError::TooLarge);
        }
        let order = order_for(bytes);
        let piece = piece_of(order);
        let mut header = self.free[order as usize];
        if header == NIL {
            header = self.bump(memory, piece)?;
            if bytes >= LARGE {
                memory.expect_use(header.wrapping_add(HEADER), bytes);
            }
        } else {
            if u64::from(header) + u64::from(piece) > memory.bytes() {
                return Err(HeapError::Other("Invalid header pointer detected"));
            }
            let found = memory.header(header)?;
            if found & IN_USE != 0 {
                order_of(found)?;
                return Err(HeapError::Other("free list points to a occupied header"));
            }
            self.free[order as usize] = found as u32;
        }
        memory.set_header(header, u64::from(order) | IN_USE)?;
        self.allocated = self.allocated.wrapping_add(piece);
        self.peak = self.peak.max(self.allocated);
        Ok(header + HEADER)
    }

    #[inline]
    fn give_back(&mut self, memory: &mut impl LinearMemory, address: u32) -> Result<(), HeapError> {
        let Some(header) = address.checked_sub(HEADER) else {
            return Err(HeapError::Other("Invalid pointer for deallocation"));
        };
        let found = memory.header(header)?;
        if found & IN_USE == 0 {
            return Err(HeapError::Other("the allocation points to an empty header"));
        }
        let order = order_of(found)?;
        let next = std::mem::replace(&mut self.free[order], header);
        memory.set_header(header, u64::from(next))?;
        let piece = piece_of(order as u32);
        self.allocated = self.allocated.checked_sub(piece).ok_or(HeapError::Other(
            "underflow of the currently allocated bytes count",
        ))?;
        Ok(())
    }

    /// Takes a piece at the bumper, after everything allocated so far.
    #[inline]
    fn bump(&mut self, memory: &mut impl LinearMemory, piece: u32) -> Result<u32, HeapError> {
        let end = u64::from(self.bumper) + u64::from(piece);
        if end > memory.bytes() {
            grow(memory, end)?;
        }
        let header = self.bumper;
        self.bumper = header.wrapping_add(piece);
        Ok(header)
    }
}

/// [`LinearMemory::write`] of a memory that the host can address.
pub(crate) fn copy_into(memory: &mut [u8], address: u32, bytes: &[u8]) -> bool {
    let into = memory.get_mut(address as usize..);
    match into.and_then(|into| into.get_mut(..bytes.len())) {
        Some(into) => {
            into.copy_from_slice(bytes);
            true
        }
        None => false,
    }
}

/// Bytes of memory that an allocation of `bytes` bytes takes, with its header.
pub(crate) fn taken(bytes: u32) -> u32 {
    let piece = bytes.max(HEADER).checked_next_power_of_two();
    piece.map_or(u32::MAX, |piece| piece.saturating_add(HEADER))
}

/// Grows memory so that it reaches `end`.
#[cold]
fn grow(memory: &mut impl LinearMemory, end: u64) -> Result<(), HeapError> {
    let (pages, limit) = (memory.pages(), memory.limit_pages());
    // `end` is below 2^32 + 2^26, so the number of pages fits.
    let needed = end.div_ceil(PAGE_BYTES) as u32;
    if needed > limit {
        return Err(HeapError::OutOfSpace);
    }
    let wanted = (pages * 2).min(limit).max(needed);
    match memory.grow(wanted - pages)? {
        Some(_) => Ok(()),
        None => Err(HeapError::OutOfSpace),
    }
}

/// The order of a request for at most [`LARGEST`] bytes.
#[inline]
fn order_for(bytes: u32) -> u32 {
    (bytes.max(HEADER) - 1).ilog2() - 2
}

/// Bytes of a piece of this order, with its header.
#[inline]
fn piece_of(order: u32) -> u32 {
    (HEADER << order) + HEADER
}

#[inline]
fn order_of(header: u64) -> Result<usize, HeapError> {
    let order = header as u32 as usize;
    match order < ORDERS {
        true => Ok(order),
        false => Err(HeapError::Other("invalid order")),
    }
}

/// [`LinearMemory::header`] of a memory that the host can address.
#[inline]
pub(crate) fn read(memory: &[u8], header: u32) -> Result<u64, HeapError> {
    let bytes = memory.get(header as usize..).and_then(<[u8]>::first_chunk);
    bytes
        .map(|&bytes| u64::from_le_bytes(bytes))
        .ok_or(HeapError::Other("read out of heap bounds"))
}

/// [`LinearMemory::set_header`] of a memory that the host can address.
#[inline]
pub(crate) fn write(memory: &mut [u8], header: u32, value: u64) -> Result<(), HeapError> {
    let bytes = memory
        .get_mut(header as usize..)
        .and_then(<[u8]>::first_chunk_mut);
    match bytes {
        Some(bytes) => {
            *bytes = value.to_le_bytes();
            Ok(())
        }
        None => Err(HeapError::Other("write out of heap bounds")),
    }
}

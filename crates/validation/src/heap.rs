//! The allocator that serves a module's `malloc` and `free`: a freeing bump allocator whose lists
//! lie in linear memory.
//!
//! Its addresses are visible to the module, and so are its headers: both are part of the outcome. The rules are
//! those of Polkadot's nodes, crate `sc-allocator` 39.0.0 (`freeing_bump.rs`), which the tests
//! compare with step by step. In short:
//!
//! - **Orders.** A request of up to 32 MiB is rounded up to a power of two, at least 8: order 0 is 8
//!   bytes, order 22 is 32 MiB. Each order has a list of free pieces.
//! - **Headers.** Before each piece lie 8 bytes, little-endian: in the low half, the order of a piece in use or the
//!   address of the next free piece's header ([`NIL`] at the end); bit 32 tells the two apart (1: in use); what is above
//!   is ignored when read and written as zeros.
//! - **Allocation** takes the first piece of the order's list, otherwise the bytes at the *bumper*, which starts
//!   at the heap's base rounded up to 8 and never goes back. **Freeing** puts a piece in front of its list.
//! - **Growth.** If the bumper would leave memory, memory grows to twice its pages or as many as are needed,
//!   the greater, but not beyond its limit.
//! - **Poison.** After the first error every call fails.
//! - **Sums** wrap around at 2^32, as they do in the builds of Polkadot's nodes. Only a module that
//!   overwrites headers, or one with 4 GiB of memory, gets there.
//!
//! One rule has nothing to apply to: a memory that shrinks, which a Wasm memory cannot.

use pvf_rules::PAGE_BYTES;
use pvf_runtime::HostFailure;

#[cfg(test)]
mod tests;

/// Linear memory as the host sees it, during a host call or between calls.
pub(crate) trait LinearMemory {
    /// All of it.
    fn bytes(&self) -> &[u8];
    /// All of it.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Its size in pages.
    fn pages(&self) -> u32;
    /// The largest size it may have, in pages.
    fn limit_pages(&self) -> u32;
    /// Adds pages; `None` if that would exceed the limit.
    fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure>;
    /// Says that so many bytes from an address on are about to be written for the first time.
    fn expect_use(&mut self, address: u32, bytes: u32);
}

/// Why an allocation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeapError {
    /// More than [`LARGEST`] bytes at once.
    #[error("Requested allocation size is too large")]
    TooLarge,
    /// Memory would have to grow beyond its limit.
    #[error("Allocator ran out of space")]
    OutOfSpace,
    /// A wrong address, a header that was overwritten, or an earlier error.
    #[error("Other: {0}")]
    Other(&'static str),
    /// There is no heap yet.
    #[error("host functions cannot use memory in the start function")]
    NotStarted,
    /// The machine's fault.
    #[error(transparent)]
    Host(#[from] HostFailure),
}

/// The most bytes of one allocation.
const LARGEST: u32 = 32 << 20;

/// From so many bytes on it is worth while to tell the system of an allocation.
const LARGE: u32 = 64 << 10;

/// Powers of two from 8 to [`LARGEST`].
const ORDERS: usize = 23;

/// Bytes of a header, and the least of a piece.
const HEADER: u32 = 8;

/// The end of a list.
const NIL: u32 = u32::MAX;

/// Set in the header of a piece in use.
const IN_USE: u64 = 1 << 32;

/// How much was allocated, in bytes with headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeapStats {
    /// In use now.
    pub(crate) allocated: u32,
    /// The most that was ever in use.
    pub(crate) peak: u32,
    /// From the heap's base to the bumper.
    pub(crate) address_space: u32,
}

/// The heap of one instance.
#[derive(Debug)]
pub(crate) struct Heap {
    /// Addresses of the first free headers, by order.
    free: [u32; ORDERS],
    bumper: u32,
    base: u32,
    poisoned: bool,
    allocated: u32,
    peak: u32,
}

impl Heap {
    /// A heap that begins at this address, rounded up to a multiple of 8.
    ///
    /// An address in the last 7 bytes of the address space rounds up to 0, as it does in
    /// Polkadot's nodes (whose builds do not check that sum).
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

    /// Allocates so many bytes and returns their address. After an error every call fails.
    #[inline]
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

    /// Frees what was allocated at this address. After an error every call fails.
    #[inline]
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

    /// How much was allocated.
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
        let order = (bytes.max(HEADER) - 1).ilog2() - 2;
        let piece = (HEADER << order) + HEADER;
        let mut header = self.free[order as usize];
        if header == NIL {
            header = self.bump(memory, piece)?;
            if bytes >= LARGE {
                memory.expect_use(header.wrapping_add(HEADER), bytes);
            }
        } else {
            let bytes = memory.bytes();
            if u64::from(header) + u64::from(piece) > bytes.len() as u64 {
                return Err(HeapError::Other("Invalid header pointer detected"));
            }
            let found = read(bytes, header)?;
            if found & IN_USE != 0 {
                order_of(found)?;
                return Err(HeapError::Other("free list points to a occupied header"));
            }
            self.free[order as usize] = found as u32;
        }
        write(memory.bytes_mut(), header, u64::from(order) | IN_USE)?;
        self.allocated = self.allocated.wrapping_add(piece);
        self.peak = self.peak.max(self.allocated);
        Ok(header + HEADER)
    }

    #[inline]
    fn give_back(&mut self, memory: &mut impl LinearMemory, address: u32) -> Result<(), HeapError> {
        let Some(header) = address.checked_sub(HEADER) else {
            return Err(HeapError::Other("Invalid pointer for deallocation"));
        };
        let memory = memory.bytes_mut();
        let found = read(memory, header)?;
        if found & IN_USE == 0 {
            return Err(HeapError::Other("the allocation points to an empty header"));
        }
        let order = order_of(found)?;
        let next = std::mem::replace(&mut self.free[order], header);
        write(memory, header, u64::from(next))?;
        let piece = (HEADER << order) + HEADER;
        self.allocated = self.allocated.checked_sub(piece).ok_or(HeapError::Other(
            "underflow of the currently allocated bytes count",
        ))?;
        Ok(())
    }

    /// The bytes behind everything allocated so far.
    #[inline]
    fn bump(&mut self, memory: &mut impl LinearMemory, piece: u32) -> Result<u32, HeapError> {
        let end = u64::from(self.bumper) + u64::from(piece);
        if end > memory.bytes().len() as u64 {
            grow(memory, end)?;
        }
        let header = self.bumper;
        self.bumper = header.wrapping_add(piece);
        Ok(header)
    }
}

/// Lets memory grow so that it reaches `end`.
#[cold]
fn grow(memory: &mut impl LinearMemory, end: u64) -> Result<(), HeapError> {
    let (pages, limit) = (memory.pages(), memory.limit_pages());
    // An end is below 2^32 + 2^26.
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

#[inline]
fn order_of(header: u64) -> Result<usize, HeapError> {
    let order = header as u32 as usize;
    match order < ORDERS {
        true => Ok(order),
        false => Err(HeapError::Other("invalid order")),
    }
}

#[inline]
fn read(memory: &[u8], header: u32) -> Result<u64, HeapError> {
    let bytes = memory.get(header as usize..).and_then(<[u8]>::first_chunk);
    bytes
        .map(|&bytes| u64::from_le_bytes(bytes))
        .ok_or(HeapError::Other("read out of heap bounds"))
}

#[inline]
fn write(memory: &mut [u8], header: u32, value: u64) -> Result<(), HeapError> {
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

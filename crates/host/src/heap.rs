//! The allocator that serves a module's `malloc` and `free`: `sc-allocator`'s, on our memory.
//!
//! It keeps its lists inside linear memory and its addresses are visible to the module, so
//! they are part of the outcome.

use pvf_runtime::HostFailure;
use sc_allocator::{AllocationStats, FreeingBumpHeapAllocator};
use sp_wasm_interface::Pointer;

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
}

/// Why an allocation failed.
#[derive(Debug)]
pub(crate) enum HeapError {
    /// The module's fault: too large, no space, or lists overwritten.
    Allocator(sc_allocator::Error),
    /// The machine's.
    Host(HostFailure),
}

/// The heap of one instance.
pub(crate) struct Heap(FreeingBumpHeapAllocator);

impl Heap {
    /// A heap that begins at this address, rounded up to a multiple of 8.
    ///
    /// An address in the last 7 bytes of the address space rounds up to 0, as it does in
    /// Polkadot's nodes (whose builds do not check that sum).
    pub(crate) fn new(base: u32) -> Self {
        Self(FreeingBumpHeapAllocator::new(base.wrapping_add(7) & !7))
    }

    /// Allocates so many bytes and returns their address. After an error every call fails.
    pub(crate) fn allocate(
        &mut self,
        memory: &mut impl LinearMemory,
        bytes: u32,
    ) -> Result<u32, HeapError> {
        let mut memory = AllocatorMemory::new(memory);
        let result = self.0.allocate(&mut memory, bytes);
        memory.conclude(result.map(u32::from))
    }

    /// Frees what was allocated at this address. After an error every call fails.
    pub(crate) fn deallocate(
        &mut self,
        memory: &mut impl LinearMemory,
        address: u32,
    ) -> Result<(), HeapError> {
        let mut memory = AllocatorMemory::new(memory);
        let result = self.0.deallocate(&mut memory, Pointer::new(address));
        memory.conclude(result)
    }

    /// How much was allocated.
    pub(crate) fn stats(&self) -> AllocationStats {
        self.0.stats()
    }
}

/// Our memory in the allocator's terms. Its interface has no room for a failure of the host, which
/// is kept aside.
struct AllocatorMemory<'a, M> {
    memory: &'a mut M,
    failure: Option<HostFailure>,
}

impl<'a, M: LinearMemory> AllocatorMemory<'a, M> {
    fn new(memory: &'a mut M) -> Self {
        Self {
            memory,
            failure: None,
        }
    }

    fn conclude<T>(self, result: Result<T, sc_allocator::Error>) -> Result<T, HeapError> {
        match (result, self.failure) {
            (Ok(value), None) => Ok(value),
            (_, Some(failure)) => Err(HeapError::Host(failure)),
            (Err(error), None) => Err(HeapError::Allocator(error)),
        }
    }
}

impl<M: LinearMemory> sc_allocator::Memory for AllocatorMemory<'_, M> {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(self.memory.bytes_mut())
    }

    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(self.memory.bytes())
    }

    fn grow(&mut self, additional: u32) -> Result<(), ()> {
        match self.memory.grow(additional) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(()),
            Err(failure) => {
                self.failure = Some(failure);
                Err(())
            }
        }
    }

    fn pages(&self) -> u32 {
        self.memory.pages()
    }

    fn max_pages(&self) -> Option<u32> {
        Some(self.memory.limit_pages())
    }
}

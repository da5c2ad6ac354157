//! Memory and allocator, as the host functions of `sp-io` access them.

use crate::heap::{self, Heap, HeapError, LinearMemory, taken};
use crate::state::HostState;
use pvf_runtime::{Caller, GuestMemory, HostFailure};
use sp_wasm_interface::{FunctionContext, Pointer, Result, WordSize};
use std::ops::Range;

impl LinearMemory for GuestMemory<'_> {
    #[inline]
    fn bytes(&self) -> u64 {
        self.bytes().len() as u64
    }

    #[inline]
    fn header(&mut self, address: u32) -> std::result::Result<u64, HeapError> {
        heap::read(self.bytes(), address)
    }

    #[inline]
    fn set_header(&mut self, address: u32, header: u64) -> std::result::Result<(), HeapError> {
        heap::write(self.bytes_mut(), address, header)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> std::result::Result<bool, HostFailure> {
        Ok(heap::copy_into(self.bytes_mut(), address, bytes))
    }

    fn pages(&self) -> u32 {
        self.pages()
    }

    fn limit_pages(&self) -> u32 {
        self.limit_pages()
    }

    fn grow(&mut self, pages: u32) -> std::result::Result<Option<u32>, HostFailure> {
        self.grow(pages)
    }

    fn expect_use(&mut self, address: u32, bytes: u32) {
        GuestMemory::expect_use(self, address, bytes);
    }
}

/// The range of memory at `address` with `bytes` bytes; `None` if it is out of bounds.
pub(crate) fn range(memory_bytes: usize, address: u32, bytes: usize) -> Option<Range<usize>> {
    let start = address as usize;
    let end = start.checked_add(bytes)?;
    (end <= memory_bytes).then_some(start..end)
}

/// The calling module as this crate's own host functions see it, whatever machine executes it.
pub(crate) trait HostContext: FunctionContext {
    /// The state of the run.
    fn state(&self) -> &HostState;

    /// The state of the run, mutable.
    fn state_mut(&mut self) -> &mut HostState;

    /// Whether a range of memory is in bounds, and may be used.
    ///
    /// # Errors
    /// It is not, or the start function is running.
    fn expect_bytes(&self, address: u32, bytes: usize) -> Result<()>;
}

impl HostContext for Context<'_, '_> {
    fn state(&self) -> &HostState {
        self.0.data()
    }

    fn state_mut(&mut self) -> &mut HostState {
        self.0.data_mut()
    }

    fn expect_bytes(&self, address: u32, bytes: usize) -> Result<()> {
        self.bytes(address, bytes).map(drop)
    }
}

/// The calling module, as the context of a host function.
pub(crate) struct Context<'a, 'c>(pub(crate) &'a mut Caller<'c, HostState>);

impl Context<'_, '_> {
    /// The bytes at an address.
    ///
    /// # Errors
    /// The bytes are out of bounds, or the start function is running: host functions then have no
    /// access to memory, as in Polkadot's nodes.
    pub(crate) fn bytes(&self, address: u32, bytes: usize) -> Result<&[u8]> {
        self.check_started()?;
        let memory = self.0.memory();
        match range(memory.len(), address, bytes) {
            Some(range) => Ok(&memory[range]),
            None => Err(out_of_bounds("read", address, bytes)),
        }
    }

    fn check_started(&self) -> Result<()> {
        match self.0.data().heap {
            Some(_) => Ok(()),
            None => Err(HeapError::NotStarted.to_string()),
        }
    }

    /// Calls `work` with the allocator and the memory.
    fn with_heap<R>(
        &mut self,
        work: impl FnOnce(&mut Heap, &mut GuestMemory<'_>) -> std::result::Result<R, HeapError>,
    ) -> Result<R> {
        let (mut memory, state) = self.0.split();
        let result = match &mut state.heap {
            Some(heap) => work(heap, &mut memory),
            None => Err(HeapError::NotStarted),
        };
        result.map_err(|error| state.keep_failure(error))
    }
}

impl FunctionContext for Context<'_, '_> {
    /// Checks the bounds before it allocates the result, unlike the default implementation.
    fn read_memory(&mut self, address: Pointer<u8>, size: WordSize) -> Result<Vec<u8>> {
        let read = self.bytes(address.into(), size as usize)?.to_vec();
        self.0.data().watch(|trace| trace.read(&read));
        Ok(read)
    }

    fn read_memory_into(&mut self, address: Pointer<u8>, dest: &mut [u8]) -> Result<()> {
        dest.copy_from_slice(self.bytes(address.into(), dest.len())?);
        self.0.data().watch(|trace| trace.read(dest));
        Ok(())
    }

    fn write_memory(&mut self, address: Pointer<u8>, data: &[u8]) -> Result<()> {
        self.check_started()?;
        let memory = self.0.memory_mut();
        match range(memory.len(), address.into(), data.len()) {
            Some(range) => memory[range].copy_from_slice(data),
            None => return Err(out_of_bounds("write", address.into(), data.len())),
        }
        self.0.data().watch(|trace| trace.wrote(data));
        Ok(())
    }

    fn allocate_memory(&mut self, size: WordSize) -> Result<Pointer<u8>> {
        let address = self.with_heap(|heap, memory| heap.allocate(memory, size))?;
        let state = self.0.data();
        state.watch(|trace| trace.allocated(address, size, taken(size)));
        Ok(Pointer::new(address))
    }

    fn deallocate_memory(&mut self, ptr: Pointer<u8>) -> Result<()> {
        self.with_heap(|heap, memory| heap.deallocate(memory, ptr.into()))?;
        self.0.data().watch(|trace| trace.freed(ptr.into()));
        Ok(())
    }

    fn register_panic_error_message(&mut self, message: &str) {
        self.0.data_mut().panic_message = Some(message.to_owned());
    }
}

pub(crate) fn out_of_bounds(what: &str, address: u32, bytes: usize) -> String {
    format!("{what} of {bytes} bytes at {address:#x} is out of bounds")
}

//! The calling module, as host functions access it: memory, and an allocator in it.

use pvf_executor::{Caller, HostFailure, Instance};
use pvf_runtime::GuestMemory;
use sc_allocator::{FreeingBumpHeapAllocator, Memory};
use sp_wasm_interface::{FunctionContext, Pointer, Result, WordSize};
use std::ops::Range;

/// The state of one run: the data of an instance.
#[derive(Default)]
pub(crate) struct State {
    /// The allocator. `None` while the start function runs; host functions then have no access to
    /// memory either, as in the stock executor.
    pub(crate) heap: Option<FreeingBumpHeapAllocator>,
    /// A failure of the host in a host function, whose own error type is text.
    pub(crate) failure: Option<HostFailure>,
    /// The panic message that the module registered before it trapped.
    pub(crate) panic_message: Option<String>,
}

/// The calling module, as the context of a host function.
pub(crate) struct Context<'a, 'c>(pub(crate) &'a mut Caller<'c, State>);

/// The range of memory at `address` with `bytes` bytes; `None` if it is out of bounds.
pub(crate) fn range(memory_bytes: usize, address: u32, bytes: usize) -> Option<Range<usize>> {
    let start = address as usize;
    let end = start.checked_add(bytes)?;
    (end <= memory_bytes).then_some(start..end)
}

impl Context<'_, '_> {
    fn check_started(&self) -> Result<()> {
        match self.0.data().heap {
            Some(_) => Ok(()),
            None => Err("host functions cannot use memory in the start function".to_owned()),
        }
    }

    fn bytes(&self, address: Pointer<u8>, bytes: usize) -> Result<&[u8]> {
        self.check_started()?;
        let memory = self.0.memory();
        match range(memory.len(), address.into(), bytes) {
            Some(range) => Ok(&memory[range]),
            None => Err(out_of_bounds("read", address, bytes)),
        }
    }

    /// Calls `work` with the allocator and the memory.
    fn with_heap<R>(
        &mut self,
        work: impl FnOnce(
            &mut FreeingBumpHeapAllocator,
            &mut CallerMemory<'_, '_>,
        ) -> std::result::Result<R, sc_allocator::Error>,
    ) -> Result<R> {
        self.check_started()?;
        let (memory, State { heap, failure, .. }) = self.0.split();
        let mut memory = CallerMemory { memory, failure };
        match heap {
            Some(heap) => work(heap, &mut memory).map_err(|error| error.to_string()),
            None => Err("there is no heap".to_owned()),
        }
    }
}

impl FunctionContext for Context<'_, '_> {
    /// Checks the bounds before it allocates the result, unlike the default implementation.
    fn read_memory(&mut self, address: Pointer<u8>, size: WordSize) -> Result<Vec<u8>> {
        self.bytes(address, size as usize).map(<[u8]>::to_vec)
    }

    fn read_memory_into(&mut self, address: Pointer<u8>, dest: &mut [u8]) -> Result<()> {
        dest.copy_from_slice(self.bytes(address, dest.len())?);
        Ok(())
    }

    fn write_memory(&mut self, address: Pointer<u8>, data: &[u8]) -> Result<()> {
        self.check_started()?;
        let memory = self.0.memory_mut();
        match range(memory.len(), address.into(), data.len()) {
            Some(range) => memory[range].copy_from_slice(data),
            None => return Err(out_of_bounds("write", address, data.len())),
        }
        Ok(())
    }

    fn allocate_memory(&mut self, size: WordSize) -> Result<Pointer<u8>> {
        self.with_heap(|heap, memory| heap.allocate(memory, size))
    }

    fn deallocate_memory(&mut self, ptr: Pointer<u8>) -> Result<()> {
        self.with_heap(|heap, memory| heap.deallocate(memory, ptr))
    }

    fn register_panic_error_message(&mut self, message: &str) {
        self.0.data_mut().panic_message = Some(message.to_owned());
    }
}

fn out_of_bounds(what: &str, address: Pointer<u8>, bytes: usize) -> String {
    let address = u32::from(address);
    format!("{what} of {bytes} bytes at {address:#x} is out of bounds")
}

/// The allocator's view of memory during a host call.
struct CallerMemory<'a, 's> {
    memory: GuestMemory<'a>,
    failure: &'s mut Option<HostFailure>,
}

impl Memory for CallerMemory<'_, '_> {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(self.memory.bytes_mut())
    }

    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(self.memory.bytes())
    }

    fn grow(&mut self, additional: u32) -> std::result::Result<(), ()> {
        grown(self.memory.grow(additional), self.failure)
    }

    fn pages(&self) -> u32 {
        self.memory.pages()
    }

    fn max_pages(&self) -> Option<u32> {
        Some(self.memory.limit_pages())
    }
}

/// The allocator's view of memory between calls.
pub(crate) struct InstanceMemory<'a> {
    pub(crate) instance: &'a mut Instance<State>,
    pub(crate) failure: Option<HostFailure>,
}

impl Memory for InstanceMemory<'_> {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(self.instance.memory_mut())
    }

    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(self.instance.memory())
    }

    fn grow(&mut self, additional: u32) -> std::result::Result<(), ()> {
        grown(self.instance.grow_memory(additional), &mut self.failure)
    }

    fn pages(&self) -> u32 {
        self.instance.memory_pages()
    }

    fn max_pages(&self) -> Option<u32> {
        Some(self.instance.memory_limit_pages())
    }
}

/// Converts the result of a growth for the allocator. The allocator's error type cannot express a
/// failure of the host, so the failure is stored in `failure`.
fn grown(
    result: std::result::Result<Option<u32>, HostFailure>,
    failure: &mut Option<HostFailure>,
) -> std::result::Result<(), ()> {
    match result {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(()),
        Err(error) => {
            *failure = Some(error);
            Err(())
        }
    }
}

//! Calls `sp-io`'s functions without this project's code: with a memory and the network's
//! allocator.

use sc_allocator::{FreeingBumpHeapAllocator, Memory};
use sp_wasm_interface::{Function, FunctionContext, Pointer, Result, Value, ValueType, WordSize};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The environment of `sp-io`'s functions: a memory and an allocator.
pub struct Native {
    memory: Pages,
    heap: FreeingBumpHeapAllocator,
}

struct Pages(Vec<u8>);

impl Memory for Pages {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(&mut self.0)
    }
    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(&self.0)
    }
    fn grow(&mut self, additional: u32) -> std::result::Result<(), ()> {
        self.0
            .resize(self.0.len() + additional as usize * 65_536, 0);
        Ok(())
    }
    fn pages(&self) -> u32 {
        (self.0.len() / 65_536) as u32
    }
    fn max_pages(&self) -> Option<u32> {
        Some(2080)
    }
}

impl Native {
    /// A memory of this many pages, with the candidate as the first allocation.
    pub fn new(pages: usize, heap_base: u32, candidate: &[u8]) -> Self {
        let mut memory = Pages(vec![0; pages * 65_536]);
        let mut heap = FreeingBumpHeapAllocator::new(heap_base);
        let address = heap
            .allocate(&mut memory, candidate.len() as u32)
            .expect("there is room");
        let address = u32::from(address) as usize;
        memory.0[address..][..candidate.len()].copy_from_slice(candidate);
        Self { memory, heap }
    }

    /// Calls a function and returns its result as 64 bits; `None` if it fails or panics.
    pub fn call(&mut self, function: &dyn Function, slots: &[u64]) -> Option<u64> {
        let types = function.signature().args;
        let mut arguments = types.iter().zip(slots).map(|(ty, &slot)| match ty {
            ValueType::I32 => Value::I32(slot as i32),
            ValueType::I64 => Value::I64(slot as i64),
            other => panic!("no host function takes {other:?}"),
        });
        let executed = catch_unwind(AssertUnwindSafe(|| function.execute(self, &mut arguments)));
        match executed.ok()?.ok()? {
            None => Some(0),
            Some(Value::I32(value)) => Some(u64::from(value as u32)),
            Some(Value::I64(value)) => Some(value as u64),
            Some(other) => panic!("no host function returns {other:?}"),
        }
    }

    /// Bytes of the memory from an address on.
    pub fn memory(&self, address: usize, bytes: usize) -> &[u8] {
        &self.memory.0[address..][..bytes]
    }
}

impl FunctionContext for Native {
    fn read_memory_into(&mut self, address: Pointer<u8>, dest: &mut [u8]) -> Result<()> {
        let start = u32::from(address) as usize;
        let bytes = self.memory.0.get(start..start + dest.len());
        dest.copy_from_slice(bytes.ok_or("out of bounds")?);
        Ok(())
    }

    fn write_memory(&mut self, address: Pointer<u8>, data: &[u8]) -> Result<()> {
        let start = u32::from(address) as usize;
        let bytes = self.memory.0.get_mut(start..start + data.len());
        bytes.ok_or("out of bounds")?.copy_from_slice(data);
        Ok(())
    }

    fn allocate_memory(&mut self, size: WordSize) -> Result<Pointer<u8>> {
        self.heap
            .allocate(&mut self.memory, size)
            .map_err(|error| error.to_string())
    }

    fn deallocate_memory(&mut self, pointer: Pointer<u8>) -> Result<()> {
        self.heap
            .deallocate(&mut self.memory, pointer)
            .map_err(|error| error.to_string())
    }

    fn register_panic_error_message(&mut self, _: &str) {}
}

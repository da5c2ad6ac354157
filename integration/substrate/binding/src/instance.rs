//! Calls. Each call runs in a fresh instance.

use crate::context::{InstanceMemory, State, range};
use crate::runtime::Shared;
use pvf_executor::artifact::ExportKind;
use pvf_executor::ValType;
use pvf_executor::{CallError, HostFailure, Instance, ModuleInfo, Trap, Value};
use sc_allocator::FreeingBumpHeapAllocator;
use sc_executor_common::error::{Error, MessageWithBacktrace, WasmError};
use sc_executor_common::wasm_runtime::{AllocationStats, HeapAllocStrategy, WasmInstance};
use std::sync::Arc;

/// An instance of a [`Runtime`](crate::Runtime): it accepts calls.
pub struct RuntimeInstance {
    shared: Arc<Shared>,
    strategy: HeapAllocStrategy,
}

/// The exports that every call needs, or why they are unusable.
pub(crate) struct Entry {
    memory: Result<(), &'static str>,
    /// Index of the global `__heap_base`.
    heap_base: Result<u32, &'static str>,
}

impl Entry {
    pub(crate) fn find(module: &ModuleInfo) -> Self {
        let memory = match module.export("memory") {
            Some(ExportKind::Memory) => Ok(()),
            Some(_) => Err("the export `memory` is not a memory"),
            None => Err("there is no export `memory`"),
        };
        let is_i32 = |index: u32| {
            let global = module.globals.get(index as usize);
            global.is_some_and(|global| global.ty.value == ValType::I32)
        };
        let heap_base = match module.export("__heap_base") {
            Some(ExportKind::Global(index)) if is_i32(index) => Ok(index),
            Some(ExportKind::Global(_)) => Err("the global `__heap_base` is not an i32"),
            Some(_) => Err("the export `__heap_base` is not a global"),
            None => Err("there is no export `__heap_base`"),
        };
        Self { memory, heap_base }
    }
}

impl RuntimeInstance {
    pub(crate) fn new(shared: Arc<Shared>, strategy: HeapAllocStrategy) -> Self {
        Self { shared, strategy }
    }

    fn instantiate(&self) -> Result<Instance<State>, Error> {
        let parameters = self.shared.parameters(self.strategy);
        let instance = Instance::from_linked(&self.shared.linked, &parameters, State::default());
        let mut instance = instance.map_err(|error| {
            WasmError::Other(format!(
                "failed to instantiate a new WASM module instance: {error}"
            ))
        })?;
        self.shared.entry.memory?;
        if let HeapAllocStrategy::Static { extra_pages } = self.strategy
            && instance.grow_memory(extra_pages).map_err(failed)?.is_none()
        {
            let text = format!("failed to pre-grow memory by {extra_pages} pages");
            return Err(WasmError::Other(text).into());
        }
        Ok(instance)
    }

    fn call_fresh(
        &self,
        method: &str,
        data: &[u8],
        stats: &mut Option<AllocationStats>,
    ) -> Result<Vec<u8>, Error> {
        let mut instance = self.instantiate()?;
        let Some(Value::I32(heap_base)) = instance.global(self.shared.entry.heap_base?) else {
            return Err("the global `__heap_base` is gone".into());
        };
        let function = entry_point(instance.module().info(), method)?;
        let mut heap = FreeingBumpHeapAllocator::new(heap_base as u32);
        let address = place(&mut heap, &mut instance, data)?;
        instance.data_mut().heap = Some(heap);

        let arguments = [Value::I32(address as i32), Value::I32(data.len() as i32)];
        let results = instance.call(function, &arguments);
        *stats = instance.data().heap.as_ref().map(|heap| heap.stats());
        match results {
            Ok(results) => match results[..] {
                [Value::I64(result)] => take(instance.memory(), result as u64),
                _ => Err(Error::InvalidReturn),
            },
            Err(CallError::Trap(trap)) => {
                Err(trapped(&trap, instance.data_mut().panic_message.take()))
            }
            Err(CallError::Failure(failure)) => Err(failed(failure)),
            Err(error) => Err(error.to_string().into()),
        }
    }
}

impl WasmInstance for RuntimeInstance {
    fn call_with_allocation_stats(
        &mut self,
        method: &str,
        data: &[u8],
    ) -> (Result<Vec<u8>, Error>, Option<AllocationStats>) {
        let mut stats = None;
        let result = self.call_fresh(method, data, &mut stats);
        (result, stats)
    }

    fn set_heap_alloc_strategy(&mut self, strategy: HeapAllocStrategy) {
        self.strategy = strategy;
    }
}

/// Index of the exported function `method`, which has to have the type `(i32, i32) -> i64`.
fn entry_point(module: &ModuleInfo, method: &str) -> Result<u32, Error> {
    let function = match module.export(method) {
        Some(ExportKind::Function(function)) => function,
        Some(_) => return Err(format!("the export `{method}` is not a function").into()),
        None => return Err(format!("there is no export `{method}`").into()),
    };
    let ty = module.function_type(function);
    let right = ty.is_some_and(|ty| {
        ty.params == [ValType::I32, ValType::I32] && ty.results == [ValType::I64]
    });
    match right {
        true => Ok(function),
        false => Err(format!("the function `{method}` is not (i32, i32) -> i64").into()),
    }
}

/// Allocates the parameters, as the first allocation of a call, and copies them into memory.
fn place(
    heap: &mut FreeingBumpHeapAllocator,
    instance: &mut Instance<State>,
    data: &[u8],
) -> Result<u32, Error> {
    let bytes = u32::try_from(data.len()).map_err(|_| "4 GiB of parameters or more")?;
    let mut memory = InstanceMemory {
        instance,
        failure: None,
    };
    let allocated = heap.allocate(&mut memory, bytes);
    if let Some(failure) = memory.failure {
        return Err(failed(failure));
    }
    let address = allocated?.into();
    match range(instance.memory().len(), address, data.len()) {
        Some(range) => instance.memory_mut()[range].copy_from_slice(data),
        None => return Err("the allocator left the memory".into()),
    }
    Ok(address)
}

/// Copies the result: its address is in the low half, its length in the high half. The bounds are
/// checked before the copy is allocated.
fn take(memory: &[u8], result: u64) -> Result<Vec<u8>, Error> {
    let (address, bytes) = (result as u32, (result >> 32) as usize);
    let range = range(memory.len(), address, bytes).ok_or(Error::OutputExceedsBounds)?;
    Ok(memory[range].to_vec())
}

fn trapped(trap: &Trap, panic_message: Option<String>) -> Error {
    let backtrace = None;
    match panic_message {
        Some(message) => Error::AbortedDueToPanic(MessageWithBacktrace { message, backtrace }),
        None => {
            let message = trap.to_string();
            Error::AbortedDueToTrap(MessageWithBacktrace { message, backtrace })
        }
    }
}

/// A failure of the host. Of all errors, only this one is not taken for an outcome of the call.
fn failed(failure: HostFailure) -> Error {
    WasmError::Other(failure.to_string()).into()
}

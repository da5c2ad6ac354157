//! Polkadot's host functions in a Wasmtime linker, bound from [`sp_wasm_interface::HostFunctions`]. They are bound as
//! typed functions, which are the fastest.

use crate::candidate::State;
use pvf_meter_oracle::GAS;
use sc_allocator::FreeingBumpHeapAllocator;
use sp_wasm_interface::{
    Function, FunctionContext, HostFunctions, Pointer, Value, ValueType, WordSize,
};
use wasmtime::{Caller, Linker, Module, bail, format_err};

type Set = (
    sp_io::misc::HostFunctions,
    sp_io::crypto::HostFunctions,
    sp_io::hashing::HostFunctions,
    sp_io::allocator::HostFunctions,
    sp_io::logging::HostFunctions,
    sp_io::trie::HostFunctions,
);

/// Links the validation host functions, the gas counter of instrumented modules, and a trap for every other import.
pub fn link(linker: &mut Linker<State>, module: &Module) -> wasmtime::Result<()> {
    for function in Set::host_functions() {
        bind(linker, function)?;
    }
    // The most frequent calls are bound directly, as this executor binds them.
    linker.allow_shadowing(true);
    linker.func_wrap(
        "env",
        "ext_allocator_malloc_version_1",
        |caller: Caller<'_, State>, size: u32| {
            let address = Context(caller).allocate_memory(size);
            address
                .map(u32::from)
                .map_err(|error| format_err!("malloc: {error}"))
        },
    )?;
    linker.func_wrap(
        "env",
        "ext_allocator_free_version_1",
        |caller: Caller<'_, State>, address: u32| {
            let freed = Context(caller).deallocate_memory(address.into());
            freed.map_err(|error| format_err!("free: {error}"))
        },
    )?;
    linker.func_wrap(
        GAS.0,
        GAS.1,
        |mut caller: Caller<'_, State>, amount: u64| {
            let charged = caller.data_mut().gas.charge(amount);
            charged.ok_or_else(|| format_err!("out of gas"))
        },
    )?;
    linker.define_unknown_imports_as_traps(module)
}

/// Binds a function with the types of its signature, with one closure for each combination in use.
fn bind(linker: &mut Linker<State>, function: &'static dyn Function) -> wasmtime::Result<()> {
    let name = function.name();
    let signature = function.signature();
    macro_rules! typed {
        ($($(($argument:ident $kind:ident $ty:ty))* => $($result:ident $rust:ty)?;)*) => {
            match (&*signature.args, signature.return_value) {
                $(([$(ValueType::$kind),*], typed!(@option $($result)?)) => {
                    linker.func_wrap("env", name, move |caller: Caller<'_, State>, $($argument: $ty),*| {
                        let arguments = [$(Value::$kind($argument)),*];
                        let result = call(function, caller, &arguments)?;
                        typed!(@result result, function, $($result $rust)?)
                    })?;
                })*
                _ => bail!("no binding for the signature of {name}"),
            }
        };
        (@option) => { None };
        (@option $result:ident) => { Some(ValueType::$result) };
        (@result $value:ident, $function:ident,) => {{ let _ = $value; Ok(()) }};
        (@result $value:ident, $function:ident, $result:ident $rust:ty) => {
            match $value {
                Some(Value::$result(value)) => Ok::<$rust, wasmtime::Error>(value),
                other => Err(format_err!("{} returned {other:?}", $function.name())),
            }
        };
    }
    typed! {
        => ;
        => I32 i32;
        (a I32 i32) => ;
        (a I32 i32) => I32 i32;
        (a I32 i32) => I64 i64;
        (a I64 i64) => ;
        (a I64 i64) => I32 i32;
        (a I64 i64) => I64 i64;
        (a I32 i32)(b I32 i32) => I64 i64;
        (a I32 i32)(b I64 i64) => I32 i32;
        (a I64 i64)(b I32 i32) => I32 i32;
        (a I32 i32)(b I32 i32)(c I32 i32) => I32 i32;
        (a I32 i32)(b I32 i32)(c I32 i32) => I64 i64;
        (a I32 i32)(b I32 i32)(c I64 i64) => I64 i64;
        (a I32 i32)(b I64 i64)(c I32 i32) => I32 i32;
        (a I32 i32)(b I64 i64)(c I64 i64) => ;
        (a I32 i32)(b I64 i64)(c I64 i64)(d I64 i64) => I32 i32;
        (a I32 i32)(b I64 i64)(c I64 i64)(d I64 i64)(e I32 i32) => I32 i32;
    }
    Ok(())
}

/// Calls a host function. If it panics, Wasmtime carries the panic to the caller of the module, who turns it into a
/// trap.
fn call(
    function: &'static dyn Function,
    caller: Caller<'_, State>,
    arguments: &[Value],
) -> wasmtime::Result<Option<Value>> {
    function
        .execute(&mut Context(caller), &mut arguments.iter().copied())
        .map_err(|message| format_err!("{}: {message}", function.name()))
}

/// The instance's memory and allocator, as host functions access them.
struct Context<'a>(Caller<'a, State>);

impl Context<'_> {
    fn memory(&mut self) -> Result<&mut [u8], String> {
        let memory = self.0.data().memory.ok_or("no memory")?;
        Ok(memory.data_mut(&mut self.0))
    }

    fn with_allocator<R>(
        &mut self,
        work: impl FnOnce(&mut FreeingBumpHeapAllocator, &mut Memory<&mut Caller<'_, State>>) -> R,
    ) -> Result<R, String> {
        let memory = self.0.data().memory.ok_or("no memory")?;
        let mut allocator = self.0.data_mut().allocator.take().ok_or("no allocator")?;
        let mut memory = Memory {
            memory,
            store: &mut self.0,
        };
        let result = work(&mut allocator, &mut memory);
        self.0.data_mut().allocator = Some(allocator);
        Ok(result)
    }
}

impl FunctionContext for Context<'_> {
    fn read_memory_into(&mut self, address: Pointer<u8>, dest: &mut [u8]) -> Result<(), String> {
        let start = u32::from(address) as usize;
        let source = self
            .memory()?
            .get(start..start + dest.len())
            .ok_or("read outside the memory")?;
        dest.copy_from_slice(source);
        Ok(())
    }

    fn write_memory(&mut self, address: Pointer<u8>, data: &[u8]) -> Result<(), String> {
        let start = u32::from(address) as usize;
        self.memory()?
            .get_mut(start..start + data.len())
            .ok_or("write outside the memory")?
            .copy_from_slice(data);
        Ok(())
    }

    fn allocate_memory(&mut self, size: WordSize) -> Result<Pointer<u8>, String> {
        self.with_allocator(|allocator, memory| allocator.allocate(memory, size))?
            .map_err(|error| error.to_string())
    }

    fn deallocate_memory(&mut self, ptr: Pointer<u8>) -> Result<(), String> {
        self.with_allocator(|allocator, memory| allocator.deallocate(memory, ptr))?
            .map_err(|error| error.to_string())
    }

    fn register_panic_error_message(&mut self, _message: &str) {}
}

/// A memory with its store, for the allocator.
pub struct Memory<S> {
    /// The memory.
    pub memory: wasmtime::Memory,
    /// The store that holds the memory.
    pub store: S,
}

impl<S: wasmtime::AsContextMut> sc_allocator::Memory for Memory<S> {
    fn with_access_mut<R>(&mut self, run: impl FnOnce(&mut [u8]) -> R) -> R {
        run(self.memory.data_mut(&mut self.store))
    }

    fn with_access<R>(&self, run: impl FnOnce(&[u8]) -> R) -> R {
        run(self.memory.data(&self.store))
    }

    fn grow(&mut self, additional: u32) -> Result<(), ()> {
        self.memory
            .grow(&mut self.store, u64::from(additional))
            .map(drop)
            .map_err(drop)
    }

    fn pages(&self) -> u32 {
        self.memory.size(&self.store) as u32
    }

    fn max_pages(&self) -> Option<u32> {
        self.memory
            .ty(&self.store)
            .maximum()
            .map(|pages| pages as u32)
    }
}

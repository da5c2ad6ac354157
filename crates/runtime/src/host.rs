//! The boundary to host functions.

use crate::arch::PlainReturn;
use crate::call::Dispatchers;
use crate::linker::LinkedImports;
use crate::store::{Core, Ended, Store};
use crate::{HostError, HostFailure, builtins, interrupt};
use pvf_compiler::abi::{BUILTIN_FLAG, Builtin, PLAIN_PARAMS};
use pvf_compiler::artifact::Import;
use pvf_rules::Name;
use std::any::Any;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a host function does; see [`crate::Linker::func`].
pub(crate) type HostFunctionBody<T> =
    dyn Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError> + Send + Sync;

/// A resolved import of a function.
pub(crate) struct HostFunction<T> {
    /// `None` for a missing function, which traps when it is called, and for a typed one, which is not called
    /// through here.
    pub body: Option<Arc<HostFunctionBody<T>>>,
    /// Length of the longer of parameters and results.
    pub slots: usize,
    /// Whether the one result has 32 bits.
    pub narrow_result: bool,
}

/// The instance that calls a host function, and the host's state.
pub struct Caller<'a, T> {
    pub(crate) core: &'a mut Core,
    pub(crate) data: &'a mut T,
    pub(crate) function: u32,
}

/// Linear memory during a host call.
pub struct GuestMemory<'a>(&'a mut Core);

impl GuestMemory<'_> {
    /// The contents; empty if the module has no memory.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.0.memory_slice()
    }

    /// The contents, to be changed.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.memory_slice_mut()
    }

    /// Size in pages.
    pub fn pages(&self) -> u32 {
        let memory = self.0.regions.memory.as_ref();
        memory.map_or(0, |memory| memory.pages())
    }

    /// The size in pages beyond which it cannot grow.
    pub fn limit_pages(&self) -> u32 {
        let memory = self.0.regions.memory.as_ref();
        memory.map_or(0, |memory| memory.limit_pages())
    }

    /// Grows it and returns its size before in pages, or `None` if that would
    /// exceed the limit.
    pub fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.0.grow_memory(pages)
    }

    /// Says that so many bytes from an address on are about to be written. Changes nothing but how fast that goes: the system
    /// may supply the memory in larger pieces.
    pub fn expect_use(&mut self, address: u32, bytes: u32) {
        self.0.expect_use(address, bytes);
    }
}

impl<T> Caller<'_, T> {
    /// Linear memory and the host's state at the same time, the memory so that it can grow.
    #[inline]
    pub fn split(&mut self) -> (GuestMemory<'_>, &mut T) {
        (GuestMemory(self.core), self.data)
    }

    /// The contents of linear memory; empty if the module has none.
    #[inline]
    pub fn memory(&self) -> &[u8] {
        self.core.memory_slice()
    }

    /// The contents of linear memory, to be changed.
    #[inline]
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.core.memory_slice_mut()
    }

    /// Size of linear memory in pages.
    pub fn memory_pages(&self) -> u32 {
        self.core
            .regions
            .memory
            .as_ref()
            .map_or(0, |memory| memory.pages())
    }

    /// The size in pages beyond which linear memory cannot grow.
    pub fn memory_limit_pages(&self) -> u32 {
        self.core
            .regions
            .memory
            .as_ref()
            .map_or(0, |memory| memory.limit_pages())
    }

    /// Grows linear memory and returns its size before in pages, or `None` if that would
    /// exceed the limit.
    pub fn grow_memory(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.core.grow_memory(pages)
    }

    /// The host's state.
    #[inline]
    pub fn data(&self) -> &T {
        self.data
    }

    /// The host's state, to be changed.
    #[inline]
    pub fn data_mut(&mut self) -> &mut T {
        self.data
    }

    /// Linear memory and the host's state at the same time.
    #[inline]
    pub fn memory_and_data_mut(&mut self) -> (&mut [u8], &mut T) {
        (self.core.memory_slice_mut(), self.data)
    }

    /// Index of the imported function that was called.
    pub fn function_index(&self) -> u32 {
        self.function
    }

    /// The import that was called.
    pub fn import(&self) -> &Import {
        self.core.module.function_import(self.function)
    }
}

/// Does a host call; [`crate::arch::Dispatch`] for a `Store<T>`. Returns 0 to go on; otherwise the
/// store's `pending` says why the run ends.
///
/// # Safety
/// Called by the host-call thunk of an activation of `store`, whose borrows are suspended, with
/// the arguments by which the stub called it.
unsafe extern "C" fn dispatch<T>(
    store: *mut c_void,
    slots: *mut u64,
    immediate: u32,
    index: u32,
) -> u32 {
    // SAFETY: while generated code runs, `call` uses no reference to the store.
    let store = unsafe { &mut *store.cast::<Store<T>>() };
    if index & BUILTIN_FLAG != 0 {
        // SAFETY: the slots are those of the builtin, by the contract of host calls.
        return unsafe { dispatch_builtin(&mut store.core, slots, immediate, index) };
    }
    let Some(function) = store.linked.0.functions.get(index as usize) else {
        return end(&mut store.core, unknown_call(index));
    };
    let Some(body) = &function.body else {
        let missing = missing_function(&store.core, index);
        return end(&mut store.core, missing);
    };
    // SAFETY: the slots are those of the function, by the contract of host calls: the stub
    // provides the longer of parameters and results, and nothing else refers to them.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots, function.slots) };
    let mut caller = Caller {
        core: &mut store.core,
        data: &mut store.data,
        function: index,
    };
    match catch_unwind(AssertUnwindSafe(|| body(&mut caller, slots))) {
        Ok(Ok(())) => 0,
        failed => end(&mut store.core, failure(failed)),
    }
}

/// Does a plain host call of a function that is found by its index.
///
/// # Safety
/// As for [`dispatch`], by a plain host call.
unsafe extern "C" fn dispatch_plain<T>(
    p0: u64,
    p1: u64,
    p2: u64,
    p3: u64,
    index: u32,
    store: *mut c_void,
) -> PlainReturn {
    let mut slots: [u64; PLAIN_PARAMS] = [p0, p1, p2, p3];
    // SAFETY: by the caller's promise; a plain function has at most so many slots.
    let ended = unsafe { dispatch::<T>(store, slots.as_mut_ptr(), 0, index) };
    // SAFETY: by the caller's promise.
    let function = unsafe { &*store.cast::<Store<T>>() }
        .linked
        .0
        .functions
        .get(index as usize);
    // The high half of a 32-bit slot means nothing to the host, but generated code relies on zeros.
    let narrow = function.is_some_and(|function| function.narrow_result);
    PlainReturn {
        value: if narrow {
            u64::from(slots[0] as u32)
        } else {
            slots[0]
        },
        ended: ended.into(),
    }
}

/// The functions through which the host functions of an instance are called.
pub(crate) fn dispatchers<T>(linked: &LinkedImports<T>) -> Dispatchers {
    Dispatchers {
        by_slots: dispatch::<T>,
        plain: dispatch_plain::<T>,
        entries: linked.entries.as_ptr(),
        way_out: match interrupt::is_possible() {
            true => linked.way_out().as_ptr(),
            false => std::ptr::null(),
        },
    }
}

/// # Safety
/// `slots` points to the slots of the builtin on the Wasm stack, which nothing else refers to.
unsafe fn dispatch_builtin(core: &mut Core, slots: *mut u64, immediate: u32, index: u32) -> u32 {
    let Some(builtin) = Builtin::from_code(index & !BUILTIN_FLAG) else {
        return end(core, unknown_call(index));
    };
    // SAFETY: by the caller's promise.
    match unsafe { builtins::execute(core, builtin, slots, immediate) } {
        Ok(()) => 0,
        Err(ended) => end(core, ended),
    }
}

/// Notes why the run ends.
#[cold]
pub(crate) fn end(core: &mut Core, ended: Ended) -> u32 {
    core.pending = Some(ended);
    1
}

/// Why a host function ends the run.
#[cold]
pub(crate) fn failure(result: std::thread::Result<Result<(), HostError>>) -> Ended {
    match result {
        Ok(Err(error)) => error.into(),
        Err(payload) => panicked(payload),
        Ok(Ok(())) => HostFailure::Internal("success is no failure".into()).into(),
    }
}

#[cold]
fn unknown_call(index: u32) -> Ended {
    HostFailure::Internal(format!(
        "generated code made the unknown host call {index:#x}"
    ))
    .into()
}

#[cold]
fn missing_function(core: &Core, index: u32) -> Ended {
    let import = core.module.function_import(index);
    let message = format!(
        "call to a missing function {}:{}",
        Name(&import.module),
        Name(&import.name)
    );
    HostError::Trap(message).into()
}

/// The trap for a panic of a host function.
#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> Ended {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    let message = format!("host function panicked: {message}");
    // A payload may panic once more when it is dropped; that one is leaked.
    if let Err(again) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        std::mem::forget(again);
    }
    HostError::Trap(message).into()
}

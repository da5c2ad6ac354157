//! Calls of host functions by generated code.

use crate::arch::{PlainEntry, PlainReturn};
use crate::call::Dispatchers;
use crate::linker::LinkedImports;
use crate::store::{Core, Ended, Store};
use crate::{HostError, HostFailure, builtins, interrupt};
use pvf_compiler::abi::{BUILTIN_FLAG, Builtin, PLAIN_PARAMS};
use pvf_compiler::artifact::Import;
use pvf_rules::Name;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The body of a host function; see [`crate::Linker::func`].
pub(crate) type HostFunctionBody<T> =
    dyn Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError> + Send + Sync;

/// A resolved import of a function.
pub(crate) struct HostFunction<T> {
    /// `None` for a missing function, which traps when called, and for a typed function, which is
    /// called by its own entry.
    pub body: Option<Arc<HostFunctionBody<T>>>,
    /// The larger of the number of parameters and the number of results.
    pub slots: usize,
    /// Whether the only result is an `i32`.
    pub narrow_result: bool,
}

/// The instance that called a host function, and the host's state.
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

    /// The contents, mutable.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.memory_slice_mut()
    }

    /// Size in pages.
    pub fn pages(&self) -> u32 {
        let memory = self.0.regions.memory.as_ref();
        memory.map_or(0, |memory| memory.pages())
    }

    /// The limit in pages, beyond which memory cannot grow.
    pub fn limit_pages(&self) -> u32 {
        let memory = self.0.regions.memory.as_ref();
        memory.map_or(0, |memory| memory.limit_pages())
    }

    /// Grows memory and returns its previous size in pages, or `None` if the new size would exceed
    /// the limit.
    pub fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.0.grow_memory(pages)
    }

    /// Announces that `bytes` bytes from `address` on will be written soon. This affects only
    /// speed: the system may supply the memory in larger pieces.
    pub fn expect_use(&mut self, address: u32, bytes: u32) {
        self.0.expect_use(address, bytes);
    }
}

impl<T> Caller<'_, T> {
    /// Linear memory, which can be grown, and the host's state at the same time.
    #[inline]
    pub fn split(&mut self) -> (GuestMemory<'_>, &mut T) {
        (GuestMemory(self.core), self.data)
    }

    /// The contents of linear memory; empty if the module has none.
    #[inline]
    pub fn memory(&self) -> &[u8] {
        self.core.memory_slice()
    }

    /// The contents of linear memory, mutable.
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

    /// The limit in pages, beyond which linear memory cannot grow.
    pub fn memory_limit_pages(&self) -> u32 {
        self.core
            .regions
            .memory
            .as_ref()
            .map_or(0, |memory| memory.limit_pages())
    }

    /// Grows linear memory and returns its previous size in pages, or `None` if the new size would
    /// exceed the limit.
    pub fn grow_memory(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.core.grow_memory(pages)
    }

    /// The host's state.
    #[inline]
    pub fn data(&self) -> &T {
        self.data
    }

    /// The host's state, mutable.
    #[inline]
    pub fn data_mut(&mut self) -> &mut T {
        self.data
    }

    /// The contents of linear memory and the host's state at the same time.
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

/// Performs a host call; a [`crate::arch::Dispatch`] for a `Store<T>`. Returns 0 to continue;
/// otherwise the store's `pending` holds the reason why the run ends.
///
/// # Safety
/// The caller is `arch::host_call` in an activation of `store`, a `Store<T>` to which no reference
/// is in use. It passes the arguments that the stub gave it.
unsafe extern "C" fn dispatch<T>(
    store: *mut c_void,
    slots: *mut u64,
    immediate: u32,
    index: u32,
) -> u32 {
    // SAFETY: the caller promises that `store` is a `Store<T>`; while generated code runs,
    // `call::run` uses no reference to it.
    let store = unsafe { &mut *store.cast::<Store<T>>() };
    if index & BUILTIN_FLAG != 0 {
        // SAFETY: by the contract of host calls, the slots are those of the builtin.
        return unsafe { dispatch_builtin(&mut store.core, slots, immediate, index) };
    }
    let Some(function) = store.linked.0.functions.get(index as usize) else {
        return end(&mut store.core, unknown_call(index));
    };
    let Some(body) = &function.body else {
        let missing = missing_function(&store.core, index);
        return end(&mut store.core, missing);
    };
    // SAFETY: by the contract of host calls, the stub provides as many slots as the longer of
    // parameters and results, and nothing else refers to them.
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

/// The function that [`switch_float`](crate::arch::switch_float) calls for a body of this type.
pub(crate) fn plain_target<T, F>(_: &F) -> PlainEntry
where
    F: Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError>,
{
    call_body::<T, F>
}

/// Performs a plain host call of a function that reads and writes slots.
///
/// # Safety
/// As for [`dispatch`], but the caller is the stub of a plain host call, and the body of the function
/// with this index is an `F`.
unsafe extern "C" fn call_body<T, F>(
    p0: u64,
    p1: u64,
    p2: u64,
    p3: u64,
    index: u32,
    store: *mut c_void,
) -> PlainReturn
where
    F: Fn(&mut Caller<'_, T>, &mut [u64]) -> Result<(), HostError>,
{
    // SAFETY: as in `dispatch`.
    let store = unsafe { &mut *store.cast::<Store<T>>() };
    let function = store.linked.0.functions.get(index as usize);
    let Some((function, Some(body))) = function.map(|it| (it, &it.body)) else {
        return ended(end(&mut store.core, unknown_call(index)));
    };
    // SAFETY: the caller promises that this is the type of the body.
    let body = unsafe { &*Arc::as_ptr(body).cast::<F>() };
    let mut slots: [u64; PLAIN_PARAMS] = [p0, p1, p2, p3];
    let mut caller = Caller {
        core: &mut store.core,
        data: &mut store.data,
        function: index,
    };
    // A plain function has at most `PLAIN_PARAMS` slots.
    let given = &mut slots[..function.slots.min(PLAIN_PARAMS)];
    match catch_unwind(AssertUnwindSafe(|| body(&mut caller, given))) {
        Ok(Ok(())) => {}
        failed => return ended(end(&mut store.core, failure(failed))),
    }
    PlainReturn {
        // The host may leave anything in the high half of a 32-bit slot, but generated code relies on
        // zeros.
        value: match function.narrow_result {
            true => u64::from(slots[0] as u32),
            false => slots[0],
        },
        ended: 0,
    }
}

/// Performs a plain host call of a function that is missing: ends the run.
///
/// # Safety
/// As for [`dispatch`], but the caller is the stub of a plain host call.
pub(crate) unsafe extern "C" fn call_missing<T>(
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    index: u32,
    store: *mut c_void,
) -> PlainReturn {
    // SAFETY: as in `dispatch`.
    let store = unsafe { &mut *store.cast::<Store<T>>() };
    let missing = missing_function(&store.core, index);
    ended(end(&mut store.core, missing))
}

fn ended(ended: u32) -> PlainReturn {
    PlainReturn {
        value: 0,
        ended: ended.into(),
    }
}

/// The functions through which the host functions of an instance are called.
pub(crate) fn dispatchers<T>(linked: &LinkedImports<T>) -> Dispatchers {
    Dispatchers {
        by_slots: dispatch::<T>,
        entries: linked.entries.as_ptr(),
        targets: linked.targets.as_ptr(),
        way_out: match interrupt::is_possible() {
            true => linked.way_out().as_ptr(),
            false => std::ptr::null(),
        },
    }
}

/// # Safety
/// `slots` points to the slots of the builtin on the Wasm stack, to which nothing else refers.
unsafe fn dispatch_builtin(core: &mut Core, slots: *mut u64, immediate: u32, index: u32) -> u32 {
    let Some(builtin) = Builtin::from_code(index & !BUILTIN_FLAG) else {
        return end(core, unknown_call(index));
    };
    // SAFETY: the caller promises that `slots` are the builtin's.
    match unsafe { builtins::execute(core, builtin, slots, immediate) } {
        Ok(()) => 0,
        Err(ended) => end(core, ended),
    }
}

/// Records why the run ends.
#[cold]
pub(crate) fn end(core: &mut Core, ended: Ended) -> u32 {
    core.pending = Some(ended);
    1
}

/// The reason why a run ends, from the result of a failed host function.
#[cold]
pub(crate) fn failure(result: std::thread::Result<Result<(), HostError>>) -> Ended {
    match result {
        Ok(Err(error)) => error.into(),
        Err(payload) => HostError::panicked(payload).into(),
        Ok(Ok(())) => {
            HostFailure::Internal("a host function that succeeded was reported as failed".into())
                .into()
        }
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

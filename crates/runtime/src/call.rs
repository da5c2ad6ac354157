//! Entering generated code, and classifying how it ended.

use crate::activation::{Activation, Fault};
use crate::arch::{self, Dispatch, Left, PlainEntry};
use crate::context::word;
use crate::regions::Regions;
use crate::store::{Core, Ended};
use crate::{CallError, HostFailure, altstack, interrupt};
use pvf_compiler::abi::context;
use pvf_rules::Trap;
use std::ffi::c_void;

/// Entry points for the host functions of a store that are found at run time.
#[derive(Clone, Copy)]
pub(crate) struct Dispatchers {
    pub by_slots: Dispatch,
    /// The entries of the imported functions.
    pub entries: *const PlainEntry,
    /// What the entries that switch the floating-point state call.
    pub targets: *const PlainEntry,
    /// Replaces `entries` when the run is interrupted; null if it cannot be interrupted.
    pub way_out: *const usize,
}

/// Runs a function. `slots` is as long as the longer of parameters and results. It holds the bits
/// of the parameters and afterwards those of the results.
///
/// # Safety
/// `core` is part of `store`, a `Store<T>` to which `dispatch` belongs. Until this returns, both
/// are accessed only through these pointers.
pub(crate) unsafe fn run(
    core: *mut Core,
    store: *mut c_void,
    dispatch: Dispatchers,
    function: u32,
    slots: &mut [u64],
) -> Result<(), CallError> {
    altstack::ensure()?;
    if interrupt::has_come() {
        return Err(HostFailure::Interrupted.into());
    }
    // SAFETY: `core` is valid and exclusive by the caller's promise; the reference ends before
    // generated code is entered.
    let (activation, stub) = unsafe { prepare(&mut *core, store, dispatch, function, slots)? };
    // SAFETY: `prepare` set the context for this stub. The context holds the address of the store
    // and the dispatch functions for it. No reference to the store is in use.
    let left = activation.with(|| unsafe { arch::enter(activation.context, stub) });
    // SAFETY: generated code has been left, so `core` is exclusive again by the caller's promise.
    let core = unsafe { &mut *core };
    let top = core.regions.stack.top() as u64;
    let depth = top.saturating_sub(core.regions.context.get(context::STACK_LOW));
    core.stack_peak = core.stack_peak.max(depth);
    core.logical_peak = core.logical_peak.max(logical_peak(core));
    let result = match left {
        Left::Returned => Ok(()),
        Left::Ended => Err(ended(core)),
        Left::Faulted => Err(faulted(core, activation.fault.take())),
    };
    core.regions.stack.trim(depth as usize)?;
    result
}

/// The greatest logical height of the run that has just ended.
fn logical_peak(core: &Core) -> u64 {
    const { assert!(context::COUNTER_PEAK == context::LOGICAL_BEYOND) };
    let field = core.regions.context.get(context::LOGICAL_BEYOND);
    match core.module.info().logical_counter {
        Some(_) => field & u64::from(u32::MAX),
        None => (core.logical_limit - field as i64) as u64,
    }
}

/// The limit for a 32-bit counter of the logical stack.
fn counter_limit(limit: i64) -> u64 {
    const { assert!(context::COUNTER_LIMIT == context::LOGICAL_BEYOND + 4) };
    limit.clamp(0, u32::MAX.into()) as u64
}

/// Sets the fields of the context that belong to one run.
fn prepare(
    core: &mut Core,
    store: *mut c_void,
    dispatch: Dispatchers,
    function: u32,
    slots: &mut [u64],
) -> Result<(Activation, usize), CallError> {
    let module = &core.module;
    let info = module.info();
    let stub = info
        .entry_stub(function)
        .ok_or(CallError::NoEntry(function))?;
    let stub = module.code().base() + stub as usize;
    let Regions {
        memory,
        context: fields,
        stack,
    } = &mut *core.regions;
    fields.set(context::STACK_LOW, stack.top() as u64);
    fields.set(context::AUDIT_DEPTH, 0);
    fields.set(
        context::LOGICAL_BEYOND,
        match info.logical_counter {
            Some(_) => counter_limit(core.logical_limit) << 32,
            None => core.logical_limit as u64,
        },
    );
    fields.set(context::ENTRY_FUNCTION, module.function_address(function));
    fields.set(
        context::ENTRY_SLOTS,
        slots.as_mut_ptr().expose_provenance() as u64,
    );
    fields.set(context::STORE, store.expose_provenance() as u64);
    // An interrupt of the previous run may have replaced these two fields.
    fields.set(context::HOST_CALL, arch::host_call_address());
    fields.set(
        context::IMPORTS,
        dispatch.entries.expose_provenance() as u64,
    );
    fields.set(word::DISPATCH, dispatch.by_slots as *const () as u64);
    fields.set(word::TARGETS, dispatch.targets.expose_provenance() as u64);
    let activation = Activation::new(
        fields.base(),
        module.code().addresses(),
        module.traps(),
        module.file(),
        dispatch.way_out,
        memory.as_ref().map_or(0..0, |memory| memory.reservation()),
        stack.reservation(),
    );
    Ok((activation, stub))
}

/// The result of a run that a host call ended.
fn ended(core: &mut Core) -> CallError {
    let wasm_sp = core.regions.context.get(context::WASM_SP);
    // SAFETY: `host_call` or the stub stored this stack pointer when it made the call that ended
    // the run, and the Wasm stack has not been used since.
    let address = unsafe { arch::wasm_return_address(wasm_sp) };
    match core.pending.take() {
        Some(Ended::Trap(kind, message)) => {
            let (function, offset) = match locate(core, address) {
                Ok(place) => place,
                Err(failure) => return CallError::Failure(failure),
            };
            CallError::Trap(Trap {
                kind,
                function,
                offset,
                message,
            })
        }
        Some(Ended::Failure(failure)) => CallError::Failure(failure),
        None => internal("a host call ended the run without a reason".into()),
    }
}

/// Function and offset for a return address; `None` if the host called the import directly.
///
/// The trap map is searched by the last byte of the call: the byte after the call may have an entry
/// of its own or belong to another function.
fn locate(core: &Core, address: usize) -> Result<(Option<u32>, Option<u32>), HostFailure> {
    let code = core.module.code().addresses();
    let call = address.wrapping_sub(1);
    if !code.contains(&call) {
        return Ok((None, None));
    }
    let code_offset = (call - code.start) as u32;
    Ok(match core.module.site_at(code_offset)? {
        Some(site) => (core.module.function_at(code_offset), Some(site.wasm_offset)),
        None => (None, None),
    })
}

/// The result of a run that the signal handler ended.
fn faulted(core: &Core, fault: Option<Fault>) -> CallError {
    match fault {
        Some(Fault::Trap(site)) => CallError::Trap(Trap {
            kind: site.kind,
            function: core.module.function_at(site.code_offset),
            offset: Some(site.wasm_offset),
            message: None,
        }),
        Some(Fault::PageUnavailable { address }) => {
            CallError::Failure(HostFailure::PageUnavailable { address })
        }
        Some(Fault::Interrupted) => CallError::Failure(HostFailure::Interrupted),
        Some(Fault::ArtifactCut) => CallError::Failure(HostFailure::ArtifactCut),
        Some(Fault::StackGuard { code_offset }) => internal(format!(
            "code at {code_offset:#x} (function {:?}) left the Wasm stack",
            core.module.function_at(code_offset)
        )),
        None => internal("the thread was diverted without a fault".into()),
    }
}

fn internal(message: String) -> CallError {
    CallError::Failure(HostFailure::Internal(message))
}

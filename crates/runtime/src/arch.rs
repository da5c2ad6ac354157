//! The processor-dependent part: entering and leaving generated code, and reading and changing the
//! registers of an interrupted thread. Each module below offers the same items; code shared by both
//! is here.

#[cfg(doc)]
use pvf_compiler::abi::context;
use std::ffi::c_void;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;

#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
)))]
compile_error!("pvf-runtime runs on Linux on x86-64 and aarch64");

/// How generated code was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Left {
    /// The entered function returned.
    Returned = 0,
    /// A host call ended the run.
    Ended = 1,
    /// The signal handler diverted the thread.
    Faulted = 2,
}

/// The function that performs a host call. Its parameters: the store, the address of the slots, the
/// immediate, and the function's index or flagged builtin code. It returns 0 to continue and any
/// other value to end the run.
pub(crate) type Dispatch = unsafe extern "C" fn(*mut c_void, *mut u64, u32, u32) -> u32;

/// The return value of a plain host call.
#[repr(C)]
pub(crate) struct PlainReturn {
    /// The result, zero-extended; without meaning if the function has no result.
    pub value: u64,
    /// 0 to continue; any other value ends the run.
    pub ended: u64,
}

/// The entry of a plain host call: four parameters, the function's index, the store.
pub(crate) type PlainEntry =
    unsafe extern "C" fn(u64, u64, u64, u64, u32, *mut c_void) -> PlainReturn;

/// The value of [`context::ENDED`].
pub(crate) fn ended_address() -> u64 {
    exit_ended as *const () as u64
}

/// Address of the code that leaves generated code after the signal handler has recorded a fault. It
/// needs only the context register. It therefore also serves as the value of [`context::HOST_CALL`]
/// and as the entry of plain host calls.
pub(crate) fn faulted_address() -> u64 {
    exit_faulted as *const () as u64
}

/// The value of [`context::EXIT`].
pub(crate) fn exit_address() -> u64 {
    exit as *const () as u64
}

/// The value of [`context::HOST_CALL`].
pub(crate) fn host_call_address() -> u64 {
    host_call as *const () as u64
}

/// The return address into the Wasm function that made the last host call.
///
/// # Safety
/// `wasm_sp` is the value that [`context::WASM_SP`] held when a host call ended the run, and the
/// Wasm stack has not been used since.
pub(crate) unsafe fn wasm_return_address(wasm_sp: u64) -> usize {
    // SAFETY: by the contract of host calls, the word at `wasm_sp` is the return address into the
    // Wasm function, and the caller promises that the stack is unchanged.
    unsafe { (wasm_sp as *const usize).read() }
}

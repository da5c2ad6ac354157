//! What depends on the processor: entering and leaving generated code, and reading and
//! changing the registers of an interrupted thread. Every module below offers the same items; what follows from them is here.

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

/// Why generated code was left.
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

/// The function that does a host call: the store, the address of the slots, the immediate, and the
/// index with its flag. Returns 0 to go on and anything else to end the run.
pub(crate) type Dispatch = unsafe extern "C" fn(*mut c_void, *mut u64, u32, u32) -> u32;

/// What a plain host call returns.
#[repr(C)]
pub(crate) struct PlainReturn {
    /// The result, zero-extended, if there is one.
    pub value: u64,
    /// 0 to go on; anything else ends the run.
    pub ended: u64,
}

/// The entry of a plain host call: four parameters, the function's index, the store.
pub(crate) type PlainEntry =
    unsafe extern "C" fn(u64, u64, u64, u64, u32, *mut c_void) -> PlainReturn;

/// The value of [`context::ENDED`].
pub(crate) fn ended_address() -> u64 {
    exit_ended as *const () as u64
}

/// The way out of generated code that is taken by whatever the signal handler has noted: as a place to go to, and as what
/// [`context::HOST_CALL`] and the entries of plain host calls can be. It needs nothing but the context register.
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
/// `wasm_sp` is what [`context::WASM_SP`] held when the activation was left by a host call, and
/// nothing has used that stack since.
pub(crate) unsafe fn wasm_return_address(wasm_sp: u64) -> usize {
    // SAFETY: there lies the return address that the stub was called with, by the contract of host calls.
    unsafe { (wasm_sp as *const usize).read() }
}

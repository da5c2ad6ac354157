//! x86-64 (System V).
//!
//! # Switching stacks
//! [`enter`] saves the host's callee-saved registers and MXCSR on the host's stack, stores its
//! stack pointer in the context, and jumps to an entry stub on the Wasm stack. Every way back loads
//! that stack pointer and returns from `enter` with a [`Left`] that gives the reason. The stub
//! jumps to [`exit_address`](super::exit_address); a host call that ends the run takes the same
//! path; the signal handler [diverts](divert) the thread to it.
//!
//! # Floating-point state
//! Wasm runs with MXCSR at its default: all exceptions masked, round to nearest, denormals kept.
//! Host functions run with the host's MXCSR, which [`switch_float`] and [`host_call`] load. Functions
//! that use no floating point are called without a switch: loading MXCSR waits for work that is under
//! way, and took two thirds of a gate's time.

use super::{Left, PlainReturn};
use crate::context::{host_stack, word};
use pvf_compiler::Target;
use pvf_compiler::abi::context;
use pvf_compiler::abi::float_state::MXCSR;
use std::arch::naked_asm;
use std::ffi::c_void;

/// The compilation target that this processor executes.
pub(crate) const TARGET: Target = Target::X86_64;

/// The number of the instruction set in ELF files (`EM_X86_64`).
pub(crate) const ELF_MACHINE: u32 = 62;

/// The direction flag in EFLAGS, which the System V ABI requires to be clear.
const DIRECTION_FLAG: i64 = 1 << 10;

/// The first processor feature that the artifact's code requires and this processor lacks.
pub(crate) fn missing_processor_feature() -> Option<&'static str> {
    macro_rules! first_missing {
        ($($feature:tt)*) => {
            $(if !std::arch::is_x86_feature_detected!($feature) {
                return Some($feature);
            })*
        };
    }
    first_missing!("bmi1" "bmi2" "lzcnt" "popcnt" "sse4.1" "avx");
    None
}

/// Makes written code visible to instruction fetch. On x86-64 the jump into the code suffices.
pub(crate) fn publish_code(_: &[u8]) {}

/// Enters generated code at an entry stub.
///
/// # Safety
/// `context` points to a context with all its fields set and a Wasm stack that is not in use.
/// `stub` is the address of an entry stub for the signature of the function in the context. The
/// array at `ENTRY_SLOTS` is long enough for that signature. `STORE` is the store that `DISPATCH`
/// expects.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter(context: *mut u8, stub: usize) -> Left {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Two words for MXCSR: the host's and Wasm's. With them, the six registers and the return
        // address keep the stack pointer 16-byte aligned, as calls from here require.
        "sub rsp, 8",
        "stmxcsr [rsp + {host}]",
        "mov dword ptr [rsp + {wasm}], {mxcsr}",
        "ldmxcsr [rsp + {wasm}]",
        "mov [rdi + {host_sp}], rsp",
        "mov r15, rdi",
        "mov rsp, [r15 + {stack_top}]",
        "jmp rsi",
        mxcsr = const MXCSR,
        host = const host_stack::HOST_FLOAT,
        wasm = const host_stack::WASM_FLOAT,
        host_sp = const context::HOST_SP,
        stack_top = const context::STACK_TOP,
    )
}

/// Returns from [`enter`] with the `Left` in `eax`; expects the context in `r15`.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "mov rsp, [r15 + {host_sp}]",
        "ldmxcsr [rsp + {host}]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        host = const host_stack::HOST_FLOAT,
        host_sp = const context::HOST_SP,
    )
}

/// Entry stubs jump here when the function has returned.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Returned as u32, leave = sym leave)
}

/// The signal handler resumes the thread here.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_faulted() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Faulted as u32, leave = sym leave)
}

/// Import and builtin stubs call this. `eax`: index, `edx`: immediate, `rsi`: slots, `r15`:
/// context.
///
/// The unwind information ends the stack here: the dispatch function catches panics, and a
/// backtrace taken in a host function stops at this frame.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn host_call() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "lea rdi, [rsp + 8]",
        "mov [r15 + {wasm_sp}], rdi",
        "mov rsp, [r15 + {host_sp}]",
        "ldmxcsr [rsp + {host}]",
        "mov rdi, [r15 + {store}]",
        "mov ecx, eax",
        "call [r15 + {dispatch}]",
        "test eax, eax",
        "jnz 2f",
        "ldmxcsr [rsp + {wasm}]",
        "mov rsp, [r15 + {wasm_sp}]",
        "sub rsp, 8",
        "ret",
        "2:",
        "mov eax, {ended}",
        "jmp {leave}",
        ".cfi_endproc",
        host = const host_stack::HOST_FLOAT,
        wasm = const host_stack::WASM_FLOAT,
        wasm_sp = const context::WASM_SP,
        host_sp = const context::HOST_SP,
        store = const context::STORE,
        dispatch = const word::DISPATCH,
        ended = const Left::Ended as u32,
        leave = sym leave,
    )
}

/// Import stubs jump here when a plain host call has ended the run.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_ended() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Ended as u32, leave = sym leave)
}

/// The entry of functions that may use floating point: calls the function with the same index in the
/// array at [`word::TARGETS`], with the same arguments and the host's MXCSR. Only stubs of plain host
/// calls call it, so the host's stack pointer is that of the context, less the return address.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch_float(
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u32,
    _: *mut c_void,
) -> PlainReturn {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "sub rsp, 8",
        "ldmxcsr [rsp + 16 + {host}]",
        "mov r11, [r15 + {targets}]",
        "call [r11 + 8*r8]",
        "ldmxcsr [rsp + 16 + {wasm}]",
        "add rsp, 8",
        "ret",
        ".cfi_endproc",
        host = const host_stack::HOST_FLOAT,
        wasm = const host_stack::WASM_FLOAT,
        targets = const word::TARGETS,
    )
}

/// The address of the instruction at which a signal interrupted the thread.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler.
pub(crate) unsafe fn program_counter(ucontext: *const c_void) -> usize {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    ucontext.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

/// The stack pointer of a thread that a signal interrupted.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler.
pub(crate) unsafe fn stack_pointer(ucontext: *const c_void) -> usize {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    ucontext.uc_mcontext.gregs[libc::REG_RSP as usize] as usize
}

/// The return address that a thread held in a register when a signal interrupted it: none, since
/// calls push it.
///
/// # Safety
/// As for [`stack_pointer`].
pub(crate) unsafe fn link_register(_: *const c_void) -> Option<usize> {
    None
}

/// The offset that the direct call before a return address calls; `None` if there is no such call.
pub(crate) fn call_target(code: &[u8], behind: u32) -> Option<u32> {
    let call = code.get(behind.checked_sub(5)? as usize..behind as usize)?;
    let (&[0xe8], distance) = call.split_first_chunk()? else {
        return None;
    };
    let distance = i32::from_le_bytes(distance.try_into().ok()?);
    behind.checked_add_signed(distance)
}

/// Makes the thread leave generated code when the signal handler returns.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler that interrupted generated code. That code
/// runs with the context at `fields`.
pub(crate) unsafe fn divert(ucontext: *mut c_void, fields: *mut u8) {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`, and only the handler uses
    // it.
    let ucontext = unsafe { &mut *ucontext.cast::<libc::ucontext_t>() };
    let registers = &mut ucontext.uc_mcontext.gregs;
    // In code that counts gas, this register holds the gas left. For other code the field is never
    // read.
    let gas_left = registers[libc::REG_R13 as usize] as u64;
    // SAFETY: `fields` is the context of the running activation, and GAS_LEFT is an aligned word in
    // it.
    unsafe {
        fields
            .add(context::GAS_LEFT as usize)
            .cast::<u64>()
            .write(gas_left);
    }
    registers[libc::REG_RIP as usize] = exit_faulted as *const () as i64;
    registers[libc::REG_R15 as usize] = fields as i64;
    registers[libc::REG_EFL as usize] &= !DIRECTION_FLAG;
}

//! x86-64 (System V).
//!
//! # Switching stacks
//! [`enter`] saves the host's callee-saved registers and MXCSR on the host's stack, notes its
//! stack pointer in the context, and jumps to an entry stub on the Wasm stack. All ways
//! back load that stack pointer and return from `enter`, with a [`Left`] that says why:
//! the stub jumps to [`exit_address`]; a host call that ends the run goes
//! the same way; the signal handler [diverts](divert) the thread there.
//!
//! # Floating-point state
//! Wasm runs with MXCSR at its default: all exceptions masked, round to nearest,
//! denormals kept. Host functions run with what the host had set.

use super::{Left, PlainReturn};
use crate::context::word;
use pvf_compiler::Target;
use pvf_compiler::abi::float_state::MXCSR;
use pvf_compiler::abi::{context, host_stack};
use std::arch::naked_asm;
use std::ffi::c_void;

/// The target this processor executes.
pub(crate) const TARGET: Target = Target::X86_64;

/// The number of the instruction set in ELF files (`EM_X86_64`).
pub(crate) const ELF_MACHINE: u32 = 62;

/// The direction flag in EFLAGS; the host's ABI wants it clear.
const DIRECTION_FLAG: i64 = 1 << 10;

/// What of the processor the artifact's code takes for granted and this one lacks.
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

/// Makes code that was written visible to instruction fetch: it is, on this architecture, after the jump that leads there.
pub(crate) fn publish_code(_: &[u8]) {}

/// Enters generated code at an entry stub.
///
/// # Safety
/// `context` is a context with all its fields set for a Wasm stack that nobody uses, `stub` the address of
/// an entry stub for the signature of the function in the context, `ENTRY_SLOTS`
/// long enough for it, and `STORE` what `DISPATCH` expects.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter(context: *mut u8, stub: usize) -> Left {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // Two words of MXCSR: the host's and that of Wasm. Six registers, these and the return address
        // leave the stack pointer 16-byte aligned, as calls from here need it.
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

/// Where entry stubs jump to.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Returned as u32, leave = sym leave)
}

/// Where the signal handler sends the thread.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_faulted() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Faulted as u32, leave = sym leave)
}

/// What import and builtin stubs call: `eax` index, `edx` immediate, `rsi` slots, `r15` context.
///
/// The unwinder is told that there is nothing above: a panic is caught in the
/// dispatch function, and a backtrace taken in a host function ends here.
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

/// Where stubs jump when a plain host call has ended the run.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_ended() {
    naked_asm!("mov eax, {left}", "jmp {leave}", left = const Left::Ended as u32, leave = sym leave)
}

/// The entry of functions that are found at run time: passes everything on to the dispatch function for plain
/// calls.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn dispatch_plain(
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u32,
    _: *mut c_void,
) -> PlainReturn {
    naked_asm!("jmp [r15 + {dispatch}]", dispatch = const word::DISPATCH_PLAIN)
}

/// The address of the instruction at which a signal interrupted the thread.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler.
pub(crate) unsafe fn program_counter(ucontext: *const c_void) -> usize {
    // SAFETY: by the caller's promise.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    ucontext.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
}

/// Makes the thread leave generated code when the signal handler returns.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler that interrupted generated code
/// running with the context whose fields these are.
pub(crate) unsafe fn divert(ucontext: *mut c_void, fields: *mut u8) {
    // SAFETY: by the caller's promise.
    let ucontext = unsafe { &mut *ucontext.cast::<libc::ucontext_t>() };
    let registers = &mut ucontext.uc_mcontext.gregs;
    // Code that counts gas has what is left in this register; of other code nobody reads the field.
    let gas_left = registers[libc::REG_R13 as usize] as u64;
    // SAFETY: the context is valid while its activation is, and the field an aligned word of it.
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

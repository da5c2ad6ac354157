//! aarch64 (AAPCS64, Linux).
//!
//! # Switching stacks
//! As on x86-64: [`enter`] saves what C functions have to keep (x19 to x30, the low halves of v8 to v15) and FPCR on
//! the host's stack, notes its stack pointer in the context, and jumps to an entry stub on the Wasm
//! stack. All ways back load that stack pointer and return from `enter`, with a [`Left`] that says why.
//! x18 belongs to the platform and is never touched.
//!
//! # Floating-point state
//! Wasm runs with FPCR at its reset value, that is round to nearest, denormals kept, nothing trapped, but for the
//! bit DN: any operation that gives a NaN gives the default one, which is Wasm's positive canonical NaN. Generated code
//! takes that for granted. Host functions run with what the host had set.
//!
//! # Code that was just written
//! Instruction fetch does not see stores by itself. The architecture (Arm ARM, DDI 0487, B2.4.4 "Concurrent modification
//! and execution of instructions" and the sequence in "Instruction cache coherence") asks for two things:
//!
//! - whoever wrote cleans the data cache and invalidates the instruction caches of all processors by address:
//!   [`publish_code`], when a module is placed. That the kernel does as much when it first makes a page executable
//!   (`__sync_icache_dcache`) is an implementation's habit;
//! - whoever executes does so behind a context synchronisation event that follows: the `isb` in [`enter`]. A module reaches
//!   other threads through Rust's own synchronisation, so the cache maintenance happens before their `isb`. It takes
//!   the place of `membarrier(SYNC_CORE)`, which interrupts every other thread, has to be registered, and may be
//!   refused by a sandbox. A thread that is moved to another processor between the `isb` and the code returns there from an
//!   exception, which is such an event too.

use super::{Left, PlainReturn};
use crate::context::word;
use pvf_compiler::Target;
use pvf_compiler::abi::float_state::FPCR;
use pvf_compiler::abi::{context, host_stack};
use std::arch::{asm, naked_asm};
use std::ffi::c_void;

/// The target this processor executes.
pub(crate) const TARGET: Target = Target::Aarch64;

/// The number of the instruction set in ELF files (`EM_AARCH64`).
pub(crate) const ELF_MACHINE: u32 = 183;

/// Bytes that [`enter`] takes of the host's stack: FPCR and a word that is free, x19 to x30, d8 to d15.
const SAVED_BYTES: usize = 176;

/// The branch type in PSTATE: which kind of branch has led to the instruction.
const BRANCH_TYPE: u64 = 3 << 10;

/// What of the processor the artifact's code takes for granted and this one lacks: the base architecture
/// is all it needs.
pub(crate) fn missing_processor_feature() -> Option<&'static str> {
    None
}

/// Makes code that was written, or mapped from a file, visible to instruction fetch on all processors.
pub(crate) fn publish_code(code: &[u8]) {
    let cache_type: u64;
    // SAFETY: reads a register that user space may read (or the kernel answers for it).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack)) };
    let line = |shift: u32| 4usize << (cache_type >> shift & 15);
    // IDC: instruction fetch sees the data cache. DIC: instruction caches see what it sees.
    let (clean, invalidate) = (cache_type >> 28 & 1 == 0, cache_type >> 29 & 1 == 0);
    if clean {
        for address in lines(code, line(16)) {
            // SAFETY: an address in readable memory; what it holds does not change.
            unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack)) };
        }
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", options(nostack)) };
    if invalidate {
        for address in lines(code, line(0)) {
            // SAFETY: as above.
            unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack)) };
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack)) };
    }
}

/// An address in each cache line of the code.
fn lines(code: &[u8], line: usize) -> impl Iterator<Item = usize> {
    let range = code.as_ptr_range();
    (range.start as usize & !(line - 1)..range.end as usize).step_by(line)
}

/// Enters generated code at an entry stub.
///
/// # Safety
/// `context` is a context with all its fields set for a Wasm stack that nobody uses, `stub` the address of
/// an entry stub for the signature of the function in the context, `ENTRY_SLOTS`
/// long enough for it, and `STORE` what `DISPATCH` expects.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter(context: *mut u8, stub: usize) -> Left {
    naked_asm!(
        "sub sp, sp, {saved}",
        "stp x19, x20, [sp, 16]",
        "stp x21, x22, [sp, 32]",
        "stp x23, x24, [sp, 48]",
        "stp x25, x26, [sp, 64]",
        "stp x27, x28, [sp, 80]",
        "stp x29, x30, [sp, 96]",
        "stp d8, d9, [sp, 112]",
        "stp d10, d11, [sp, 128]",
        "stp d12, d13, [sp, 144]",
        "stp d14, d15, [sp, 160]",
        "mrs x9, fpcr",
        "str x9, [sp, {host}]",
        "mov w9, {fpcr}",
        "msr fpcr, x9",
        "mov x9, sp",
        "str x9, [x0, {host_sp}]",
        "mov x19, x0",
        "ldr x9, [x19, {stack_top}]",
        "mov sp, x9",
        "isb",
        "br x1",
        saved = const SAVED_BYTES,
        fpcr = const FPCR,
        host = const host_stack::HOST_FLOAT,
        host_sp = const context::HOST_SP,
        stack_top = const context::STACK_TOP,
    )
}

/// Returns from [`enter`] with the `Left` in `w0`; expects the context in `x19`.
#[unsafe(naked)]
unsafe extern "C" fn leave() {
    naked_asm!(
        "ldr x9, [x19, {host_sp}]",
        "mov sp, x9",
        "ldr x9, [sp, {host}]",
        "msr fpcr, x9",
        "ldp x19, x20, [sp, 16]",
        "ldp x21, x22, [sp, 32]",
        "ldp x23, x24, [sp, 48]",
        "ldp x25, x26, [sp, 64]",
        "ldp x27, x28, [sp, 80]",
        "ldp x29, x30, [sp, 96]",
        "ldp d8, d9, [sp, 112]",
        "ldp d10, d11, [sp, 128]",
        "ldp d12, d13, [sp, 144]",
        "ldp d14, d15, [sp, 160]",
        "add sp, sp, {saved}",
        "ret",
        saved = const SAVED_BYTES,
        host = const host_stack::HOST_FLOAT,
        host_sp = const context::HOST_SP,
    )
}

/// Where entry stubs jump to.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Returned as u32, leave = sym leave)
}

/// Where the signal handler sends the thread.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_faulted() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Faulted as u32, leave = sym leave)
}

/// What import and builtin stubs call: `w9` index, `w10` immediate, `x1` slots, `x19` context; the return
/// address into the Wasm function lies at the stack pointer.
///
/// The unwinder is told that there is nothing above: a panic is caught in the
/// dispatch function, and a backtrace taken in a host function ends here.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn host_call() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined x30",
        "mov x11, sp",
        "str x11, [x19, {wasm_sp}]",
        "ldr x11, [x19, {host_sp}]",
        "mov sp, x11",
        // C functions keep it, generated code keeps nothing there over calls.
        "mov x24, x30",
        "ldr x11, [sp, {host}]",
        "msr fpcr, x11",
        "ldr x0, [x19, {store}]",
        "mov w2, w10",
        "mov w3, w9",
        "ldr x11, [x19, {dispatch}]",
        "blr x11",
        "cbnz w0, 2f",
        "mov w11, {fpcr}",
        "msr fpcr, x11",
        "ldr x11, [x19, {wasm_sp}]",
        "mov sp, x11",
        "ret x24",
        "2:",
        "mov w0, {ended}",
        "b {leave}",
        ".cfi_endproc",
        wasm_sp = const context::WASM_SP,
        host_sp = const context::HOST_SP,
        store = const context::STORE,
        dispatch = const word::DISPATCH,
        host = const host_stack::HOST_FLOAT,
        fpcr = const FPCR,
        ended = const Left::Ended as u32,
        leave = sym leave,
    )
}

/// Where stubs jump when a plain host call has ended the run.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_ended() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Ended as u32, leave = sym leave)
}

/// The entry of functions that are found at run time: passes everything on to the dispatch function for plain
/// calls. By `x16`, as what a program guarded by branch targets may jump to a function with.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn dispatch_plain(
    _: u64,
    _: u64,
    _: u64,
    _: u64,
    _: u32,
    _: *mut c_void,
) -> PlainReturn {
    naked_asm!(
        "ldr x16, [x19, {dispatch}]",
        "br x16",
        dispatch = const word::DISPATCH_PLAIN,
    )
}

/// The address of the instruction at which a signal interrupted the thread.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler.
pub(crate) unsafe fn program_counter(ucontext: *const c_void) -> usize {
    // SAFETY: by the caller's promise.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    ucontext.uc_mcontext.pc as usize
}

/// Makes the thread leave generated code when the signal handler returns.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler that interrupted generated code
/// running with the context whose fields these are.
pub(crate) unsafe fn divert(ucontext: *mut c_void, fields: *mut u8) {
    // SAFETY: by the caller's promise.
    let machine = unsafe { &mut (*ucontext.cast::<libc::ucontext_t>()).uc_mcontext };
    // Code that counts gas has what is left in this register; of other code nobody reads the field.
    let gas_left = machine.regs[21];
    // SAFETY: the context is valid while its activation is, and the field an aligned word of it.
    unsafe {
        fields
            .add(context::GAS_LEFT as usize)
            .cast::<u64>()
            .write(gas_left);
    }
    machine.pc = exit_faulted as *const () as u64;
    machine.regs[19] = fields as u64;
    // An instruction that faulted as the target of an indirect branch would have it set, and where the program is
    // guarded by branch targets, the one we go to faulted in turn.
    machine.pstate &= !BRANCH_TYPE;
}

//! aarch64 (AAPCS64, Linux).
//!
//! # Switching stacks
//! [`enter`] saves the registers that C functions preserve (x19 to x30, the low halves of v8 to
//! v15) and FPCR on the host's stack, stores its stack pointer in the context, and jumps to an
//! entry stub on the Wasm stack. Every way back loads that stack pointer and returns from `enter`
//! with a [`Left`] that gives the reason. x18 belongs to the platform and is never changed.
//!
//! # Floating-point state
//! Wasm runs with FPCR at its reset value (round to nearest, denormals kept, no traps) except for
//! the bit DN: every operation that produces a NaN produces the default NaN, which is Wasm's
//! positive canonical NaN. Generated code relies on it. Host functions run with the host's FPCR, which
//! [`switch_float`] and [`host_call`] set; those that use no floating point keep that of Wasm.
//!
//! # Code that was just written
//! Instruction fetch does not observe stores by itself. The architecture (Arm ARM, DDI 0487, B2.4.4
//! "Concurrent modification and execution of instructions" and the sequence in "Instruction cache
//! coherence") requires two steps:
//!
//! - the writer cleans the data cache and invalidates the instruction caches of all processors by
//!   address. [`publish_code`] does this when a module is placed. The kernel does the same when it
//!   first makes a page executable (`__sync_icache_dcache`), but does not promise it;
//! - the executing thread passes a context synchronisation event afterwards: the `isb` in
//!   [`enter`]. A module reaches other threads through Rust's synchronisation, so the cache
//!   maintenance happens before their `isb`. The alternative is `membarrier(SYNC_CORE)`. It
//!   interrupts every other thread, has to be registered, and may be refused by a sandbox. A thread
//!   that moves to another processor after the `isb` resumes there by an exception return, which is
//!   also such an event.

use super::{Left, PlainReturn};
use crate::context::{host_stack, word};
use pvf_compiler::Target;
use pvf_compiler::abi::context;
use pvf_compiler::abi::float_state::FPCR;
use std::arch::{asm, naked_asm};
use std::ffi::c_void;

/// The compilation target that this processor executes.
pub(crate) const TARGET: Target = Target::Aarch64;

/// The number of the instruction set in ELF files (`EM_AARCH64`).
pub(crate) const ELF_MACHINE: u32 = 183;

/// Bytes that [`enter`] allocates on the host's stack: FPCR and an unused word, x19 to x30, d8 to
/// d15.
const SAVED_BYTES: usize = 176;

/// The field BTYPE in PSTATE: the kind of branch that led to the next instruction.
const BRANCH_TYPE: u64 = 3 << 10;

/// The first processor feature that the artifact's code requires and this processor lacks: none,
/// since the code requires only the base architecture.
pub(crate) fn missing_processor_feature() -> Option<&'static str> {
    None
}

/// Makes code that was written or mapped from a file visible to instruction fetch on all
/// processors.
pub(crate) fn publish_code(code: &[u8]) {
    let cache_type: u64;
    // SAFETY: reads CTR_EL0, which user space may read (or the kernel emulates it).
    unsafe { asm!("mrs {}, ctr_el0", out(reg) cache_type, options(nomem, nostack)) };
    let line = |shift: u32| 4usize << (cache_type >> shift & 15);
    // IDC set: no data cache clean is needed. DIC set: no instruction cache invalidation is needed.
    let (clean, invalidate) = (cache_type >> 28 & 1 == 0, cache_type >> 29 & 1 == 0);
    if clean {
        for address in lines(code, line(16)) {
            // SAFETY: the address is in readable memory, and cleaning a cache line changes no
            // contents.
            unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack)) };
        }
    }
    // SAFETY: a barrier changes neither memory nor registers.
    unsafe { asm!("dsb ish", options(nostack)) };
    if invalidate {
        for address in lines(code, line(0)) {
            // SAFETY: the address is in readable memory, and invalidating instruction caches
            // changes no contents.
            unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack)) };
        }
        // SAFETY: a barrier changes neither memory nor registers.
        unsafe { asm!("dsb ish", options(nostack)) };
    }
}

/// One address in each cache line of the code.
fn lines(code: &[u8], line: usize) -> impl Iterator<Item = usize> {
    let range = code.as_ptr_range();
    (range.start as usize & !(line - 1)..range.end as usize).step_by(line)
}

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

/// Entry stubs jump here when the function has returned.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Returned as u32, leave = sym leave)
}

/// The signal handler resumes the thread here.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_faulted() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Faulted as u32, leave = sym leave)
}

/// Import and builtin stubs call this. `w9`: index, `w10`: immediate, `x1`: slots, `x19`: context.
/// The return address into the Wasm function is at the stack pointer.
///
/// The unwind information ends the stack here: the dispatch function catches panics, and a
/// backtrace taken in a host function stops at this frame.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn host_call() {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined x30",
        "mov x11, sp",
        "str x11, [x19, {wasm_sp}]",
        "ldr x11, [x19, {host_sp}]",
        "mov sp, x11",
        // C functions preserve `x24`; generated code keeps nothing in it across calls.
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

/// Import stubs jump here when a plain host call has ended the run.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn exit_ended() {
    naked_asm!("mov w0, {left}", "b {leave}", left = const Left::Ended as u32, leave = sym leave)
}

/// The entry of functions that may use floating point: calls the function with the same index in the
/// array at [`word::TARGETS`], with the same arguments and the host's FPCR. Only stubs of plain host
/// calls call it, so the host's stack pointer is that of the context.
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
        ".cfi_undefined x30",
        "str x30, [sp, -16]!",
        "ldr x16, [sp, 16 + {host}]",
        "msr fpcr, x16",
        "ldr x16, [x19, {targets}]",
        "ldr x16, [x16, x4, lsl 3]",
        "blr x16",
        "mov w16, {fpcr}",
        "msr fpcr, x16",
        "ldr x30, [sp], 16",
        "ret",
        ".cfi_endproc",
        host = const host_stack::HOST_FLOAT,
        fpcr = const FPCR,
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
    ucontext.uc_mcontext.pc as usize
}

/// The stack pointer of a thread that a signal interrupted.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler.
pub(crate) unsafe fn stack_pointer(ucontext: *const c_void) -> usize {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    ucontext.uc_mcontext.sp as usize
}

/// The return address that a thread held in a register (x30) when a signal interrupted it. It may
/// be that of a call that has returned.
///
/// # Safety
/// As for [`stack_pointer`].
pub(crate) unsafe fn link_register(ucontext: *const c_void) -> Option<usize> {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`.
    let ucontext = unsafe { &*ucontext.cast::<libc::ucontext_t>() };
    Some(ucontext.uc_mcontext.regs[30] as usize)
}

/// The offset that the direct call before a return address calls; `None` if there is no such call.
pub(crate) fn call_target(code: &[u8], behind: u32) -> Option<u32> {
    let call = behind.checked_sub(4)?;
    let word = code.get(call as usize..behind as usize)?;
    let instruction = u32::from_le_bytes(word.try_into().ok()?);
    // BL: six bits of operation, 26 bits of distance in words.
    if instruction >> 26 != 0b100101 {
        return None;
    }
    let distance = (instruction << 6) as i32 >> 6;
    call.checked_add_signed(distance.checked_mul(4)?)
}

/// Makes the thread leave generated code when the signal handler returns.
///
/// # Safety
/// `ucontext` is the third argument of a signal handler that interrupted generated code. That code
/// runs with the context at `fields`.
pub(crate) unsafe fn divert(ucontext: *mut c_void, fields: *mut u8) {
    // SAFETY: the caller promises that this is the kernel's `ucontext_t`, and only the handler uses
    // it.
    let machine = unsafe { &mut (*ucontext.cast::<libc::ucontext_t>()).uc_mcontext };
    // In code that counts gas, this register holds the gas left. For other code the field is never
    // read.
    let gas_left = machine.regs[21];
    // SAFETY: `fields` is the context of the running activation, and GAS_LEFT is an aligned word in
    // it.
    unsafe {
        fields
            .add(context::GAS_LEFT as usize)
            .cast::<u64>()
            .write(gas_left);
    }
    machine.pc = exit_faulted as *const () as u64;
    machine.regs[19] = fields as u64;
    // BTYPE is set if the instruction that faulted was the target of an indirect branch. With
    // branch target identification, `exit_faulted` would then fault in turn.
    machine.pstate &= !BRANCH_TYPE;
}

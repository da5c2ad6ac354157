//! From a fault of the processor to a trap.
//!
//! Handlers for SIGSEGV, SIGBUS, SIGFPE and SIGILL are installed once per process. A
//! handler claims a fault only if it is the kernel's report of what the instruction at the
//! program counter did, that instruction lies in the code of the thread's innermost activation, the trap map has a
//! site there, and the address of a memory fault lies outside the accessible part of that instance's
//! memory but in its reservation. Everything else goes to whoever handled the signal
//! before, as if we were not there.
//!
//! The handler only reads: the activation, the context and the trap map, none of
//! which can change while generated code runs. It allocates nothing and takes no lock.

use crate::HostFailure;
use crate::activation::{self, Activation, Fault};
use crate::{arch, file};
use pvf_compiler::abi::context;
use pvf_compiler::artifact::TrapSite;
use pvf_rules::TrapKind;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

/// What handled each of [`SIGNALS`] before.
struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; SIGNALS.len()]>);

// SAFETY: written once under the lock of `install` before the handler that reads it is
// installed; only read from then on.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new(
    [const { MaybeUninit::uninit() }; SIGNALS.len()],
));

/// Installs the handlers; every call after the first only repeats its result.
pub(crate) fn install() -> Result<(), HostFailure> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| (0..SIGNALS.len()).try_for_each(install_one))
        .map_err(|code| HostFailure::System {
            action: "installing a signal handler",
            source: io::Error::from_raw_os_error(code),
        })
}

fn install_one(which: usize) -> Result<(), i32> {
    let failed = || io::Error::last_os_error().raw_os_error().unwrap_or(0);
    let signal = SIGNALS[which];
    let previous = PREVIOUS.0.get().cast::<libc::sigaction>();
    // SAFETY: `previous` points into a static that only this call writes (see `Previous`); the new
    // action is fully initialised: zero is valid for all its fields, and the mask is empty.
    unsafe {
        let previous = previous.add(which);
        if libc::sigaction(signal, std::ptr::null(), previous) != 0 {
            return Err(failed());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(signal, &action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(failed()),
        }
    }
}

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    let activation = activation::current();
    // SAFETY: these are null or alive, and the kernel's pointers are valid in a handler.
    if unsafe { mend(signal, &*info, ucontext, activation.as_ref()) } {
        return;
    }
    // SAFETY: a non-null innermost activation lives on this thread's stack below the frame that set
    // it; the kernel's pointers are valid in a handler.
    unsafe {
        if let Some(activation) = activation.as_ref()
            && let Some(fault) = claim(activation, signal, &*info, ucontext)
        {
            activation.fault.set(Some(fault));
            arch::divert(ucontext, activation.context);
        } else {
            chain(signal, info, ucontext);
        }
    }
}

/// Replaces a page that is missing in the file of an artifact, if it was the runtime that read it.
///
/// # Safety
/// Called in a signal handler with its arguments and the thread's innermost activation.
unsafe fn mend(
    signal: c_int,
    info: &libc::siginfo_t,
    ucontext: *const c_void,
    activation: Option<&Activation>,
) -> bool {
    if signal != libc::SIGBUS || info.si_code <= 0 {
        return false;
    }
    // SAFETY: by the caller's promise; this signal carries an address when the kernel sends it.
    let (pc, address) = unsafe { (arch::program_counter(ucontext), info.si_addr() as usize) };
    if activation.is_some_and(|activation| activation.code.contains(&pc)) {
        return false;
    }
    let running = activation.map_or(std::ptr::null(), |activation| activation.file);
    [file::reading(), running]
        .into_iter()
        // SAFETY: whoever reads a file or runs code of it keeps it mapped.
        .filter_map(|file| unsafe { file.as_ref() })
        .any(|file| file.replace_page(address))
}

/// Decides whether a fault is ours, and what it means.
///
/// # Safety
/// Called in a signal handler with its arguments, `activation` being the thread's innermost.
unsafe fn claim(
    activation: &Activation,
    signal: c_int,
    info: &libc::siginfo_t,
    ucontext: *const c_void,
) -> Option<Fault> {
    if info.si_code <= 0 {
        // Sent by a process, not caused by an instruction.
        return None;
    }
    // SAFETY: by the caller's promise.
    let pc = unsafe { arch::program_counter(ucontext) };
    if !activation.code.contains(&pc) {
        return None;
    }
    let code_offset = (pc - activation.code.start) as u32;
    // SAFETY: the trap map belongs to the module, which outlives its activations.
    let site = || unsafe { &*activation.traps }.lookup(code_offset);
    // SAFETY: by the caller's promise.
    let fault = unsafe { judge(activation, signal, info, code_offset, site) };
    // SAFETY: so does its file. Only now, since it may have been the search that found out.
    match unsafe { activation.file.as_ref() } {
        Some(file) if file.is_cut() => Some(Fault::ArtifactCut),
        _ => fault,
    }
}

/// What a fault at a place in the code means, if it is ours.
///
/// # Safety
/// As for [`claim`].
unsafe fn judge(
    activation: &Activation,
    signal: c_int,
    info: &libc::siginfo_t,
    code_offset: u32,
    site: impl Fn() -> Option<TrapSite>,
) -> Option<Fault> {
    match signal {
        libc::SIGSEGV | libc::SIGBUS => {
            // SAFETY: these signals carry an address when the kernel sends them.
            let address = unsafe { info.si_addr() } as usize;
            if activation.stack.contains(&address) {
                return Some(Fault::StackGuard { code_offset });
            }
            if signal == libc::SIGBUS && activation.code.contains(&address) {
                return Some(Fault::ArtifactCut);
            }
            if !activation.memory.contains(&address) {
                return None;
            }
            // SAFETY: the context is valid while its activation is.
            let (base, bytes) = unsafe {
                (
                    read_word(activation, context::MEMORY_BASE),
                    read_word(activation, context::MEMORY_BYTES),
                )
            };
            let accessible = (address as u64).wrapping_sub(base) < bytes;
            match signal {
                libc::SIGBUS if accessible => Some(Fault::PageUnavailable {
                    address: address as u64 - base,
                }),
                // An operation with a memory operand has one site for both ways to trap.
                libc::SIGSEGV if !accessible => Some(Fault::Trap(TrapSite {
                    kind: TrapKind::MemoryOutOfBounds,
                    ..site()?
                })),
                _ => None,
            }
        }
        libc::SIGFPE => {
            let site = site()?;
            let kind = match site.kind {
                TrapKind::IntegerOverflow => TrapKind::IntegerOverflow,
                _ => TrapKind::IntegerDivideByZero,
            };
            Some(Fault::Trap(TrapSite { kind, ..site }))
        }
        _ => Some(Fault::Trap(site()?)),
    }
}

/// # Safety
/// The activation's context is valid and `offset` that of a word in its header.
unsafe fn read_word(activation: &Activation, offset: u32) -> u64 {
    // SAFETY: by the caller's promise.
    unsafe {
        activation
            .context
            .add(offset as usize)
            .cast::<u64>()
            .read_volatile()
    }
}

/// Passes a signal on to what handled it before us.
///
/// # Safety
/// Called in a signal handler with its arguments.
unsafe fn chain(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    let Some(which) = SIGNALS.iter().position(|&known| known == signal) else {
        return;
    };
    // SAFETY: written before the handler was installed, and never since; the previous handler
    // is called with the arguments its flags promise.
    unsafe {
        let previous = &*PREVIOUS.0.get().cast::<libc::sigaction>().add(which);
        let by_instruction = (*info).si_code > 0;
        if previous.sa_flags & libc::SA_NODEFER != 0 {
            // It expects not to be blocked, and may leave by a jump that restores no mask: then the next trap of
            // this kind, ours too, would end the process.
            let mut own: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut own);
            libc::sigaddset(&mut own, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &own, std::ptr::null_mut());
        }
        match previous.sa_sigaction {
            libc::SIG_IGN if !by_instruction => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // The instruction faults again when we return, and then the default applies. A
                // signal that was sent has to be sent again; it is blocked until we return.
                let mut default: libc::sigaction = std::mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &default, std::ptr::null_mut());
                if !by_instruction {
                    libc::raise(signal);
                }
            }
            _ => call_handler(previous, signal, info, ucontext),
        }
    }
}

/// Calls the handler of an action that has one, neither the default nor none.
///
/// # Safety
/// Called in a signal handler with its arguments.
pub(crate) unsafe fn call_handler(
    action: &libc::sigaction,
    signal: c_int,
    info: *mut libc::siginfo_t,
    ucontext: *mut c_void,
) {
    let handler = action.sa_sigaction;
    // SAFETY: the handler is called with the arguments that its flags promise.
    unsafe {
        if action.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                std::mem::transmute(handler);
            handler(signal, info, ucontext);
        } else {
            let handler: unsafe extern "C" fn(c_int) = std::mem::transmute(handler);
            handler(signal);
        }
    }
}

//! Signal handlers that turn faults in generated code into traps.
//!
//! Handlers for SIGSEGV, SIGBUS, SIGFPE and SIGILL are installed once per process. A handler claims
//! a signal as a trap only if all of these hold:
//!
//! - the kernel sent it because of the instruction at the program counter;
//! - that instruction is in the code of the thread's innermost activation;
//! - the trap map has a site there;
//! - the address of a SIGSEGV is in the reservation of the instance's memory, outside its
//!   accessible part.
//!
//! The handler also claims faults that are failures of the host: accesses to the guards of the Wasm
//! stack, memory that the system cannot supply, and truncated artifact files. It passes all other
//! signals on to the previous handler.
//!
//! The handler reads the activation, the context and the trap map, which do not change while
//! generated code runs. It allocates no memory on the heap and takes no lock.

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

/// The previous action of each of [`SIGNALS`].
struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; SIGNALS.len()]>);

// SAFETY: an element is written once, under the lock of `install`, before the handler that reads it
// is installed. It is only read afterwards.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new(
    [const { MaybeUninit::uninit() }; SIGNALS.len()],
));

/// Installs the handlers. Later calls return the result of the first.
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
    // SAFETY: `previous` points to an element of a static array that only this call writes (see
    // `Previous`). The new action is fully initialised: zero is valid for all its fields, and the
    // mask is emptied.
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
    // SAFETY: the activation is null or alive, and the kernel's pointers are valid in a handler.
    if unsafe { mend(signal, &*info, ucontext, activation.as_ref()) } {
        return;
    }
    // SAFETY: a non-null innermost activation is borrowed by an active frame of `Activation::with` on
    // this thread's stack. The kernel's pointers are valid in a handler.
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

/// Replaces a missing page of an artifact's file by zeros, if the runtime itself was reading the
/// file. Returns whether it did.
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
    // SAFETY: the caller passes the handler's arguments; a SIGBUS from the kernel carries an
    // address.
    let (pc, address) = unsafe { (arch::program_counter(ucontext), info.si_addr() as usize) };
    if activation.is_some_and(|activation| activation.code.contains(&pc)) {
        return false;
    }
    let running = activation.map_or(std::ptr::null(), |activation| activation.file);
    [file::reading(), running]
        .into_iter()
        // SAFETY: code that reads a file or runs code from it keeps the `FileMapping` alive.
        .filter_map(|file| unsafe { file.as_ref() })
        .any(|file| file.replace_page(address))
}

/// Classifies a signal, or returns `None` if the runtime does not claim it.
///
/// # Safety
/// Called in a signal handler with its arguments and the thread's innermost activation.
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
    // SAFETY: the caller passes the handler's `ucontext`.
    let pc = unsafe { arch::program_counter(ucontext) };
    if !activation.code.contains(&pc) {
        return None;
    }
    let code_offset = (pc - activation.code.start) as u32;
    // SAFETY: the trap map belongs to the module, which outlives its activations.
    let site = || unsafe { &*activation.traps }.lookup(code_offset);
    // SAFETY: by the caller's promise, as for this function.
    let fault = unsafe { judge(activation, signal, info, code_offset, site) };
    // SAFETY: the file belongs to the module, which outlives its activations. Checked after
    // `judge`, because the search of the trap map may have hit a missing page.
    match unsafe { activation.file.as_ref() } {
        Some(file) if file.is_cut() => Some(Fault::ArtifactCut),
        _ => fault,
    }
}

/// Classifies a fault of generated code, or returns `None` if the runtime does not claim it.
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
            // SAFETY: SIGSEGV and SIGBUS from the kernel carry an address.
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
            // SAFETY: the context is valid while its activation is, and both are words of its
            // header.
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
                // An instruction with a memory operand has one site for both its traps.
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
/// The activation's context is valid, and `offset` is that of a word in its header.
pub(crate) unsafe fn read_word(activation: &Activation, offset: u32) -> u64 {
    // SAFETY: by the caller's promise, the word is readable and aligned.
    unsafe {
        activation
            .context
            .add(offset as usize)
            .cast::<u64>()
            .read_volatile()
    }
}

/// Passes a signal on to the previous handler.
///
/// # Safety
/// Called in a signal handler with its arguments.
unsafe fn chain(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    let Some(which) = SIGNALS.iter().position(|&known| known == signal) else {
        return;
    };
    // SAFETY: the element was written before this handler was installed and has not changed since.
    // The previous handler gets the arguments that its flags require.
    unsafe {
        let previous = &*PREVIOUS.0.get().cast::<libc::sigaction>().add(which);
        let by_instruction = (*info).si_code > 0;
        if previous.sa_flags & libc::SA_NODEFER != 0 {
            // A handler with SA_NODEFER expects the signal not to be blocked, and may leave by a
            // jump that does not restore the mask. The next trap with this signal would then end
            // the process.
            let mut own: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut own);
            libc::sigaddset(&mut own, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &own, std::ptr::null_mut());
        }
        match previous.sa_sigaction {
            libc::SIG_IGN if !by_instruction => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // On return the instruction faults again, and the default action applies. A signal
                // that was sent by a process has to be raised again; it stays blocked until the
                // return.
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

/// Calls the handler of an action that is neither SIG_DFL nor SIG_IGN.
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
    // SAFETY: the action has a handler, which gets the arguments that its flags require.
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

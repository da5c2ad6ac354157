//! Timers that send a real-time signal to one thread, and the choice of that signal.

use crate::HostFailure;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// A timer that signals the thread that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer(libc::timer_t);

// SAFETY: the value identifies a timer of the process, which any thread may set.
unsafe impl Send for Timer {}

impl Timer {
    /// A timer that is not started. Its signals carry `number`.
    pub fn new(signal: c_int, number: usize) -> Result<Self, HostFailure> {
        // SAFETY: zero is valid for all fields.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: `gettid` has no preconditions.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(number);
        let mut timer = MaybeUninit::uninit();
        // SAFETY: the event is fully initialised, and `timer` is valid for writes.
        match unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, timer.as_mut_ptr()) } {
            // SAFETY: `timer_create` succeeded and wrote the timer.
            0 => Ok(Self(unsafe { timer.assume_init() })),
            _ => Err(HostFailure::system("timer_create")),
        }
    }

    /// Sends the signal after `first`, which is above 0, and then every `again`.
    pub fn start(self, first: Duration, again: Duration) {
        let spec = libc::itimerspec {
            it_interval: timespec(again),
            it_value: timespec(first),
        };
        // SAFETY: the timer exists and the times are valid, so the call cannot fail.
        let set = unsafe { libc::timer_settime(self.0, 0, &spec, std::ptr::null_mut()) };
        debug_assert_eq!(set, 0, "timer_settime");
    }

    /// Deletes the timer.
    ///
    /// # Safety
    /// The timer exists, and nothing uses its value afterwards.
    pub unsafe fn delete(self) {
        // SAFETY: the timer exists, by the caller's promise.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn timespec(time: Duration) -> libc::timespec {
    // The longest time; longer ones never elapse in practice.
    const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;
    // SAFETY: zero is valid for all fields. The type may have private fields, so it cannot be built
    // from `tv_sec` and `tv_nsec`.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = time.as_secs().min(LONGEST) as libc::time_t;
    spec.tv_nsec = time.subsec_nanos() as _;
    spec
}

/// Unblocks the signal for this thread; `drop` restores the mask.
pub(crate) struct Unblocked(libc::sigset_t);

impl Unblocked {
    /// Unblocks it.
    pub fn new(signal: c_int) -> Result<Self, HostFailure> {
        // SAFETY: zero is valid for a signal set; both sets are local variables.
        let (error, before) = unsafe {
            let (mut own, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&mut own);
            libc::sigaddset(&mut own, signal);
            (
                libc::pthread_sigmask(libc::SIG_UNBLOCK, &own, &mut before),
                before,
            )
        };
        match error {
            0 => Ok(Self(before)),
            error => Err(HostFailure::System {
                action: "pthread_sigmask",
                source: io::Error::from_raw_os_error(error),
            }),
        }
    }
}

impl Drop for Unblocked {
    fn drop(&mut self) {
        // SAFETY: the set is the mask that the thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// The real-time signals that a timer can send, from the highest.
fn usable_signals() -> impl Iterator<Item = c_int> {
    let signals = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
    signals.filter(|&signal| takes_timers(signal))
}

/// The highest real-time signal that a timer can send and that has no handler.
pub(crate) fn free_signal() -> Option<c_int> {
    usable_signals().find(|&signal| is_free(signal))
}

/// The highest real-time signal that a timer can send.
pub(crate) fn any_signal() -> Option<c_int> {
    usable_signals().next()
}

/// What the kernel calls for a signal, with where it happened.
pub(crate) type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Has the kernel call `handler` for the signal, on the alternate stack where a thread has one. System calls go on
/// after it.
///
/// # Errors
/// The code of the system's error.
///
/// # Safety
/// `handler` does only what a handler may do whenever the signal comes, and keeps the state of the code it interrupts.
pub(crate) unsafe fn handle(signal: c_int, handler: Handler) -> Result<(), i32> {
    // SAFETY: the action is fully initialised: zero is valid for all its fields, and the mask is emptied. The
    // caller promises that the handler is one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(signal, &action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        }
    }
}

/// The action of a signal.
pub(crate) fn handling(signal: c_int) -> Result<libc::sigaction, i32> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: only writes the action to `action`.
    match unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } {
        // SAFETY: `sigaction` succeeded and wrote the action.
        0 => Ok(unsafe { action.assume_init() }),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

/// Whether a timer can send a signal. An emulator may reserve the highest signals for itself.
fn takes_timers(signal: c_int) -> bool {
    let Ok(timer) = Timer::new(signal, 0) else {
        return false;
    };
    // SAFETY: the timer exists, was never started, and is known only here.
    unsafe { timer.delete() };
    true
}

fn is_free(signal: c_int) -> bool {
    handling(signal).is_ok_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

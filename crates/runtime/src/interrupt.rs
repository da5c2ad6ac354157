//! Ending a run from outside: by its time, or by another thread.
//!
//! # How
//! A thread that does something [under an interrupt](Interrupt::during) has a timer (`timer_create`) that sends a signal to that
//! thread alone: when the time is up, and at once when somebody [raises](Interrupt::raise) the interrupt; then again every
//! few milliseconds until the thread has left. The handler does one of two things:
//!
//! - the thread is in generated code: it is diverted as by a trap, and the run ends;
//! - it is elsewhere (in a host function, on the way in or out): the context's addresses for host calls are replaced by the way
//!   out, so that the next host call ends the run. If generated code makes none, the next signal finds it there.
//!
//! So a run ends with the host function it is in, and what a host function takes is bounded by what it is given.
//!
//! Artifacts and generated code know nothing of this, and nobody who uses no interrupt pays for it: no signal handler, no
//! check. An interrupted run has no outcome ([`HostFailure::Interrupted`]).
//!
//! # The signal
//! A real-time signal, the last one from `SIGRTMAX` down that a timer can send and nobody handles when the first interrupt is used. A signal of ours names the
//! thing it is for, and what is not ours is passed on.

use crate::activation::{self, Activation, Fault};
use crate::{HostFailure, altstack, arch, traps};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often a thread is told again.
const AGAIN: Duration = Duration::from_millis(2);

/// A switch by which another thread ends runs. Clones are the same switch.
///
/// ```
/// use pvf_compiler::{CompileOptions, compile};
/// use pvf_runtime::{CallError, HostFailure, Instance, Interrupt, Linker, Module};
/// use pvf_rules::{ExecutionParameters, Features};
/// use std::time::Duration;
///
/// let wasm = wat::parse_str(r#"(module (func (export "f") (loop (br 0))))"#)?;
/// let module = Module::new(compile(&wasm, &CompileOptions::new(Features::POLKADOT))?)?;
/// let mut instance = Instance::new(&module, &Linker::new(), &ExecutionParameters::WASM, ())?;
///
/// let time = Some(Duration::from_millis(10));
/// let ended = Interrupt::new().during(time, || instance.call_export("f", &[]))?;
/// assert!(matches!(ended, Err(CallError::Failure(HostFailure::Interrupted))));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    raised: AtomicBool,
    /// The timers of the threads that are under it.
    timers: Mutex<Vec<Timer>>,
}

impl Interrupt {
    /// One that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends what is under this interrupt, on all threads, and whatever will be. It does not wait. Not to be called in a
    /// signal handler.
    pub fn raise(&self) {
        let timers = self.0.timers();
        self.0.raised.store(true, Ordering::SeqCst);
        for timer in timers.iter() {
            timer.start(Duration::from_nanos(1));
        }
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Does something on this thread. Runs in it end with [`HostFailure::Interrupted`] when the interrupt is raised, and when the
    /// time, of the clock on the wall, is up; so do all that it begins after that. An instance whose run was interrupted can be reset or
    /// dropped.
    ///
    /// # Errors
    /// The system gives no timer or no signal; nothing was done.
    pub fn during<R>(
        &self,
        time: Option<Duration>,
        work: impl FnOnce() -> R,
    ) -> Result<R, HostFailure> {
        let signal = install()?;
        altstack::ensure()?;
        // What is too long to be added never comes.
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let guard = Guard::new(&self.0.raised, deadline);
        let timer = Timer::new(signal, guard.number)?;
        let mask = Unblocked::new(signal)?;
        let inside = guard.enter();
        let registered = Registered::new(&self.0, timer);
        if self.is_raised() {
            timer.start(Duration::from_nanos(1));
        } else if let Some(time) = time {
            timer.start(time.max(Duration::from_nanos(1)));
        }
        let result = work();
        // Nobody starts the timer any more; then nobody is told; then the guard goes.
        drop(registered);
        drop(inside);
        drop(mask);
        Ok(result)
    }
}

impl Switch {
    fn timers(&self) -> MutexGuard<'_, Vec<Timer>> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the thread is under an interrupt whose time has come.
pub(crate) fn has_come() -> bool {
    guards().any(|guard| guard.come.get())
}

/// Whether the thread is under an interrupt.
pub(crate) fn is_possible() -> bool {
    guards().next().is_some()
}

/// What the handler knows of a thread under an interrupt. On that thread's stack.
struct Guard {
    /// That of its timer's signals; no other guard ever has it, and nobody else's timer.
    number: usize,
    /// What was the innermost activation when it was made: that one is not under it.
    outside: *const Activation,
    /// When its time is up.
    deadline: Option<Instant>,
    /// Its interrupt.
    raised: *const AtomicBool,
    /// Whether the signal has come.
    come: Cell<bool>,
    /// The guard around it.
    previous: Cell<*const Guard>,
}

thread_local! {
    /// The innermost. As [`activation`]'s: reading it in a signal handler registers nothing.
    static CURRENT: Cell<*const Guard> = const { Cell::new(std::ptr::null()) };
}

/// In the number of every guard. No address is like that, which others' timers may have there.
const OURS: usize = 0x5056 << 48;

impl Guard {
    fn new(raised: &AtomicBool, deadline: Option<Instant>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self {
            number: OURS | NUMBER.fetch_add(1, Ordering::Relaxed) & !OURS,
            outside: activation::current(),
            deadline,
            raised,
            come: Cell::new(false),
            previous: Cell::new(std::ptr::null()),
        }
    }

    /// Whether its time is up or somebody has raised its interrupt. Async-signal-safe.
    fn is_due(&self) -> bool {
        // SAFETY: the interrupt outlives what is done under it.
        let raised = unsafe { &*self.raised };
        raised.load(Ordering::SeqCst) || self.deadline.is_some_and(|it| Instant::now() >= it)
    }

    fn enter(&self) -> Inside<'_> {
        self.previous.set(CURRENT.replace(self));
        Inside(self)
    }
}

/// While it lives, its guard is the thread's innermost.
struct Inside<'a>(&'a Guard);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.0.previous.get());
    }
}

/// The thread's guards, innermost first. Async-signal-safe.
fn guards() -> impl Iterator<Item = &'static Guard> {
    let mut next = CURRENT.get();
    std::iter::from_fn(move || {
        // SAFETY: a guard in the chain lies on this thread's stack below whoever asks, until `Inside` has taken it out. Nobody keeps
        // what is returned here.
        let guard = unsafe { next.as_ref() }?;
        next = guard.previous.get();
        Some(guard)
    })
}

/// A timer of the thread that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Timer(libc::timer_t);

// SAFETY: it is the name of a timer of the process, which any thread may set.
unsafe impl Send for Timer {}

impl Timer {
    fn new(signal: c_int, number: usize) -> Result<Self, HostFailure> {
        // SAFETY: zero is valid for all fields.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: it takes nothing.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(number);
        let mut timer = MaybeUninit::uninit();
        // SAFETY: the event is complete, and the timer can be written.
        match unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, timer.as_mut_ptr()) } {
            // SAFETY: it was written.
            0 => Ok(Self(unsafe { timer.assume_init() })),
            _ => Err(HostFailure::system("timer_create")),
        }
    }

    /// Sends the signal after a time above 0, and then again and again.
    fn start(self, first: Duration) {
        let spec = libc::itimerspec {
            it_interval: timespec(AGAIN),
            it_value: timespec(first),
        };
        // SAFETY: the timer exists, and the times are times; so it cannot fail.
        let set = unsafe { libc::timer_settime(self.0, 0, &spec, std::ptr::null_mut()) };
        debug_assert_eq!(set, 0, "timer_settime");
    }
}

fn timespec(time: Duration) -> libc::timespec {
    // A day more or less: what is longer never comes.
    const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;
    // SAFETY: zero is valid for all fields, and there may be some that are not set here.
    let mut spec: libc::timespec = unsafe { std::mem::zeroed() };
    spec.tv_sec = time.as_secs().min(LONGEST) as libc::time_t;
    spec.tv_nsec = time.subsec_nanos() as _;
    spec
}

/// A timer that whoever raises the interrupt knows.
struct Registered<'a> {
    switch: &'a Switch,
    timer: Timer,
}

impl<'a> Registered<'a> {
    fn new(switch: &'a Switch, timer: Timer) -> Self {
        switch.timers().push(timer);
        Self { switch, timer }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        // Whoever raises holds the lock: it never sets a timer that is gone.
        let mut timers = self.switch.timers();
        timers.retain(|timer| *timer != self.timer);
        // SAFETY: the timer exists, and nobody knows it any more.
        unsafe { libc::timer_delete(self.timer.0) };
    }
}

/// While it lives, the thread takes the signal.
struct Unblocked(libc::sigset_t);

impl Unblocked {
    fn new(signal: c_int) -> Result<Self, HostFailure> {
        // SAFETY: zero is valid for a set, which is then emptied; both sets are ours.
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
        // SAFETY: the set is the one that the thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// What handled the signal before us.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler; every call after the first only repeats its result: the signal.
fn install() -> Result<c_int, HostFailure> {
    static INSTALLED: OnceLock<Result<c_int, i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            let signals = (libc::SIGRTMIN()..=libc::SIGRTMAX()).rev();
            let mut usable = signals.filter(|&signal| takes_timers(signal));
            let free = usable.clone().find(|&signal| is_free(signal));
            let signal = free.or_else(|| usable.next());
            let signal = signal.unwrap_or(libc::SIGRTMAX());
            install_for(signal).map(|()| signal)
        })
        .map_err(|code| HostFailure::System {
            action: "installing a signal handler",
            source: io::Error::from_raw_os_error(code),
        })
}

/// What handles a signal.
fn handling(signal: c_int) -> Result<libc::sigaction, i32> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: only writes the action.
    match unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } {
        // SAFETY: it was written.
        0 => Ok(unsafe { action.assume_init() }),
        _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
    }
}

/// Whether a timer can send a signal. Under an emulator that keeps some for itself, the last ones cannot be sent.
fn takes_timers(signal: c_int) -> bool {
    let Ok(timer) = Timer::new(signal, OURS) else {
        return false;
    };
    // SAFETY: the timer exists, was never set, and nobody else knows it.
    unsafe { libc::timer_delete(timer.0) };
    true
}

fn is_free(signal: c_int) -> bool {
    handling(signal).is_ok_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

fn install_for(signal: c_int) -> Result<(), i32> {
    let previous = handling(signal)?;
    // Before the handler can be called that reads it.
    let _ = PREVIOUS.set(previous);
    // SAFETY: the new action is fully initialised: zero is valid for all its fields, and the mask is empty.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(signal, &action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        }
    }
}

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    // SAFETY: the kernel's pointers are valid in a handler, and a timer's signal has a value.
    let number = unsafe {
        let by_timer = (*info).si_code == libc::SI_TIMER;
        by_timer.then(|| (*info).si_value().sival_ptr.addr())
    };
    let guard = match number.filter(|number| number & OURS == OURS) {
        Some(number) => guards().find(|guard| guard.number == number),
        // An emulator of the system may lose the value; what is due is due.
        None => match guards().find(|guard| guard.is_due()) {
            Some(guard) => Some(guard),
            // SAFETY: as above.
            None => return unsafe { pass_on(signal, info, ucontext) },
        },
    };
    // There is none for a timer that is gone.
    let Some(guard) = guard else {
        return;
    };
    guard.come.set(true);
    let innermost = activation::current();
    let mut next = innermost;
    while next != guard.outside {
        // SAFETY: an activation in the chain lives on this thread's stack below the frame that set it, and the chain leads to where
        // it was when the guard was made.
        let Some(activation) = (unsafe { next.as_ref() }) else {
            return;
        };
        // SAFETY: the kernel's pointer is valid in a handler; the innermost activation runs the code that was interrupted.
        unsafe {
            let pc = arch::program_counter(ucontext);
            if next == innermost && activation.code.contains(&pc) {
                activation.fault.set(Some(Fault::Interrupted));
                arch::divert(ucontext, activation.context);
            } else {
                activation.end_at_next_host_call();
            }
        }
        next = activation.previous();
    }
}

/// Passes a signal on that is not ours.
///
/// # Safety
/// Called in a signal handler with its arguments.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    match previous.sa_sigaction {
        // Nobody had asked for this signal: whoever sent it to us meant somebody who is not there.
        libc::SIG_IGN | libc::SIG_DFL => {}
        // SAFETY: it is a handler, and the arguments are those of ours.
        _ => unsafe { traps::call_handler(previous, signal, info, ucontext) },
    }
}

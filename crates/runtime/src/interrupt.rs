//! Ending a run from outside: at a time limit, or from another thread.
//!
//! # Mechanism
//! A thread that works [under an interrupt](Interrupt::during) has a timer (`timer_create`) that
//! sends a signal to that thread alone: when the time is up, or at once when the interrupt is
//! [raised](Interrupt::raise). The timer repeats every few milliseconds until the work has ended.
//! The handler does one of two things:
//!
//! - if the thread is in generated code, the handler diverts it as a trap does, and the run ends;
//! - otherwise (in a host function, on the way in or out) the handler replaces the addresses for
//!   host calls in the context by `arch::faulted_address`, so that the next host call ends the run.
//!   If generated code makes no host call, the next signal diverts it.
//!
//! A host function thus always completes, so its running time must be bounded by its input.
//!
//! Generated code is the same with and without interrupts and makes no checks. A process that uses no
//! interrupt has no signal handler for them; each run reads one thread-local variable. An
//! interrupted run has no outcome ([`HostFailure::Interrupted`]).
//!
//! # The signal
//! The signal is a real-time signal, chosen when the first interrupt is used: the highest one that a
//! timer can send and that has no handler, or if all have handlers, the highest one that a timer can
//! send. Each signal of a timer carries the number of its [`Guard`]; signals with another origin are
//! passed on to the previous handler.

use crate::activation::{self, Activation, Fault};
use crate::timer::{self, Timer, Unblocked};
use crate::{HostFailure, altstack, arch, traps};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Interval at which the timer repeats the signal.
const AGAIN: Duration = Duration::from_millis(2);

/// A switch by which another thread ends runs. All clones share one switch.
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
    /// The timers of the threads that work under this interrupt.
    timers: Mutex<Vec<Timer>>,
}

impl Interrupt {
    /// An interrupt that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all current and later runs under this interrupt, on all threads. Does not wait for
    /// their end. Must not be called in a signal handler.
    pub fn raise(&self) {
        let timers = self.0.timers();
        self.0.raised.store(true, Ordering::SeqCst);
        for timer in timers.iter() {
            timer.start(Duration::from_nanos(1), AGAIN);
        }
    }

    /// Whether the interrupt was raised.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Calls `work` on this thread. Runs in it end with [`HostFailure::Interrupted`] when the
    /// interrupt is raised or `time` (of the monotonic clock) is up; later runs in it end at once.
    /// An instance whose run was interrupted can be reset or dropped.
    ///
    /// # Errors
    /// The system refuses a timer or the signal; `work` was not called.
    pub fn during<R>(
        &self,
        time: Option<Duration>,
        work: impl FnOnce() -> R,
    ) -> Result<R, HostFailure> {
        let signal = install()?;
        altstack::ensure()?;
        // A time too long to be added never elapses.
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        let guard = Guard::new(&self.0.raised, deadline);
        let timer = Timer::new(signal, guard.number)?;
        let mask = Unblocked::new(signal)?;
        let inside = guard.enter();
        let registered = Registered::new(&self.0, timer);
        if self.is_raised() {
            timer.start(Duration::from_nanos(1), AGAIN);
        } else if let Some(time) = time {
            timer.start(time.max(Duration::from_nanos(1)), AGAIN);
        }
        let result = work();
        // In this order: the timer is deleted, the guard leaves the chain, the signal mask is
        // restored.
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

/// Whether this thread is under an interrupt whose signal has come.
pub(crate) fn has_come() -> bool {
    guards().any(|guard| guard.come.get())
}

/// Whether this thread is under an interrupt.
pub(crate) fn is_possible() -> bool {
    guards().next().is_some()
}

/// A thread's work under an interrupt, as the signal handler sees it. It is on that thread's stack.
struct Guard {
    /// The value carried by the timer's signals. No other guard and no other timer has this value.
    number: usize,
    /// The innermost activation when the guard was made. It and those outside it are not under the
    /// interrupt.
    outside: *const Activation,
    /// When the time is up.
    deadline: Option<Instant>,
    /// Whether the interrupt was raised.
    raised: *const AtomicBool,
    /// Whether the signal has come.
    come: Cell<bool>,
    /// The next outer guard.
    previous: Cell<*const Guard>,
}

thread_local! {
    /// The innermost guard. Like the variable in [`activation`], it needs no registration when a
    /// signal handler reads it.
    static CURRENT: Cell<*const Guard> = const { Cell::new(std::ptr::null()) };
}

/// Bits set in the number of every guard. They distinguish it from an address, which timers of
/// other code may carry.
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

    /// Whether the time is up or the interrupt is raised. Async-signal-safe.
    fn is_due(&self) -> bool {
        // SAFETY: the interrupt outlives the guard, since `during` borrows it.
        let raised = unsafe { &*self.raised };
        raised.load(Ordering::SeqCst) || self.deadline.is_some_and(|it| Instant::now() >= it)
    }

    fn enter(&self) -> Inside<'_> {
        self.previous.set(CURRENT.replace(self));
        Inside(self)
    }
}

/// Keeps its guard the thread's innermost; `drop` restores the previous one.
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
        // SAFETY: a guard in the chain is on this thread's stack in an active frame of `during`
        // until `Inside` removes it. Callers do not keep the reference.
        let guard = unsafe { next.as_ref() }?;
        next = guard.previous.get();
        Some(guard)
    })
}

/// Registers a timer with a switch, so that [`Interrupt::raise`] can start it.
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
        // `raise` holds this lock, so it never starts a deleted timer.
        let mut timers = self.switch.timers();
        timers.retain(|timer| *timer != self.timer);
        // SAFETY: the timer exists and was removed from the switch, so no other thread uses it.
        unsafe { self.timer.delete() };
    }
}

/// The previous action of the signal.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler and returns the signal. Later calls return the result of the first.
fn install() -> Result<c_int, HostFailure> {
    static INSTALLED: OnceLock<Result<c_int, i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            let signal = timer::free_signal().or_else(timer::any_signal);
            let signal = signal.unwrap_or(libc::SIGRTMAX());
            install_for(signal).map(|()| signal)
        })
        .map_err(|code| HostFailure::System {
            action: "installing a signal handler",
            source: io::Error::from_raw_os_error(code),
        })
}

fn install_for(signal: c_int) -> Result<(), i32> {
    let previous = timer::handling(signal)?;
    // Set before the handler that reads it is installed.
    let _ = PREVIOUS.set(previous);
    // SAFETY: the handler allocates nothing and touches only guards and activations of its thread.
    unsafe { timer::handle(signal, handle) }
}

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    // SAFETY: the kernel's pointers are valid in a handler, and a signal of a timer carries a
    // value.
    let number = unsafe {
        let by_timer = (*info).si_code == libc::SI_TIMER;
        by_timer.then(|| (*info).si_value().sival_ptr.addr())
    };
    let guard = match number.filter(|number| number & OURS == OURS) {
        Some(number) => guards().find(|guard| guard.number == number),
        // Under an emulator that loses the value, any guard that is due is taken.
        None => match guards().find(|guard| guard.is_due()) {
            Some(guard) => Some(guard),
            // SAFETY: these are the arguments of this handler.
            None => return unsafe { pass_on(signal, info, ucontext) },
        },
    };
    // The timer's guard may be gone already.
    let Some(guard) = guard else {
        return;
    };
    guard.come.set(true);
    let innermost = activation::current();
    let mut next = innermost;
    while next != guard.outside {
        // SAFETY: an activation in the chain is borrowed by an active frame of `Activation::with` on
        // this thread's stack, and the chain leads to `guard.outside`.
        let Some(activation) = (unsafe { next.as_ref() }) else {
            return;
        };
        // SAFETY: the kernel's pointer is valid in a handler, and the innermost activation runs the
        // interrupted code.
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

/// Passes a signal that no guard's timer sent on to the previous handler.
///
/// # Safety
/// Called in a signal handler with its arguments.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, ucontext: *mut c_void) {
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    match previous.sa_sigaction {
        // There was no handler, so no code expects this signal.
        libc::SIG_IGN | libc::SIG_DFL => {}
        // SAFETY: the action has a handler, and the arguments are those of this handler.
        _ => unsafe { traps::call_handler(previous, signal, info, ucontext) },
    }
}

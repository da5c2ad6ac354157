//! Samples of a thread's runs: where they are, many times a second.
//!
//! # Mechanism
//! A thread that works under a sampler ([`Sampler::during`]) has a timer that signals that thread
//! alone. The handler notes the offset in the code and those of the return addresses below; see
//! [`stack`]. It allocates no memory and takes no lock: it writes to a buffer that the sampler made
//! before, and reads the activation, the context and the Wasm stack, which belong to the thread it
//! interrupted. What functions the offsets are in is found out later.
//!
//! Generated code and host functions are the same with and without a sampler, and no outcome depends
//! on it. The timer runs on the monotonic clock: those of processor time have the resolution of the
//! scheduler's tick. A thread that was not running when its signal was due gets it when it goes on, at
//! the place where it was stopped.

mod stack;

use crate::activation::{self, Activation};
use crate::timer::{self, Timer, Unblocked};
use crate::{HostFailure, Module, altstack, arch};
use stack::{Frames, Registers, Walk};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::io;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

/// Words of the buffer for offsets. Its pages are used as it fills; 64 MiB hold nine minutes of
/// samples, a thousand a second and 30 functions deep.
const BUFFER_WORDS: usize = 16 << 20;

/// Any number but 0.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Samples the runs of one module.
///
/// ```
/// use pvf_compiler::{CompileOptions, compile};
/// use pvf_runtime::{Instance, Linker, Module, Activity, Sampler};
/// use pvf_rules::{ExecutionParameters, Features};
/// use std::time::Duration;
///
/// let wasm = wat::parse_str(
///     r#"(module (func (export "f") (local i32)
///         (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
///                                  (i32.const 100000000))))))"#,
/// )?;
/// let module = Module::new(compile(&wasm, &CompileOptions::new(Features::POLKADOT))?)?;
/// let mut instance = Instance::new(&module, &Linker::new(), &ExecutionParameters::WASM, ())?;
///
/// let mut sampler = Sampler::new(&module, Duration::from_millis(1));
/// sampler.during(|| instance.call_export("f", &[]))??;
/// let samples: Vec<_> = sampler.samples().collect();
/// assert!(samples.iter().any(|sample| sample.functions == [0] && sample.activity == Activity::Code));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Sampler {
    module: Module,
    interval: Duration,
    frames: Frames,
    buffer: Vec<u32>,
    used: usize,
    taken: u64,
    lost: u64,
    random: u64,
}

/// Where a thread was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// In the code of the innermost function, or in code that it shares with others (copies, fills,
    /// comparisons).
    Code,
    /// In a host function, or on the way to one or back. The index of the imported function, if its
    /// caller names it; a call through the table does not.
    Host(Option<u32>),
    /// In work that generated code leaves to the runtime, such as growing memory.
    Runtime,
    /// In none of the module's runs.
    Outside,
}

/// The state of a thread at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where it was.
    pub activity: Activity,
    /// The active functions of the module, outermost first; none outside.
    pub functions: Vec<u32>,
    /// Whether these are all: not if the stack could not be read, as for some instructions of a
    /// prologue. Then only the innermost function is known.
    pub whole: bool,
}

/// What the handler reads and writes.
struct Recording<'a> {
    code: Range<usize>,
    frames: &'a Frames,
    buffer: &'a [Cell<u32>],
    used: Cell<usize>,
    taken: Cell<u64>,
    lost: Cell<u64>,
    timer: Timer,
    interval: Duration,
    /// The state of a generator of random numbers.
    random: Cell<u64>,
}

/// The parts of a sample's first word: what it is, and how many words follow.
mod head {
    pub const CODE: u32 = 0;
    pub const HOST: u32 = 1;
    pub const OUTSIDE: u32 = 2;
    pub const KIND: u32 = 3;
    pub const WHOLE: u32 = 4;
    pub const DEPTH_SHIFT: u32 = 3;
}

thread_local! {
    /// The thread's recording. Like the variable in [`activation`], it needs no registration when a
    /// signal handler reads it.
    static CURRENT: Cell<*const Recording<'static>> = const { Cell::new(std::ptr::null()) };
}

impl Sampler {
    /// A sampler of runs of this module, whose samples are about `interval` apart.
    pub fn new(module: &Module, interval: Duration) -> Self {
        Self {
            module: module.clone(),
            interval: interval.max(Duration::from_micros(1)),
            frames: Frames::new(module.info()),
            buffer: vec![0; BUFFER_WORDS],
            used: 0,
            taken: 0,
            lost: 0,
            random: SEED,
        }
    }

    /// Calls `work` on this thread and samples it. May be called again; the samples add up. `work` should
    /// take much longer than the interval, since the first sample comes about that long after its
    /// beginning: runs that are repeated belong into one `work`. Other threads are not sampled.
    ///
    /// # Errors
    /// The system refuses a timer or the signal; `work` was not called.
    pub fn during<R>(&mut self, work: impl FnOnce() -> R) -> Result<R, HostFailure> {
        let signal = install()?;
        altstack::ensure()?;
        let recording = Recording {
            code: self.module.code().addresses(),
            frames: &self.frames,
            buffer: Cell::from_mut(&mut self.buffer[..]).as_slice_of_cells(),
            used: Cell::new(self.used),
            taken: Cell::new(self.taken),
            lost: Cell::new(self.lost),
            timer: Timer::new(signal, 0)?,
            interval: self.interval,
            random: Cell::new(self.random),
        };
        let running = Running::new(&recording);
        let mask = Unblocked::new(signal)?;
        recording.start();
        let result = work();
        // In this order: no signal comes after the recording has left the thread.
        drop(running);
        drop(mask);
        (self.used, self.taken) = (recording.used.get(), recording.taken.get());
        (self.lost, self.random) = (recording.lost.get(), recording.random.get());
        Ok(result)
    }

    /// Samples taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Samples for which there was no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The samples, in order of time.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let mut words = self.buffer[..self.used].iter().copied();
        std::iter::from_fn(move || {
            let head = words.next()?;
            let depth = head >> head::DEPTH_SHIFT;
            let offsets: Vec<u32> = words.by_ref().take(depth as usize).collect();
            Some(self.sample(head, &offsets))
        })
    }

    fn sample(&self, head: u32, offsets: &[u32]) -> Sample {
        let activity = match head & head::KIND {
            // In a stub that the function called. Those of block operations do the work of the function.
            head::CODE if self.is_stub(offsets) => match self.called(offsets.get(1)) {
                host @ Activity::Host(Some(_)) => host,
                _ => Activity::Code,
            },
            head::CODE => Activity::Code,
            head::HOST => self.called(offsets.first()),
            _ => Activity::Outside,
        };
        // The first offset in code is that of an instruction. All others are behind calls, which may be
        // the last instructions of their functions.
        let instructions = usize::from(head & head::KIND == head::CODE);
        let function = |(at, &offset): (usize, &u32)| {
            let behind = u32::from(at >= instructions);
            self.module.function_at(offset.wrapping_sub(behind))
        };
        Sample {
            activity,
            functions: offsets
                .iter()
                .enumerate()
                .rev()
                .filter_map(function)
                .collect(),
            whole: head & head::WHOLE != 0,
        }
    }

    /// Whether the first offset is in the code between functions and the host.
    fn is_stub(&self, offsets: &[u32]) -> bool {
        let first = offsets.first();
        first.is_some_and(|&offset| self.module.function_at(offset).is_none())
    }

    /// What the call before a return address calls, which is no function of the module.
    fn called(&self, behind: Option<&u32>) -> Activity {
        let target = behind.and_then(|&behind| {
            let code = self.module.code();
            code.read(|code| arch::call_target(code, behind)).ok()?
        });
        let Some(target) = target else {
            return Activity::Host(None);
        };
        let info = self.module.info();
        let imports = info.functions.iter().take(info.imported_functions as usize);
        match (0..)
            .zip(imports)
            .find(|(_, import)| import.code_offset == target)
        {
            Some((import, _)) => Activity::Host(Some(import)),
            None => Activity::Runtime,
        }
    }
}

/// Makes a recording the thread's, with its timer; `drop` undoes both.
struct Running<'a> {
    recording: &'a Recording<'a>,
    previous: *const Recording<'static>,
}

impl<'a> Running<'a> {
    fn new(recording: &'a Recording<'a>) -> Self {
        let current = std::ptr::from_ref(recording).cast();
        Self {
            recording,
            previous: CURRENT.replace(current),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // First, so that the handler starts no timer that is deleted.
        CURRENT.set(self.previous);
        // SAFETY: the timer exists, and this is its only owner.
        unsafe { self.recording.timer.delete() };
    }
}

/// Installs the handler and returns the signal. Later calls return the result of the first.
fn install() -> Result<c_int, HostFailure> {
    static INSTALLED: OnceLock<Result<c_int, i32>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| {
            // Signals of others that ended up here would be lost, so only a free one will do.
            let signal = timer::free_signal().ok_or(libc::EBUSY)?;
            // SAFETY: the handler touches only the recording of its own thread.
            unsafe { timer::handle(signal, handle) }.map(|()| signal)
        })
        .map_err(|code| HostFailure::System {
            action: "installing a signal handler",
            source: io::Error::from_raw_os_error(code),
        })
}

unsafe extern "C" fn handle(_: c_int, _: *mut libc::siginfo_t, ucontext: *mut c_void) {
    // SAFETY: a recording that is the thread's is borrowed by an active frame of `during` on this
    // thread's stack.
    let Some(recording) = (unsafe { CURRENT.get().as_ref() }) else {
        // The signal came after its timer was deleted.
        return;
    };
    let activation = activation::current();
    // SAFETY: a non-null innermost activation is borrowed by an active frame of `Activation::with`
    // on this thread's stack. The kernel's pointer is valid in a handler.
    unsafe { recording.take(activation.as_ref(), ucontext) };
    recording.start();
}

impl Recording<'_> {
    /// Starts the timer for the next sample, which comes after half to one and a half of the interval:
    /// samples at regular times would always hit the same places of a run that repeats something, or is
    /// repeated. Async-signal-safe, since `timer_settime` is.
    fn start(&self) {
        // Xorshift; any numbers without a pattern will do.
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        let thousandths = 500 + (random >> 32) as u32 % 1001;
        let next = self.interval * thousandths / 1000;
        // If a signal is lost, another comes.
        let again = self.interval;
        self.timer.start(next.max(Duration::from_nanos(1)), again);
    }

    /// Takes a sample. Async-signal-safe.
    ///
    /// # Safety
    /// Called in a signal handler with its argument and the thread's innermost activation.
    unsafe fn take(&self, activation: Option<&Activation>, ucontext: *const c_void) {
        let begin = self.used.get();
        let Some(head) = self.buffer.get(begin) else {
            self.lost.set(self.lost.get() + 1);
            return;
        };
        let rest = &self.buffer[begin + 1..];
        let ours = activation.filter(|activation| activation.code == self.code);
        let (kind, walk) = match ours {
            None => (head::OUTSIDE, Walk::NOTHING),
            // SAFETY: by the caller's promise.
            Some(activation) => unsafe {
                let pc = arch::program_counter(ucontext);
                match activation.code.contains(&pc) {
                    true => {
                        let registers = Registers {
                            pc,
                            sp: arch::stack_pointer(ucontext),
                            link: arch::link_register(ucontext),
                        };
                        (head::CODE, self.frames.in_code(activation, registers, rest))
                    }
                    false => (head::HOST, self.frames.in_host(activation, rest)),
                }
            },
        };
        let Walk { words, whole } = walk;
        if words > rest.len() {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        let whole = if whole { head::WHOLE } else { 0 };
        head.set(kind | whole | (words as u32) << head::DEPTH_SHIFT);
        self.used.set(begin + 1 + words);
        self.taken.set(self.taken.get() + 1);
    }
}

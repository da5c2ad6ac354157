//! The tracer: follows a program and its children, counts calls, and fails one.

use crate::allocator::MARK;
use crate::calls::{ALLOCATION, TAKE_EFFECT};
use crate::registers::Call;
use crate::{Fault, How};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a program did.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// How often each process made each call. The program is `program`; a process or thread that
    /// it starts has its name with a number (`program.0`), and a process that executes a program
    /// has the program's name after its own (`program.0!sh`).
    pub counts: BTreeMap<(String, i64), u32>,
    /// Whether the call of the fault was reached.
    pub hit: bool,
    /// The exit status of the program, or its signal as a negative number.
    pub status: i32,
    /// The signals that ended processes, by their names.
    pub killed: BTreeMap<String, i32>,
}

/// Processes that did not end in time. They are killed.
#[derive(Clone, Debug)]
pub struct Left {
    /// Their names, as in [`Trace::counts`].
    pub processes: Vec<String>,
    /// What they did.
    pub trace: Trace,
}

/// A program that runs under a tracer. Dropping it kills the program and all its children.
pub struct Traced {
    /// The program's process.
    pub pid: Pid,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    trace: Trace,
    /// The living processes and threads.
    alive: HashMap<Pid, String>,
    /// The process to start with, or why there is none.
    started: Option<io::Result<Pid>>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a program under a tracer, with a fault or without.
///
/// # Errors
/// The program cannot be started, or the system refuses to trace it, or this is not x86-64.
pub fn start(command: Command, fault: Option<Fault>) -> io::Result<Traced> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let shared = Arc::<Shared>::default();
    let tracer = Tracer {
        shared: shared.clone(),
        fault,
        tasks: HashMap::new(),
        stopped: Vec::new(),
    };
    // The kernel takes the requests of a tracer from the thread that started the program alone.
    let thread = std::thread::spawn(move || tracer.run(command));
    let mut state = shared.lock();
    let started = loop {
        if let Some(started) = state.started.take() {
            break started;
        }
        let waited = shared.changed.wait(state);
        state = waited.unwrap_or_else(PoisonError::into_inner);
    };
    drop(state);
    Ok(Traced {
        pid: started?,
        shared,
        thread: Some(thread),
    })
}

impl Traced {
    /// Whether the program and all its children have ended.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().ended
    }

    /// Whether the call of the fault was reached.
    pub fn is_hit(&self) -> bool {
        self.shared.lock().trace.hit
    }

    /// Waits at most this long for the end of the program and of all its children.
    ///
    /// # Errors
    /// Some did not end, and are killed.
    pub fn finish(mut self, patience: Duration) -> Result<Trace, Left> {
        let mut state = self.shared.lock();
        if !state.ended {
            let waited = self
                .shared
                .changed
                .wait_timeout_while(state, patience, |state| !state.ended);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut processes: Vec<String> = state.alive.values().cloned().collect();
        processes.sort();
        let (ended, trace) = (state.ended, state.trace.clone());
        drop(state);
        self.end();
        match ended {
            true => Ok(trace),
            false => Err(Left { processes, trace }),
        }
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() {
            for pid in self.shared.lock().alive.keys() {
                // It may have ended meanwhile.
                let _ = kill(*pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = thread.join();
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.end();
    }
}

/// After this time, a child that has stopped is taken to have lost its parent.
const ORPHANED: Duration = Duration::from_secs(1);

/// A traced process or thread.
struct Task {
    name: String,
    counts: HashMap<i64, u32>,
    children: u32,
    /// The call that it is in.
    inside: Option<Inside>,
}

/// A call that was begun.
struct Inside {
    /// Its registers and result, if the tracer changes it.
    changed: Option<(Call, Option<i64>)>,
}

struct Tracer {
    shared: Arc<Shared>,
    fault: Option<Fault>,
    tasks: HashMap<Pid, Task>,
    /// Children that stopped before their parents reported them.
    stopped: Vec<Pid>,
}

impl Task {
    fn new(name: String) -> Self {
        Self {
            name,
            counts: HashMap::new(),
            children: 0,
            inside: None,
        }
    }
}

#[allow(
    unsafe_code,
    reason = "what runs after a fork is unsafe by its interface"
)]
fn spawn(mut command: Command) -> io::Result<Pid> {
    // SAFETY: a request to be traced allocates no memory and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(ptrace::traceme()?));
    }
    // The tracer waits for it.
    #[allow(
        clippy::zombie_processes,
        reason = "the loop of the tracer waits for all processes"
    )]
    let child = command.spawn()?;
    Ok(Pid::from_raw(child.id() as i32))
}

impl Tracer {
    fn run(mut self, command: Command) {
        let started = spawn(command).and_then(|pid| {
            waitpid(pid, None)?;
            let options = Options::PTRACE_O_TRACESYSGOOD
                | Options::PTRACE_O_TRACEFORK
                | Options::PTRACE_O_TRACEVFORK
                | Options::PTRACE_O_TRACECLONE
                | Options::PTRACE_O_TRACEEXEC
                | Options::PTRACE_O_EXITKILL;
            ptrace::setoptions(pid, options)?;
            self.adopt(pid, Task::new("program".to_owned()));
            Ok(pid)
        });
        let first = started.as_ref().ok().copied();
        if let Some(pid) = first {
            resume(pid, None);
        }
        self.shared.lock().started = Some(started);
        self.shared.changed.notify_all();
        loop {
            match self.next() {
                Ok(WaitStatus::StillAlive) => self.adopt_orphans(),
                Ok(status) => self.take(status, first),
                Err(_) => break,
            }
        }
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }

    fn adopt(&mut self, pid: Pid, task: Task) {
        self.shared.lock().alive.insert(pid, task.name.clone());
        self.tasks.insert(pid, task);
    }

    /// Waits for a change of a process that this thread traces. `StillAlive` if a child has stopped
    /// and no parent reports it.
    fn next(&self) -> nix::Result<WaitStatus> {
        let all = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let begun = Instant::now();
        loop {
            let flags = match self.stopped.is_empty() {
                true => all,
                false => all | WaitPidFlag::WNOHANG,
            };
            match waitpid(None, Some(flags)) {
                Err(Errno::EINTR) => {}
                // A signal that nix does not know, such as one for real time.
                Err(Errno::EINVAL) => {}
                Ok(WaitStatus::StillAlive) if begun.elapsed() < ORPHANED => {
                    std::thread::sleep(Duration::from_micros(100));
                }
                status => return status,
            }
        }
    }

    /// Lets children continue whose parents were killed in the call that made them.
    fn adopt_orphans(&mut self) {
        for pid in std::mem::take(&mut self.stopped) {
            self.adopt(pid, Task::new("orphan".to_owned()));
            resume(pid, None);
        }
    }

    fn take(&mut self, status: WaitStatus, first: Option<Pid>) {
        match status {
            WaitStatus::Exited(pid, status) => self.gone(pid, first, status),
            WaitStatus::Signaled(pid, signal, _) => {
                if let Some(task) = self.tasks.get(&pid) {
                    let killed = (task.name.clone(), signal as i32);
                    self.shared.lock().trace.killed.extend([killed]);
                }
                self.gone(pid, first, -(signal as i32));
            }
            WaitStatus::PtraceSyscall(pid) => {
                // A process that was killed meanwhile is reported as such next.
                let _ = self.call(pid);
                resume(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.event(pid, event);
                resume(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => {
                if !self.tasks.contains_key(&pid) {
                    self.stopped.push(pid);
                    return;
                }
                if is_fatal(pid, signal) {
                    // It may have ended meanwhile.
                    let _ = kill(pid, Signal::SIGKILL);
                }
                let first_stop = signal == Signal::SIGSTOP;
                resume(pid, (!first_stop).then_some(signal));
            }
            _ => {}
        }
    }

    fn gone(&mut self, pid: Pid, first: Option<Pid>, status: i32) {
        self.tasks.remove(&pid);
        let mut state = self.shared.lock();
        state.alive.remove(&pid);
        if Some(pid) == first {
            state.trace.status = status;
        }
    }

    fn event(&mut self, pid: Pid, event: i32) {
        let Some(task) = self.tasks.get_mut(&pid) else {
            return;
        };
        match event {
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                let Ok(child) = ptrace::getevent(pid) else {
                    return;
                };
                let child = Pid::from_raw(child as i32);
                let name = format!("{}.{}", task.name, task.children);
                task.children += 1;
                self.adopt(child, Task::new(name));
                if let Some(index) = self.stopped.iter().position(|&it| it == child) {
                    self.stopped.remove(index);
                    resume(child, None);
                }
            }
            libc::PTRACE_EVENT_EXEC => {
                let program = std::fs::read_to_string(format!("/proc/{pid}/comm"));
                let program = program.unwrap_or_default();
                let name = format!("{}!{}", task.name, program.trim());
                let inside = task.inside.take();
                let task = Task {
                    inside,
                    ..Task::new(name)
                };
                self.adopt(pid, task);
            }
            _ => {}
        }
    }

    /// A process enters or leaves a call.
    fn call(&mut self, pid: Pid) -> nix::Result<()> {
        let Some(task) = self.tasks.get_mut(&pid) else {
            return Ok(());
        };
        if let Some(inside) = task.inside.take() {
            return match inside.changed {
                Some((call, result)) => call.end(pid, result),
                None => Ok(()),
            };
        }
        let call = Call::of(pid)?;
        let number = match (call.number(), call.first()) {
            (libc::SYS_madvise, MARK) => ALLOCATION,
            (number, _) => number,
        };
        let count = task.counts.entry(number).or_default();
        *count += 1;
        let it = self.fault.as_ref().filter(|fault| {
            fault.call == number && fault.occurrence == *count && fault.process == task.name
        });
        let changed = match it.map(|fault| fault.how) {
            None => None,
            Some(How::Short) => {
                call.shorten(pid)?;
                Some((call, None))
            }
            Some(How::Error(error)) => {
                if !TAKE_EFFECT.contains(&number) {
                    call.skip(pid)?;
                }
                Some((call, Some(-i64::from(error))))
            }
        };
        let mut state = self.shared.lock();
        state.trace.hit |= changed.is_some();
        let entry = (task.name.clone(), number);
        state.trace.counts.insert(entry, *count);
        task.inside = Some(Inside { changed });
        Ok(())
    }
}

/// Whether an instruction raised this signal and no handler takes it, which ends a process. The
/// kernel does not end the first process of a PID namespace by it while the process is traced, so
/// the instruction would be repeated without end.
fn is_fatal(pid: Pid, signal: Signal) -> bool {
    let by_instruction = ptrace::getsiginfo(pid).is_ok_and(|info| info.si_code > 0);
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_handled = |status: &str| {
        let handled = status.lines().find_map(|it| it.strip_prefix("SigCgt:"));
        let handled = handled.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
        handled.is_none_or(|handled| handled & 1 << (signal as u32 - 1) != 0)
    };
    let faults = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
    ];
    faults.contains(&signal) && by_instruction && !is_handled(&status())
}

/// Lets a stopped process continue up to its next call.
fn resume(pid: Pid, signal: Option<Signal>) {
    // A process that was killed meanwhile is reported as such next.
    let _ = ptrace::syscall(pid, signal);
}

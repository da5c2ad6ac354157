//! A process for one job: from the fork to how it ended.
//!
//! The child puts up its barriers, works, writes lines for the log and its answer to a [pipe] and exits. The worker reads the pipe and looks at the
//! child's CPU time; when that is used up it kills the child. All that comes out of a child is the word of a stranger: it is bounded, decoded
//! strictly, and nothing in it makes the worker fail.

pub mod pipe;

use crate::allocator;
use crate::logging::{self, JobLines};
use crate::process::{self, Child};
use crate::security::limits::JobLimits;
use crate::security::seccomp::JobList;
use crate::security::{self, Machine, Role, SecurityError};
use corosensei::on_stack;
use corosensei::stack::DefaultStack;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::WaitStatus;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::pipe2;
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pipe::{PIPE_BYTES, Received, Said, TooLong};
use std::any::Any;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Under which conditions a job runs.
#[derive(Clone, Copy)]
pub struct JobOptions<'a> {
    /// What the job does.
    pub role: Role,
    /// Which barriers there are.
    pub machine: Machine,
    /// CPU time and memory.
    pub limits: JobLimits,
    /// Largest answer in bytes.
    pub answer_bytes: usize,
    /// The worker's connection to its host, which the job must not have.
    pub host: RawFd,
    /// Where it runs.
    pub stack: &'a JobStack,
    /// When the host asked for it.
    pub asked: Instant,
    /// How long after that the worker waits for it, see [`patience`].
    pub patience: Duration,
}

/// Bytes of the stack of a job. Host functions run there, and compilers. It is what the thread has on which the node's own
/// workers execute (256 MiB for Wasm and 2 more), whatever the stack of the main thread is limited to; Wasm has
/// another one here.
pub const STACK_BYTES: usize = 258 << 20;

/// The stack of the jobs of a worker: reserved once, used by each in its own copy.
pub struct JobStack(RefCell<DefaultStack>);

impl JobStack {
    /// Reserves it.
    ///
    /// # Errors
    /// The machine has no such address space.
    pub fn new() -> io::Result<Self> {
        DefaultStack::new(STACK_BYTES).map(|stack| Self(RefCell::new(stack)))
    }

    fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        // A job runs on it from its first step to its last.
        on_stack(&mut *self.0.borrow_mut(), work)
    }
}

/// How many times the CPU time of a job the node waits for it.
const WALL_CLOCK_TIMES: u32 = 4;

/// The least wall-clock time after which a job is taken for stalled: that of the shortest limit that a network has, 2 s. For less, a
/// moment's load would do.
const LEAST_PATIENCE: Duration = Duration::from_secs(7);

/// How long a worker waits for the end of a job that it has killed for getting nowhere, in milliseconds.
const BRIEFLY: u16 = 100;

/// How long after it was asked a worker waits for a job that may take this CPU time, at most.
///
/// Code cannot sleep: a job that has not used up its CPU time by then did not get it, or was stopped. That is the machine's fault, and says
/// nothing about a candidate; but the node, which waits for four times the limit, takes silence for a reason to vote against it. An
/// eighth of that is left for the answer.
pub fn patience(cpu_time: Duration) -> Duration {
    (cpu_time.saturating_mul(WALL_CLOCK_TIMES) / 8 * 7).max(LEAST_PATIENCE)
}

/// The same for a worker that asks others, whose own patience ends before.
pub fn patience_with_others(cpu_time: Duration) -> Duration {
    let more = LEAST_PATIENCE / 14;
    (cpu_time.saturating_mul(WALL_CLOCK_TIMES) / 16 * 15).max(LEAST_PATIENCE + more)
}

/// A job panicked, with this text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(pub String);

/// How a job ended.
#[derive(Debug)]
pub struct Ended<T, E> {
    /// Its process number.
    pub pid: i32,
    /// CPU time it took.
    pub cpu_time: Duration,
    /// Time that went by.
    pub wall_time: Duration,
    /// How.
    pub end: End<T, E>,
}

/// An end of a job.
#[derive(Debug)]
pub enum End<T, E> {
    /// It said so.
    Answered(Result<T, E>),
    /// It took too much CPU time.
    TimedOut,
    /// It did not get the time it may take, as this text says: nothing that code or candidate can cause.
    Stalled(String),
    /// It ended before it had read anything that code or candidate decide, as this text says.
    NotBegun(String),
    /// It allocated more than allowed.
    OutOfMemory,
    /// It was killed.
    Died(String),
    /// It said something that is no answer.
    Unintelligible(String),
    /// It answered well and exited as if it had not.
    UnexpectedStatus(i32),
}

/// Why a job did not start, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no pipe.
    #[error("pipe: {0}")]
    Pipe(Errno),
    /// The system refused something else.
    #[error("{action}: {errno}")]
    System {
        /// What was asked for.
        action: &'static str,
        /// The system's answer.
        errno: Errno,
    },
}

fn system(action: &'static str) -> impl Fn(Errno) -> StartError {
    move |errno| StartError::System { action, errno }
}

/// Runs `work` in a process of its own and waits for its end. `work` is given the pipe's descriptor, for what must be written without
/// memory.
///
/// # Errors
/// The machine failed; a job that was started is gone.
pub fn run<T, E>(
    options: &JobOptions<'_>,
    work: impl FnOnce(RawFd) -> Result<T, E>,
) -> Result<Ended<T, E>, StartError>
where
    T: Encode + Decode,
    E: Encode + Decode + From<Panicked>,
{
    run_by(options, |to_worker, from_job| {
        let namespaces = security::job_namespaces(options.machine.status);
        let forked = process::fork(options.machine.one, namespaces).map_err(system("clone"))?;
        let Some(job) = forked else {
            leave_to_worker(&[options.host, from_job]);
            child(options, to_worker, work);
        };
        Ok(job)
    })
}

/// In a process that the worker forked: closes what is the worker's alone, these descriptors and the three that every process starts with.
pub fn leave_to_worker(descriptors: &[RawFd]) {
    process::close_inherited(&[libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO]);
    process::close_inherited(descriptors);
    process::close_inherited(logging::stderr::opened().as_slice());
}

/// Has a process for a job started, which [works](child) and says so on the pipe that `start` is given; `start` is told the number of the other
/// end as well. Waits for the end of the process, which is a child of this one.
///
/// # Errors
/// The machine failed; a job that was started is gone.
pub fn run_by<T, E>(
    options: &JobOptions<'_>,
    start: impl FnOnce(OwnedFd, RawFd) -> Result<Child, StartError>,
) -> Result<Ended<T, E>, StartError>
where
    T: Decode,
    E: Decode,
{
    let (from_job, to_worker) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
    // A small pipe works as well.
    let _ = fcntl(&from_job, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    process::reap();
    let started = Instant::now();
    let job = start(to_worker, from_job.as_raw_fd())?;
    let pid = job.pid.as_raw();
    let watched = watch(&job, from_job, options).inspect_err(|_| {
        // What the worker cannot watch must not run. It has ended already, or does now.
        let _ = job.kill();
    })?;
    if let Watched::Stalled { cpu_time, waited } = watched {
        // One that gets no time to run may get none to die either: it is not waited for long, and collected later.
        if job.has_ended_within(BRIEFLY) {
            let _ = job.wait();
        }
        return Ok(Ended {
            pid,
            cpu_time,
            wall_time: started.elapsed(),
            end: End::Stalled(format!(
                "the job had {} ms of CPU time in {} ms: it was stopped, or the machine is overloaded",
                cpu_time.as_millis(),
                waited.as_millis()
            )),
        });
    }
    let (status, cpu_time) = job.wait().map_err(system("wait4"))?;
    Ok(Ended {
        pid,
        cpu_time,
        wall_time: started.elapsed(),
        end: match watched {
            Watched::CpuTimeUsedUp | Watched::Stalled { .. } => End::TimedOut,
            _ if cpu_time >= options.limits.cpu_time => End::TimedOut,
            Watched::TooLong => End::Unintelligible("the answer is too long".to_owned()),
            Watched::Ended(said) => judge(status, said),
        },
    })
}

/// In the job: works behind all barriers, answers, exits.
pub fn child<T, E>(
    options: &JobOptions<'_>,
    to_worker: OwnedFd,
    work: impl FnOnce(RawFd) -> Result<T, E>,
) -> !
where
    T: Encode,
    E: Encode + From<Panicked>,
{
    let pipe = to_worker.as_raw_fd();
    let to_worker = pipe::enter(File::from(to_worker));
    let isolate = || -> Result<(), SecurityError> {
        security::die_with_worker()?;
        if is_orphan(to_worker) {
            std::process::exit(1);
        }
        let role = options.role;
        security::isolate_job(&options.limits, &JobList { pipe, role }, &options.machine)
    };
    let worked = || {
        catch_unwind(AssertUnwindSafe(|| {
            if let Err(error) = isolate() {
                let _ = pipe::cannot_begin(to_worker, &error.to_string());
                std::process::exit(1);
            }
            if pipe::begin(to_worker).is_err() {
                std::process::exit(1);
            }
            work(pipe)
        }))
    };
    let worked = options.stack.run(worked);
    let answer = worked.unwrap_or_else(|panic| Err(Panicked(panic_text(&*panic)).into()));
    let written = pipe::answer(to_worker, &answer);
    std::process::exit(i32::from(answer.is_err() || written.is_err()))
}

/// Whether the worker died before this job asked to die with it: then nobody reads the pipe.
fn is_orphan(to_worker: &File) -> bool {
    let mut pipe = [PollFd::new(to_worker.as_fd(), PollFlags::empty())];
    poll(&mut pipe, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without a message".to_owned(),
    }
}

/// What was seen of a job that is about to be waited for.
enum Watched {
    /// It ended by itself, or somebody else killed it, and had written this.
    Ended(Said),
    /// It was killed for its CPU time.
    CpuTimeUsedUp,
    /// It was killed since it had so much CPU time only, of so much time that went by.
    Stalled {
        cpu_time: Duration,
        waited: Duration,
    },
    /// It was killed since it did not stop writing.
    TooLong,
}

/// Reads what a job writes until it has ended or its time is up. When this returns without an error, the job is dead or dying.
fn watch(job: &Child, pipe: OwnedFd, options: &JobOptions<'_>) -> Result<Watched, StartError> {
    let patience = options.patience;
    let clock = clock_getcpuclockid(job.pid).map_err(system("clock_getcpuclockid"))?;
    let mut pipe = File::from(pipe);
    let mut received = Received::new(options.answer_bytes);
    let mut lines = JobLines::new();
    let mut take = |line| lines.take(&line);
    loop {
        let used = cpu_time(clock)?;
        let Some(left) = options
            .limits
            .cpu_time
            .checked_sub(used)
            .filter(|it| !it.is_zero())
        else {
            job.kill().map_err(system("killing a job"))?;
            return Ok(Watched::CpuTimeUsedUp);
        };
        let waited = options.asked.elapsed();
        let left = left.min(patience.saturating_sub(waited));
        let (readable, ended) = wait(&pipe, &job.descriptor, &received, left)?;
        if ended {
            return Ok(match received.read_all(&mut pipe, &mut take) {
                Ok(()) => Watched::Ended(received.said()),
                Err(TooLong) => Watched::TooLong,
            });
        }
        let waited = options.asked.elapsed();
        if waited >= patience {
            let cpu_time = cpu_time(clock)?;
            job.kill().map_err(system("killing a job"))?;
            return Ok(match cpu_time < options.limits.cpu_time {
                true => Watched::Stalled { cpu_time, waited },
                false => Watched::CpuTimeUsedUp,
            });
        }
        if readable && received.read_some(&mut pipe, &mut take).is_err() {
            job.kill().map_err(system("killing a job"))?;
            return Ok(Watched::TooLong);
        }
    }
}

/// Waits for something to happen: bytes in the pipe, the end of the process, or so much time that the CPU time may be used up.
fn wait(
    pipe: &File,
    process: &OwnedFd,
    received: &Received,
    left: Duration,
) -> Result<(bool, bool), StartError> {
    /// A job that did not get the processor shall not be asked too often.
    const LEAST: Duration = Duration::from_millis(5);
    const MOST: Duration = Duration::from_secs(10);
    let milliseconds = left.clamp(LEAST, MOST).as_millis() as u16 + 1;
    let mut waiting_for = [
        PollFd::new(process.as_fd(), PollFlags::POLLIN),
        PollFd::new(pipe.as_fd(), PollFlags::POLLIN),
    ];
    // A pipe that the job has closed would be ready for ever.
    let count = if received.is_complete() { 1 } else { 2 };
    match poll(&mut waiting_for[..count], PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(system("poll")(errno)),
    }
    let happened = |index: usize| index < count && waiting_for[index].any().unwrap_or(true);
    Ok((happened(1), happened(0)))
}

/// From how a process ended and what it wrote to what that means.
fn judge<T: Decode, E: Decode>(status: WaitStatus, said: Said) -> End<T, E> {
    if let Said::NotBegun(why) = said {
        return End::NotBegun(match why.is_empty() {
            true => format!("the job ended before it began: {status:?}"),
            false => why,
        });
    }
    let status = match status {
        WaitStatus::Exited(_, status) => status,
        WaitStatus::Signaled(_, signal, _) => return End::Died(format!("killed by {signal}")),
        other => return End::Died(format!("unexpected end: {other:?}")),
    };
    let answer = match said {
        Said::Answer(answer) => answer,
        Said::OutOfMemory if status == allocator::OUT_OF_MEMORY_STATUS => return End::OutOfMemory,
        Said::OutOfMemory | Said::NotBegun(_) | Said::Nothing => {
            return End::Unintelligible(format!("status {status}, no answer"));
        }
    };
    match Result::<T, E>::decode_all(&mut &answer[..]) {
        Ok(Ok(_)) if status != 0 => End::UnexpectedStatus(status),
        Ok(answer) => End::Answered(answer),
        Err(error) => End::Unintelligible(format!("status {status}, {error}")),
    }
}

fn cpu_time(clock: ClockId) -> Result<Duration, StartError> {
    clock_gettime(clock)
        .map(Duration::from)
        .map_err(system("reading the CPU time of a job"))
}

//! A process for one job: from the fork to how it ended.
//!
//! The child puts up its barriers, works, writes its answer to a pipe and exits. The worker reads the pipe and looks at the child's CPU
//! time; when that is used up it kills the child. All that comes out of a child is the word of a stranger: it is bounded, decoded strictly, and
//! nothing in it makes the worker fail.

use crate::allocator;
use crate::process;
use crate::security::limits::JobLimits;
use crate::security::seccomp::JobList;
use crate::security::{self, Machine, SecurityError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, pipe2};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use rustix::process::{PidfdFlags, pidfd_open};
use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Under which conditions a job runs.
#[derive(Clone, Copy, Debug)]
pub struct JobOptions {
    /// Which barriers there are.
    pub machine: Machine,
    /// CPU time and memory.
    pub limits: JobLimits,
    /// Largest answer in bytes.
    pub answer_bytes: usize,
    /// The worker's connection to its host, which the job must not have.
    pub host: RawFd,
    /// System calls that the job may make beyond those of [every job](crate::security::seccomp).
    pub more_calls: &'static [libc::c_long],
}

/// What went wrong in a job outside of the work itself.
#[derive(Debug, thiserror::Error)]
pub enum JobFailure {
    /// A barrier could not be put up; nothing was done.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// It panicked.
    #[error("{0}")]
    Panic(String),
}

/// How a job ended.
#[derive(Debug)]
pub struct Ended<T, E> {
    /// Its process number.
    pub pid: i32,
    /// CPU time it took.
    pub cpu_time: Duration,
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

/// Asked-for size of the pipe; the system may refuse more than its usual 64 KiB.
const PIPE_BYTES: i32 = 1 << 20;

/// Runs `work` in a process of its own and waits for its end. `work` is given the pipe's descriptor, for what must be written without
/// memory.
///
/// # Errors
/// The machine failed; a job that was started is gone.
pub fn run<T, E>(
    options: &JobOptions,
    work: impl FnOnce(RawFd) -> Result<T, E>,
) -> Result<Ended<T, E>, StartError>
where
    T: Encode + Decode,
    E: Encode + Decode + From<JobFailure>,
{
    run_by(options, |to_worker, from_job| {
        let namespaces = security::job_namespaces(options.machine.status);
        let forked = process::fork(options.machine.one, namespaces).map_err(system("clone"))?;
        let Some(pid) = forked else {
            process::close_inherited(&[
                libc::STDIN_FILENO,
                libc::STDOUT_FILENO,
                options.host,
                from_job,
            ]);
            child(options, to_worker, work);
        };
        Ok(pid)
    })
}

/// Has a process for a job started, which [works](child) and says so on the pipe that `start` is given; `start` is told the number of the other
/// end as well. Waits for the end of the process, which is a child of this one.
///
/// # Errors
/// The machine failed; a job that was started is gone.
pub fn run_by<T, E>(
    options: &JobOptions,
    start: impl FnOnce(OwnedFd, RawFd) -> Result<Pid, StartError>,
) -> Result<Ended<T, E>, StartError>
where
    T: Decode,
    E: Decode,
{
    let (from_job, to_worker) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
    // A small pipe works as well.
    let _ = fcntl(&from_job, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    let before = children_cpu_time()?;
    let pid = start(to_worker, from_job.as_raw_fd())?;
    let watched = watch(pid, from_job, options);
    let status = match &watched {
        Ok(_) => waitpid(pid, None),
        Err(_) => kill(pid, Signal::SIGKILL).and_then(|()| waitpid(pid, None)),
    };
    let watched = watched?;
    let status = status.map_err(system("waitpid"))?;
    let cpu_time = children_cpu_time()?.saturating_sub(before);
    Ok(Ended {
        pid: pid.as_raw(),
        cpu_time,
        end: match watched {
            Watched::CpuTimeUsedUp => End::TimedOut,
            _ if cpu_time >= options.limits.cpu_time => End::TimedOut,
            Watched::TooLong => End::Unintelligible("the answer is too long".to_owned()),
            Watched::Ended(answer) => judge(status, &answer),
        },
    })
}

/// In the job: works behind all barriers, answers, exits.
pub fn child<T, E>(
    options: &JobOptions,
    to_worker: OwnedFd,
    work: impl FnOnce(RawFd) -> Result<T, E>,
) -> !
where
    T: Encode,
    E: Encode + From<JobFailure>,
{
    let pipe = to_worker.as_raw_fd();
    let isolate = || {
        security::die_with_worker()?;
        if is_orphan(&to_worker) {
            std::process::exit(1);
        }
        let more = options.more_calls;
        let list = JobList { pipe, more };
        security::isolate_job(&options.limits, &list, &options.machine)
    };
    let worked = catch_unwind(AssertUnwindSafe(|| match isolate() {
        Ok(()) => work(pipe),
        Err(error) => Err(JobFailure::from(error).into()),
    }));
    let answer = worked.unwrap_or_else(|panic| Err(JobFailure::Panic(panic_text(&*panic)).into()));
    let written = File::from(to_worker).write_all(&answer.encode());
    std::process::exit(i32::from(answer.is_err() || written.is_err()))
}

/// Whether the worker died before this job asked to die with it: then nobody reads the pipe.
fn is_orphan(to_worker: &OwnedFd) -> bool {
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
    Ended(Vec<u8>),
    /// It was killed for its CPU time.
    CpuTimeUsedUp,
    /// It was killed since it did not stop writing.
    TooLong,
}

/// Reads what a job writes until it has ended or its time is up. When this returns without an error, the job is dead or dying.
fn watch(job: Pid, pipe: OwnedFd, options: &JobOptions) -> Result<Watched, StartError> {
    let raw = rustix::process::Pid::from_raw(job.as_raw());
    let process = raw
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
        .map_err(|error| system("pidfd_open")(Errno::from_raw(error.raw_os_error())))?;
    let clock = clock_getcpuclockid(job).map_err(system("clock_getcpuclockid"))?;
    let mut pipe = File::from(pipe);
    let mut answer = Answer::new(options.answer_bytes);
    loop {
        let used = cpu_time(clock)?;
        let Some(left) = options
            .limits
            .cpu_time
            .checked_sub(used)
            .filter(|it| !it.is_zero())
        else {
            kill(job, Signal::SIGKILL).map_err(system("killing a job"))?;
            return Ok(Watched::CpuTimeUsedUp);
        };
        let (readable, ended) = wait(&pipe, &process, &answer, left)?;
        if ended {
            return Ok(match answer.read_all(&mut pipe) {
                Ok(()) => Watched::Ended(answer.bytes),
                Err(TooLong) => Watched::TooLong,
            });
        }
        if readable && answer.read_some(&mut pipe).is_err() {
            kill(job, Signal::SIGKILL).map_err(system("killing a job"))?;
            return Ok(Watched::TooLong);
        }
    }
}

/// Waits for something to happen: bytes in the pipe, the end of the process, or so much time that the CPU time may be used up.
fn wait(
    pipe: &File,
    process: &OwnedFd,
    answer: &Answer,
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
    let count = if answer.complete { 1 } else { 2 };
    match poll(&mut waiting_for[..count], PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(system("poll")(errno)),
    }
    let happened = |index: usize| index < count && waiting_for[index].any().unwrap_or(true);
    Ok((happened(1), happened(0)))
}

struct TooLong;

/// What a job has written so far.
struct Answer {
    bytes: Vec<u8>,
    limit: usize,
    complete: bool,
}

impl Answer {
    fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            complete: false,
        }
    }

    /// Takes what is there, of which there is something.
    fn read_some(&mut self, pipe: &mut File) -> Result<(), TooLong> {
        // Most answers are small; a large one is taken in ever larger pieces.
        const LEAST: usize = 16 * 1024;
        const MOST: usize = PIPE_BYTES as usize;
        let start = self.bytes.len();
        self.bytes.resize(start + start.clamp(LEAST, MOST), 0);
        let read = loop {
            match pipe.read(&mut self.bytes[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe does not fail; if it does, nothing more will come.
                read => break read.unwrap_or(0),
            }
        };
        self.bytes.truncate(start + read);
        self.complete = read == 0;
        match self.bytes.len() <= self.limit {
            true => Ok(()),
            false => Err(TooLong),
        }
    }

    /// Takes what is left, after the end of the job.
    fn read_all(&mut self, pipe: &mut File) -> Result<(), TooLong> {
        while !self.complete {
            self.read_some(pipe)?;
        }
        Ok(())
    }
}

/// From how a process ended and what it wrote to what that means.
fn judge<T: Decode, E: Decode>(status: WaitStatus, answer: &[u8]) -> End<T, E> {
    let status = match status {
        WaitStatus::Exited(_, status) => status,
        WaitStatus::Signaled(_, signal, _) => return End::Died(format!("killed by {signal}")),
        other => return End::Died(format!("unexpected end: {other:?}")),
    };
    if status == allocator::OUT_OF_MEMORY_STATUS && answer == allocator::OUT_OF_MEMORY {
        return End::OutOfMemory;
    }
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

/// CPU time of all children that have ended.
fn children_cpu_time() -> Result<Duration, StartError> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(system("getrusage"))?;
    let (user, system) = (usage.user_time(), usage.system_time());
    let seconds = (user.tv_sec() + system.tv_sec()) as u64;
    let microseconds = (user.tv_usec() + system.tv_usec()) as u64;
    Ok(Duration::from_secs(seconds) + Duration::from_micros(microseconds))
}

//! A job: one process, from the fork to its end.
//!
//! The child sets up its barriers, works, writes log lines and its answer to a [pipe], and exits.
//! The worker reads the pipe, watches the child's CPU time, and kills the child when its time is
//! used up. The worker does not trust the output of a child: the output is bounded and decoded
//! strictly, and no output makes the worker fail.

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
use nix::unistd::{Pid, pipe2};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pipe::{Line, PIPE_BYTES, Received, Said, TooLong};
use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The conditions of a job.
#[derive(Clone, Copy)]
pub struct JobOptions {
    /// The kind of job.
    pub role: Role,
    /// The barriers that this machine offers.
    pub machine: Machine,
    /// Limits of CPU time, memory and files.
    pub limits: JobLimits,
    /// Largest answer in bytes.
    pub answer_bytes: usize,
    /// The worker's connection to its host, which the job must not have.
    pub host: RawFd,
    /// When the host's request arrived.
    pub asked: Instant,
    /// How long after `asked` the worker waits for the job, see [`patience`].
    pub patience: Duration,
}

/// Bytes of a job's stack, on which host functions and the compiler run; Wasm has another stack.
/// The size is that of the execution thread in the node's own workers (256 MiB for Wasm and 2
/// more). It does not depend on the limit of the main thread's stack.
pub const STACK_BYTES: usize = 258 << 20;

/// The node waits for a job this many times the job's limit of CPU time.
const WALL_CLOCK_TIMES: u32 = 4;

/// The shortest wall-clock time after which a job counts as stalled. It is the [`patience`] for the
/// shortest limit of any network, 2 s. With a shorter time, a brief load of the machine could stall
/// a job.
const LEAST_PATIENCE: Duration = Duration::from_secs(7);

/// How long a worker waits for the end of a job that it has killed, in milliseconds.
const BRIEFLY: u16 = 100;

/// How long a worker waits for a job with this limit of CPU time, from the arrival of the request.
///
/// A job cannot sleep. If it has not used up its CPU time by then, it did not get the processor or
/// was stopped. The machine is at fault then, and the candidate may be valid. The node waits four
/// times the limit and then votes against the candidate, so the worker answers before, after seven
/// eighths of that time.
pub fn patience(cpu_time: Duration) -> Duration {
    (cpu_time.saturating_mul(WALL_CLOCK_TIMES) / 8 * 7).max(LEAST_PATIENCE)
}

/// The [`patience`] of a worker that asks other workers. It is longer than theirs.
pub fn patience_with_others(cpu_time: Duration) -> Duration {
    let more = LEAST_PATIENCE / 14;
    (cpu_time.saturating_mul(WALL_CLOCK_TIMES) / 16 * 15).max(LEAST_PATIENCE + more)
}

/// The message of a panic in a job.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(pub String);

/// A job that ended.
#[derive(Debug)]
pub struct Ended<T, E> {
    /// The job's process number.
    pub pid: i32,
    /// CPU time of the job.
    pub cpu_time: Duration,
    /// Wall-clock time of the job.
    pub wall_time: Duration,
    /// How the job ended.
    pub end: End<T, E>,
}

/// How a job ended.
#[derive(Debug)]
pub enum End<T, E> {
    /// The job sent an answer and exited.
    Answered(Result<T, E>),
    /// The job used up its CPU time.
    TimedOut,
    /// The job did not get its CPU time, as this text says. No code and no candidate can cause
    /// this.
    Stalled(String),
    /// The job ended before it had read any data of the code or the candidate, as this text says.
    NotBegun(String),
    /// The job allocated more memory than allowed.
    OutOfMemory,
    /// The job was killed, as this text says.
    Died(String),
    /// The job's output does not decode as an answer.
    Unintelligible(String),
    /// The job answered with success and exited with this other status.
    UnexpectedStatus(i32),
}

/// Why a job did not start, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pipe cannot be created.
    #[error("pipe: {0}")]
    Pipe(Errno),
    /// Another system call failed.
    #[error("{action}: {errno}")]
    System {
        /// What the worker tried.
        action: &'static str,
        /// The system's error.
        errno: Errno,
    },
}

fn system(action: &'static str) -> impl Fn(Errno) -> StartError {
    move |errno| StartError::System { action, errno }
}

/// Runs `work` in a process of its own and waits for its end. `work` receives the descriptor of the
/// job's pipe, for messages that must be written without allocating memory.
///
/// # Errors
/// The machine failed; a job that was started is killed.
pub fn run<T, E>(
    options: &JobOptions,
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

/// In a forked process: closes the worker's descriptors, which are the given ones, the three
/// standard streams, and the one opened for the log.
pub fn leave_to_worker(descriptors: &[RawFd]) {
    process::close_inherited(&[libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO]);
    process::close_inherited(descriptors);
    process::close_inherited(logging::stderr::opened().as_slice());
}

/// Runs a job in a process that `start` creates, and waits for its end. The process must be a child
/// of this one and must call [`child`]. `start` receives the job's end of the pipe and the number
/// of the worker's end.
///
/// # Errors
/// The machine failed; a job that was started is killed.
pub fn run_by<T, E>(
    options: &JobOptions,
    start: impl FnOnce(OwnedFd, RawFd) -> Result<Child, StartError>,
) -> Result<Ended<T, E>, StartError>
where
    T: Decode,
    E: Decode,
{
    let (from_job, to_worker) = pipe2(OFlag::O_CLOEXEC).map_err(StartError::Pipe)?;
    // If the system refuses a larger pipe, the default size works as well.
    let _ = fcntl(&from_job, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    process::reap();
    let started = Instant::now();
    let job = start(to_worker, from_job.as_raw_fd())?;
    let pid = job.pid.as_raw();
    let watched = match watch(&job, from_job, options) {
        Ok(watched) => watched,
        Err(error) => {
            // A job that the worker cannot watch must not run. It may have ended already.
            let _ = job.kill();
            bury(job);
            return Err(error);
        }
    };
    let watched = match watched {
        // The answer is the last thing that a job does. Its exit takes a while, and changes nothing.
        Watched::Answered { answer, cpu_time } => {
            match Result::<T, E>::decode_all(&mut &answer[..]) {
                Ok(Ok(answer)) => {
                    job.kill().map_err(system("killing a job"))?;
                    return Ok(Ended {
                        pid,
                        cpu_time,
                        wall_time: started.elapsed(),
                        end: match cpu_time >= options.limits.cpu_time {
                            true => End::TimedOut,
                            false => End::Answered(Ok(answer)),
                        },
                    });
                }
                _ => Watched::Ended(Said::Answer(answer)),
            }
        }
        watched => watched,
    };
    if let Watched::Stalled { cpu_time, waited } = watched {
        bury(job);
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
            Watched::TooLong => too_long(),
            Watched::Ended(said) => judge(status, said),
            Watched::Answered { answer, .. } => judge(status, Said::Answer(answer)),
        },
    })
}

/// Reaps a job that was killed. A job that gets no processor may not be able to die: the worker
/// waits briefly for its end, and otherwise reaps it later.
fn bury(job: Child) {
    if job.has_ended_within(BRIEFLY) {
        let _ = job.wait();
    }
}

/// In the job: sets up the barriers, works, sends the answer, and exits.
pub fn child<T, E>(
    options: &JobOptions,
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
    // A stack of the job's own, at an address of its own.
    let mut stack = match DefaultStack::new(STACK_BYTES) {
        Ok(stack) => stack,
        Err(error) => {
            let _ = pipe::cannot_begin(to_worker, &format!("the stack of a job: {error}"));
            std::process::exit(1);
        }
    };
    let worked = on_stack(&mut stack, worked);
    let answer = worked.unwrap_or_else(|panic| Err(Panicked(panic_text(&*panic)).into()));
    let written = pipe::answer(to_worker, &answer);
    // The end of the pipe completes the answer, before the process and its namespaces are taken down.
    process::close_inherited(&[to_worker.as_raw_fd()]);
    std::process::exit(i32::from(answer.is_err() || written.is_err()))
}

/// Whether the worker died before this job asked to be killed with it: then the pipe has no reader.
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

/// How the worker stopped watching a job. The job's exit status is collected afterwards.
enum Watched {
    /// The job exited or was killed by another process, and had written this.
    Ended(Said),
    /// The job has sent this answer whole, after this CPU time. It may still be exiting.
    Answered { answer: Vec<u8>, cpu_time: Duration },
    /// The worker killed the job because it used up its CPU time.
    CpuTimeUsedUp,
    /// The worker killed the job because it had only `cpu_time` within `waited`.
    Stalled {
        cpu_time: Duration,
        waited: Duration,
    },
    /// The worker killed the job because it wrote too much.
    TooLong,
}

/// Reads the output of a job until the job ends or its time is up. When this function returns `Ok`,
/// the job has ended or was killed.
fn watch(job: &Child, pipe: OwnedFd, options: &JobOptions) -> Result<Watched, StartError> {
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
            let read = read_rest(&mut received, &mut pipe, &mut take);
            if let Some(error) = received.failure() {
                let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                return Err(system("reading from a job")(errno));
            }
            return Ok(match read {
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
        if let Some(answer) = received.take_answer() {
            let cpu_time = cpu_time(clock)?.max(received.used());
            return Ok(Watched::Answered { answer, cpu_time });
        }
    }
}

/// Reads what a job that has ended left in its pipe. The pipe need not be at its end: an order that no process received
/// holds the other end too.
fn read_rest(
    received: &mut Received,
    pipe: &mut File,
    take: &mut dyn FnMut(Line),
) -> Result<(), TooLong> {
    let is_readable = |pipe: &File| {
        let mut readable = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        poll(&mut readable, PollTimeout::ZERO) != Ok(0)
    };
    while !received.is_complete() && is_readable(pipe) {
        received.read_some(pipe, take)?;
    }
    Ok(())
}

/// Waits for bytes in the pipe, for the end of the process, or for the time `left`, in which the
/// job may use up its CPU time. Returns whether the pipe is readable and whether the process ended.
fn wait(
    pipe: &File,
    process: &OwnedFd,
    received: &Received,
    left: Duration,
) -> Result<(bool, bool), StartError> {
    /// Poll at most every 5 ms, even when the job was not scheduled.
    const LEAST: Duration = Duration::from_millis(5);
    const MOST: Duration = Duration::from_secs(10);
    let milliseconds = left.clamp(LEAST, MOST).as_millis() as u16 + 1;
    let mut waiting_for = [
        PollFd::new(process.as_fd(), PollFlags::POLLIN),
        PollFd::new(pipe.as_fd(), PollFlags::POLLIN),
    ];
    // A pipe that the job has closed would always be ready.
    let count = if received.is_complete() { 1 } else { 2 };
    match poll(&mut waiting_for[..count], PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(system("poll")(errno)),
    }
    let happened = |index: usize| index < count && waiting_for[index].any().unwrap_or(true);
    Ok((happened(1), happened(0)))
}

/// The end of a job that wrote this output and ended with this status, as `wait4` reports it. Lines for the log go to
/// `take`. Fuzzers call it with what a hostile job can write.
pub(crate) fn end_of<T: Decode, E: Decode>(
    output: &mut impl Read,
    status: i32,
    answer_bytes: usize,
    take: &mut dyn FnMut(Line),
) -> Option<End<T, E>> {
    let status = WaitStatus::from_raw(Pid::this(), status).ok()?;
    let mut received = Received::new(answer_bytes);
    Some(match received.read_all(output, take) {
        Ok(()) => judge(status, received.said()),
        Err(TooLong) => too_long(),
    })
}

fn too_long<T, E>() -> End<T, E> {
    End::Unintelligible("the answer is too long".to_owned())
}

/// The end of a job, from its exit status and its output.
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

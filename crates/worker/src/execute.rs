//! The execute worker: receives candidates and sends answers, which decide a validator's votes.
//!
//! A failure that a PVF or a candidate can cause is never answered as an internal error: all
//! validators would abstain then, and a parachain could stall the relay chain.

use crate::artifacts::{self, ArtifactFailure, Artifacts};
use crate::entry::Session;
use crate::job::{self, End, JobOptions, Panicked, STACK_BYTES, StartError};
use crate::launcher::{DESCRIPTORS, Launcher};
use crate::loading::{self, InMemory, LoadFailure};
use crate::observation::Figures;
use crate::parameters;
use crate::process;
use crate::request::{self, ReceiveError, Request};
use crate::security::limits::{JobLimits, MemoryLimit};
use crate::security::{self, Machine, Role};
use crate::texts::Texts;
use memmap2::Mmap;
use parity_scale_codec::{Decode, Encode};
use pvf_node_protocol::{
    ArtifactChecksum, ExecuteHandshake, ExecuteRequest, ExecuteRequestView, ExecuteResponse,
    InternalValidationError, JobError, JobResponse, WorkerError, WorkerResponse, frame,
};
use pvf_primitives::{ExecutorParams, POV_BOMB_LIMIT, ValidationResult};
use pvf_rules::PAGE_BYTES;
use pvf_validation::placed::Placed;
use pvf_validation::{HostFailure, HostParameters, Outcome, Pvf};
use std::cell::Cell;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Name of the artifact's file in the worker's directory. The host links it before each job.
pub const ARTIFACT_FILE: &str = "artifact";

/// Largest handshake in bytes.
const HANDSHAKE_BYTES: usize = 1 << 20;

/// Largest request in bytes: far above the largest proof of validity that a network accepts.
const REQUEST_BYTES: usize = 256 << 20;

/// Bytes of memory that a job may take beyond [`MEMORY_TIMES`] the PVF's memory: the request,
/// artifacts, the Wasm stack, and the memory of the process that the job is a copy of.
const MEMORY_MORE: u64 = 3 << 30;

/// Multiple of the PVF's memory that a job may take for host functions, as a backstop.
const MEMORY_TIMES: u64 = 8;

/// Largest answer of a job that loads an artifact, in bytes: the text of a failure.
const LOAD_ANSWER_BYTES: usize = 64 * 1024;

/// The work of an execute job.
pub trait ExecuteJob {
    /// Validates a candidate. Runs in a process of its own, behind all barriers.
    ///
    /// # Errors
    /// The job failed. An invalid candidate is not an error.
    fn execute(&self, pvf: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError>;

    /// As [`Self::execute`], with measurements if the job has them.
    ///
    /// # Errors
    /// As [`Self::execute`].
    fn execute_measured(
        &self,
        pvf: &Pvf,
        candidate: &[u8],
    ) -> Result<(JobResponse, Option<Figures>), JobError> {
        Ok((self.execute(pvf, candidate)?, None))
    }
}

/// The work of our execute jobs: [`Pvf::validate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Validation;

impl ExecuteJob for Validation {
    fn execute(&self, pvf: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError> {
        Ok(self.execute_measured(pvf, candidate)?.0)
    }

    fn execute_measured(
        &self,
        pvf: &Pvf,
        candidate: &[u8],
    ) -> Result<(JobResponse, Option<Figures>), JobError> {
        let execution = pvf.validate(candidate).map_err(|failure| match failure {
            HostFailure::Internal(message) => JobError::Panic(message),
            failure => JobError::Kernel(failure.to_string()),
        })?;
        let figures = Figures::from(&execution);
        let response = match execution.outcome {
            Outcome::Valid(bytes) => match ValidationResult::from_bytes(&bytes) {
                Ok(result_descriptor) => JobResponse::Ok { result_descriptor },
                Err(error) => JobResponse::InvalidCandidate(format!(
                    "the returned bytes do not decode as a result: {error}"
                )),
            },
            Outcome::Invalid { reason, .. } => JobResponse::InvalidCandidate(reason),
            // Rejections of both stages: for a node that has an artifact, each is a failed
            // instantiation.
            Outcome::Rejected(rejection) => JobResponse::RuntimeConstruction(rejection.to_string()),
        };
        Ok((response, Some(figures)))
    }
}

/// The answer of an execute job on its pipe.
#[derive(Encode, Decode)]
struct Answer {
    response: JobResponse,
    pov_size: u32,
    figures: Option<Figures>,
}

impl From<Panicked> for JobError {
    fn from(Panicked(message): Panicked) -> Self {
        Self::Panic(message)
    }
}

/// An order for a job. Four descriptors go with it: the job's pipe, its input,
/// and the code and the rest of a [module in memory](InMemory).
#[derive(Encode, Decode)]
pub(crate) struct Order {
    /// The executor parameters of this worker.
    params: ExecutorParams,
    work: Work,
}

/// The work of a job.
#[derive(Encode, Decode)]
enum Work {
    /// Reads an artifact and writes the module in memory, which later jobs map.
    Load {
        /// Bytes of the artifact's file.
        bytes: u64,
        /// The artifact's checksum according to the host.
        checksum: ArtifactChecksum,
        /// Whether the machine code is verified.
        verify: bool,
    },
    /// Validates the candidate of a request.
    Execute {
        /// CPU time that the job may take.
        cpu_time: Duration,
    },
}

/// The launcher of an execute worker.
pub(crate) type JobLauncher = Launcher<Order>;

/// Properties common to all jobs of a worker.
struct Jobs {
    machine: Machine,
    host: RawFd,
    parameters: HostParameters,
}

impl Jobs {
    fn new(machine: Machine, host: RawFd, params: &ExecutorParams) -> Self {
        Self {
            machine,
            host,
            parameters: parameters::host(params),
        }
    }

    /// Largest size of a PVF's memory in bytes.
    fn memory(&self) -> u64 {
        u64::from(self.parameters.execution.max_memory_pages) * PAGE_BYTES
    }

    /// The conditions of a job for a request that arrived at `asked` and is answered within
    /// `patience`.
    fn options(&self, work: &Work, asked: Instant, patience: Duration) -> JobOptions {
        let limits = &self.parameters.execution;
        let (limits, answer_bytes, role) = match *work {
            Work::Load { bytes, .. } => (loading::limits(bytes), LOAD_ANSWER_BYTES, Role::Load),
            Work::Execute { cpu_time } => {
                let stacks = limits.stack_native_max + STACK_BYTES as u64;
                let data = self.memory() * MEMORY_TIMES + stacks + MEMORY_MORE;
                let limits = JobLimits {
                    cpu_time,
                    memory: MemoryLimit::Data(data),
                    file_bytes: 0,
                };
                // A result lies in the memory of the PVF and does not grow when it is encoded
                // again.
                let answer = usize::try_from(self.memory() + PAGE_BYTES).unwrap_or(usize::MAX);
                (limits, answer, Role::Execute)
            }
        };
        JobOptions {
            role,
            machine: self.machine,
            limits,
            answer_bytes,
            host: self.host,
            asked,
            patience,
        }
    }

    /// In a job: executes an order, then exits.
    fn run(&self, job: &dyn ExecuteJob, work: &Work, descriptors: [OwnedFd; DESCRIPTORS]) -> ! {
        security::placement::draw();
        let options = self.options(work, Instant::now(), Duration::MAX);
        let [pipe, input, code, rest] = descriptors;
        let [input, code, rest] = [input, code, rest].map(File::from);
        match *work {
            Work::Load {
                bytes,
                checksum,
                verify,
            } => job::child(&options, pipe, |_| {
                let limit_pages = self.parameters.execution.max_memory_pages;
                loading::load(&input, bytes, checksum, limit_pages, verify, [&code, &rest])
            }),
            Work::Execute { .. } => {
                // The files are mapped before the barriers, which forbid new executable mappings.
                let mapped = map(&input, &code, rest);
                drop((input, code));
                job::child(&options, pipe, |_| {
                    let (request, placed) = mapped.map_err(JobError::Kernel)?;
                    self.judge(job, request.as_deref().unwrap_or_default(), placed)
                })
            }
        }
    }

    /// In a job, behind its barriers: validates the candidate of a request.
    #[allow(
        unsafe_code,
        reason = "the code in the artifact is trusted as the host provides it"
    )]
    fn judge(
        &self,
        job: &dyn ExecuteJob,
        request: &[u8],
        placed: Placed,
    ) -> Result<Answer, JobError> {
        let request = ExecuteRequestView::decode_all(request);
        let request = request.map_err(|error| JobError::Panic(error.to_string()))?;
        // SAFETY: a load job wrote the files from an artifact of the host's prepare worker, and
        // they are sealed. An attacker who can write to the node's artifacts controls the node
        // already.
        let module = unsafe { placed.into_module() };
        let module = module.map_err(|error| JobError::Kernel(error.to_string()))?;
        work(job, &request, &Pvf::new(module, self.parameters.clone()))
    }
}

/// Maps a request and a module in memory.
fn map(request: &File, code: &File, rest: File) -> Result<(Option<Mmap>, Placed), String> {
    let request = request::map(request).map_err(|error| error.to_string())?;
    let placed = Placed::map(code, rest).map_err(|error| error.to_string())?;
    Ok((request, placed))
}

/// Forks the launcher of an execute worker. `host` is the worker's connection to its host.
///
/// # Errors
/// The system refuses the fork or a socket.
pub(crate) fn launch(
    job: &dyn ExecuteJob,
    machine: &Machine,
    host: RawFd,
) -> io::Result<JobLauncher> {
    Launcher::start(machine, &[host], |order: Order, descriptors| {
        let jobs = Jobs::new(*machine, host, &order.params);
        jobs.run(job, &order.work, descriptors);
    })
}

/// Serves a host until it hangs up.
pub(crate) fn serve(session: &mut Session) -> Result<(), frame::FrameError> {
    let ExecuteHandshake { executor_params } = handshake(&mut session.host)?;
    let launcher = session.launcher.as_ref();
    let launcher = launcher.ok_or_else(|| io::Error::other("there is no launcher"))?;
    let host = session.host.as_raw_fd();
    let execution = Execution {
        jobs: Jobs::new(session.machine, host, &executor_params),
        params: executor_params,
        launcher,
        verify_at_load: session.verification.at_load,
    };
    // The next job's process is always asked for ahead; `last` sees if the launcher is lost.
    let _ = launcher.prepare();
    let path = session.directory.join(ARTIFACT_FILE);
    let mut artifacts = Artifacts::new();
    let receive = |host: &mut UnixStream| request::receive(host, REQUEST_BYTES);
    let last = || match launcher.is_lost() {
        true => Some(io::Error::other("the launcher of jobs is gone")),
        false => None,
    };
    // Those of the last answer.
    let figures = Cell::new(None);
    let answer = |request: Request| {
        let asked = Instant::now();
        figures.set(None);
        let file = artifacts::open(&path).map_err(ArtifactFailure::Io);
        let module = file.and_then(|file| {
            let checksum = request.artifact_checksum;
            artifacts.get(file, checksum, |file, bytes, forget_one| {
                execution.load(&file, bytes, &request, asked, forget_one)
            })
        });
        let response = match module {
            Ok(module) => execution
                .execute(&request, module, asked)
                .map(|(response, measured)| {
                    figures.set(measured);
                    response
                }),
            Err(failure) => not_loaded(failure),
        };
        artifacts.trim();
        response
    };
    let sends_figures = session.sends_figures;
    let afterwards = |host: &mut UnixStream| {
        let _ = launcher.prepare();
        process::reap();
        match sends_figures {
            true => frame::send(host, &figures.take()),
            false => Ok(()),
        }
    };
    converse(&mut session.host, receive, answer, afterwards, last)
}

/// The parts with which an execute worker runs its jobs.
struct Execution<'a> {
    jobs: Jobs,
    params: ExecutorParams,
    launcher: &'a JobLauncher,
    verify_at_load: bool,
}

impl Execution<'_> {
    /// Runs a job with the descriptors of its input and of a module in memory, and waits for it.
    fn run<T: Decode, E: Decode>(
        &self,
        work: Work,
        request: &Request,
        asked: Instant,
        [input, code, rest]: [&File; 3],
    ) -> Result<job::Ended<T, E>, StartError> {
        let patience = job::patience(request.execution_timeout);
        let options = self.jobs.options(&work, asked, patience);
        let order = Order {
            params: self.params.clone(),
            work,
        };
        job::run_by(&options, |pipe, _| {
            let descriptors = [pipe.as_fd(), input.as_fd(), code.as_fd(), rest.as_fd()];
            self.launcher.order(&order, descriptors)
        })
    }

    /// Loads an artifact for a request. If the machine refuses, drops another artifact to free
    /// memory or descriptors, and tries again.
    fn load(
        &self,
        file: &File,
        bytes: u64,
        request: &Request,
        asked: Instant,
        forget_one: &mut dyn FnMut() -> bool,
    ) -> Result<InMemory, NotLoaded> {
        loop {
            let loaded = self.load_once(file, bytes, request, asked);
            let for_want_of_room = match &loaded {
                Err(NotLoaded::Machine(_)) => true,
                Err(NotLoaded::Load(failure)) => matches!(failure, LoadFailure::Machine(_)),
                _ => false,
            };
            if !for_want_of_room || !forget_one() {
                return loaded;
            }
        }
    }

    fn load_once(
        &self,
        file: &File,
        bytes: u64,
        request: &Request,
        asked: Instant,
    ) -> Result<InMemory, NotLoaded> {
        let module = InMemory::new().map_err(NotLoaded::Machine)?;
        let checksum = request.artifact_checksum;
        let work = Work::Load {
            bytes,
            checksum,
            verify: self.verify_at_load,
        };
        let ended = self.run(work, request, asked, [file, &module.code, &module.rest]);
        let ended = ended.map_err(|error| NotLoaded::Machine(io::Error::other(error)))?;
        let job_pid = ended.pid;
        let died = |err: String| Err(NotLoaded::Died { err, job_pid });
        match ended.end {
            End::Answered(Ok(())) => module.seal().map_err(NotLoaded::Machine),
            End::Answered(Err(failure)) => Err(NotLoaded::Load(failure)),
            End::NotBegun(how) => Err(NotLoaded::Hindered(how)),
            End::Stalled(how) if ended.cpu_time * 2 < ended.wall_time => {
                Err(NotLoaded::Hindered(how))
            }
            // The load had the processor most of the time, so the artifact caused the long
            // computation.
            End::Stalled(_) | End::TimedOut => died("its time is up".to_owned()),
            End::OutOfMemory => died("out of memory".to_owned()),
            End::Died(how) => died(how),
            End::Unintelligible(what) => died(format!("unintelligible answer: {what}")),
            End::UnexpectedStatus(status) => died(format!("exit status {status}")),
        }
    }

    /// Executes the module with the candidate of a request, in a job.
    fn execute(
        &self,
        request: &Request,
        module: &InMemory,
        asked: Instant,
    ) -> Result<(WorkerResponse, Option<Figures>), WorkerError> {
        let cpu_time = request.execution_timeout;
        let input = [&request.file, &module.code, &module.rest];
        let ended = self.run(Work::Execute { cpu_time }, request, asked, input);
        let ended: job::Ended<Answer, JobError> = ended.map_err(|error| match error {
            StartError::Pipe(_) => InternalValidationError::CouldNotCreatePipe(error.to_string()),
            StartError::System { .. } => InternalValidationError::Kernel(error.to_string()),
        })?;
        let figures = match &ended.end {
            End::Answered(Ok(answer)) => answer.figures,
            _ => None,
        };
        Ok((answer(ended)?, figures))
    }
}

/// Why an artifact was not loaded.
#[derive(Debug, thiserror::Error)]
enum NotLoaded {
    /// The job or a file for it could not be created.
    #[error(transparent)]
    Machine(io::Error),
    /// The job reports a failure.
    #[error(transparent)]
    Load(LoadFailure),
    /// The job could not begin, or did not get its time.
    #[error("{0}")]
    Hindered(String),
    /// The job gave no answer.
    #[error("the job that loads the artifact died: {err}")]
    Died {
        /// How the process ended.
        err: String,
        /// The process number.
        job_pid: i32,
    },
}

/// Receives the second message of a host.
pub(crate) fn handshake(host: &mut UnixStream) -> Result<ExecuteHandshake, frame::FrameError> {
    frame::receive(host, HANDSHAKE_BYTES).inspect_err(|error| no_understanding(host, error))
}

/// Answers a host's requests until it hangs up. `afterwards` is called when an answer has been sent. `last` says after
/// an answer why it was the last one, if it was.
pub(crate) fn converse<R>(
    host: &mut UnixStream,
    mut receive: impl FnMut(&mut UnixStream) -> Result<R, ReceiveError>,
    mut answer: impl FnMut(R) -> ExecuteResponse,
    mut afterwards: impl FnMut(&mut UnixStream) -> io::Result<()>,
    last: impl Fn() -> Option<io::Error>,
) -> Result<(), frame::FrameError> {
    loop {
        let request = receive(host);
        if let Err(ReceiveError::Frame(error)) = &request {
            no_understanding(host, error);
        }
        let mut response = match request {
            Ok(request) => answer(request),
            Err(ReceiveError::System(error)) => {
                Err(InternalValidationError::Kernel(error.to_string()).into())
            }
            Err(ReceiveError::Frame(error)) => return Err(error),
        };
        response.make_visible();
        if let Err(error) = &response {
            log::warn!("execution failed: {error}");
        }
        frame::send(host, &response)?;
        afterwards(host)?;
        if let Err(WorkerError::InternalError(InternalValidationError::CouldNotOpenFile(what))) =
            response
        {
            // A host drops a worker that cannot read its artifact.
            return Err(io::Error::other(what).into());
        }
        if let Some(error) = last() {
            return Err(error.into());
        }
    }
}

/// Receives a request into memory.
pub(crate) fn receive_request(host: &mut UnixStream) -> Result<ExecuteRequest, ReceiveError> {
    Ok(frame::receive(host, REQUEST_BYTES)?)
}

/// Tells the host that its message does not decode. Does nothing if the connection failed.
fn no_understanding(host: &mut UnixStream, error: &frame::FrameError) {
    if !matches!(error, frame::FrameError::Io(_)) {
        let error = InternalValidationError::HostCommunication(error.to_string());
        let mut response: ExecuteResponse = Err(error.into());
        response.make_visible();
        // The worker exits even if this message cannot be sent.
        let _ = frame::send(host, &response);
    }
}

/// The response for an execute job that ended.
fn answer(ended: job::Ended<Answer, JobError>) -> ExecuteResponse {
    let died = |err| {
        let job_pid = ended.pid;
        Err(WorkerError::JobDied { err, job_pid })
    };
    match ended.end {
        End::Answered(Ok(Answer {
            response, pov_size, ..
        })) => Ok(WorkerResponse {
            job_response: response,
            duration: ended.cpu_time,
            pov_size,
        }),
        End::TimedOut | End::Answered(Err(JobError::TimedOut)) => Err(WorkerError::JobTimedOut),
        End::Answered(Err(error)) => Err(error.into()),
        End::Stalled(how) | End::NotBegun(how) => Err(InternalValidationError::Kernel(how).into()),
        End::OutOfMemory => died("out of memory".to_owned()),
        End::Died(how) => died(how),
        End::Unintelligible(what) => died(format!("unintelligible answer: {what}")),
        End::UnexpectedStatus(status) => Err(JobError::UnexpectedExitStatus(status).into()),
    }
}

/// The response of a worker to an execute job that wrote this output and ended with this status, as `wait4` reports
/// it. `None` if a process cannot end so. Lines for the log are dropped.
///
/// A fuzzer calls it with what a hostile job can write.
pub fn understood(
    output: &mut impl Read,
    status: i32,
    answer_bytes: usize,
) -> Option<ExecuteResponse> {
    let mut response = answer(job::Ended {
        pid: 1,
        cpu_time: Duration::ZERO,
        wall_time: Duration::ZERO,
        end: job::end_of(output, status, answer_bytes, &mut |_| ())?,
    });
    response.make_visible();
    Some(response)
}

/// The response for an artifact that could not be loaded.
fn not_loaded(failure: ArtifactFailure<NotLoaded>) -> ExecuteResponse {
    let failure = match failure {
        ArtifactFailure::Io(error) => {
            return Err(InternalValidationError::CouldNotOpenFile(error.to_string()).into());
        }
        ArtifactFailure::TooLarge(_) => return corrupted(&failure),
        ArtifactFailure::Use(failure) => failure,
    };
    match failure {
        NotLoaded::Machine(error) => Err(InternalValidationError::Kernel(error.to_string()).into()),
        NotLoaded::Hindered(how) => Err(InternalValidationError::Kernel(how).into()),
        NotLoaded::Died { err, job_pid } => Err(WorkerError::JobDied { err, job_pid }),
        NotLoaded::Load(failure) => match failure {
            LoadFailure::Corrupted(why) => corrupted(&why),
            // The machine cannot read the file, or cannot run the code of its own prepare worker.
            // The PVF is not the cause.
            LoadFailure::Machine(why) => Err(InternalValidationError::Kernel(why).into()),
            // The PVF determines how much memory its module needs.
            LoadFailure::Refused(why) => Err(JobError::Kernel(why).into()),
            LoadFailure::Job(why) => Err(JobError::Panic(why).into()),
        },
    }
}

/// The response for an artifact that is not the one that was prepared.
pub(crate) fn corrupted(why: &dyn Display) -> ExecuteResponse {
    log::warn!("the artifact is corrupted: {why}");
    Ok(WorkerResponse {
        job_response: JobResponse::CorruptedArtifact,
        duration: Duration::ZERO,
        pov_size: 0,
    })
}

/// In the job: decompresses the block data and validates the candidate.
fn work(
    job: &dyn ExecuteJob,
    request: &ExecuteRequestView<'_>,
    pvf: &Pvf,
) -> Result<Answer, JobError> {
    let block_data = request.block_data;
    let Ok(block_data) = sp_maybe_compressed_blob::decompress(block_data, POV_BOMB_LIMIT) else {
        return Ok(Answer {
            response: JobResponse::PoVDecompressionFailure,
            pov_size: 0,
            figures: None,
        });
    };
    let candidate = request.validation_params(&block_data);
    let (response, figures) = job.execute_measured(pvf, &candidate)?;
    Ok(Answer {
        response,
        pov_size: u32::try_from(block_data.len()).unwrap_or(u32::MAX),
        figures,
    })
}

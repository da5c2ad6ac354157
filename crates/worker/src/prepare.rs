//! The prepare worker: receives code, writes the artifact to a file of the host, and answers with
//! the artifact's checksum.

use crate::allocator;
use crate::entry::Session;
use crate::job::{self, End, JobOptions, Panicked, STACK_BYTES, StartError};
use crate::parameters;
use crate::security::Role;
use crate::security::limits::{JobLimits, MemoryLimit};
use crate::texts::Texts;
use nix::sys::resource::{UsageWho, getrusage};
use parity_scale_codec::{Decode, Encode};
use pvf_executor::{NotPrepared, Profile, Purpose, RejectionClass, Rules};
use pvf_node_protocol::{
    ArtifactChecksum, MemoryStats, PrepareError, PrepareJobKind, PrepareRequest, PrepareResponse,
    PrepareStats, PrepareWorkerSuccess, Verification, frame,
};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Name of the file for the artifact in the worker's directory. The host creates it before a job
/// and renames it afterwards.
pub const ARTIFACT_FILE: &str = "tmp-artifact";

/// Largest request in bytes: far above the largest code that a network accepts.
const REQUEST_BYTES: usize = 256 << 20;

/// Largest answer of a job in bytes; the artifact is most of it.
const ANSWER_BYTES: usize = 2 << 30;

/// Address space of a job if the network sets no limit: the highest limit that a network can set.
const DEFAULT_MEMORY: u64 = 16 << 30;

/// Address space beyond the limit of allocations: the binary, its stack, memory cached by
/// allocators.
const ADDRESS_SPACE_MORE: u64 = 1 << 30;

/// The result of a preparation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The artifact's bytes.
    pub artifact: Vec<u8>,
    /// Bytes of the code after decompression.
    pub observed_wasm_code_len: u32,
}

/// The work of a prepare job.
pub trait PrepareJob {
    /// Prepares the code of a request. Runs in a process of its own, behind all barriers.
    /// `verification` says whether the result is to be verified.
    ///
    /// # Errors
    /// The code is rejected, or the preparation failed.
    fn prepare(
        &self,
        request: &PrepareRequest,
        verification: Verification,
    ) -> Result<Prepared, PrepareError>;
}

/// The work of our prepare jobs: [`pvf_executor::prepare`].
///
/// ```
/// use pvf_node_protocol::{PrepareError, PrepareJobKind, PrepareRequest, Verification};
/// use pvf_primitives::ExecutorParams;
/// use pvf_worker::{Compilation, PrepareJob};
///
/// let mut request = PrepareRequest {
///     maybe_compressed_code: b"\0asm\x01\0\0\0".to_vec(),
///     validation_code_bomb_limit: 1 << 20,
///     code_hash: [0; 32],
///     executor_params: ExecutorParams::default(),
///     prep_timeout: std::time::Duration::from_secs(60),
///     prep_kind: PrepareJobKind::Compilation,
/// };
/// let prepared = Compilation.prepare(&request, Verification::default()).unwrap();
/// assert_eq!(prepared.observed_wasm_code_len, 8);
/// request.maybe_compressed_code.truncate(7);
/// let error = Compilation.prepare(&request, Verification::default()).unwrap_err();
/// assert!(matches!(error, PrepareError::Prevalidation(_)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Compilation;

impl PrepareJob for Compilation {
    fn prepare(
        &self,
        request: &PrepareRequest,
        verification: Verification,
    ) -> Result<Prepared, PrepareError> {
        let functions =
            pvf_validation::function_types(parameters::ecc_rfc163(&request.executor_params));
        let rules = Rules {
            bomb_limit: request.validation_code_bomb_limit as usize,
            // Below, because the network's limit of memory is for the preparation alone.
            verification: false,
            ..Rules::new(
                Profile::Polkadot.compile_options(),
                match request.prep_kind {
                    PrepareJobKind::Compilation => Purpose::Execution,
                    PrepareJobKind::Prechecking => Purpose::Precheck(&functions),
                },
            )
        };
        let code = &request.maybe_compressed_code;
        let prepared = pvf_executor::prepare(code, &rules).map_err(not_prepared)?;
        if verification.when_preparing {
            allocator::uncounted(|| prepared.verify(code, &rules))
                .map_err(|failure| not_prepared(NotPrepared::Failed(failure)))?;
        }
        let artifact = prepared.artifact;
        Ok(Prepared {
            observed_wasm_code_len: artifact.module.wasm_bytes,
            artifact: artifact.to_bytes(),
        })
    }
}

/// Converts a failed preparation to the node's error. An internal failure of ours says nothing
/// about the code, so its error must not be deterministic ([`PrepareError::is_deterministic`]).
fn not_prepared(error: NotPrepared) -> PrepareError {
    match error {
        NotPrepared::Failed(failure) => PrepareError::JobDied {
            err: failure.to_string(),
            job_pid: std::process::id() as i32,
        },
        NotPrepared::Rejected(rejection) => {
            let text = rejection.to_string();
            match rejection.class {
                RejectionClass::Decompression => PrepareError::CouldNotDecompressCodeBlob(text),
                RejectionClass::Prevalidation => PrepareError::Prevalidation(text),
                RejectionClass::Preparation => PrepareError::Preparation(text),
                RejectionClass::RuntimeConstruction => PrepareError::RuntimeConstruction(text),
            }
        }
    }
}

/// The answer of a prepare job on its pipe.
#[derive(Encode, Decode)]
struct Answer {
    artifact: Vec<u8>,
    observed_wasm_code_len: u32,
    memory: MemoryStats,
}

impl From<Panicked> for PrepareError {
    fn from(Panicked(message): Panicked) -> Self {
        Self::JobError(message)
    }
}

/// Serves a host until it hangs up.
pub(crate) fn serve(session: &mut Session, job: &dyn PrepareJob) -> Result<(), frame::FrameError> {
    let destination = session.directory.join(ARTIFACT_FILE);
    let (machine, host) = (session.machine, session.host.as_raw_fd());
    let verification = session.verification;
    converse(&mut session.host, |request| {
        let cpu_time = request.prep_timeout;
        let allowed = request.executor_params.prechecking_max_memory();
        let address_space = allowed
            .unwrap_or(DEFAULT_MEMORY)
            .saturating_add(ADDRESS_SPACE_MORE + STACK_BYTES as u64);
        let options = JobOptions {
            role: Role::Prepare,
            machine,
            limits: JobLimits {
                cpu_time,
                memory: MemoryLimit::AddressSpace(address_space),
                file_bytes: 0,
            },
            answer_bytes: ANSWER_BYTES,
            host,
            asked: Instant::now(),
            patience: job::patience(cpu_time),
        };
        answer(&options, job, &request, verification, &destination)
    })
}

/// Answers a host's requests until it hangs up.
pub(crate) fn converse(
    host: &mut UnixStream,
    mut answer: impl FnMut(PrepareRequest) -> PrepareResponse,
) -> Result<(), frame::FrameError> {
    loop {
        let mut response = answer(frame::receive(host, REQUEST_BYTES)?);
        response.make_visible();
        if let Err(error) = &response {
            log::warn!("preparation failed: {error}");
        }
        frame::send(host, &response)?;
    }
}

fn answer(
    options: &JobOptions,
    job: &dyn PrepareJob,
    request: &PrepareRequest,
    verification: Verification,
    destination: &Path,
) -> PrepareResponse {
    let allowed = request.executor_params.prechecking_max_memory();
    let ended = job::run(options, |pipe| {
        work(job, request, verification, allowed, pipe)
    });
    let ended = ended.map_err(|error| match error {
        StartError::Pipe(_) => PrepareError::IoErr(error.to_string()),
        StartError::System { .. } => PrepareError::Kernel(error.to_string()),
    })?;
    let cpu_time = ended.cpu_time;
    let answer = answer_of(ended)?;
    std::fs::write(destination, &answer.artifact)
        .map_err(|error| PrepareError::IoErr(error.to_string()))?;
    Ok(PrepareWorkerSuccess {
        checksum: ArtifactChecksum::of(&answer.artifact),
        stats: PrepareStats {
            cpu_time_elapsed: cpu_time,
            memory_stats: answer.memory,
            observed_wasm_code_len: answer.observed_wasm_code_len,
        },
    })
}

/// The answer of a job that ended, or the response to the host.
fn answer_of(ended: job::Ended<Answer, PrepareError>) -> Result<Answer, PrepareError> {
    let job_pid = ended.pid;
    let died = |err| Err(PrepareError::JobDied { err, job_pid });
    match ended.end {
        End::Answered(answer) => answer,
        End::TimedOut => Err(PrepareError::TimedOut),
        End::Stalled(how) | End::NotBegun(how) => Err(PrepareError::Kernel(how)),
        End::OutOfMemory => Err(PrepareError::OutOfMemory),
        End::Died(err) => died(err),
        // A pipe that fails ends a job like this, so the error must not be deterministic. Code that
        // took over the job could choose this ending, as it could choose to die.
        End::Unintelligible(what) => died(format!("unintelligible answer: {what}")),
        End::UnexpectedStatus(status) => died(format!("exit status {status}")),
    }
}

/// What a worker makes of a prepare job that wrote this output and ended with this status, as `wait4` reports it: the
/// artifact, or the response to the host. `None` if a process cannot end so. Lines for the log are dropped.
///
/// A fuzzer calls it with what a hostile job can write.
pub fn understood(
    output: &mut impl Read,
    status: i32,
    answer_bytes: usize,
) -> Option<Result<Vec<u8>, PrepareError>> {
    let ended = job::Ended {
        pid: 1,
        cpu_time: Duration::ZERO,
        wall_time: Duration::ZERO,
        end: job::end_of(output, status, answer_bytes, &mut |_| ())?,
    };
    Some(answer_of(ended).map(|answer| answer.artifact))
}

/// In the job: prepares the code with a limit of allocations.
fn work(
    job: &dyn PrepareJob,
    request: &PrepareRequest,
    verification: Verification,
    allowed: Option<u64>,
    pipe: i32,
) -> Result<Answer, PrepareError> {
    allocator::start(allowed, pipe);
    let prepared = job.prepare(request, verification);
    let peak_tracked_alloc = allocator::stop();
    let prepared = prepared?;
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    Ok(Answer {
        artifact: prepared.artifact,
        observed_wasm_code_len: prepared.observed_wasm_code_len,
        memory: MemoryStats {
            memory_tracker_stats: None,
            max_rss: usage.map(|usage| usage.max_rss()),
            peak_tracked_alloc,
        },
    })
}

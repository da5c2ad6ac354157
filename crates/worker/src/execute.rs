//! The execute worker: a candidate in, an answer out that becomes a vote.
//!
//! What a PVF or a candidate can cause is never answered as an internal error: if it were, nobody would vote on it, and
//! a parachain could hold up the relay chain.

use crate::artifacts::{ArtifactFailure, Artifacts};
use crate::entry::Session;
use crate::job::{self, End, JobFailure, JobOptions, StartError};
use crate::parameters;
use crate::security::limits::{JobLimits, MemoryLimit};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use pvf_executor::LoadError;
use pvf_host::{HostFailure, HostParameters, Module, Outcome, Pvf};
use pvf_wire::{
    CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest, ExecuteResponse,
    InternalValidationError, JobError, JobResponse, POV_BOMB_LIMIT, ValidationParamsExtension,
    ValidationResult, WorkerError, WorkerResponse, frame,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Name of the artifact's file in the worker's directory. The host links it before each job.
pub const ARTIFACT_FILE: &str = "artifact";

/// Largest handshake.
const HANDSHAKE_BYTES: usize = 1 << 20;

/// Largest request: far beyond the largest proof of validity that a network accepts.
const REQUEST_BYTES: usize = 256 << 20;

const PAGE_BYTES: u64 = 65_536;

/// Memory of a job beyond a multiple of the PVF's own: the request, artifacts, the Wasm stack, the worker it is a copy of.
const MEMORY_MORE: u64 = 3 << 30;

/// How many times the memory of the PVF host functions may take at once, as a backstop.
const MEMORY_TIMES: u64 = 8;

/// What an execute job does with a candidate.
pub trait ExecuteJob {
    /// Judges. Runs in a process of its own, behind all barriers.
    ///
    /// # Errors
    /// How the job failed; never what is wrong with the candidate.
    fn execute(&self, pvf: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError>;
}

/// Validates, as execute jobs do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Validation;

impl ExecuteJob for Validation {
    fn execute(&self, pvf: &Pvf, candidate: &[u8]) -> Result<JobResponse, JobError> {
        let execution = pvf.validate(candidate).map_err(|failure| match failure {
            HostFailure::Internal(message) => JobError::Panic(message),
            failure => JobError::Kernel(failure.to_string()),
        })?;
        Ok(match execution.outcome {
            Outcome::Valid(bytes) => match ValidationResult::from_bytes(&bytes) {
                Ok(result_descriptor) => JobResponse::Ok { result_descriptor },
                Err(error) => JobResponse::InvalidCandidate(format!("no result: {error}")),
            },
            Outcome::Invalid { reason, .. } => JobResponse::InvalidCandidate(reason),
            // Of either stage: to a node that has an artifact, both are that there is no instance.
            Outcome::Rejected(rejection) => JobResponse::RuntimeConstruction(rejection.to_string()),
        })
    }
}

/// What a job answers on its pipe.
#[derive(Encode, Decode)]
struct Answer {
    response: JobResponse,
    pov_size: u32,
}

impl From<JobFailure> for JobError {
    fn from(failure: JobFailure) -> Self {
        match failure {
            JobFailure::Security(error) => Self::Kernel(error.to_string()),
            JobFailure::Panic(message) => Self::Panic(message),
        }
    }
}

/// Serves a host until it hangs up.
pub(crate) fn serve(session: &mut Session, job: &dyn ExecuteJob) -> Result<(), frame::FrameError> {
    let ExecuteHandshake { executor_params } = handshake(&mut session.host)?;
    let limits = parameters::execution(&executor_params);
    let host_parameters = parameters::host(&executor_params);
    let path = session.directory.join(ARTIFACT_FILE);
    let mut artifacts = Artifacts::new();
    let machine = session.machine;
    let host = session.host.as_raw_fd();
    converse(&mut session.host, |request| {
        let pvf = File::open(&path)
            .map_err(ArtifactFailure::Io)
            .and_then(|file| {
                artifacts.get(file, request.artifact_checksum, |bytes| {
                    place(bytes, &host_parameters)
                })
            });
        let pvf = match pvf {
            Ok(pvf) => pvf,
            Err(failure) => return not_loaded(failure),
        };
        let memory = u64::from(limits.max_memory_pages) * PAGE_BYTES;
        let data = memory * MEMORY_TIMES + limits.stack_native_max + MEMORY_MORE;
        let options = JobOptions {
            machine,
            limits: JobLimits {
                cpu_time: request.execution_timeout,
                memory: MemoryLimit::Data(data),
            },
            // The result lies in the memory of the PVF; decoded and encoded again it is no larger.
            answer_bytes: usize::try_from(memory + PAGE_BYTES).unwrap_or(usize::MAX),
            host,
        };
        answer(&options, job, &request, pvf)
    })
}

/// The second message of a host.
pub(crate) fn handshake(host: &mut UnixStream) -> Result<ExecuteHandshake, frame::FrameError> {
    receive(host, HANDSHAKE_BYTES)
}

/// Answers a host's requests until it hangs up.
pub(crate) fn converse(
    host: &mut UnixStream,
    mut answer: impl FnMut(ExecuteRequest) -> ExecuteResponse,
) -> Result<(), frame::FrameError> {
    loop {
        let response = answer(receive(host, REQUEST_BYTES)?);
        if let Err(error) = &response {
            log::warn!("execution failed: {error}");
        }
        frame::send(host, &response)?;
        if let Err(WorkerError::InternalError(InternalValidationError::CouldNotOpenFile(what))) =
            response
        {
            // The host does not keep a worker without an artifact.
            return Err(io::Error::other(what).into());
        }
    }
}

/// Receives a message. A host that sends anything else is told that there is no understanding.
fn receive<T: DecodeAll>(host: &mut UnixStream, limit: usize) -> Result<T, frame::FrameError> {
    frame::receive(host, limit).inspect_err(|error| {
        if !matches!(error, frame::FrameError::Io(_)) {
            let error = InternalValidationError::HostCommunication(error.to_string());
            let response: ExecuteResponse = Err(error.into());
            // The worker ends in any case.
            let _ = frame::send(host, &response);
        }
    })
}

/// Why an artifact's bytes are not a PVF in memory.
#[derive(Debug, thiserror::Error)]
enum Unplaced {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Places an artifact in memory that nobody can change: from there code is executed where it lies. In the file on disk, bytes could
/// change after they were checked.
#[allow(unsafe_code, reason = "code is executed as the host says it was made")]
fn place(bytes: &[u8], parameters: &HostParameters) -> Result<Pvf, Unplaced> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("pvf-artifact", flags).map_err(io::Error::from)?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).map_err(io::Error::from)?;
    // SAFETY: the host's prepare worker made the artifact (who can write to where a node keeps them can do anything to it), and no one
    // can change the file any more.
    let module = unsafe { Module::open(&file) }?;
    Ok(Pvf::new(module, parameters.clone()))
}

fn answer(
    options: &JobOptions,
    job: &dyn ExecuteJob,
    request: &ExecuteRequest,
    pvf: &Pvf,
) -> ExecuteResponse {
    let ended = job::run(options, |_| work(job, request, pvf));
    let ended = ended.map_err(|error| match error {
        StartError::Pipe(_) => InternalValidationError::CouldNotCreatePipe(error.to_string()),
        StartError::System { .. } => InternalValidationError::Kernel(error.to_string()),
    })?;
    let died = |err| {
        let job_pid = ended.pid;
        Err(WorkerError::JobDied { err, job_pid })
    };
    match ended.end {
        End::Answered(Ok(Answer { response, pov_size })) => Ok(WorkerResponse {
            job_response: response,
            duration: ended.cpu_time,
            pov_size,
        }),
        End::TimedOut | End::Answered(Err(JobError::TimedOut)) => Err(WorkerError::JobTimedOut),
        End::Answered(Err(error)) => Err(error.into()),
        End::OutOfMemory => died("out of memory".to_owned()),
        End::Died(how) => died(how),
        End::Unintelligible(what) => died(format!("unintelligible answer: {what}")),
        End::UnexpectedStatus(status) => Err(JobError::UnexpectedExitStatus(status).into()),
    }
}

/// What there is to say without a PVF.
fn not_loaded(failure: ArtifactFailure<Unplaced>) -> ExecuteResponse {
    match failure {
        ArtifactFailure::Io(error) | ArtifactFailure::Use(Unplaced::Io(error)) => {
            Err(InternalValidationError::CouldNotOpenFile(error.to_string()).into())
        }
        // Nothing of the PVF is to blame: the machine cannot run what its own prepare worker makes.
        ArtifactFailure::Use(Unplaced::Load(error @ LoadError::Processor(_))) => {
            Err(InternalValidationError::Kernel(error.to_string()).into())
        }
        // How much memory it takes is up to the PVF.
        ArtifactFailure::Use(Unplaced::Load(LoadError::Failure(failure))) => {
            Err(JobError::Kernel(failure.to_string()).into())
        }
        ArtifactFailure::Checksum | ArtifactFailure::Use(_) => corrupted(&failure),
    }
}

/// That the artifact is not the one that was prepared. No job was started.
pub(crate) fn corrupted(why: &dyn Display) -> ExecuteResponse {
    log::warn!("the artifact is corrupted: {why}");
    Ok(WorkerResponse {
        job_response: JobResponse::CorruptedArtifact,
        duration: Duration::ZERO,
        pov_size: 0,
    })
}

/// In the job.
fn work(job: &dyn ExecuteJob, request: &ExecuteRequest, pvf: &Pvf) -> Result<Answer, JobError> {
    let block_data = &request.pov.block_data;
    let Ok(block_data) = sp_maybe_compressed_blob::decompress(block_data, POV_BOMB_LIMIT) else {
        return Ok(Answer {
            response: JobResponse::PoVDecompressionFailure,
            pov_size: 0,
        });
    };
    let candidate = candidate(request, &block_data);
    Ok(Answer {
        response: job.execute(pvf, &candidate)?,
        pov_size: u32::try_from(block_data.len()).unwrap_or(u32::MAX),
    })
}

/// The bytes that `validate_block` is given: the encoding of [`pvf_wire::ValidationParams`] and, by the descriptor's version, of what
/// follows it.
fn candidate(request: &ExecuteRequest, block_data: &[u8]) -> Vec<u8> {
    let pvd = &request.pvd;
    let mut bytes = Vec::with_capacity(block_data.len() + pvd.parent_head.len() + 128);
    pvd.parent_head.encode_to(&mut bytes);
    block_data.encode_to(&mut bytes);
    pvd.relay_parent_number.encode_to(&mut bytes);
    pvd.relay_parent_storage_root.encode_to(&mut bytes);
    match request.descriptor_version {
        CandidateDescriptorVersion::V3 => {
            let extension = ValidationParamsExtension::V3 {
                relay_parent: request.relay_parent,
                scheduling_parent: request.scheduling_parent,
            };
            extension.encode_to(&mut bytes);
        }
        CandidateDescriptorVersion::V1
        | CandidateDescriptorVersion::V2
        | CandidateDescriptorVersion::Unknown(_) => {}
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_wire::{ArtifactChecksum, PersistedValidationData, PoV, ValidationParams};

    #[test]
    fn the_candidate_is_what_the_types_say() {
        let mut request = ExecuteRequest {
            pvd: PersistedValidationData {
                parent_head: vec![1; 100],
                relay_parent_number: 7,
                relay_parent_storage_root: [2; 32],
                max_pov_size: 5,
            },
            pov: PoV::default(),
            execution_timeout: Duration::ZERO,
            artifact_checksum: ArtifactChecksum::default(),
            relay_parent: [3; 32],
            scheduling_parent: [4; 32],
            descriptor_version: CandidateDescriptorVersion::V2,
        };
        let params = ValidationParams {
            parent_head: vec![1; 100],
            block_data: vec![9; 1000],
            relay_parent_number: 7,
            relay_parent_storage_root: [2; 32],
        };
        assert_eq!(candidate(&request, &[9; 1000]), params.encode());
        request.descriptor_version = CandidateDescriptorVersion::V3;
        let extended = [&params.encode()[..], &[3], &[3; 32], &[4; 32]].concat();
        assert_eq!(candidate(&request, &[9; 1000]), extended);
        request.descriptor_version = CandidateDescriptorVersion::Unknown(Some(9));
        assert_eq!(candidate(&request, &[9; 1000]), params.encode());
    }
}

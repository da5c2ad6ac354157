//! The service: requests, the order of attempts, and the verdict from a worker's response.

use super::cache::{Cache, CacheOptions, Key};
use super::instance::Instance;
use super::metrics::Metrics;
use super::pool::Pool;
use super::private::NotPrivate;
use super::recorder::{Recorder, Recording};
use crate::observation::blake2_256;
use crate::{
    Launch, PREPARE_ANSWER_BYTES, Process, ProcessError, execute_answer_bytes, patience, security,
};
use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteResponse, InternalValidationError, JobResponse, PrepareError, PrepareJobKind,
    PrepareRequest, PrepareResponse, SecurityStatus, Verification, WorkerError, frame::FrameError,
};
use pvf_primitives::{
    ExecutorParams, Hash, Network, PersistedValidationData, PoV, PvfExecKind, PvfPrepKind,
    ValidationResult,
};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How to run a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Directory of the two workers.
    pub workers: PathBuf,
    /// The cache of artifacts.
    pub cache: CacheOptions,
    /// Largest number of prepare workers.
    pub prepare_workers: NonZeroUsize,
    /// Largest number of execute workers.
    pub execute_workers: NonZeroUsize,
    /// Whether to start on a machine that does not allow all barriers around the workers.
    pub tolerate_missing_barriers: bool,
    /// When the workers verify machine code.
    pub verification: Verification,
    /// Where every candidate is kept; `None` if none is.
    pub record: Option<Recording>,
}

impl Options {
    /// One worker of each kind per processor; all barriers are required.
    pub fn new(workers: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: workers.into(),
            cache: CacheOptions::new(cache),
            prepare_workers: processors,
            execute_workers: processors,
            tolerate_missing_barriers: false,
            verification: Verification::default(),
            record: None,
        }
    }
}

/// The rules of preparations and executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The executor parameters of the session.
    pub executor_params: ExecutorParams,
    /// CPU time that a preparation may take.
    pub prepare_timeout: Duration,
    /// CPU time that an execution may take.
    pub execute_timeout: Duration,
    /// Largest size of code after decompression, in bytes.
    pub code_bytes: u32,
}

impl Rules {
    /// The rules of an approval on a network, as far as [`Network`] knows the network's parameters.
    pub fn of_network(network: Network) -> Self {
        Self::of_session(network.executor_params())
    }

    /// The rules of an approval in a session with these parameters.
    pub fn of_session(executor_params: ExecutorParams) -> Self {
        let prepare = executor_params.pvf_prep_timeout(PvfPrepKind::Prepare);
        Self {
            prepare_timeout: prepare.unwrap_or(Duration::from_secs(360)),
            execute_timeout: executor_params.exec_timeout(PvfExecKind::Approval),
            code_bytes: 50 << 20,
            executor_params,
        }
    }
}

impl Default for Rules {
    /// The rules of an approval on Polkadot.
    fn default() -> Self {
        Self::of_network(Network::Polkadot)
    }
}

/// A candidate to validate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The relay chain's part of the candidate.
    pub pvd: PersistedValidationData,
    /// The collator's part of the candidate.
    pub pov: PoV,
    /// Hash of the relay chain's block that the candidate was built on.
    pub relay_parent: Hash,
    /// Hash of the relay chain's block by which the candidate is scheduled.
    pub scheduling_parent: Hash,
    /// Version of the descriptor, which decides the parameters of the PVF.
    pub descriptor_version: CandidateDescriptorVersion,
}

impl Candidate {
    /// A candidate with a descriptor of version 2: the PVF receives neither parent.
    pub fn new(pvd: PersistedValidationData, pov: PoV) -> Self {
        Self {
            pvd,
            pov,
            relay_parent: Hash::default(),
            scheduling_parent: Hash::default(),
            descriptor_version: CandidateDescriptorVersion::V2,
        }
    }
}

/// The verdict on a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The candidate is valid.
    Valid(ValidationResult),
    /// The candidate is invalid, or both attempts to execute it failed. The text is the reason.
    Invalid(String),
}

/// Why there is no [`Judgement`].
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The preparation of the code failed. [`PrepareError::is_deterministic`] says whether every
    /// attempt would fail.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A worker reports that the machine failed.
    #[error(transparent)]
    Internal(#[from] InternalValidationError),
    /// A worker did not start, or a prepare worker did not answer.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The machine does not allow all barriers that the options require.
    #[error("this machine does not allow all barriers: {0:?}")]
    Barriers(SecurityStatus),
    /// Another user could change the cache, or its directory cannot be created.
    #[error("the cache's directory: {0}")]
    Directory(#[from] NotPrivate),
    /// Reading or writing the cache failed.
    #[error("cache: {0}")]
    Cache(#[from] io::Error),
    /// The recorder cannot be started.
    #[error("recording: {0}")]
    Record(io::Error),
    /// The metrics cannot be created.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// An execute worker, which uses one set of parameters until it exits.
struct Executor {
    process: Process,
    params: ExecutorParams,
}

/// A pool of workers with a cache of artifacts. See the documentation of [`service`](super).
pub struct Service {
    // Fields are dropped in this order: workers before `instance`, which holds their directories.
    preparers: Pool<Process>,
    executors: Pool<Executor>,
    checksums: Mutex<HashMap<Key, ArtifactChecksum>>,
    cache: Cache,
    instance: Instance,
    security: SecurityStatus,
    verification: Verification,
    prepare_program: PathBuf,
    execute_program: PathBuf,
    /// Hash of the prepare worker's program: another program makes other artifacts.
    preparer: Hash,
    metrics: Metrics,
    recorder: Option<Recorder>,
}

/// Which attempt to execute a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    Last,
}

/// Why an execution gave no verdict and is tried once more.
enum Doubt {
    /// The worker or its job died or failed, as this text says.
    Died(String),
    /// The artifact may be the cause, so the next attempt prepares a new one.
    Artifact(String),
    /// The machine may be the cause.
    Machine(InternalValidationError),
    /// This process could not speak with the worker, which has not ended.
    Unheard(ProcessError),
}

impl Service {
    /// Checks the machine's barriers and opens the cache. Workers are started on demand.
    ///
    /// # Errors
    /// There is no prepare worker, the cache cannot be used, or barriers are missing.
    pub fn start(options: Options) -> Result<Self, ServiceError> {
        let prepare_program = options.workers.join("polkadot-prepare-worker");
        let started = |source| ProcessError::Start {
            program: prepare_program.clone(),
            source,
        };
        let program = fs::read(&prepare_program).map_err(started)?;
        let cache = Cache::open(options.cache)?;
        let instance = Instance::new(&cache.place("instances"))?;
        let to_try = instance.fresh_path();
        fs::create_dir(&to_try)?;
        let mut security = security(&prepare_program, &to_try).map_err(started)?;
        security.secure_validator_mode = !options.tolerate_missing_barriers;
        if security != SecurityStatus::ALL && !options.tolerate_missing_barriers {
            return Err(ServiceError::Barriers(security));
        }
        let metrics = Metrics::new()?;
        let recorder = options.record.map(|recording| {
            let recorder = Recorder::new(recording, metrics.not_recorded.clone());
            recorder.map_err(ServiceError::Record)
        });
        Ok(Self {
            preparers: Pool::new(options.prepare_workers),
            executors: Pool::new(options.execute_workers),
            checksums: Mutex::default(),
            cache,
            instance,
            security,
            verification: options.verification,
            execute_program: options.workers.join("polkadot-execute-worker"),
            prepare_program,
            preparer: blake2_256(&program),
            metrics,
            recorder: recorder.transpose()?,
        })
    }

    /// The barriers that the machine allows, and whether the service requires them.
    pub fn security(&self) -> SecurityStatus {
        self.security
    }

    /// What the service counts, to be registered with a Prometheus registry.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Prepares code whose artifact is not in the cache, so that later executions begin at once.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn prepare(&self, code: &[u8], rules: &Rules) -> Result<(), ServiceError> {
        let key = Key::new(&self.preparer, code);
        match self.cache.has(&key)? {
            true => Ok(()),
            false => self.prepare_anew(&key, code, rules).map(|_| ()),
        }
    }

    /// Validates a candidate.
    ///
    /// # Errors
    /// [`ServiceError`]: the candidate could not be judged.
    pub fn validate(
        &self,
        code: &[u8],
        candidate: &Candidate,
        rules: &Rules,
    ) -> Result<Judgement, ServiceError> {
        let judged = self.judge(code, candidate, rules);
        self.metrics.judged(&judged);
        judged
    }

    /// Executes once or twice.
    fn judge(
        &self,
        code: &[u8],
        candidate: &Candidate,
        rules: &Rules,
    ) -> Result<Judgement, ServiceError> {
        let key = Key::new(&self.preparer, code);
        let doubt = match self.execute(&key, code, candidate, rules, Attempt::First)? {
            Ok(judgement) => return Ok(judgement),
            Err(doubt) => doubt,
        };
        self.metrics.retried();
        if let Doubt::Artifact(_) = doubt {
            self.forget(&key)?;
        }
        match self.execute(&key, code, candidate, rules, Attempt::Last)? {
            Ok(judgement) => Ok(judgement),
            Err(Doubt::Died(what) | Doubt::Artifact(what)) => Ok(Judgement::Invalid(what)),
            Err(Doubt::Machine(error)) => Err(error.into()),
            Err(Doubt::Unheard(error)) => Err(error.into()),
        }
    }

    /// Executes once, in a worker with the parameters of `rules`.
    fn execute(
        &self,
        key: &Key,
        code: &[u8],
        candidate: &Candidate,
        rules: &Rules,
        attempt: Attempt,
    ) -> Result<Result<Judgement, Doubt>, ServiceError> {
        let fits = |executor: &Executor| executor.params == rules.executor_params;
        let mut lease = self.executors.lease(fits);
        let mut executor = match lease.thing.take() {
            Some(executor) => executor,
            None => self.start_executor(&rules.executor_params)?,
        };
        let artifact = executor.process.directory().join("artifact");
        let artifact_checksum = self.provide(key, code, rules, &artifact)?;
        let request = ExecuteRequest {
            pvd: candidate.pvd.clone(),
            pov: candidate.pov.clone(),
            execution_timeout: rules.execute_timeout,
            artifact_checksum,
            relay_parent: candidate.relay_parent,
            scheduling_parent: candidate.scheduling_parent,
            descriptor_version: candidate.descriptor_version,
        };
        let patience = patience(rules.execute_timeout);
        let most = execute_answer_bytes(&executor.params);
        let asked = Instant::now();
        let response: Result<ExecuteResponse, ProcessError> =
            executor.process.ask(&request, most, patience);
        let seconds = asked.elapsed().as_secs_f64();
        self.metrics.execute_seconds.observe(seconds);
        if let Ok(Ok(response)) = &response {
            let cpu_time = response.duration.as_secs_f64();
            self.metrics.execute_cpu_seconds.inc_by(cpu_time);
        }
        let cleared = fs::remove_file(&artifact);
        // A worker whose job failed in any way is not used again.
        if matches!(response, Ok(Ok(_))) && cleared.is_ok() {
            lease.thing = Some(executor);
        }
        let recorder = self.recorder.as_ref();
        let said = recorder.and_then(|it| Some((it, response.as_ref().ok()?.clone())));
        let judged = judge(response);
        // The verdict of a candidate that is tried again is that of the second attempt.
        if let Some((recorder, said)) = said
            && (judged.is_ok() || attempt == Attempt::Last)
        {
            recorder.see(key, code, &rules.executor_params, request, said);
        }
        Ok(judged)
    }

    fn start_executor(&self, params: &ExecutorParams) -> Result<Executor, ServiceError> {
        let mut process = self.start_process(&self.execute_program, "execute-worker")?;
        let params = params.clone();
        let handshake = ExecuteHandshake {
            executor_params: params.clone(),
        };
        process.tell(&handshake)?;
        Ok(Executor { process, params })
    }

    fn start_process(
        &self,
        program: &Path,
        command: &'static str,
    ) -> Result<Process, ServiceError> {
        let directory = self.instance.fresh_path();
        let arguments = self.verification.options().map(OsString::from);
        let launch = Launch {
            arguments: arguments.collect(),
            ..Launch::new(program, command, self.security)
        };
        let process = Process::start(&launch, directory)?;
        let kind = command.strip_suffix("-worker").unwrap_or(command);
        self.metrics.worker_started(kind);
        Ok(process)
    }

    /// Links an artifact to the path `to`, where a worker reads it, and returns its checksum.
    /// Prepares the artifact if the cache does not have it. Another process may remove it before it
    /// is linked, so there are several attempts.
    fn provide(
        &self,
        key: &Key,
        code: &[u8],
        rules: &Rules,
        to: &Path,
    ) -> Result<ArtifactChecksum, ServiceError> {
        /// Only many processes with a tiny limit of cached bytes can need more attempts.
        const TRIES: u32 = 10;
        for _ in 0..TRIES {
            let checksum = match self.checksum(key)? {
                Some(checksum) => checksum,
                None => self.prepare_anew(key, code, rules)?,
            };
            if self.cache.link(key, to)? {
                return Ok(checksum);
            }
            self.forget(key)?;
        }
        Err(io::Error::other("other processes remove the artifact before it can be used").into())
    }

    /// The checksum of an artifact, if the cache has it. The checksum may be remembered from
    /// earlier: a worker reports an artifact that was damaged since.
    fn checksum(&self, key: &Key) -> io::Result<Option<ArtifactChecksum>> {
        if let Some(checksum) = self.known().get(key) {
            return Ok(Some(*checksum));
        }
        let checksum = self.cache.checksum(key)?;
        if let Some(checksum) = checksum {
            self.known().insert(*key, checksum);
        }
        Ok(checksum)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Key, ArtifactChecksum>> {
        self.checksums
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, key: &Key) -> io::Result<()> {
        self.known().remove(key);
        self.cache.discard(key)
    }

    /// Waits for the artifact's lock, then prepares the code and inserts the artifact, unless
    /// another thread or process has done so meanwhile.
    fn prepare_anew(
        &self,
        key: &Key,
        code: &[u8],
        rules: &Rules,
    ) -> Result<ArtifactChecksum, ServiceError> {
        let _lock = self.cache.lock(key)?;
        if self.cache.has(key)?
            && let Some(checksum) = self.checksum(key)?
        {
            return Ok(checksum);
        }
        let mut lease = self.preparers.lease(|_| true);
        let mut process = match lease.thing.take() {
            Some(process) => process,
            None => self.start_process(&self.prepare_program, "prepare-worker")?,
        };
        let artifact = process.directory().join("tmp-artifact");
        fs::write(&artifact, [])?;
        let request = PrepareRequest {
            maybe_compressed_code: code.to_vec(),
            validation_code_bomb_limit: rules.code_bytes,
            code_hash: blake2_256(code),
            executor_params: rules.executor_params.clone(),
            prep_timeout: rules.prepare_timeout,
            prep_kind: PrepareJobKind::Compilation,
        };
        let patience = patience(rules.prepare_timeout);
        let asked = Instant::now();
        let response: PrepareResponse = process.ask(&request, PREPARE_ANSWER_BYTES, patience)?;
        let seconds = asked.elapsed().as_secs_f64();
        self.metrics.prepare_seconds.observe(seconds);
        self.metrics.prepared(response.as_ref().err());
        let checksum = response.as_ref().ok().map(|success| success.checksum);
        match checksum {
            Some(checksum) => {
                self.cache.insert(key, &artifact)?;
                self.known().insert(*key, checksum);
            }
            None => fs::remove_file(&artifact)?,
        }
        // A failure that the code caused does not harm the worker.
        if response
            .as_ref()
            .err()
            .is_none_or(PrepareError::is_deterministic)
        {
            lease.thing = Some(process);
        }
        Ok(response?.checksum)
    }
}

/// Whether an error of a connection means that the other end is gone. All others are failures of
/// this machine.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The verdict for a worker's response, by the rules of a node.
fn judge(response: Result<ExecuteResponse, ProcessError>) -> Result<Judgement, Doubt> {
    let response = match response {
        // The worker is late: a node votes against the candidate then.
        Err(ProcessError::Failed(FrameError::Io(error)))
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            return Ok(Judgement::Invalid("time is up".to_owned()));
        }
        Err(ProcessError::Failed(FrameError::Io(error))) if !is_end(&error) => {
            return Err(Doubt::Unheard(ProcessError::Failed(error.into())));
        }
        Err(error) => return Err(Doubt::Died(error.to_string())),
        Ok(response) => response,
    };
    let invalid = |reason: &str| Ok(Judgement::Invalid(reason.to_owned()));
    match response {
        Ok(response) => match response.job_response {
            JobResponse::Ok { result_descriptor } => Ok(Judgement::Valid(result_descriptor)),
            JobResponse::InvalidCandidate(reason) => invalid(&reason),
            JobResponse::PoVDecompressionFailure => {
                invalid("the block data cannot be decompressed")
            }
            JobResponse::RuntimeConstruction(reason) => Err(Doubt::Artifact(reason)),
            JobResponse::CorruptedArtifact => {
                Err(Doubt::Artifact("the artifact is corrupted".to_owned()))
            }
        },
        Err(WorkerError::JobTimedOut) => invalid("time is up"),
        Err(WorkerError::InternalError(error)) => Err(Doubt::Machine(error)),
        Err(error @ (WorkerError::JobDied { .. } | WorkerError::JobError(_))) => {
            Err(Doubt::Died(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_that_is_gone_speaks_against_a_candidate() {
        let failed = |error: io::Error| judge(Err(ProcessError::Failed(error.into())));
        for gone in [nix::libc::EPIPE, nix::libc::ECONNRESET] {
            let judged = failed(io::Error::from_raw_os_error(gone));
            assert!(matches!(judged, Err(Doubt::Died(_))), "{gone}");
        }
        let end = io::Error::from(io::ErrorKind::UnexpectedEof);
        assert!(matches!(failed(end), Err(Doubt::Died(_))));
        for ours in [nix::libc::ENOMEM, nix::libc::EIO, nix::libc::ENOBUFS] {
            let judged = failed(io::Error::from_raw_os_error(ours));
            assert!(matches!(judged, Err(Doubt::Unheard(_))), "{ours}");
        }
    }
}

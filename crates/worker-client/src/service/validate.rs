//! The service: what is asked, in which order things are tried, what becomes of answers.

use super::cache::{Cache, CacheOptions, Key};
use super::instance::Instance;
use super::pool::Pool;
use super::private::NotPrivate;
use crate::{
    EXECUTE_ANSWER_BYTES, Launch, PREPARE_ANSWER_BYTES, Process, ProcessError, patience, security,
};
use blake2::digest::{Digest, consts::U32};
use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteResponse, InternalValidationError, JobResponse, PrepareError, PrepareJobKind,
    PrepareRequest, PrepareResponse, SecurityStatus, WorkerError,
};
use pvf_primitives::{
    ExecutorParams, Hash, Network, PersistedValidationData, PoV, PvfExecKind, PvfPrepKind,
    ValidationResult,
};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How to run a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Directory of the two workers.
    pub workers: PathBuf,
    /// Where artifacts are kept.
    pub cache: CacheOptions,
    /// Most prepare workers.
    pub prepare_workers: NonZeroUsize,
    /// Most execute workers.
    pub execute_workers: NonZeroUsize,
    /// Whether to go on where the machine does not allow all barriers around the workers.
    pub tolerate_missing_barriers: bool,
}

impl Options {
    /// One worker of each kind for each processor, all barriers.
    pub fn new(workers: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: workers.into(),
            cache: CacheOptions::new(cache),
            prepare_workers: processors,
            execute_workers: processors,
            tolerate_missing_barriers: false,
        }
    }
}

/// The rules of preparations and executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Those of the network.
    pub executor_params: ExecutorParams,
    /// CPU time of a preparation.
    pub prepare_timeout: Duration,
    /// CPU time of an execution.
    pub execute_timeout: Duration,
    /// Largest size of code, decompressed.
    pub code_bytes: u32,
}

impl Rules {
    /// What a node on a network does for an approval, as far as [`Network`] knows what the network has set.
    pub fn of_network(network: Network) -> Self {
        Self::of_session(network.executor_params())
    }

    /// What a node does for an approval in a session with these parameters.
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
    /// What a node on Polkadot does for an approval.
    fn default() -> Self {
        Self::of_network(Network::Polkadot)
    }
}

/// What is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What the relay chain knows.
    pub pvd: PersistedValidationData,
    /// What the collator says.
    pub pov: PoV,
    /// Hash of the relay chain's block that the candidate was built on.
    pub relay_parent: Hash,
    /// Hash of the relay chain's block that it is scheduled by.
    pub scheduling_parent: Hash,
    /// Which parameters the PVF expects.
    pub descriptor_version: CandidateDescriptorVersion,
}

impl Candidate {
    /// With a descriptor of version 2, which tells the PVF nothing of either parent.
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

/// What there is to say about a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is valid.
    Valid(ValidationResult),
    /// It is not, or fails as often as it is tried.
    Invalid(String),
}

/// Why there is no judgement.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The code cannot be prepared. [`PrepareError::is_deterministic`] says whether it ever can.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The machine failed, as a worker says.
    #[error(transparent)]
    Internal(#[from] InternalValidationError),
    /// A worker failed that had nothing to do with any code yet.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The machine does not allow all barriers.
    #[error("this machine does not allow all barriers: {0:?}")]
    Barriers(SecurityStatus),
    /// Somebody else could change what is in the cache, or it cannot be made.
    #[error("the cache's directory: {0}")]
    Directory(#[from] NotPrivate),
    /// The cache failed.
    #[error("cache: {0}")]
    Cache(#[from] io::Error),
}

/// An execute worker, which serves one set of parameters for life.
struct Executor {
    process: Process,
    params: ExecutorParams,
}

/// A pool of workers with a cache of artifacts. See the [crate]'s documentation.
pub struct Service {
    // Dropped in this order: workers go before the place of their directories.
    preparers: Pool<Process>,
    executors: Pool<Executor>,
    checksums: Mutex<HashMap<Key, ArtifactChecksum>>,
    cache: Cache,
    instance: Instance,
    security: SecurityStatus,
    prepare_program: PathBuf,
    execute_program: PathBuf,
    /// Hash of the program that prepares: other programs make other artifacts.
    preparer: Hash,
}

/// How an execution ended that may be tried again.
enum Doubt {
    /// Something died. What, in words.
    Died(String),
    /// The artifact may be to blame.
    Artifact(String),
    /// The machine may be to blame.
    Machine(InternalValidationError),
}

impl Service {
    /// Looks at the machine and at the cache. Workers are started later.
    ///
    /// # Errors
    /// There is no worker, the cache cannot be used, or barriers are missing.
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
        Ok(Self {
            preparers: Pool::new(options.prepare_workers),
            executors: Pool::new(options.execute_workers),
            checksums: Mutex::default(),
            cache,
            instance,
            security,
            execute_program: options.workers.join("polkadot-execute-worker"),
            prepare_program,
            preparer: blake2::Blake2b::<U32>::digest(&program).into(),
        })
    }

    /// What the machine allows.
    pub fn security(&self) -> SecurityStatus {
        self.security
    }

    /// Prepares code, unless that has been done, so that executions of it begin at once.
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

    /// Judges a candidate.
    ///
    /// # Errors
    /// [`ServiceError`]: there is no judgement.
    pub fn validate(
        &self,
        code: &[u8],
        candidate: &Candidate,
        rules: &Rules,
    ) -> Result<Judgement, ServiceError> {
        let key = Key::new(&self.preparer, code);
        let doubt = match self.execute(&key, code, candidate, rules)? {
            Ok(judgement) => return Ok(judgement),
            Err(doubt) => doubt,
        };
        if let Doubt::Artifact(_) = doubt {
            self.forget(&key)?;
        }
        match self.execute(&key, code, candidate, rules)? {
            Ok(judgement) => Ok(judgement),
            Err(Doubt::Died(what) | Doubt::Artifact(what)) => Ok(Judgement::Invalid(what)),
            Err(Doubt::Machine(error)) => Err(error.into()),
        }
    }

    /// One execution, in a worker with the right parameters.
    fn execute(
        &self,
        key: &Key,
        code: &[u8],
        candidate: &Candidate,
        rules: &Rules,
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
        let response = executor
            .process
            .ask(&request, EXECUTE_ANSWER_BYTES, patience);
        let cleared = fs::remove_file(&artifact);
        // A worker whose job did anything strange is not used again.
        if matches!(response, Ok(Ok(_))) && cleared.is_ok() {
            lease.thing = Some(executor);
        }
        Ok(judge(response))
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
        let launch = Launch::new(program, command, self.security);
        Ok(Process::start(&launch, directory)?)
    }

    /// Puts an artifact where a worker looks for it; its checksum. Prepares it as often as it takes: another process may
    /// remove it at any time.
    fn provide(
        &self,
        key: &Key,
        code: &[u8],
        rules: &Rules,
        to: &Path,
    ) -> Result<ArtifactChecksum, ServiceError> {
        /// More often than this it goes only if many processes want a cache of next to nothing.
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
        Err(io::Error::other("artifacts are removed as soon as they are there").into())
    }

    /// The checksum of an artifact that is there. If its bytes are damaged the worker will say so.
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

    /// Prepares code and takes the artifact in, unless somebody else has done so by the time that it is our turn.
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
            code_hash: blake2::Blake2b::<U32>::digest(code).into(),
            executor_params: rules.executor_params.clone(),
            prep_timeout: rules.prepare_timeout,
            prep_kind: PrepareJobKind::Compilation,
        };
        let patience = patience(rules.prepare_timeout);
        let response: PrepareResponse = process.ask(&request, PREPARE_ANSWER_BYTES, patience)?;
        let checksum = response.as_ref().ok().map(|success| success.checksum);
        match checksum {
            Some(checksum) => {
                self.cache.insert(key, &artifact)?;
                self.known().insert(*key, checksum);
            }
            None => fs::remove_file(&artifact)?,
        }
        // What failed by the code's fault has left the worker as it was.
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

/// From an answer to what it means, by the rules of a node.
fn judge(response: Result<ExecuteResponse, ProcessError>) -> Result<Judgement, Doubt> {
    let response = match response {
        // Nobody waits longer for it, whatever it is.
        Err(ProcessError::Failed(pvf_node_protocol::frame::FrameError::Io(error)))
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ) =>
        {
            return Ok(Judgement::Invalid("time is up".to_owned()));
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

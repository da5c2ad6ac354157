//! Tries installed workers without a node: every kind of answer, with a validation function of a few bytes.
//!
//! [`try_workers`] starts the workers as a node does, with the barriers that the machine offers, and as the user that
//! calls it. A failed step has a reason; it does not end the others.

use crate::install::PROGRAMS;
use crate::{Launch, PREPARE_ANSWER_BYTES, Process, execute_answer_bytes, patience, security};
use pvf_node_protocol::{
    ArtifactChecksum, CandidateDescriptorVersion, ExecuteHandshake, ExecuteRequest,
    ExecuteResponse, JobResponse, PrepareJobKind, PrepareRequest, PrepareResponse, SecurityStatus,
    WorkerError,
};
use pvf_primitives::{ExecutorParams, PersistedValidationData, PoV};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The validation function that [`try_workers`] needs, in the text format. The caller converts it.
pub const CODE: &str = include_str!("smoke.wat");

/// The head data of its results.
const HEAD: &[u8] = b"pvf";

/// What it writes to the log.
const LOG_LINE: &str = "a line of the log of a candidate";

/// CPU time of a job.
const AMPLE: Duration = Duration::from_secs(20);

/// CPU time of the job that never ends.
const SHORT: Duration = Duration::from_millis(200);

/// What was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was tried.
    pub name: &'static str,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed.
    pub result: Result<(), String>,
}

/// The workers of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The barriers that the machine offers this user, which the workers set up.
    pub security: SecurityStatus,
    /// The steps in their order.
    pub steps: Vec<Step>,
}

impl Tried {
    /// Whether every step succeeded.
    pub fn is_fine(&self) -> bool {
        self.steps.iter().all(|step| step.result.is_ok())
    }
}

/// Tries the workers in `directory` with `wasm`, the binary form of [`CODE`], and with the parameters of a network.
/// Files lie in a temporary directory.
///
/// # Errors
/// There is no temporary directory, or the prepare worker cannot be started at all.
pub fn try_workers(directory: &Path, wasm: &[u8], params: &ExecutorParams) -> io::Result<Tried> {
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    fs::create_dir(&root)?;
    let security = security(&directory.join(PROGRAMS[0]), &root)?;
    let trial = Trial {
        directory,
        scratch: scratch.path(),
        security,
        params,
    };
    let mut steps = Vec::new();
    let artifact = took(&mut steps, "prepares code", || trial.prepare(wasm));
    took(&mut steps, "refuses what is not code", || {
        match trial.prepare(b"no code") {
            Ok(_) => Err("an artifact of it".to_owned()),
            Err(_) => Ok(()),
        }
    });
    if let Some(artifact) = artifact {
        trial.execute_all(&artifact, &mut steps);
    }
    Ok(Tried { security, steps })
}

/// Runs a step, and returns what it made.
fn took<T>(
    steps: &mut Vec<Step>,
    name: &'static str,
    step: impl FnOnce() -> Result<T, String>,
) -> Option<T> {
    let started = Instant::now();
    let made = step();
    let duration = started.elapsed();
    let (made, result) = match made {
        Ok(made) => (Some(made), Ok(())),
        Err(why) => (None, Err(why)),
    };
    steps.push(Step {
        name,
        duration,
        result,
    });
    made
}

/// What all steps share.
struct Trial<'a> {
    directory: &'a Path,
    scratch: &'a Path,
    security: SecurityStatus,
    params: &'a ExecutorParams,
}

impl Trial<'_> {
    fn start(&self, program: &str, command: &'static str) -> Result<Process, String> {
        let launch = Launch {
            log: "error".into(),
            stderr: Some(self.log()),
            ..Launch::new(self.directory.join(program), command, self.security)
        };
        Process::start(&launch, self.scratch.join(command)).map_err(|error| self.with_log(&error))
    }

    /// The file of what workers write to their standard error.
    fn log(&self) -> PathBuf {
        self.scratch.join("log")
    }

    /// A failure with the last line of the workers' log, which may explain it.
    fn with_log(&self, error: &dyn std::fmt::Display) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        match log.lines().last() {
            Some(line) => format!("{error}; the worker's log: {line}"),
            None => error.to_string(),
        }
    }

    fn prepare(&self, wasm: &[u8]) -> Result<Vec<u8>, String> {
        let mut worker = self.start(PROGRAMS[0], "prepare-worker")?;
        // A node creates the file, and takes it after the answer.
        let file = worker.directory().join("tmp-artifact");
        fs::write(&file, []).map_err(|error| error.to_string())?;
        let request = PrepareRequest {
            maybe_compressed_code: wasm.to_vec(),
            validation_code_bomb_limit: 1 << 20,
            code_hash: [0; 32],
            executor_params: self.params.clone(),
            prep_timeout: AMPLE,
            prep_kind: PrepareJobKind::Prechecking,
        };
        let answer = worker.ask(&request, PREPARE_ANSWER_BYTES, patience(AMPLE));
        let answer: PrepareResponse = answer.map_err(|error| self.with_log(&error))?;
        let success = answer.map_err(|error| error.to_string())?;
        let artifact = fs::read(&file).map_err(|error| error.to_string())?;
        match ArtifactChecksum::of(&artifact) == success.checksum {
            true => Ok(artifact),
            false => Err("the artifact's checksum is not that of the answer".to_owned()),
        }
    }

    fn execute_all(&self, artifact: &[u8], steps: &mut Vec<Step>) {
        let started = took(steps, "starts the execute worker", || {
            let mut worker = self.start(PROGRAMS[1], "execute-worker")?;
            let handshake = ExecuteHandshake {
                executor_params: self.params.clone(),
            };
            let told = worker.tell(&handshake);
            told.map(|()| worker).map_err(|error| self.with_log(&error))
        });
        let Some(mut worker) = started else { return };
        let mut execute = |script: &str, artifact: &[u8], checksum| {
            self.execute(&mut worker, script, artifact, checksum)
        };
        let checksum = ArtifactChecksum::of(artifact);
        took(steps, "executes a valid candidate", || {
            valid(&execute("valid", artifact, checksum)?)
        });
        took(steps, "rejects a candidate that traps", || {
            match execute("trap", artifact, checksum)? {
                Ok(job) if matches!(job.job_response, JobResponse::InvalidCandidate(_)) => Ok(()),
                other => Err(unexpected(&other)),
            }
        });
        took(steps, "passes on a line of the log", || {
            valid(&execute("log", artifact, checksum)?)?;
            let log = fs::read(self.log()).map_err(|error| error.to_string())?;
            match String::from_utf8_lossy(&log).contains(LOG_LINE) {
                true => Ok(()),
                false => Err("the line is not in the worker's standard error".to_owned()),
            }
        });
        took(steps, "ends a candidate that never ends", || match execute(
            "endless", artifact, checksum,
        )? {
            Err(WorkerError::JobTimedOut) => Ok(()),
            other => Err(unexpected(&other)),
        });
        took(steps, "refuses a damaged artifact", || {
            let mut damaged = artifact.to_vec();
            if let Some(byte) = damaged.last_mut() {
                *byte ^= 1;
            }
            match execute("valid", &damaged, checksum)? {
                Ok(job) if job.job_response == JobResponse::CorruptedArtifact => Ok(()),
                other => Err(unexpected(&other)),
            }
        });
        took(steps, "executes once more", || {
            valid(&execute("valid", artifact, checksum)?)
        });
    }

    fn execute(
        &self,
        worker: &mut Process,
        script: &str,
        artifact: &[u8],
        artifact_checksum: ArtifactChecksum,
    ) -> Result<ExecuteResponse, String> {
        let file = worker.directory().join("artifact");
        fs::write(&file, artifact).map_err(|error| error.to_string())?;
        let execution_timeout = match script {
            "endless" => SHORT,
            _ => AMPLE,
        };
        let request = ExecuteRequest {
            pvd: PersistedValidationData {
                max_pov_size: 1 << 20,
                ..PersistedValidationData::default()
            },
            pov: PoV {
                block_data: script.as_bytes().to_vec(),
            },
            execution_timeout,
            artifact_checksum,
            relay_parent: [0; 32],
            scheduling_parent: [0; 32],
            descriptor_version: CandidateDescriptorVersion::V2,
        };
        let most = execute_answer_bytes(&ExecutorParams::default());
        let answer = worker.ask(&request, most, patience(execution_timeout));
        // A node clears the directory after each job.
        let _ = fs::remove_file(&file);
        answer.map_err(|error| self.with_log(&error))
    }
}

fn valid(response: &ExecuteResponse) -> Result<(), String> {
    match response {
        Ok(job) => match &job.job_response {
            JobResponse::Ok { result_descriptor } if result_descriptor.head_data == HEAD => Ok(()),
            _ => Err(unexpected(response)),
        },
        Err(_) => Err(unexpected(response)),
    }
}

fn unexpected(response: &ExecuteResponse) -> String {
    match response {
        Ok(job) => format!("the answer is {:?}", job.job_response),
        Err(error) => format!("the answer is: {error}"),
    }
}

//! Execution by the primary engine, and by ours before an answer against a candidate.

use super::Engines;
use super::engine::Engine;
use super::pair::{self, PairError, Part, Which};
use super::rule::settle;
use crate::artifacts::{self, ArtifactFailure, Artifacts};
use crate::execute::{self, ARTIFACT_FILE};
use crate::job;
use crate::observation::{Executed, Observer};
use pvf_node_protocol::{
    ArtifactChecksum, ExecuteRequest, ExecuteResponse, InternalValidationError, WorkerError, frame,
};
use pvf_primitives::Hash;
use pvf_worker_client::ProcessError;
use std::cell::{OnceCell, RefCell};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The artifacts of a PVF, each in a file of its own.
struct Kept {
    /// Hash of the code.
    code: Hash,
    primary: KeptPart,
    // Shared with a shadow, which executes it after the cache may have dropped it.
    second: Option<Arc<KeptPart>>,
}

/// An artifact's file, which is removed when this is dropped.
#[derive(Debug)]
pub struct KeptPart {
    path: PathBuf,
    checksum: ArtifactChecksum,
    bytes: u64,
}

impl artifacts::Kept for Kept {
    fn bytes(&self) -> u64 {
        self.primary.bytes + self.second.as_ref().map_or(0, |part| part.bytes)
    }
}

impl Drop for KeptPart {
    fn drop(&mut self) {
        // A file that cannot be removed takes memory until the worker exits.
        let _ = fs::remove_file(&self.path);
    }
}

/// Why the host's artifact file was not split into the engines' artifacts.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("the checksum differs")]
    Checksum,
    #[error(transparent)]
    Pair(#[from] PairError),
}

impl Engines {
    /// Answers a host's requests to execute candidates until it hangs up.
    ///
    /// # Errors
    /// The connection failed, or the host sent a message that does not decode.
    pub fn execute(&mut self, host: &mut UnixStream) -> Result<(), frame::FrameError> {
        let params = execute::handshake(host)?.executor_params;
        for engine in [Some(&mut self.primary), self.second.as_mut()]
            .into_iter()
            .flatten()
        {
            engine.set_params(&params).map_err(io::Error::other)?;
        }
        let observer = self.observation.take().map(|observation| {
            let shadow = observation.shadow.and_then(|_| self.second.take());
            Observer::of_executions(observation, shadow, params)
        });
        let store = self.place.path("artifacts");
        fs::create_dir(&store)?;
        let mut artifacts = Artifacts::new();
        let mut number = 0_u64;
        let executed = RefCell::new(None);
        let answer = |mut request: ExecuteRequest| {
            let asked = Instant::now();
            let until = asked + job::patience_with_others(request.execution_timeout);
            let file = self.place.read_from_host(ARTIFACT_FILE);
            let file = file.and_then(artifacts::regular);
            let checksum = request.artifact_checksum;
            let kept = file.map_err(ArtifactFailure::Io).and_then(|file| {
                artifacts.get(file, checksum, |mut file, bytes, _| {
                    number += 1;
                    // A file that grows meanwhile is read up to its first length.
                    let all = (&file).take(bytes);
                    let read = ArtifactChecksum::of_reader(all).map_err(PairError::Io)?;
                    if read != checksum {
                        return Err(NotKept::Checksum);
                    }
                    file.rewind().map_err(PairError::Io)?;
                    Ok(take_apart(file, bytes, &store.join(number.to_string()))?)
                })
            });
            let response = match kept {
                Ok(kept) => {
                    let engines = (&mut self.primary, self.second.as_mut());
                    let response = execute_with_both(engines, kept, &mut request, until);
                    if observer.is_some() {
                        executed.replace(Some(Executed {
                            request,
                            response: response.clone(),
                            wall_time: asked.elapsed(),
                            code: kept.code,
                            artifact: kept.second.clone(),
                            candidate: OnceCell::new(),
                        }));
                    }
                    response
                }
                Err(failure) => not_kept(failure),
            };
            artifacts.trim();
            response
        };
        let afterwards = |_: &mut UnixStream| {
            if let (Some(observer), Some(executed)) = (&observer, executed.take()) {
                observer.see_execution(executed);
            }
            Ok(())
        };
        execute::converse(host, execute::receive_request, answer, afterwards, || None)
    }
}

/// Executes with the primary engine, and with the second one, if there is one, when [`settle`] asks for it.
fn execute_with_both(
    (primary, second): (&mut Engine, Option<&mut Engine>),
    kept: &Kept,
    request: &mut ExecuteRequest,
    until: Instant,
) -> ExecuteResponse {
    let answer = execute_with(primary, &kept.primary, request, until);
    let answer = answer.unwrap_or_else(|error| {
        log::error!(
            "the primary engine {}: {error}",
            primary.program().display()
        );
        not_answered(&error)
    });
    let Some(second) = second else {
        return answer;
    };
    settle(answer, || match &kept.second {
        Some(part) => execute_with(second, part, request, until).map_err(|error| error.to_string()),
        None => Err("it rejected the code".to_owned()),
    })
}

/// The answer to a host for an engine that gave none.
pub fn not_answered(error: &ProcessError) -> ExecuteResponse {
    let err = error.to_string();
    Err(match error.is_late() {
        // The worker neither answered nor died: as for a stalled job, the machine is at fault.
        true => InternalValidationError::Kernel(err).into(),
        false => WorkerError::JobDied { err, job_pid: 0 },
    })
}

/// Splits the host's artifact file of `bytes` bytes: writes each engine's artifact to a file of its own.
fn take_apart(file: File, bytes: u64, path: &Path) -> Result<Kept, PairError> {
    let (mut primary, mut second) = (None, None);
    let code = pair::read(file, bytes, |which, part| {
        let (kept, kind) = match which {
            Which::Primary => (&mut primary, "primary"),
            Which::Second => (&mut second, "second"),
        };
        let Part {
            checksum,
            bytes,
            artifact,
        } = part;
        // `KeptPart` is created first, so that its drop removes a file that cannot be written.
        let part = kept.insert(KeptPart {
            path: path.with_extension(kind),
            checksum,
            bytes,
        });
        io::copy(artifact, &mut File::create(&part.path)?)?;
        Ok(())
    })?;
    match primary {
        Some(primary) => Ok(Kept {
            code,
            primary,
            second: second.map(Arc::new),
        }),
        None => Err(PairError::NoPair("the first artifact is missing")),
    }
}

fn not_kept(failure: ArtifactFailure<NotKept>) -> ExecuteResponse {
    match failure {
        ArtifactFailure::Io(error) | ArtifactFailure::Use(NotKept::Pair(PairError::Io(error))) => {
            Err(InternalValidationError::CouldNotOpenFile(error.to_string()).into())
        }
        ArtifactFailure::TooLarge(_)
        | ArtifactFailure::Use(
            NotKept::Pair(PairError::NoPair(_) | PairError::TooLarge(_)) | NotKept::Checksum,
        ) => execute::corrupted(&failure),
    }
}

/// Executes with one engine, and waits for its answer up to `until`.
pub fn execute_with(
    engine: &mut Engine,
    part: &KeptPart,
    request: &mut ExecuteRequest,
    until: Instant,
) -> Result<ExecuteResponse, ProcessError> {
    engine.start()?;
    let file = engine.file(ARTIFACT_FILE);
    let linked = fs::hard_link(&part.path, &file);
    linked.map_err(frame::FrameError::from)?;
    request.artifact_checksum = part.checksum;
    let left = until.saturating_duration_since(Instant::now());
    let answer = engine.ask(request, engine.answer_bytes(), left);
    // The directory of an engine that died is removed already.
    let _ = fs::remove_file(&file);
    answer
}

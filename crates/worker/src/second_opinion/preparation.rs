//! Preparation by both engines.

use super::Engines;
use super::engine::Engine;
use super::pair::{self, Part};
use crate::job;
use crate::observation::Observer;
use crate::prepare::{self, ARTIFACT_FILE};
use pvf_node_protocol::{
    ArtifactChecksum, PrepareError, PrepareRequest, PrepareResponse, PrepareWorkerSuccess, frame,
};
use pvf_worker_client::{PREPARE_ANSWER_BYTES, ProcessError};
use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Instant;

impl Engines {
    /// Answers a host's requests to prepare code until it hangs up.
    ///
    /// # Errors
    /// The connection failed, or the host sent a message that does not decode.
    pub fn prepare(&mut self, host: &mut UnixStream) -> Result<(), frame::FrameError> {
        let observer = self.observation.take().map(Observer::of_code);
        prepare::converse(host, |request| {
            let until = Instant::now() + job::patience_with_others(request.prep_timeout);
            let (success, primary) = prepare_with(&mut self.primary, &request, until)?;
            let second = self.second.as_mut().and_then(|second| {
                let prepared = prepare_with(second, &request, until);
                let report = |error: &PrepareError| {
                    log::warn!("no second opinion on candidates of this code: {error}");
                };
                prepared.inspect_err(report).ok().map(|(_, part)| part)
            });
            self.place
                .write_for_host(ARTIFACT_FILE)
                .and_then(|file| pair::write(file, &request.code_hash, primary, second))
                .map_err(failed)?;
            let written = self.place.read_from_host(ARTIFACT_FILE);
            let checksum = written.and_then(ArtifactChecksum::of_reader);
            let checksum = checksum.map_err(failed)?;
            if let Some(observer) = &observer {
                observer.see_code(request.code_hash, request.maybe_compressed_code);
            }
            Ok(PrepareWorkerSuccess {
                checksum,
                ..success
            })
        })
    }
}

/// Prepares with one engine, and waits for its answer up to `until`. If the engine's worker dies or
/// is late, the preparation fails.
fn prepare_with(
    engine: &mut Engine,
    request: &PrepareRequest,
    until: Instant,
) -> Result<(PrepareWorkerSuccess, Part<File>), PrepareError> {
    engine.start().map_err(lost)?;
    let file = engine.file(ARTIFACT_FILE);
    fs::write(&file, []).map_err(failed)?;
    let response: PrepareResponse = engine
        .ask(
            request,
            PREPARE_ANSWER_BYTES,
            until.saturating_duration_since(Instant::now()),
        )
        .map_err(lost)?;
    let success = response?;
    let artifact = File::open(&file).map_err(failed)?;
    let part = Part {
        checksum: success.checksum,
        bytes: artifact.metadata().map_err(failed)?.len(),
        artifact,
    };
    Ok((success, part))
}

fn lost(error: ProcessError) -> PrepareError {
    if error.is_late() {
        return PrepareError::Kernel(error.to_string());
    }
    PrepareError::JobDied {
        err: error.to_string(),
        job_pid: 0,
    }
}

fn failed(error: io::Error) -> PrepareError {
    PrepareError::IoErr(error.to_string())
}

//! Preparation by both engines.

use super::Engines;
use super::engine::Engine;
use super::pair::{Pair, Part};
use crate::job;
use crate::prepare::{self, ARTIFACT_FILE};
use pvf_node_protocol::{
    ArtifactChecksum, PrepareError, PrepareRequest, PrepareResponse, PrepareWorkerSuccess, frame,
};
use pvf_worker_client::{PREPARE_ANSWER_BYTES, ProcessError};
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

impl Engines {
    /// Serves a host that wants code prepared, until it hangs up.
    ///
    /// # Errors
    /// The connection's.
    pub fn prepare(&mut self, host: &mut UnixStream) -> Result<(), frame::FrameError> {
        prepare::converse(host, |request| {
            let until = Instant::now() + job::patience_with_others(request.prep_timeout);
            let (success, primary) = prepare_with(&mut self.primary, &request, until)?;
            let second = match prepare_with(&mut self.second, &request, until) {
                Ok((_, part)) => Some(part),
                Err(error) => {
                    log::warn!(
                        "there will be no second opinion on candidates of this code: {error}"
                    );
                    None
                }
            };
            let artifact = Pair { primary, second }.to_bytes();
            let written = self.place.write_for_host(ARTIFACT_FILE);
            written
                .and_then(|mut file| file.write_all(&artifact))
                .map_err(failed)?;
            Ok(PrepareWorkerSuccess {
                checksum: ArtifactChecksum::of(&artifact),
                ..success
            })
        })
    }
}

/// Has one engine prepare, until then. If its worker is lost, so is the job.
fn prepare_with(
    engine: &mut Engine,
    request: &PrepareRequest,
    until: Instant,
) -> Result<(PrepareWorkerSuccess, Part), PrepareError> {
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
    let artifact = fs::read(&file).map_err(failed)?;
    let checksum = success.checksum;
    Ok((success, Part { checksum, artifact }))
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

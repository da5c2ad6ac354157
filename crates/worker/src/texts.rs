//! Sanitizes the texts in an answer to the host.
//!
//! The host logs these texts. Names and messages in them come from the untrusted code or from
//! another engine. So every text goes through [`visible`], which escapes control characters and
//! cuts it.

use pvf_node_protocol::{
    ExecuteResponse, InternalValidationError, JobError, JobResponse, PrepareError, PrepareResponse,
    WorkerError,
};
use pvf_rules::visible;

/// Largest text in bytes.
pub const TEXT_BYTES: usize = 2048;

/// An answer, or a part of one, that contains texts.
pub trait Texts {
    /// Calls `work` with every text.
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String));

    /// Replaces every text by its [`visible`] form.
    fn make_visible(&mut self) {
        self.each_text(&mut |text| *text = visible(text, TEXT_BYTES));
    }
}

impl Texts for ExecuteResponse {
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String)) {
        match self {
            Ok(response) => match &mut response.job_response {
                JobResponse::RuntimeConstruction(text) | JobResponse::InvalidCandidate(text) => {
                    work(text);
                }
                JobResponse::Ok { .. }
                | JobResponse::PoVDecompressionFailure
                | JobResponse::CorruptedArtifact => {}
            },
            Err(WorkerError::JobDied { err, .. }) => work(err),
            Err(WorkerError::JobError(error)) => error.each_text(work),
            Err(WorkerError::InternalError(error)) => error.each_text(work),
            Err(WorkerError::JobTimedOut) => {}
        }
    }
}

impl Texts for JobError {
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Panic(text)
            | Self::Kernel(text)
            | Self::CouldNotSpawnThread(text)
            | Self::CpuTimeMonitorThread(text) => work(text),
            Self::TimedOut | Self::UnexpectedExitStatus(_) => {}
        }
    }
}

impl Texts for InternalValidationError {
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String)) {
        match self {
            Self::HostCommunication(text)
            | Self::CouldNotCreateLink(text)
            | Self::CouldNotOpenFile(text)
            | Self::CouldNotCreatePipe(text)
            | Self::Kernel(text) => work(text),
            Self::CouldNotClearWorkerDir { err, path } => {
                work(err);
                path.iter_mut().for_each(work);
            }
            Self::NonDeterministicPrepareError(error) => error.each_text(work),
        }
    }
}

impl Texts for PrepareResponse {
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String)) {
        if let Err(error) = self {
            error.each_text(work);
        }
    }
}

impl Texts for PrepareError {
    fn each_text(&mut self, work: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Prevalidation(text)
            | Self::Preparation(text)
            | Self::RuntimeConstruction(text)
            | Self::JobError(text)
            | Self::IoErr(text)
            | Self::CreateTmpFile(text)
            | Self::ClearWorkerDir(text)
            | Self::Kernel(text)
            | Self::CouldNotDecompressCodeBlob(text)
            | Self::JobDied { err: text, .. } => work(text),
            Self::RenameTmpFile { err, src, dest } => {
                work(err);
                src.iter_mut().chain(dest).for_each(work);
            }
            Self::TimedOut | Self::OutOfMemory => {}
        }
    }
}

//! Why there is no candidate.

use pvf_executor::HostFailure;
use pvf_validation::runtime_api::RuntimeApiError;

/// Why a candidate was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is neither a runtime nor a chain specification that can be used.
    #[error("{0}")]
    Source(String),
    /// A node rejects the code.
    #[error("the code is rejected: {0}")]
    Rejected(String),
    /// A line of the script is wrong.
    #[error("line {line} of the script: {reason}")]
    Script {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A function of the runtime failed.
    #[error("{what}: {reason}")]
    Runtime {
        /// What was being done.
        what: String,
        /// The panic's message, or the error of the call.
        reason: String,
    },
    /// The runtime's metadata cannot be used.
    #[error("the runtime's metadata: {0}")]
    Metadata(String),
    /// The runtime lacks what the script asks for, or has it in a form that is not known.
    #[error("this runtime {0}")]
    Unsupported(String),
    /// The runtime refuses an extrinsic, or its dispatch failed.
    #[error("extrinsic {index} of block {block} ({what}): {reason}")]
    Extrinsic {
        /// Number of the block.
        block: u32,
        /// Number of the extrinsic among those of the script, from 0.
        index: usize,
        /// What it was to do.
        what: String,
        /// The runtime's answer.
        reason: String,
    },
    /// Building and validating do not agree.
    #[error("the candidate is not what was built: {0}")]
    Disagreement(String),
    /// The proof cannot be made.
    #[error("the storage proof: {0}")]
    Proof(String),
    /// This machine failed.
    #[error(transparent)]
    Host(#[from] HostFailure),
}

/// A failed call of the runtime, with what it was for.
pub(crate) fn in_runtime(what: &str, error: RuntimeApiError) -> Error {
    match error {
        RuntimeApiError::Host(failure) => Error::Host(failure),
        error => Error::Runtime {
            what: what.to_owned(),
            reason: error.to_string(),
        },
    }
}

/// Bytes of the runtime that do not decode.
pub(crate) fn undecodable(what: &str) -> impl FnOnce(parity_scale_codec::Error) -> Error {
    let what = what.to_owned();
    move |error| Error::Runtime {
        what,
        reason: format!(
            "the result does not decode: {}",
            one_line(&error.to_string())
        ),
    }
}

/// Joins the lines of an error text.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

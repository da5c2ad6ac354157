//! Why a command fails. An invalid candidate or a rejected module is not a failure but an outcome.

use crate::timeout::TimeUp;
use pvf_validation::HostFailure;
use std::io;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// An input that cannot be read, or is not what it should be.
    #[error("{name}: {reason}")]
    Input {
        /// The file, as it was named.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An output that cannot be written.
    #[error("cannot write {name}: {source}")]
    Output {
        /// The file, as it was named.
        name: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The executable with the benchmarks is not there, or cannot be started.
    #[error("{0}")]
    Benchmarks(String),
    /// This machine failed: nothing is known of the outcome.
    #[error("host failure: {0}")]
    Host(String),
    /// A run was interrupted: its outcome is unknown.
    #[error("no verdict: {0}")]
    NoVerdict(TimeUp),
}

impl From<HostFailure> for Failure {
    fn from(failure: HostFailure) -> Self {
        match failure {
            HostFailure::Interrupted => Self::NoVerdict(TimeUp(None)),
            failure => Self::Host(failure.to_string()),
        }
    }
}

impl Failure {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Input { .. } => 2,
            Self::Output { .. } | Self::Benchmarks(_) | Self::Host(_) | Self::NoVerdict(_) => 3,
        }
    }
}

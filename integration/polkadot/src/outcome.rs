//! Answers of a host, as a class and bytes that can be compared.

use parity_scale_codec::Encode;
use polkadot_node_core_pvf::{
    InternalValidationError, InvalidCandidate, PossiblyInvalidError, PrepareError, ValidationError,
};
use polkadot_parachain_primitives::primitives::ValidationResult;

/// A host's answer to a preparation or an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The class.
    pub class: &'static str,
    /// The result of a valid candidate.
    pub result: Option<Vec<u8>>,
    /// The text of the error, which is not compared.
    pub text: String,
}

impl Said {
    /// Whether two answers lead to the same vote.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (self.class, &self.result) == (other.class, &other.result)
    }

    fn of(class: &'static str, text: impl ToString) -> Self {
        Self {
            class,
            result: None,
            text: text.to_string(),
        }
    }
}

impl From<Result<ValidationResult, ValidationError>> for Said {
    fn from(result: Result<ValidationResult, ValidationError>) -> Self {
        use {InvalidCandidate as Invalid, PossiblyInvalidError as Possibly, ValidationError as E};
        let error = match result {
            Ok(result) => {
                return Self {
                    class: "valid",
                    result: Some(result.encode()),
                    text: String::new(),
                };
            }
            Err(error) => error,
        };
        let class = match &error {
            E::Preparation(_) => "preparation",
            E::Invalid(Invalid::WorkerReportedInvalid(_)) => "invalid",
            E::Invalid(Invalid::HardTimeout) => "invalid: time-out",
            E::Invalid(Invalid::PoVDecompressionFailure) => "invalid: decompression",
            E::PossiblyInvalid(Possibly::AmbiguousWorkerDeath) => "possibly invalid: worker died",
            E::PossiblyInvalid(Possibly::AmbiguousJobDeath(_)) => "possibly invalid: job died",
            E::PossiblyInvalid(Possibly::JobError(_)) => "possibly invalid: job failed",
            E::PossiblyInvalid(Possibly::RuntimeConstruction(_)) => {
                "possibly invalid: construction"
            }
            E::PossiblyInvalid(Possibly::CorruptedArtifact) => "possibly invalid: corrupted",
            E::Internal(InternalValidationError::NonDeterministicPrepareError(_)) => {
                "internal: preparation"
            }
            E::Internal(_) => "internal",
            E::ExecutionDeadline => "deadline",
        };
        Self::of(class, error)
    }
}

impl From<Result<(), PrepareError>> for Said {
    fn from(result: Result<(), PrepareError>) -> Self {
        let Err(error) = result else {
            return Self::of("prepared", "");
        };
        let class = match &error {
            PrepareError::Prevalidation(_) => "prevalidation",
            PrepareError::Preparation(_) => "preparation",
            PrepareError::RuntimeConstruction(_) => "construction",
            PrepareError::JobError(_) => "job failed",
            PrepareError::TimedOut => "time-out",
            PrepareError::IoErr(_) => "input or output",
            PrepareError::CreateTmpFile(_) => "no temporary file",
            PrepareError::RenameTmpFile { .. } => "not renamed",
            PrepareError::OutOfMemory => "out of memory",
            PrepareError::ClearWorkerDir(_) => "not cleared",
            PrepareError::JobDied { .. } => "job died",
            PrepareError::Kernel(_) => "kernel",
            PrepareError::CouldNotDecompressCodeBlob(_) => "decompression",
        };
        Self::of(class, error)
    }
}

//! Compares the answers of two engines to the same request.

use pvf_node_protocol::{ExecuteResponse, JobResponse, WorkerError};
use serde::Serialize;

/// What a node does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// The node votes for the candidate.
    For,
    /// The node votes against the candidate, after a second try for some answers.
    Against,
    /// The machine failed: the node does not vote.
    None,
}

/// How two answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// A node would vote otherwise.
    Vote,
    /// Both say valid, with other results.
    Result,
    /// The vote is the same, for a reason of another class.
    Class,
}

/// The class of an answer: the name of its variant, as the node's protocol has it.
pub fn class(response: &ExecuteResponse) -> &'static str {
    match response {
        Ok(response) => match &response.job_response {
            JobResponse::Ok { .. } => "valid",
            JobResponse::RuntimeConstruction(_) => "runtime_construction",
            JobResponse::InvalidCandidate(_) => "invalid_candidate",
            JobResponse::PoVDecompressionFailure => "pov_decompression_failure",
            JobResponse::CorruptedArtifact => "corrupted_artifact",
        },
        Err(WorkerError::JobTimedOut) => "job_timed_out",
        Err(WorkerError::JobDied { .. }) => "job_died",
        Err(WorkerError::JobError(_)) => "job_error",
        Err(WorkerError::InternalError(_)) => "internal_error",
    }
}

/// What a node does with an answer.
pub fn vote(response: &ExecuteResponse) -> Vote {
    match response {
        Ok(response) => match &response.job_response {
            JobResponse::Ok { .. } => Vote::For,
            JobResponse::RuntimeConstruction(_)
            | JobResponse::InvalidCandidate(_)
            | JobResponse::PoVDecompressionFailure
            | JobResponse::CorruptedArtifact => Vote::Against,
        },
        Err(WorkerError::InternalError(_)) => Vote::None,
        Err(WorkerError::JobTimedOut | WorkerError::JobDied { .. } | WorkerError::JobError(_)) => {
            Vote::Against
        }
    }
}

/// How two answers differ; `None` if they agree. Texts and durations are not compared. A failure of the machine is no
/// answer: neither response may be one.
pub fn difference(first: &ExecuteResponse, second: &ExecuteResponse) -> Option<Difference> {
    if vote(first) != vote(second) {
        return Some(Difference::Vote);
    }
    if class(first) != class(second) {
        return Some(Difference::Class);
    }
    (result(first) != result(second)).then_some(Difference::Result)
}

fn result(response: &ExecuteResponse) -> Option<&pvf_primitives::ValidationResult> {
    match &response.as_ref().ok()?.job_response {
        JobResponse::Ok { result_descriptor } => Some(result_descriptor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_node_protocol::{InternalValidationError, JobError, WorkerResponse};
    use pvf_primitives::ValidationResult;
    use std::time::Duration;

    fn job(job_response: JobResponse, milliseconds: u64) -> ExecuteResponse {
        Ok(WorkerResponse {
            job_response,
            duration: Duration::from_millis(milliseconds),
            pov_size: 3,
        })
    }

    fn valid(head: u8) -> ExecuteResponse {
        let result_descriptor = ValidationResult {
            head_data: vec![head],
            ..ValidationResult::default()
        };
        job(JobResponse::Ok { result_descriptor }, 1)
    }

    #[test]
    fn votes_come_before_results_and_classes() {
        let invalid = |text: &str, time| job(JobResponse::InvalidCandidate(text.into()), time);
        let internal: ExecuteResponse = Err(InternalValidationError::Kernel("no".into()).into());
        assert_eq!(vote(&internal), Vote::None);
        let died = |pid| {
            let err = "killed".to_owned();
            Err(WorkerError::JobDied { err, job_pid: pid })
        };
        assert_eq!(difference(&valid(1), &valid(1)), None);
        assert_eq!(difference(&invalid("a", 1), &invalid("b", 2)), None);
        assert_eq!(difference(&died(1), &died(2)), None);
        assert_eq!(difference(&valid(1), &valid(2)), Some(Difference::Result));
        for (first, second) in [
            (valid(1), invalid("a", 1)),
            (Err(WorkerError::JobTimedOut), valid(1)),
        ] {
            assert_eq!(difference(&first, &second), Some(Difference::Vote));
            assert_eq!(difference(&second, &first), Some(Difference::Vote));
        }
        let panicked: ExecuteResponse = Err(JobError::Panic("oh".into()).into());
        assert_eq!(difference(&panicked, &died(1)), Some(Difference::Class));
        let damaged = job(JobResponse::PoVDecompressionFailure, 1);
        assert_eq!(
            difference(&damaged, &invalid("a", 1)),
            Some(Difference::Class)
        );
    }
}

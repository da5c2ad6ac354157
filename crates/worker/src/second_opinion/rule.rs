//! The rule that chooses between the answers of the two engines.

use pvf_node_protocol::{ExecuteResponse, JobResponse, WorkerError};

/// The answer to a request, by the table in [`super`]. `primary` is the primary engine's answer;
/// `second` asks our engine, which may fail to answer.
pub fn settle(
    primary: ExecuteResponse,
    second: impl FnOnce() -> Result<ExecuteResponse, String>,
) -> ExecuteResponse {
    if stands(&primary) {
        return primary;
    }
    let said = describe(&primary);
    match second() {
        Ok(second) if is_valid(&second) => {
            log::error!(
                "the engines disagree on a candidate: the primary engine says \"{said}\", the second engine says \"valid\"; the answer is valid"
            );
            second
        }
        Ok(second) => {
            let second = describe(&second);
            log::info!("the primary engine says \"{said}\", the second engine says \"{second}\"");
            primary
        }
        Err(why) => {
            log::warn!(
                "the primary engine says \"{said}\", the second engine gave no answer: {why}"
            );
            primary
        }
    }
}

fn is_valid(response: &ExecuteResponse) -> bool {
    matches!(response, Ok(response) if matches!(response.job_response, JobResponse::Ok { .. }))
}

/// Whether an answer of the primary engine needs no second opinion.
fn stands(response: &ExecuteResponse) -> bool {
    is_valid(response) || matches!(response, Err(WorkerError::JobTimedOut))
}

fn describe(response: &ExecuteResponse) -> String {
    match response {
        Ok(response) => match &response.job_response {
            JobResponse::Ok { .. } => "valid".to_owned(),
            JobResponse::RuntimeConstruction(reason) => format!("no instance: {reason}"),
            JobResponse::InvalidCandidate(reason) => format!("invalid: {reason}"),
            JobResponse::PoVDecompressionFailure => "the block data is damaged".to_owned(),
            JobResponse::CorruptedArtifact => "the artifact is corrupted".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvf_node_protocol::{InternalValidationError, JobError, WorkerResponse};
    use pvf_primitives::ValidationResult;
    use std::time::Duration;

    fn job(job_response: JobResponse) -> ExecuteResponse {
        Ok(WorkerResponse {
            job_response,
            duration: Duration::from_millis(1),
            pov_size: 3,
        })
    }

    fn valid(head: u8) -> ExecuteResponse {
        let result_descriptor = ValidationResult {
            head_data: vec![head],
            ..ValidationResult::default()
        };
        job(JobResponse::Ok { result_descriptor })
    }

    fn failures() -> Vec<ExecuteResponse> {
        vec![
            job(JobResponse::InvalidCandidate("trap".into())),
            job(JobResponse::RuntimeConstruction("none".into())),
            job(JobResponse::PoVDecompressionFailure),
            job(JobResponse::CorruptedArtifact),
            Err(WorkerError::JobDied {
                err: "killed".into(),
                job_pid: 7,
            }),
            Err(JobError::Panic("oh".into()).into()),
            Err(InternalValidationError::Kernel("no".into()).into()),
        ]
    }

    #[test]
    fn the_second_engine_is_not_asked_after_valid_or_timed_out() {
        for answer in [valid(1), Err(WorkerError::JobTimedOut)] {
            let settled = settle(answer.clone(), || panic!("asked"));
            assert_eq!(settled, answer);
        }
    }

    #[test]
    fn the_second_engine_can_only_help_a_candidate() {
        for primary in failures() {
            assert_eq!(settle(primary.clone(), || Ok(valid(2))), valid(2));
            for second in failures()
                .into_iter()
                .chain([Err(WorkerError::JobTimedOut)])
            {
                assert_eq!(settle(primary.clone(), || Ok(second)), primary);
            }
            assert_eq!(settle(primary.clone(), || Err("dead".into())), primary);
        }
    }
}

//! The line that is written for each job of a shadow.

use super::comparison::{self, Difference, Vote};
use super::figures::Figures;
use pvf_node_protocol::ExecuteResponse;
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a line says. Keys are added, and never change their meaning.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Seconds since 1970.
    pub time: f64,
    /// BLAKE2b-256 of the input of `validate_block`; null if the block data does not decompress.
    pub candidate: Option<String>,
    /// Hash of the code, as the node names it.
    pub code: String,
    /// CPU time that the node allowed, in milliseconds: it tells backing from approval.
    pub timeout_ms: f64,
    /// How the answers differ: null if they agree or cannot be compared.
    pub difference: Option<Difference>,
    /// Why the answers cannot be compared: the machine failed, or our engine refused the code.
    pub unanswered: Option<String>,
    /// The answer to the node.
    pub primary: Answer,
    /// The shadow's answer.
    pub shadow: Option<Answer>,
    /// Directory with what reproduces a difference, if it was kept.
    pub kept: Option<String>,
}

/// An answer of an engine.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// What a node does with it.
    pub vote: Vote,
    /// Its class: the name of its variant in the node's protocol.
    pub class: &'static str,
    /// Its text; null if it is valid.
    pub reason: Option<String>,
    /// CPU time of the job in milliseconds; null if the job gave no answer.
    pub cpu_ms: Option<f64>,
    /// From the request to the answer, in milliseconds.
    pub wall_ms: f64,
    /// Measurements of the execution; null for an engine that has none.
    pub figures: Option<Figures>,
}

impl Answer {
    /// An answer that took `wall_time`.
    pub fn new(response: &ExecuteResponse, wall_time: Duration, figures: Option<Figures>) -> Self {
        Self {
            vote: comparison::vote(response),
            class: comparison::class(response),
            reason: reason(response),
            cpu_ms: response.as_ref().ok().map(|it| milliseconds(it.duration)),
            wall_ms: milliseconds(wall_time),
            figures,
        }
    }
}

fn reason(response: &ExecuteResponse) -> Option<String> {
    use pvf_node_protocol::JobResponse::{InvalidCandidate, RuntimeConstruction};
    match response {
        Ok(response) => match &response.job_response {
            InvalidCandidate(text) | RuntimeConstruction(text) => Some(text.clone()),
            _ => None,
        },
        Err(error) => Some(error.to_string()),
    }
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The time of the machine, in seconds since 1970.
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

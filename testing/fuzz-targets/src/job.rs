//! What a job that was taken over can write to its worker, and how it can end: the worker makes one response of it,
//! and the response is bounded. It must not be one that only the machine or the host can cause: all validators would
//! abstain, and a parachain could stall the relay chain.

use crate::Target;
use parity_scale_codec::Encode;
use pvf_node_protocol::{
    InternalValidationError, JobError, JobResponse, PrepareError, WorkerError, frame,
};
use pvf_worker::job::pipe::Line;
use pvf_worker::{execute, prepare};
use std::io::{self, Read};

pub(super) const TARGET: Target = Target {
    name: "job",
    about: "the output and the end of a hostile job: one bounded response, never the machine's fault",
    check,
    seeds,
    mutate: None,
    most_bytes: 8 << 10,
};

/// The most bytes of an answer here; the workers' own limits are gigabytes.
const ANSWER_BYTES: usize = 4 << 10;

/// The tags of a job's messages.
const LINE: u8 = 1;
const ANSWER: u8 = 2;
const BEGUN: u8 = 3;
const MISSING: u8 = 4;

/// The first three bytes are the kind of worker, the size of the pieces and how the process ended; what the job wrote
/// follows, after the message that it has begun: before it, no foreign code runs.
fn check(input: &[u8]) {
    let [kind, piece, end, output @ ..] = input else {
        return;
    };
    // As `wait4` reports it: an exit status, or a signal.
    let status = match end % 4 {
        0 => 0,
        1 => i32::from(*end) << 8,
        _ => i32::from(end % 64).max(1),
    };
    let output = [&[BEGUN], output].concat();
    let pieces = &mut Pieces(&output, usize::from(*piece) * 16 + 1);
    match kind % 2 {
        0 => execute(
            execute::understood(pieces, status, ANSWER_BYTES),
            &output,
            status,
        ),
        _ => prepare(
            prepare::understood(pieces, status, ANSWER_BYTES),
            &output,
            status,
        ),
    }
}

/// A pipe that gives a few bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

fn execute(response: Option<pvf_node_protocol::ExecuteResponse>, output: &[u8], status: i32) {
    let Some(response) = response else {
        return;
    };
    let again = execute::understood(&mut &output[..], status, ANSWER_BYTES);
    assert_eq!(
        again.as_ref(),
        Some(&response),
        "the size of pieces decides"
    );
    let bytes = response.encode();
    assert!(
        bytes.len() <= 2 * ANSWER_BYTES + 4096,
        "{} bytes",
        bytes.len()
    );
    assert_eq!(frame::decode(&bytes).ok(), Some(response.clone()));
    match response {
        // A job that answers so was not killed, and says that it succeeded.
        Ok(response) => assert_eq!(status, 0, "a killed job, {response:?}"),
        Err(WorkerError::InternalError(error)) => {
            panic!("a job makes its validator abstain: {error}, by {output:?}, {status}")
        }
        Err(_) => {}
    }
}

fn prepare(response: Option<Result<Vec<u8>, PrepareError>>, output: &[u8], status: i32) {
    let Some(response) = response else {
        return;
    };
    let again = prepare::understood(&mut &output[..], status, ANSWER_BYTES);
    assert_eq!(
        again.as_ref(),
        Some(&response),
        "the size of pieces decides"
    );
    if let Ok(artifact) = response {
        assert_eq!(status, 0, "a killed job");
        assert!(artifact.len() <= ANSWER_BYTES);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let line = Line {
        level: 2,
        target: "pvf".to_owned(),
        text: "a line".to_owned(),
    }
    .encode();
    let line = [&[LINE][..], &(line.len() as u32).to_le_bytes(), &line].concat();
    let invalid: Result<(JobResponse, u32), JobError> =
        Ok((JobResponse::InvalidCandidate("why".to_owned()), 7));
    let panicked: Result<(JobResponse, u32), JobError> = Err(JobError::Panic("here".to_owned()));
    let internal = InternalValidationError::Kernel("no memory".to_owned());
    let refused: Result<(), PrepareError> = Err(PrepareError::Prevalidation("no".to_owned()));
    let answer = |answer: Vec<u8>| [&[ANSWER][..], &answer].concat();
    let mut seeds = Vec::new();
    for (kind, end, output) in [
        (0, 0, [&line[..], &line, &answer(invalid.encode())].concat()),
        (0, 1, [&line[..], &answer(panicked.encode())].concat()),
        (0, 1, answer(internal.encode())),
        (0, 0, [&[MISSING][..], b"no filter"].concat()),
        (0, 9, line.clone()),
        (1, 1, answer(refused.encode())),
        (
            1,
            0,
            [&[ANSWER, 0, 16][..], b"artifact's", &[0; 8]].concat(),
        ),
    ] {
        seeds.push([&[kind, 2, end][..], &output].concat());
    }
    seeds
}

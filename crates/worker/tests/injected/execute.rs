//! The execute worker, its launcher and its jobs.

use crate::common::{execution_of, fixtures, program};
use crate::session::{JOB, Session};
use pvf_executor::{Profile, Purpose, Rules};
use pvf_faults::{ALLOCATION, Fault, Ran, Said, can_trace, try_all};
use pvf_node_protocol::{
    ExecuteHandshake, ExecuteRequest, ExecuteResponse, JobResponse, WorkerError,
};
use pvf_primitives::{ExecutorParams, ValidationResult};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

/// Candidates of one parachain: a good one, one that traps, the good one again.
pub const CASES: [&str; 3] = ["add-1", "wrong-state", "add-1"];

/// The code of that parachain.
pub fn code() -> Vec<u8> {
    fs::read(fixtures().join("adder/code.wasm")).expect("there is code")
}

/// Its artifact.
pub fn artifact() -> Vec<u8> {
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let code = code();
    let prepared = pvf_executor::prepare(&code, &rules).expect("the code is accepted");
    prepared.artifact.to_bytes()
}

/// A candidate, with its result if it is valid.
pub fn case(name: &str, artifact: &[u8]) -> (ExecuteRequest, Option<ValidationResult>) {
    let folder = fixtures().join("adder");
    let params = fs::read(folder.join(format!("{name}.params"))).expect("a candidate");
    let mut request = execution_of(artifact, &params).expect("a host can ask for it");
    request.execution_timeout = JOB;
    let result = (name != "wrong-state").then(|| {
        let result = fs::read(folder.join(format!("{name}.result"))).expect("a result");
        ValidationResult::from_bytes(&result).expect("a result")
    });
    (request, result)
}

/// Judges an answer to a candidate with this result, or to an invalid one.
pub fn judge(response: ExecuteResponse, expected: &Option<ValidationResult>) -> Said {
    match response {
        Ok(response) => match (response.job_response, expected) {
            (JobResponse::Ok { result_descriptor }, Some(result))
                if result_descriptor == *result =>
            {
                Said::Right
            }
            (JobResponse::InvalidCandidate(reason), None) if reason.contains("unreachable") => {
                Said::Right
            }
            (other, _) => Said::Wrong(format!("{other:?}")),
        },
        Err(WorkerError::InternalError(error)) => Said::Internal(error.to_string()),
        Err(WorkerError::JobTimedOut) => Said::Wrong("timed out".to_owned()),
        Err(error) => Said::Ambiguous(error.to_string()),
    }
}

/// Runs an execute worker with an artifact's bytes.
pub fn run(
    worker: Command,
    artifact: &[u8],
    most: &OnceLock<Option<(usize, usize)>>,
    fault: Option<Fault>,
) -> Ran {
    let mut session = Session::start(worker, "execute-worker", fault);
    session.tell(&ExecuteHandshake {
        executor_params: ExecutorParams::default(),
    });
    let path = session.file("artifact");
    fs::write(&path, artifact).expect("the host links the artifact");
    for name in CASES {
        let (request, expected) = case(name, artifact);
        session.ask(&request, |response| judge(response, &expected));
    }
    let held = *most.get_or_init(|| session.settled());
    let ran = session.end(held);
    fs::remove_file(path).ok();
    ran
}

pub fn calls() {
    if !can_trace() {
        return;
    }
    let (artifact, most) = (artifact(), OnceLock::new());
    let worker = || Command::new(program("execute-worker"));
    try_all(
        150,
        |_, _| true,
        |fault| run(worker(), &artifact, &most, fault),
    );
}

pub fn allocations() {
    if !can_trace() {
        return;
    }
    let (artifact, most) = (artifact(), OnceLock::new());
    let own = std::env::current_exe().expect("this program lies somewhere");
    let wanted = |_: &str, call| call == ALLOCATION;
    try_all(60, wanted, |fault| {
        run(Command::new(&own), &artifact, &most, fault)
    });
}

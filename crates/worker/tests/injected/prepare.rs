//! The prepare worker and its jobs.

use crate::common::{preparation, program};
use crate::execute::code;
use crate::session::{JOB, Session};
use pvf_faults::{ALLOCATION, Fault, Ran, Said, can_trace, try_all};
use pvf_node_protocol::{ArtifactChecksum, PrepareError, PrepareJobKind, PrepareResponse};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

/// Code that is refused.
const REFUSED: &[u8] = b"\0asm\x01\0\0\0\x0a\x01\x01";

/// Runs a prepare worker. `is_right` compares an artifact with the one expected.
pub fn run(
    worker: Command,
    is_right: impl Fn(&[u8]) -> bool,
    most: &OnceLock<Option<(usize, usize)>>,
    fault: Option<Fault>,
) -> Ran {
    let mut session = Session::start(worker, "prepare-worker", fault);
    let path = session.file("tmp-artifact");
    let good = code();
    for code in [&good[..], REFUSED, &good] {
        fs::write(&path, []).expect("the host makes the file");
        let mut request = preparation(code);
        request.prep_timeout = JOB;
        request.prep_kind = PrepareJobKind::Compilation;
        let accepted = code != REFUSED;
        session.ask(&request, |response: PrepareResponse| match response {
            Ok(success) => {
                let artifact = fs::read(&path).unwrap_or_default();
                let named = success.checksum == ArtifactChecksum::of(&artifact);
                match accepted && named && is_right(&artifact) {
                    true => Said::Right,
                    false => Said::Wrong(format!("an artifact of {} bytes", artifact.len())),
                }
            }
            Err(PrepareError::Prevalidation(_)) if !accepted => Said::Right,
            Err(error) if error.is_deterministic() => Said::Wrong(format!("{error:?}")),
            Err(PrepareError::TimedOut) => Said::Wrong("timed out".to_owned()),
            Err(error @ PrepareError::JobDied { .. }) => Said::Ambiguous(error.to_string()),
            Err(error) => Said::Internal(error.to_string()),
        });
    }
    let held = *most.get_or_init(|| session.settled());
    session.end(held)
}

pub fn calls() {
    if !can_trace() {
        return;
    }
    let (expected, most) = (crate::execute::artifact(), OnceLock::new());
    let worker = || Command::new(program("prepare-worker"));
    let right = |artifact: &[u8]| artifact == expected;
    try_all(120, |_, _| true, |fault| run(worker(), right, &most, fault));
}

pub fn allocations() {
    if !can_trace() {
        return;
    }
    let (expected, most) = (crate::execute::artifact(), OnceLock::new());
    let own = std::env::current_exe().expect("this program lies somewhere");
    let right = |artifact: &[u8]| artifact == expected;
    let wanted = |_: &str, call| call == ALLOCATION;
    try_all(60, wanted, |fault| {
        run(Command::new(&own), right, &most, fault)
    });
}

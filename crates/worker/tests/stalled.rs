//! Jobs that get no CPU time: the machine is at fault, and the validator abstains.

mod common;

use common::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pvf_node_protocol::{
    ExecuteResponse, InternalValidationError, JobResponse, PrepareError, PrepareResponse,
    SecurityStatus, WorkerError, frame,
};
use pvf_primitives::ExecutorParams;
use std::fs;
use std::time::{Duration, Instant};

/// The shortest limit of CPU time of any network.
const LIMIT: Duration = Duration::from_secs(2);

/// Time after which a node stops waiting.
const NODE: Duration = Duration::from_secs(4 * LIMIT.as_secs());

fn is_stalled(response: &ExecuteResponse) -> bool {
    matches!(
        response,
        Err(WorkerError::InternalError(InternalValidationError::Kernel(what))) if what.contains("CPU time")
    )
}

fn artifact(code: &[u8]) -> Vec<u8> {
    Host::preparing()
        .prepare(&preparation(code))
        .expect("prepares")
        .1
}

fn endless() -> Vec<u8> {
    module("", "(loop (br 0))", "")
}

/// Executes an artifact and calls `with` on the running job. Returns the answer, which must arrive
/// before a node stops waiting.
fn meddle(
    security: SecurityStatus,
    artifact: &[u8],
    with: impl FnOnce(&Host, Pid),
) -> (ExecuteResponse, Host) {
    let mut host = Host::start("execute-worker", security);
    host.shake(&ExecutorParams::default());
    let mut request = execution(artifact);
    request.execution_timeout = LIMIT;
    let asked = Instant::now();
    let job = host.begin(artifact, &request);
    with(&host, job);
    let response = frame::receive(&mut host.stream, 1 << 20).expect("there is an answer");
    let waited = asked.elapsed();
    assert!(waited < NODE, "a node would have given up: {waited:?}");
    (response, host)
}

#[test]
fn a_stopped_job_is_an_internal_error() {
    let endless = artifact(&endless());
    let good = artifact(&module("", "", ""));
    for security in [SecurityStatus::ALL, SecurityStatus::NONE] {
        let (response, mut host) = meddle(security, &endless, |_, job| {
            kill(job, Signal::SIGSTOP).expect("it lives");
        });
        assert!(is_stalled(&response), "{security:?}: {response:?}");
        // The worker continues, and reaps the killed job.
        loop {
            let response = host.execute(&good, &execution(&good));
            assert!(matches!(said(response), JobResponse::Ok { .. }));
            if host.jobs().is_empty() {
                break;
            }
        }
    }
}

#[test]
fn a_stopped_job_that_is_continued_in_time_times_out() {
    let endless = artifact(&endless());
    let (response, _host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        kill(job, Signal::SIGSTOP).expect("it lives");
        std::thread::sleep(Duration::from_millis(300));
        kill(job, Signal::SIGCONT).expect("it lives");
    });
    // On a busy machine the job may get too little CPU time and count as stalled.
    assert!(
        response == Err(WorkerError::JobTimedOut) || is_stalled(&response),
        "{response:?}"
    );
}

#[test]
fn a_stopped_preparation_is_not_a_deterministic_error() {
    // A module whose compilation takes a while.
    let function = format!(
        "(func (param i64) (result i64) (local.get 0) {})",
        "(i64.const 3) i64.add ".repeat(2000)
    );
    let code = module("", "", &function.repeat(400));
    let mut host = Host::preparing();
    fs::write(host.directory.join("tmp-artifact"), []).expect("made");
    let mut request = preparation(&code);
    request.prep_timeout = LIMIT;
    let asked = Instant::now();
    frame::send(&mut host.stream, &request).expect("taken");
    kill(host.job(), Signal::SIGSTOP).expect("it lives");
    let response: PrepareResponse = frame::receive(&mut host.stream, 1 << 20).expect("an answer");
    assert!(asked.elapsed() < NODE);
    let Err(error) = response else {
        panic!("{response:?}");
    };
    assert!(
        matches!(&error, PrepareError::Kernel(what) if what.contains("CPU time")),
        "{error:?}"
    );
    assert!(!error.is_deterministic());
    assert!(host.prepare(&preparation(&module("", "", ""))).is_ok());
}

/// A cgroup with almost no CPU time, or a frozen one. `None` if this machine does not allow one.
struct Group {
    path: std::path::PathBuf,
}

impl Group {
    fn new(controller: &str) -> Option<Self> {
        let name = format!("pvf-test-{}", std::process::id());
        let path = std::path::Path::new("/sys/fs/cgroup")
            .join(controller)
            .join(name);
        fs::create_dir(&path).ok()?;
        Some(Self { path })
    }

    fn set(&self, file: &str, value: &str) -> bool {
        fs::write(self.path.join(file), value).is_ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..1000 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_job_without_cpu_time_is_an_internal_error() {
    let endless = artifact(&endless());
    // Settings of cgroups v1, then of v2.
    let groups = [
        (
            "cpu",
            vec![
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "1000"),
            ],
        ),
        ("", vec![("cpu.max", "1000 100000")]),
    ];
    let starving = groups.into_iter().find_map(|(controller, settings)| {
        let group = Group::new(controller)?;
        settings
            .iter()
            .all(|(file, value)| group.set(file, value))
            .then_some(group)
    });
    let Some(group) = starving else {
        println!("not tested: this machine does not allow a cgroup with little CPU time");
        return;
    };
    let (response, host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        assert!(group.set("cgroup.procs", &job.to_string()), "the job joins");
    });
    assert!(is_stalled(&response), "{response:?}");
    drop(host);
}

#[test]
fn a_frozen_job_is_an_internal_error() {
    let endless = artifact(&endless());
    let groups = [
        ("freezer", "freezer.state", "FROZEN", "THAWED"),
        ("", "cgroup.freeze", "1", "0"),
    ];
    let freezing = groups
        .into_iter()
        .find_map(|(controller, file, frozen, thawed)| {
            let group = Group::new(controller)?;
            group
                .path
                .join(file)
                .exists()
                .then_some((group, file, frozen, thawed))
        });
    let Some((group, file, frozen, thawed)) = freezing else {
        println!("not tested: this machine does not allow a frozen cgroup");
        return;
    };
    let (response, host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        assert!(group.set("cgroup.procs", &job.to_string()), "the job joins");
        assert!(group.set(file, frozen), "frozen");
    });
    // A frozen job cannot die; the answer must not wait for its end.
    assert!(is_stalled(&response), "{response:?}");
    assert!(group.set(file, thawed), "thawed");
    drop(host);
}

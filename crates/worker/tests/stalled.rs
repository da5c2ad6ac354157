//! Jobs that the machine gives no time: nobody votes on what did not happen.

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

/// The shortest limit of a network.
const LIMIT: Duration = Duration::from_secs(2);

/// When a node gives up.
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

/// Has a job executed to which something is done; the answer, and when it came.
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
fn a_stopped_job_is_no_vote() {
    let endless = artifact(&endless());
    let good = artifact(&module("", "", ""));
    for security in [SecurityStatus::ALL, SecurityStatus::NONE] {
        let (response, mut host) = meddle(security, &endless, |_, job| {
            kill(job, Signal::SIGSTOP).expect("it lives");
        });
        assert!(is_stalled(&response), "{security:?}: {response:?}");
        // The worker goes on, and leaves nothing.
        loop {
            let response = host.execute(&good, &execution(&good));
            assert!(matches!(said(response), JobResponse::Ok { .. }));
            if host.jobs().is_empty() {
                break;
            }
        }
    }
}

/// A job that is continued before the end is judged by what it says.
#[test]
fn a_job_that_goes_on_in_time_is_judged() {
    let endless = artifact(&endless());
    let (response, _host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        kill(job, Signal::SIGSTOP).expect("it lives");
        std::thread::sleep(Duration::from_millis(300));
        kill(job, Signal::SIGCONT).expect("it lives");
    });
    // On a machine with nothing else to do it uses up its time.
    assert!(
        response == Err(WorkerError::JobTimedOut) || is_stalled(&response),
        "{response:?}"
    );
}

#[test]
fn a_stopped_preparation_says_nothing_about_the_code() {
    // A module that takes a while.
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

/// A group of processes with hardly any processor, or stopped as a whole, where this machine lets us make one.
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
fn a_starved_job_is_no_vote() {
    let endless = artifact(&endless());
    // Of the first version, then of the second.
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
        println!("this machine lets nobody make a group with little processor: not tested");
        return;
    };
    let (response, host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        assert!(group.set("cgroup.procs", &job.to_string()), "the job joins");
    });
    assert!(is_stalled(&response), "{response:?}");
    drop(host);
}

#[test]
fn a_frozen_job_is_no_vote() {
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
        println!("this machine lets nobody freeze processes: not tested");
        return;
    };
    let (response, host) = meddle(SecurityStatus::ALL, &endless, |_, job| {
        assert!(group.set("cgroup.procs", &job.to_string()), "the job joins");
        assert!(group.set(file, frozen), "frozen");
    });
    // It cannot even die: the answer does not wait for that.
    assert!(is_stalled(&response), "{response:?}");
    assert!(group.set(file, thawed), "thawed");
    drop(host);
}

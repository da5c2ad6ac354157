//! Our workers with a primary engine. The primary engine gives the answer that its candidate names.
//!
//! This program is the host of the tests and, started as a worker, the primary engine.

mod common;
#[path = "common/scripted.rs"]
mod scripted;

use common::*;
use pvf_node_protocol::{ExecuteResponse, JobError, JobResponse, PrepareError, WorkerError, frame};
use pvf_worker::second_opinion::PRIMARY_FILE;
use pvf_worker::second_opinion::pair::{self, Which};
use scripted::*;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .map(|pid| pid.parse().expect("a process number"))
        .collect()
}

/// The only child of a process.
fn only_child(pid: u32) -> u32 {
    let children = children(pid);
    assert_eq!(children.len(), 1);
    children[0]
}

/// The two engines' workers: children of the middle process, whose parent is the first process of
/// the PID namespace.
fn engines(pid: u32) -> Vec<u32> {
    children(only_child(only_child(pid)))
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it lives");
}

fn the_second_engine_helps_and_never_harms(installed: &Installed) {
    let mut preparing = installed.start("prepare-worker");
    let mut artifact = |code: &[u8]| prepared(&mut preparing, code);
    let good = artifact(&module("", "", ""));
    let bad = artifact(&module("", "unreachable", ""));
    let strange = artifact(STRANGE);
    let engines = |file: &[u8]| {
        let mut engines = Vec::new();
        let keep = |engine, _: pair::Part<&mut dyn std::io::Read>| {
            engines.push(engine);
            Ok(())
        };
        pair::read(file, file.len() as u64, keep)
            .map(|_| engines)
            .unwrap()
    };
    assert_eq!(engines(&good), [Which::Primary, Which::Second]);
    assert_eq!(engines(&strange), [Which::Primary]);

    let mut executing = installed.executing();
    let mut said = |artifact: &[u8], script| say(&mut executing, artifact, script);
    for artifact in [&good, &bad, &strange] {
        assert_eq!(head(&said(artifact, "valid")), Ok(PRIMARY));
    }
    for script in ["invalid", "none", "panic", "abort"] {
        assert_eq!(head(&said(&good, script)), Ok(SECOND), "{script}");
    }
    for artifact in [&bad, &strange] {
        let invalid = said_by_job(said(artifact, "invalid"));
        assert_eq!(invalid, JobResponse::InvalidCandidate("primary".to_owned()));
        let none = said_by_job(said(artifact, "none"));
        assert_eq!(none, JobResponse::RuntimeConstruction("primary".to_owned()));
        let panicked = said(artifact, "panic");
        assert!(
            matches!(&panicked, Err(WorkerError::JobError(JobError::Panic(text))) if text.contains("primary")),
            "{panicked:?}"
        );
        let died = said(artifact, "abort");
        assert!(matches!(died, Err(WorkerError::JobDied { .. })), "{died:?}");
    }
    // The second engine would have answered valid.
    assert_eq!(said(&good, "spin"), Err(WorkerError::JobTimedOut));
}

fn said_by_job(response: ExecuteResponse) -> JobResponse {
    response.expect("the job comes to an end").job_response
}

fn code_that_the_primary_refuses_is_refused(installed: &Installed) {
    let mut preparing = installed.start("prepare-worker");
    let refused = preparing.prepare(&preparation(b"no code"));
    assert!(
        matches!(refused, Err(PrepareError::Prevalidation(_))),
        "{refused:?}"
    );
    // The worker continues.
    assert!(preparing.prepare(&preparation(STRANGE)).is_ok());
}

fn artifacts_that_are_not_a_pair_are_corrupted(installed: &Installed) {
    let code = module("", "", "");
    let alone = prepared(&mut Host::preparing(), &code);
    let mut executing = installed.executing();
    let said = said_by_job(say(&mut executing, &alone, "valid"));
    assert_eq!(said, JobResponse::CorruptedArtifact);

    let mut preparing = installed.start("prepare-worker");
    let mut artifact = prepared(&mut preparing, &code);
    let request = execution(&artifact);
    let middle = artifact.len() / 2;
    artifact[middle] ^= 1;
    let said = said_by_job(executing.execute(&artifact, &request));
    assert_eq!(said, JobResponse::CorruptedArtifact);
}

fn an_engine_that_dies_is_started_again(installed: &Installed) {
    let mut preparing = installed.start("prepare-worker");
    let artifact = prepared(&mut preparing, &module("", "", ""));
    let mut executing = installed.executing();
    assert_eq!(head(&say(&mut executing, &artifact, "valid")), Ok(PRIMARY));
    let before = engines(executing.worker.id());
    assert_eq!(before.len(), 1, "the second engine is started on demand");
    kill(before[0]);
    assert_eq!(head(&say(&mut executing, &artifact, "valid")), Ok(SECOND));
    assert_eq!(head(&say(&mut executing, &artifact, "valid")), Ok(PRIMARY));
    // Both die at once: the answer is that the primary engine died.
    let both = engines(executing.worker.id());
    assert_eq!(both.len(), 2);
    both.iter().copied().for_each(kill);
    let lost = say(&mut executing, &artifact, "invalid");
    assert!(matches!(lost, Err(WorkerError::JobDied { .. })), "{lost:?}");
    assert_eq!(head(&say(&mut executing, &artifact, "invalid")), Ok(SECOND));
}

/// The answer must arrive before a node stops waiting.
fn an_engine_that_hangs_is_an_internal_error(installed: &Installed) {
    const LIMIT: Duration = Duration::from_secs(2);
    let mut preparing = installed.start("prepare-worker");
    let artifact = prepared(&mut preparing, &module("", "unreachable", ""));
    let mut executing = installed.executing();
    assert_eq!(head(&say(&mut executing, &artifact, "valid")), Ok(PRIMARY));
    let primary = engines(executing.worker.id())[0];
    let stopped = nix::unistd::Pid::from_raw(primary as i32);
    nix::sys::signal::kill(stopped, nix::sys::signal::Signal::SIGSTOP).expect("it lives");
    let mut request = execution(&artifact);
    request.pov.block_data = b"invalid".to_vec();
    request.execution_timeout = LIMIT;
    let asked = Instant::now();
    let said = executing.execute(&artifact, &request);
    assert!(asked.elapsed() < 4 * LIMIT, "a node would have given up");
    assert!(
        matches!(said, Err(WorkerError::InternalError(_))),
        "{said:?}"
    );
    // The primary worker is started again.
    assert_eq!(head(&say(&mut executing, &artifact, "valid")), Ok(PRIMARY));
}

fn no_process_and_no_file_is_left_behind(installed: &Installed) {
    let mut preparing = installed.start("prepare-worker");
    let artifact = prepared(&mut preparing, &module("", "", ""));
    let mut executing = installed.executing();
    assert_eq!(head(&say(&mut executing, &artifact, "invalid")), Ok(SECOND));
    let processes: Vec<u32> = [preparing.worker.id(), executing.worker.id()]
        .into_iter()
        .flat_map(engines)
        .collect();
    assert_eq!(processes.len(), 4);
    for host in [&preparing, &executing] {
        let visible = fs::read_dir(&host.directory).expect("it is there").count();
        assert_eq!(visible, 0, "the host does not see the workers' files");
    }
    // Killed, as a node does.
    drop((preparing, executing));
    wait_for_ends(&processes);
}

fn wait_for_ends(processes: &[u32]) {
    let until = Instant::now() + Duration::from_secs(20);
    // A zombie counts as gone: in a container, process 1 may not reap orphans.
    let gone = |pid: &u32| {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return true;
        };
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    };
    while !processes.iter().all(gone) {
        assert!(Instant::now() < until, "{processes:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The primary engine's program does not kill its jobs by itself.
fn jobs_die_with_any_process_above_them(installed: &Installed) {
    let mut preparing = installed.start("prepare-worker");
    let endless = prepared(&mut preparing, &module("", "(loop (br 0))", ""));
    let all_behind = |pid: u32| {
        let mut all = children(pid);
        let mut at = 0;
        while at < all.len() {
            all.extend(children(all[at]));
            at += 1;
        }
        all
    };
    // With "spin", there are five: the first process of the namespace, the middle process, the
    // primary worker, its launcher, and a job. With "invalid", the second worker and its launcher
    // and job take the place of the primary's job.
    for (script, processes) in [("spin", 5), ("invalid", 7)] {
        for victim in ["outer", "first", "middle"] {
            let mut executing = installed.executing();
            let mut request = execution(&endless);
            request.pov.block_data = script.as_bytes().to_vec();
            fs::write(executing.directory.join("artifact"), &endless).expect("linked");
            frame::send(&mut executing.stream, &request).expect("taken");
            let outer = executing.worker.id();
            // Wait for a job: of the primary engine, or of the second one after the primary's
            // answer.
            let behind = loop {
                let behind = all_behind(outer);
                if behind.len() >= processes {
                    break behind;
                }
                std::thread::yield_now();
            };
            match victim {
                "outer" => kill(outer),
                "first" => kill(behind[0]),
                _ => kill(only_child(behind[0])),
            }
            wait_for_ends(&behind);
            executing.ends().expect("it ends too");
        }
    }
}

fn unusable_installations_are_errors_at_start(installed: &Installed) {
    for directory in [
        Path::new("primary"),
        Path::new("/nothing/here"),
        &installed.0.0.join("own"),
    ] {
        installed.name(directory);
        let status = Command::new(installed.own("execute-worker"))
            .args(["execute-worker", "--socket-path", "/nothing/there"])
            .arg("--worker-dir-path")
            .arg(&installed.0.0)
            .env_clear()
            .output()
            .expect("it starts");
        assert!(!status.status.success());
        let text = String::from_utf8_lossy(&status.stderr);
        assert!(text.contains(PRIMARY_FILE), "{directory:?}: {text}");
    }
}

fn main() -> ExitCode {
    if let Some(ended) = as_worker() {
        return ended;
    }
    type Test = fn(&Installed);
    let tests: [(&str, Test); 8] = [
        (
            "the second engine helps and never harms",
            the_second_engine_helps_and_never_harms,
        ),
        (
            "code that the primary refuses is refused",
            code_that_the_primary_refuses_is_refused,
        ),
        (
            "artifacts that are not a pair are corrupted",
            artifacts_that_are_not_a_pair_are_corrupted,
        ),
        (
            "an engine that dies is started again",
            an_engine_that_dies_is_started_again,
        ),
        (
            "an engine that hangs is an internal error",
            an_engine_that_hangs_is_an_internal_error,
        ),
        (
            "no process and no file is left behind",
            no_process_and_no_file_is_left_behind,
        ),
        (
            "jobs die with any process above them",
            jobs_die_with_any_process_above_them,
        ),
        (
            "unusable installations are errors at start",
            unusable_installations_are_errors_at_start,
        ),
    ];
    for (name, test) in tests {
        println!("{name}");
        test(&Installed::new());
    }
    ExitCode::SUCCESS
}

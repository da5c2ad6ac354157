//! Workers under faults of the machine, the host and the node.

mod common;

use common::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parity_scale_codec::Encode;
use pvf_node_protocol::{
    InternalValidationError, JobResponse, PrepareError, SecurityStatus, WorkerError, frame,
};
use pvf_primitives::{ExecutorParam, ExecutorParams};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::fs;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::yield_now;
use std::time::Duration;

/// A module that runs for ever, so that a test can act on its running job.
fn endless() -> Vec<u8> {
    module("", "(loop (br 0))", "")
}

/// The artifact of a module.
fn artifact(code: &[u8]) -> Vec<u8> {
    Host::preparing()
        .prepare(&preparation(code))
        .expect("prepares")
        .1
}

/// Waits until a process is gone or a zombie.
fn wait_for_end(process: Pid) {
    let status = format!("/proc/{process}/stat");
    while let Ok(status) = fs::read_to_string(&status) {
        let state = status
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        if state == Some('Z') {
            return;
        }
        yield_now();
    }
}

#[test]
fn jobs_that_use_up_their_cpu_time_are_timed_out() {
    let mut host = Host::preparing();
    let mut request = preparation(&module("", "", ""));
    request.prep_timeout = Duration::ZERO;
    assert_eq!(
        host.prepare(&request).map(|_| ()),
        Err(PrepareError::TimedOut)
    );
    request.prep_timeout = AMPLE;
    assert!(host.prepare(&request).is_ok(), "the worker continues");

    let artifact = artifact(&endless());
    let mut host = Host::executing(&ExecutorParams::default());
    let mut request = execution(&artifact);
    for timeout in [
        Duration::ZERO,
        Duration::from_millis(1),
        Duration::from_millis(50),
    ] {
        request.execution_timeout = timeout;
        let response = host.execute(&artifact, &request);
        assert_eq!(response, Err(WorkerError::JobTimedOut), "{timeout:?}");
    }
}

#[test]
fn a_killed_job_is_reported_and_the_worker_continues() {
    let artifact = artifact(&endless());
    let mut host = Host::executing(&ExecutorParams::default());
    let job = host.begin(&artifact, &execution(&artifact));
    kill(job, Signal::SIGKILL).unwrap();
    let response: pvf_node_protocol::ExecuteResponse =
        frame::receive(&mut host.stream, 1 << 20).unwrap();
    match response {
        Err(WorkerError::JobDied { job_pid, err }) => {
            assert_eq!(job_pid, job.as_raw());
            assert!(err.contains("SIGKILL"), "{err}");
        }
        other => panic!("{other:?}"),
    }
    let mut request = execution(&artifact);
    request.execution_timeout = Duration::from_millis(1);
    let response = host.try_execute(&request).unwrap();
    assert_eq!(
        response,
        Err(WorkerError::JobTimedOut),
        "the worker continues"
    );
}

#[test]
fn a_job_dies_with_its_killed_worker() {
    let artifact = artifact(&endless());
    for security in [SecurityStatus::ALL, SecurityStatus::NONE] {
        let mut host = Host::start("execute-worker", security);
        host.shake(&ExecutorParams::default());
        let job = host.begin(&artifact, &execution(&artifact));
        // A job that has used this much CPU time has set up its barriers.
        let schedule = format!("/proc/{job}/schedstat");
        loop {
            let time = fs::read_to_string(&schedule).unwrap();
            let nanoseconds: u64 = time.split(' ').next().unwrap().parse().unwrap();
            if nanoseconds > 50_000_000 {
                break;
            }
            yield_now();
        }
        host.worker.kill().unwrap();
        host.worker.wait().unwrap();
        wait_for_end(job);
    }
}

#[test]
fn a_worker_exits_when_its_host_hangs_up() {
    for host in [
        Host::preparing(),
        Host::executing(&ExecutorParams::default()),
    ] {
        host.stream.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(host.ends().unwrap().code(), Some(1));
    }
}

#[test]
fn damaged_artifacts_are_reported_as_corrupted() {
    let good = artifact(&module("", "", ""));
    let mut host = Host::executing(&ExecutorParams::default());
    let request = execution(&good);
    let valid = |response| matches!(said(response), JobResponse::Ok { .. });
    let corrupted = |response| assert_eq!(said(response), JobResponse::CorruptedArtifact);

    for at in [0, 8, 12, 40, 4096, 5000, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        // The request has the checksum of the good artifact.
        corrupted(host.execute(&bad, &request));
        // The request has the checksum of the bad artifact, as if it had been prepared so.
        corrupted(host.execute(&bad, &execution(&bad)));
        assert!(valid(host.execute(&good, &request)), "the worker continues");
    }
    for bytes in [0, 1, 39, 4096, good.len() - 1] {
        let cut = &good[..bytes];
        corrupted(host.execute(cut, &request));
        corrupted(host.execute(cut, &execution(cut)));
    }
    corrupted(host.execute(b"something else", &execution(b"something else")));

    // The file is overwritten in place, while the worker has the good artifact in memory.
    let path = host.directory.join("artifact");
    fs::write(&path, &good).unwrap();
    assert!(valid(host.try_execute(&request).unwrap()));
    let mut bad = good.clone();
    bad[5000] ^= 0x80;
    fs::write(&path, &bad).unwrap();
    corrupted(host.try_execute(&request).unwrap());
    fs::write(&path, &good).unwrap();
    assert!(valid(host.try_execute(&request).unwrap()));
}

#[test]
fn a_missing_artifact_is_an_internal_error() {
    let mut host = Host::executing(&ExecutorParams::default());
    let response = host.try_execute(&execution(b"")).unwrap();
    let error = response.unwrap_err();
    let expected = matches!(
        error,
        WorkerError::InternalError(InternalValidationError::CouldNotOpenFile(_))
    );
    assert!(expected, "{error}");
    assert_eq!(host.ends().unwrap().code(), Some(1));
}

#[test]
fn a_full_disk_is_an_io_error() {
    // A write beyond 512 bytes of a file is an error, as on a full disk.
    let script = r#"ulimit -f 1; trap "" XFSZ; exec env -i RUST_LOG= "$0" "$@""#;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).arg(program("prepare-worker"));
    let mut host = Host::start_program(shell, "prepare-worker", SecurityStatus::ALL);
    for _ in 0..2 {
        let error = host.prepare(&preparation(&module("", "", ""))).map(|_| ());
        assert!(matches!(error, Err(PrepareError::IoErr(_))), "{error:?}");
    }
}

#[test]
fn a_preparation_above_its_memory_limit_is_out_of_memory() {
    let code = fs::read(fixtures().join("ledger/code.wasm")).unwrap();
    let mut host = Host::preparing();
    let mut request = preparation(&code);
    let (success, _) = host.prepare(&request).expect("prepares");
    let needed = success.stats.memory_stats.peak_tracked_alloc;
    for (limit, enough) in [(needed, true), (needed - 1, false), (1, false)] {
        let limit = ExecutorParam::PrecheckingMaxMemory(limit);
        request.executor_params = ExecutorParams(vec![limit]);
        let prepared = host.prepare(&request).map(|_| ());
        let expected = if enough {
            Ok(())
        } else {
            Err(PrepareError::OutOfMemory)
        };
        assert_eq!(prepared, expected, "{limit:?} of {needed}");
    }
}

#[test]
fn a_node_of_another_version_is_terminated() {
    let version = Command::new(program("prepare-worker"))
        .arg("--version")
        .output()
        .unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    for kind in ["prepare-worker", "execute-worker"] {
        let script = r#"trap "exit 42" TERM; "$0" "$@" & wait $!; exit 43"#;
        let started_by_a_node_of = |version: &str| {
            Command::new("/bin/sh")
                .args(["-c", script])
                .arg(program(kind))
                .args([kind, "--node-impl-version", version])
                .args(["--socket-path", "/nowhere", "--worker-dir-path", "/"])
                .stderr(Stdio::null())
                .status()
                .unwrap()
        };
        assert_eq!(started_by_a_node_of("1.0.0").code(), Some(42));
        assert_eq!(started_by_a_node_of(version.trim()).code(), Some(43));
    }
}

#[test]
fn the_version_is_that_of_a_file_beside_the_binary() {
    let scratch = Scratch::new();
    let copy = scratch.0.join("polkadot-execute-worker");
    // Another process copies the program. If this process copied it, a child forked meanwhile could
    // hold it open for writing, and it could not be executed.
    let copied = Command::new("cp")
        .arg(program("execute-worker"))
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    let says = |argument: &str| {
        let output = Command::new(&copy).arg(argument).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        says("--version"),
        format!("{}\n", pvf_worker::version::built_for())
    );
    fs::write(scratch.0.join("polkadot-worker.version"), "1.26.0\n").unwrap();
    assert_eq!(says("--version"), "1.26.0\n");
    assert_eq!(says("-v"), "1.26.0\n");
    assert!(says("--full-version").starts_with("1.26.0-"));
    assert!(says("--help").starts_with("polkadot-execute-worker 1.26.0\ncommit: "));
    // A node must not start with workers whose version is unknown.
    fs::write(scratch.0.join("polkadot-worker.version"), "latest\n").unwrap();
    for argument in ["--version", "--full-version", "--help"] {
        let output = Command::new(&copy).arg(argument).output().unwrap();
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("\"latest\""), "{text}");
    }
}

/// A worker for which the system refuses `landlock_restrict_self`.
fn without_landlock(kind: &str) -> Command {
    let rules = [(libc::SYS_landlock_restrict_self, Vec::new())].into();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH
        .try_into()
        .expect("a known processor");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let filter: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    let mut command = Command::new(program(kind));
    // SAFETY: installing a compiled filter allocates no memory and takes no lock.
    unsafe {
        command.pre_exec(move || seccompiler::apply_filter(&filter).map_err(std::io::Error::other));
    }
    command
}

#[test]
fn a_barrier_that_cannot_be_set_up_is_the_machines_fault() {
    // The host has found Landlock possible, and does not require it.
    let security = SecurityStatus {
        secure_validator_mode: false,
        ..SecurityStatus::ALL
    };
    let mut host = Host::start_program(
        without_landlock("prepare-worker"),
        "prepare-worker",
        security,
    );
    let code = module("", "", "");
    let error = host.prepare(&preparation(&code)).expect_err("no barrier");
    assert!(matches!(error, PrepareError::Kernel(_)), "{error:?}");
    assert!(!error.is_deterministic());

    let artifact = artifact(&code);
    let mut host = Host::start_program(
        without_landlock("execute-worker"),
        "execute-worker",
        security,
    );
    host.shake(&ExecutorParams::default());
    let response = host.execute(&artifact, &execution(&artifact));
    let kernel = InternalValidationError::Kernel(String::new());
    match response {
        Err(WorkerError::InternalError(error)) => {
            assert_eq!(
                std::mem::discriminant(&error),
                std::mem::discriminant(&kernel)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_that_do_not_decode_end_the_worker() {
    let mut host = Host::executing(&ExecutorParams::default());
    frame::write(&mut host.stream, b"no request").unwrap();
    not_understood(host);

    // A set with an unknown parameter.
    let mut host = Host::start("execute-worker", SecurityStatus::ALL);
    frame::write(&mut host.stream, &[4, 9]).unwrap();
    not_understood(host);

    // A request followed by another byte.
    let mut host = Host::executing(&ExecutorParams::default());
    let mut longer = execution(b"").encode();
    longer.push(0);
    frame::write(&mut host.stream, &longer).unwrap();
    not_understood(host);

    for mut host in [
        Host::preparing(),
        Host::executing(&ExecutorParams::default()),
    ] {
        host.stream_bytes(&u64::MAX.to_le_bytes());
        assert_eq!(host.ends().unwrap().code(), Some(1));
    }
    let mut host = Host::preparing();
    frame::write(&mut host.stream, b"no request").unwrap();
    assert_eq!(host.ends().unwrap().code(), Some(1));
}

fn not_understood(mut host: Host) {
    let response: pvf_node_protocol::ExecuteResponse =
        frame::receive(&mut host.stream, 1 << 20).unwrap();
    let error = response.unwrap_err();
    let expected = matches!(
        error,
        WorkerError::InternalError(InternalValidationError::HostCommunication(_))
    );
    assert!(expected, "{error}");
    assert_eq!(host.ends().unwrap().code(), Some(1));
}

#[test]
fn leftover_environment_variables_end_a_worker_in_secure_mode() {
    let start = |security| {
        let script = r#"export LEFT=over; exec "$0" "$@""#;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(program("prepare-worker"));
        Host::start_program(shell, "prepare-worker", security)
    };
    assert_eq!(start(SecurityStatus::ALL).ends().unwrap().code(), Some(1));
    let relaxed = SecurityStatus {
        secure_validator_mode: false,
        ..SecurityStatus::ALL
    };
    assert!(
        start(relaxed)
            .prepare(&preparation(&module("", "", "")))
            .is_ok()
    );
}

#[test]
fn with_fewer_barriers_the_answers_are_the_same() {
    let code = module("", "", "");
    let bits = 0..16_u8;
    for security in bits.map(|bits| SecurityStatus {
        secure_validator_mode: false,
        can_enable_landlock: bits & 1 != 0,
        can_enable_seccomp: bits & 2 != 0,
        can_unshare_user_namespace_and_change_root: bits & 4 != 0,
        can_do_secure_clone: bits & 8 != 0,
    }) {
        let mut host = Host::start("prepare-worker", security);
        let (_, artifact) = host.prepare(&preparation(&code)).expect("prepares");
        let mut host = Host::start("execute-worker", security);
        host.shake(&ExecutorParams::default());
        let response = host.execute(&artifact, &execution(&artifact));
        assert!(
            matches!(said(response), JobResponse::Ok { .. }),
            "{security:?}"
        );
    }
}

#[test]
fn the_check_commands_succeed_on_this_machine() {
    let scratch = Scratch::new();
    let root = "--check-can-unshare-user-namespace-and-change-root";
    for arguments in [
        &["--check-can-enable-landlock"][..],
        &["--check-can-enable-seccomp"],
        &[root, scratch.0.to_str().unwrap()],
        &["--check-can-do-secure-clone"],
    ] {
        let check = Command::new(program("prepare-worker"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(check.status.success(), "{arguments:?}: {check:?}");
    }
    let nowhere = Command::new(program("prepare-worker"))
        .args([root, "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(255));
    assert!(!nowhere.stderr.is_empty());
    assert_eq!(nowhere.status.signal(), None);
}

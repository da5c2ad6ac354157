//! Memory of an execute worker after artifacts and candidates: it is bounded, and later jobs find
//! no data of earlier candidates in it.

mod common;

use common::*;
use parity_scale_codec::Encode;
use pvf_executor::{Profile, Purpose, Rules};
use pvf_node_protocol::{
    ExecuteRequest, ExecuteResponse, JobResponse, SecurityStatus, WorkerError,
};
use pvf_primitives::ExecutorParams;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::process::Command;

/// Limit of a waiting worker's files in memory in bytes, as in `docs/operators.md`.
const KEPT: u64 = 128 << 20;

/// Limit of the anonymous memory of a worker, and of its launcher, in bytes.
const OWN: u64 = 32 << 20;

fn artifact(wasm: &[u8]) -> Vec<u8> {
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    let prepared = pvf_executor::prepare(wasm, &rules);
    prepared
        .expect("the module is accepted")
        .artifact
        .to_bytes()
}

/// A module with many segments of two bytes, each across the border of two 4 KiB pages.
fn strewn(number: u32, segments: u32, pages: u32) -> Vec<u8> {
    let data: String = (0..segments)
        .map(|segment| format!("(data (i32.const {}) \"\\01\\02\")", segment * 8192 + 4095))
        .collect();
    parse(&format!(
        r#"(module (memory (export "memory") {pages})
            (global (export "__heap_base") i32 (i32.const 2048)) {data}
            (func (export "validate_block") (param i32 i32) (result i64) (i64.const {number})))"#
    ))
}

/// A module with this many MiB of data.
fn heavy(number: u32, mib: usize) -> Vec<u8> {
    let data = format!("{number:08}{}", "x".repeat((mib << 20) - 8));
    let pages = 17 + 16 * mib;
    let text = format!(
        r#"(module (memory (export "memory") {pages})
            (global (export "__heap_base") i32 (i32.const 2048))
            (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
            (data (i32.const 65536) "{data}")
            (func (export "validate_block") (param i32 i32) (result i64) (i64.const 0xf00000010)))"#
    );
    parse(&text)
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let numbers = list.split_whitespace();
    numbers.map(|it| it.parse().expect("a number")).collect()
}

/// A value of `/proc/PID/status` in bytes.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("there is such a line")
        .parse::<u64>()
        .expect("a number")
        * 1024
}

/// Whether a process has memory. A job that has answered may still be exiting, or be a zombie.
fn lives(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("RssAnon") && !status.contains("Name:\tpolkadot-exec-j")
}

/// Bytes of files in memory that a process holds open.
fn in_memory(pid: u32) -> u64 {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("the test may look");
    let files = descriptors.filter_map(|descriptor| {
        let path = descriptor.ok()?.path();
        let link = fs::read_link(&path).ok()?;
        let is_one = link.to_string_lossy().starts_with("/memfd:");
        let metadata = fs::metadata(&path).ok()?;
        is_one.then_some(metadata.blocks() * 512)
    });
    files.sum()
}

/// Memory of a waiting worker: bytes in files, and the larger anonymous memory of worker and
/// launcher.
fn idle(host: &Host) -> (u64, u64) {
    let worker = host.worker.id();
    let processes = [&[worker][..], &children(worker)].concat();
    let living = processes.iter().filter(|&&pid| lives(pid));
    let own = living.map(|&pid| status(pid, "RssAnon"));
    (in_memory(worker), own.max().unwrap_or(0))
}

/// The number of rounds: `short`, or `long` with `PVF_LONG=1`.
fn rounds(short: u32, long: u32) -> u32 {
    match std::env::var_os("PVF_LONG") {
        Some(_) => long,
        None => short,
    }
}

/// The valid candidates of the fixtures: artifact, request, expected result.
fn honest_candidates() -> Vec<(Vec<u8>, ExecuteRequest, Vec<u8>)> {
    let mut candidates = Vec::new();
    for FixtureChain { code, cases, .. } in fixture_chains() {
        let artifact = artifact(&code);
        for case in cases {
            let request = execution_of(&artifact, &case.candidate);
            if let (Some(request), Some(result)) = (request, case.result) {
                candidates.push((artifact.clone(), request, result));
            }
        }
    }
    candidates
}

#[test]
fn honest_candidates_leave_a_bounded_amount_of_memory() {
    let candidates = honest_candidates();
    assert!(candidates.len() > 20, "{}", candidates.len());
    let mut host = Host::executing(&ExecutorParams::default());
    let (mut executed, mut most) = (0, (0, 0));
    for (artifact, request, result) in candidates.iter().cycle() {
        match said(host.execute(artifact, request)) {
            JobResponse::Ok { result_descriptor } => {
                assert_eq!(&result_descriptor.encode(), result, "{executed}");
            }
            other => panic!("{executed}: {other:?}"),
        }
        let (files, own) = idle(&host);
        most = (most.0.max(files), most.1.max(own));
        executed += 1;
        if executed == rounds(100, 10_000) {
            break;
        }
    }
    let peak = status(host.worker.id(), "VmHWM");
    println!("{executed} candidates; most while idle: {most:?}; peak of the worker {peak}");
    assert!(
        most.0 <= KEPT && most.1 <= OWN && peak <= KEPT,
        "{most:?}, {peak}"
    );
}

#[test]
fn hostile_artifacts_leave_a_bounded_amount_of_memory() {
    let mut host = Host::executing(&ExecutorParams::default());
    let mut most = (0, 0);
    for number in 0..rounds(24, 1000) {
        let (wasm, fits) = match number % 4 {
            // Memories above the limit, memories below it, and large data segments.
            0 | 1 => (strewn(number, 16_000, 65_536), false),
            2 => (strewn(number, 16_000, 2048), true),
            _ => (heavy(number, 24), true),
        };
        let artifact = artifact(&wasm);
        let said = said(host.execute(&artifact, &execution(&artifact)));
        let refused = matches!(said, JobResponse::RuntimeConstruction(_));
        assert_eq!(refused, !fits, "{number}: {said:?}");
        let (files, own) = idle(&host);
        most = (most.0.max(files), most.1.max(own));
        assert!(files <= KEPT, "{number}: {files} bytes in files");
        assert!(own <= OWN, "{number}: {own} bytes");
    }
    let peak = status(host.worker.id(), "VmHWM");
    println!("most while idle: {most:?}; peak of the worker {peak}");
    assert!(peak <= KEPT, "{peak} bytes");
    assert!(
        most.0 > KEPT / 2,
        "the artifacts were too small for this test"
    );
}

#[test]
fn the_process_that_forks_jobs_holds_no_data_of_earlier_candidates() {
    const MARK: &[u8] = b"a mark of an earlier candidate.";
    let artifact = artifact(&module("", "", ""));
    let mut host = Host::executing(&ExecutorParams::default());
    let mut request = execution(&artifact);
    request.pov.block_data = MARK.repeat(300);
    request.pvd.parent_head = MARK.repeat(3);
    let path = host.directory.join("artifact");
    fs::write(&path, &artifact).unwrap();
    for _ in 0..3 {
        let response = host.try_execute(&request).unwrap();
        assert!(matches!(said(response), JobResponse::Ok { .. }));
    }
    // Jobs are copies of the launcher.
    let launcher = children(host.worker.id())[0];
    let Some(found) = count(launcher, MARK) else {
        println!("not tested: this user may not read a worker's memory");
        return;
    };
    assert_eq!(found, 0);
    // The search finds the mark in this process, which has it.
    let own = count(std::process::id(), MARK);
    assert!(own.expect("this process may be read") > 300);
    assert_eq!(in_memory(launcher), 0);
}

/// How often bytes occur in the writable memory of a process.
fn count(pid: u32, what: &[u8]) -> Option<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        let mut at = start;
        let mut piece = vec![0; 1 << 20];
        while at < end {
            let most = piece.len().min((end - at) as usize);
            let Ok(read) = memory.read_at(&mut piece[..most], at) else {
                break;
            };
            let first = |window: &[u8]| window == what;
            found += piece[..read]
                .windows(what.len())
                .filter(|it| first(it))
                .count();
            at += (read as u64).max(1);
        }
    }
    Some(found)
}

/// Whether the answer about a valid candidate is no vote against it.
fn is_no_vote(response: &ExecuteResponse) -> bool {
    match response {
        Ok(response) => matches!(response.job_response, JobResponse::Ok { .. }),
        Err(error) => matches!(error, WorkerError::InternalError(_)),
    }
}

#[test]
fn running_out_of_descriptors_is_no_vote_against_a_candidate() {
    let artifacts: Vec<Vec<u8>> = (0..6)
        .map(|number| {
            artifact(&module(
                "",
                "",
                &format!(r#"(data (i32.const 99) "{number}")"#),
            ))
        })
        .collect();
    let (mut valid, mut internal) = (0, 0);
    for limit in 10..40 {
        let mut program = Command::new("sh");
        program
            .arg("-c")
            .arg(format!(
                "ulimit -n {limit}; exec env -i RUST_LOG= \"$0\" \"$@\""
            ))
            .arg(common::program("execute-worker"));
        let mut host = Host::start_program(program, "execute-worker", SecurityStatus::ALL);
        let handshake = pvf_node_protocol::ExecuteHandshake {
            executor_params: ExecutorParams::default(),
        };
        // With too few descriptors to start, the worker exits, and a host would start another.
        if pvf_node_protocol::frame::send(&mut host.stream, &handshake).is_err() {
            continue;
        }
        for artifact in artifacts.iter().chain(&artifacts) {
            fs::write(host.directory.join("artifact"), artifact).unwrap();
            let Ok(response) = host.try_execute(&execution(artifact)) else {
                break;
            };
            assert!(is_no_vote(&response), "{limit} descriptors: {response:?}");
            match response {
                Ok(_) => valid += 1,
                Err(_) => internal += 1,
            }
        }
    }
    println!("{valid} valid, {internal} internal errors");
    assert!(valid > 100);
}

#[test]
fn huge_files_are_corrupted_artifacts_and_special_files_are_internal_errors() {
    let good = artifact(&module("", "", ""));
    let start = || Host::executing(&ExecutorParams::default());
    let place = |host: &Host| host.directory.join("artifact");

    // Sparse files of up to 1 TiB: with no content, and with the head of an artifact.
    for head in [&[][..], &good[..64]] {
        let mut host = start();
        let file = File::create(place(&host)).unwrap();
        file.write_all_at(head, 0).unwrap();
        for bytes in [1 << 40, 1 << 30] {
            file.set_len(bytes).unwrap();
            let said = said(host.try_execute(&execution(&good)).unwrap());
            assert_eq!(said, JobResponse::CorruptedArtifact);
        }
        assert!(status(host.worker.id(), "VmHWM") < KEPT);
        drop(file);
        fs::write(place(&host), &good).unwrap();
        assert!(is_no_vote(&host.try_execute(&execution(&good)).unwrap()));
    }

    let no_votes: [fn(&std::path::Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
    ];
    for make in no_votes {
        let mut host = start();
        make(&place(&host));
        let response = host.try_execute(&execution(&good)).unwrap();
        assert!(
            matches!(response, Err(WorkerError::InternalError(_))),
            "{response:?}"
        );
    }
}

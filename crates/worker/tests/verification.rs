//! An installation whose workers verify machine code also when they load an artifact.

mod common;

use common::*;
use pvf_executor::{Artifact, ArtifactContents};
use pvf_node_protocol::{
    ExecuteResponse, JobError, JobResponse, SecurityStatus, VERIFY_FILE, WorkerError,
};
use pvf_primitives::ExecutorParams;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// An instruction that ends the process, in every byte or word.
const STOP: u8 = if cfg!(target_arch = "x86_64") {
    0xcc
} else {
    0
};

/// Copies of the workers, beside a file that says when to verify.
struct Installed(Scratch);

impl Installed {
    fn new(words: &str) -> Self {
        let scratch = Scratch::new();
        fs::write(scratch.0.join(VERIFY_FILE), words).expect("the file is written");
        let installed = Self(scratch);
        for command in ["prepare-worker", "execute-worker"] {
            place(&program(command), &installed.program(command));
        }
        installed
    }

    fn program(&self, command: &str) -> PathBuf {
        self.0.0.join(format!("polkadot-{command}"))
    }

    fn execute(&self, artifact: &[u8]) -> ExecuteResponse {
        let program = Command::new(self.program("execute-worker"));
        let mut host = Host::start_program(program, "execute-worker", SecurityStatus::ALL);
        host.shake(&ExecutorParams::default());
        host.execute(artifact, &execution(artifact))
    }
}

/// An intact artifact whose code another program could have made: `validate_block` stops at its entry.
#[allow(
    unsafe_code,
    reason = "the code is executed in the jobs of a worker alone"
)]
fn forged(artifact: &[u8]) -> Vec<u8> {
    let parts = Artifact::parse(artifact).expect("the artifact is intact");
    let traps = parts.trap_map(std::sync::Arc::new(artifact.to_vec()));
    let mut contents = ArtifactContents {
        code: artifact[parts.code.clone()].to_vec(),
        data: artifact[parts.data.clone()].to_vec(),
        traps: traps.expect("it has a trap map"),
        module: parts.module,
    };
    let function = contents.module.functions.last().expect("it has a function");
    let start = function.code_offset as usize;
    contents.code[start..start + function.code_bytes as usize].fill(STOP);
    // SAFETY: this process does not execute it.
    unsafe { Artifact::from_contents(contents) }.to_bytes()
}

#[test]
fn a_forged_artifact_is_corrupted_where_loads_verify() {
    let artifact = Host::preparing()
        .prepare(&preparation(&module("", "", "")))
        .expect("prepared")
        .1;
    let forged = forged(&artifact);
    for (words, verifies) in [
        ("", false),
        ("at-load", true),
        ("at-load\nnot-when-preparing\n", true),
    ] {
        let installed = Installed::new(words);
        let valid = said(installed.execute(&artifact));
        assert!(
            matches!(valid, JobResponse::Ok { .. }),
            "{words:?}: {valid:?}"
        );
        match installed.execute(&forged) {
            Ok(response) => {
                let corrupted = response.job_response == JobResponse::CorruptedArtifact;
                assert!(verifies && corrupted, "{words:?}: {response:?}");
            }
            Err(WorkerError::JobDied { .. } | WorkerError::JobError(JobError::Panic(_))) => {
                assert!(!verifies, "{words:?}")
            }
            Err(error) => panic!("{words:?}: {error:?}"),
        }
    }
}

#[test]
fn workers_prepare_the_same_with_and_without_verification() {
    let code = module("", "(drop (i32.load (local.get $at)))", "");
    let [with, without] = ["", "not-when-preparing"].map(|words| {
        let installed = Installed::new(words);
        let program = Command::new(installed.program("prepare-worker"));
        let mut host = Host::start_program(program, "prepare-worker", SecurityStatus::ALL);
        host.prepare(&preparation(&code)).expect("prepared").1
    });
    assert!(with == without);
}

/// The peak of allocations decides whether prechecking accepts a code, so it must not depend on the verifier.
#[test]
fn the_peak_of_a_preparation_does_not_depend_on_verification() {
    let peaks = ["", "not-when-preparing"].map(|words| {
        let installed = Installed::new(words);
        let program = Command::new(installed.program("prepare-worker"));
        let mut host = Host::start_program(program, "prepare-worker", SecurityStatus::ALL);
        let mut peak = |code: &[u8]| {
            let (success, _) = host.prepare(&preparation(code)).expect("prepared");
            success.stats.memory_stats.peak_tracked_alloc
        };
        let mut peaks = vec![peak(&module("", "", ""))];
        peaks.extend(fixture_chains().iter().map(|chain| peak(&chain.code)));
        peaks
    });
    println!("bytes with and without: {peaks:?}");
    assert_eq!(peaks[0], peaks[1]);
}

#[test]
fn a_worker_does_not_start_with_words_that_it_does_not_know() {
    let installed = Installed::new("at-lode");
    for command in ["prepare-worker", "execute-worker"] {
        let output = Command::new(installed.program(command))
            .args([
                command,
                "--socket-path",
                "/nothing/there",
                "--worker-dir-path",
            ])
            .arg(&installed.0.0)
            .env_clear()
            .output()
            .expect("it starts");
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            text.contains(VERIFY_FILE) && text.contains("at-lode"),
            "{text}"
        );
    }
}

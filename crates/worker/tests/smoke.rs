//! The test of installed workers that an operator runs: right workers pass every step, wrong ones fail the right ones.

mod common;

use common::program;
use pvf_primitives::{ExecutorParams, Network};
use pvf_worker_client::install::PROGRAMS;
use pvf_worker_client::smoke::{self, Tried};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One test at a time: a child of another one could still have a copied program open, which then cannot be started.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn tried(directory: &Path, params: &ExecutorParams) -> Tried {
    let wasm = wat::parse_str(smoke::CODE).expect("the code is right");
    smoke::try_workers(directory, &wasm, params).expect("the workers can be tried")
}

fn ours() -> &'static Path {
    static OURS: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    OURS.get_or_init(|| {
        program("prepare-worker")
            .parent()
            .expect("a directory")
            .to_owned()
    })
}

#[test]
fn our_workers_pass_every_step() {
    let _alone = alone();
    for params in [
        ExecutorParams::default(),
        Network::Polkadot.executor_params(),
    ] {
        let tried = tried(ours(), &params);
        assert!(tried.is_fine(), "{tried:?}");
        assert_eq!(tried.steps.len(), 9);
    }
}

/// A directory with our prepare worker, and with a script as the execute worker.
fn with_script(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    common::place(
        &ours().join(PROGRAMS[0]),
        &directory.path().join(PROGRAMS[0]),
    );
    let path = directory.path().join(PROGRAMS[1]);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("executable");
    directory
}

/// The names of the steps that failed, with the reasons.
fn failures(tried: &Tried) -> Vec<(&'static str, String)> {
    let failed = |step: &smoke::Step| Some((step.name, step.result.clone().err()?));
    tried.steps.iter().filter_map(failed).collect()
}

#[test]
fn a_worker_that_does_not_start_is_named_with_its_last_words() {
    let _alone = alone();
    let directory = with_script("echo its last words >&2; exit 1");
    let failures = failures(&tried(directory.path(), &ExecutorParams::default()));
    let [(name, why)] = &failures[..] else {
        panic!("{failures:?}")
    };
    assert_eq!(*name, "starts the execute worker");
    assert!(why.contains("its last words"), "{why}");
}

#[test]
fn a_log_that_goes_nowhere_fails_one_step() {
    let _alone = alone();
    let execute = ours().join(PROGRAMS[1]);
    let directory = with_script(&format!("exec {} \"$@\" 2>/dev/null", execute.display()));
    let failures = failures(&tried(directory.path(), &ExecutorParams::default()));
    let names: Vec<&str> = failures.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["passes on a line of the log"], "{failures:?}");
}

#[test]
fn a_prepare_worker_that_cannot_prepare_ends_the_test() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("a directory");
    common::place(Path::new("/bin/false"), &directory.path().join(PROGRAMS[0]));
    let tried = tried(directory.path(), &ExecutorParams::default());
    assert!(!tried.is_fine());
    assert_eq!(failures(&tried)[0].0, "prepares code");
}

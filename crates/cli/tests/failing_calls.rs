//! Faults of the machine: each system call of `pvf` fails once. The library runs in its process, so
//! this is where `prepare` and `validate` meet failing calls. A verdict is right or there is none;
//! no file is left but the whole artifact.

mod common;

use common::{fixture, program, pvf};
use pvf_faults::{Fault, PATIENCE, Ran, Said, can_trace, start, try_all};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

/// Runs `pvf`, whose exit code must be `expected` or that of a failure. `is_right` judges the
/// output of a run that ended as expected.
fn run(
    arguments: &[&str],
    expected: i32,
    is_right: impl Fn(&str) -> bool,
    fault: Option<Fault>,
) -> Ran {
    let (mut lines, to_us) = std::io::pipe().expect("a pipe");
    let mut command = program();
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(to_us)
        .stderr(Stdio::null());
    let traced = start(command, fault.clone()).expect("the program starts");
    let mut wrong = Vec::new();
    let trace = traced.finish(PATIENCE).unwrap_or_else(|left| {
        wrong.push(format!("these did not end: {:?}", left.processes));
        left.trace
    });
    let mut text = Vec::new();
    lines.read_to_end(&mut text).expect("a pipe");
    let text = String::from_utf8_lossy(&text);
    let is_first_mapping = fault.is_some_and(|it| it.call == libc::SYS_mmap && it.occurrence == 1);
    /// The exit code of the dynamic loader if a program cannot be loaded.
    const NOT_LOADED: i32 = 127;
    let answer = match trace.status {
        status if status == expected => match is_right(&text) {
            true => Said::Right,
            false => Said::Wrong(format!("exit code {status} and {text}")),
        },
        2 | 3 if text.contains("valid\":true") || text.contains("\"outcome\":\"") => {
            Said::Wrong(format!("a failure and {text}"))
        }
        2 | 3 => Said::Internal(text.into_owned()),
        NOT_LOADED => Said::Ended,
        // The standard library aborts if it has no stack for the signals of a thread.
        status if status == -libc::SIGABRT && text.is_empty() => Said::Ended,
        // The dynamic loader does not survive the failure of its first mapping.
        status if status == -libc::SIGKILL && is_first_mapping => Said::Ended,
        status => Said::Wrong(format!("exit code or signal {status}: {text}")),
    };
    Ran {
        answers: vec![answer],
        wrong,
        trace,
    }
}

/// The files in a directory.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let names = entries.map(|it| it.expect("an entry").file_name());
    names.map(|it| it.to_string_lossy().into_owned()).collect()
}

fn judges(command: &str, code: &str) {
    if !can_trace() {
        return;
    }
    let result = fs::read(fixture("adder/add-1.result")).expect("the fixture is there");
    let result = format!("\"result\":\"0x{}\"", hex::encode(result));
    for (case, expected) in [("add-1", 0), ("wrong-state", 1)] {
        let params = fixture(&format!("adder/{case}.params"));
        let arguments = [command, "--json", "--network", "protocol", code, &params];
        let is_right = |text: &str| match expected {
            0 => text.contains("\"outcome\":\"valid\"") && text.contains(&result),
            _ => text.contains("\"outcome\":\"invalid\"") && text.contains("unreachable"),
        };
        let run = |fault| run(&arguments, expected, is_right, fault);
        try_all(100, |_, _| true, run);
    }
}

#[test]
fn validate_is_right_or_fails() {
    judges("validate", &fixture("adder/code.compressed.wasm"));
}

#[test]
fn execute_is_right_or_fails() {
    let scratch = tempfile::tempdir().expect("a directory");
    let artifact = scratch.path().join("artifact").display().to_string();
    let code = fixture("adder/code.wasm");
    assert_eq!(pvf(["prepare", &code, "-o", &artifact]).code, 0);
    judges("execute", &artifact);
}

#[test]
fn prepare_writes_the_artifact_or_nothing() {
    if !can_trace() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let whole = scratch.path().join("artifact").display().to_string();
    let code = fixture("adder/code.wasm");
    assert_eq!(pvf(["prepare", &code, "-o", &whole]).code, 0);
    let whole = fs::read(whole).expect("an artifact");
    let one = |fault| {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("artifact");
        let output = path.display().to_string();
        let arguments = ["prepare", "--json", "--threads", "2", &code, "-o", &output];
        let is_right = |_: &str| fs::read(&path).is_ok_and(|it| it == whole);
        let mut ran = run(&arguments, 0, is_right, fault);
        match &files(place.path())[..] {
            [] => {}
            [one] if one == "artifact" && is_right("") => {}
            left => ran.wrong.push(format!("{left:?} is left")),
        }
        ran
    };
    try_all(150, |_, _| true, one);
}

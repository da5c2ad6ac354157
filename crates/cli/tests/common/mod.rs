//! Runs the built `pvf`. Plain `std::process`: what `assert_cmd` adds to it is not needed here.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod schema;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a run of `pvf` ended.
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    /// The JSON object on the standard output, which holds nothing else.
    pub fn json(&self) -> Value {
        let text = String::from_utf8(self.stdout.clone()).expect("JSON is UTF-8");
        assert_eq!(text.lines().count(), 1, "one line: {text}{}", self.stderr);
        let value: Value = serde_json::from_str(&text).expect("one JSON object");
        assert!(value.is_object());
        value
    }

    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("output is UTF-8")
    }
}

/// The built `pvf`, to be given arguments; under the emulator that these tests run under, if they do.
pub fn program() -> Command {
    let pvf = env!("CARGO_BIN_EXE_pvf");
    match std::env::var_os("PVF_TEST_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(pvf);
            command
        }
        None => Command::new(pvf),
    }
}

/// Runs `pvf`.
pub fn pvf<I: IntoIterator>(args: I) -> Ran
where
    I::Item: AsRef<std::ffi::OsStr>,
{
    pvf_with_stdin(args, b"")
}

/// Runs `pvf` with something on the standard input.
pub fn pvf_with_stdin<I: IntoIterator>(args: I, stdin: &[u8]) -> Ran
where
    I::Item: AsRef<std::ffi::OsStr>,
{
    let mut child = program()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pvf starts");
    let mut pipe = child.stdin.take().expect("stdin is piped");
    // A command that does not read its standard input may be gone already.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    let output = child.wait_with_output().expect("pvf ends");
    Ran {
        code: output.status.code().expect("pvf is not killed"),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A file of the fixtures.
pub fn fixture(path: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fixtures.join(path).display().to_string()
}

/// A file for one test to write, in a directory of its own.
pub fn scratch(test: &str, name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&directory).expect("a directory can be made");
    directory.join(name)
}

/// Writes a file for one test.
pub fn write(test: &str, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = scratch(test, name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path.display().to_string()
}

/// Asserts that a JSON object has these keys.
pub fn assert_keys(json: &Value, keys: &[&str]) {
    for key in keys {
        assert!(json.get(key).is_some(), "no key {key} in {json}");
    }
}

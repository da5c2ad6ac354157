//! What the tests share: the library that was built with them, compilers and checkers.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What linking the static library takes, as `rustc --print native-static-libs` says.
const STATIC_LIBRARIES: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

/// What a program did.
#[derive(Debug)]
pub struct Done {
    what: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// What it printed, if it succeeded.
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where cargo puts the library that belongs to this test: beside the test.
pub fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the test is a file");
    let folder = test.parent().expect("it is in a folder").to_owned();
    assert!(folder.join("libpvf.so").exists(), "{}", folder.display());
    folder
}

/// Runs a program that has to be there.
pub fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[S]) -> Done {
    run_with(program, arguments, &[])
}

pub fn run_with<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: &[S],
    environment: &[(&str, &str)],
) -> Done {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .env("LD_LIBRARY_PATH", library_folder());
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Done {
        what: format!("{command:?}"),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Whether a tool is here that not everybody has. With `PVF_REQUIRE_TOOLS` set, as in CI, it has to be.
pub fn has(tool: &str) -> bool {
    has_by(tool, "--version")
}

/// As [`has`], for a tool that is asked for its version in another way.
pub fn has_by(tool: &str, version: &str) -> bool {
    let found = Command::new(tool).arg(version).output();
    let found = found.is_ok_and(|output| output.status.success());
    let required = std::env::var_os("PVF_REQUIRE_TOOLS").is_some();
    assert!(found || !required, "there is no {tool}");
    if !found {
        eprintln!("not tested: there is no {tool}");
    }
    found
}

/// How a C program gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    Shared,
    Static,
}

/// Compiles a C program of this crate, warnings being errors.
pub fn compile(source: &str, name: &str, link: Link, flags: &[&str]) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let folder = library_folder();
    let mut arguments = vec!["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];
    arguments.extend(flags);
    let (include, source) = (own.join("include"), own.join(source));
    arguments.extend(["-I", text(&include), text(&source), "-o", text(&program)]);
    let archive = folder.join("libpvf.a");
    match link {
        Link::Shared => arguments.extend(["-L", text(&folder), "-lpvf"]),
        Link::Static => {
            arguments.push(text(&archive));
            arguments.extend(STATIC_LIBRARIES);
        }
    }
    run("gcc", &arguments).success();
    program
}

//! The tasks, as one table.

use crate::{layout, licences, notices, packages, readmes, repository};
use std::fmt::Write;
use std::process::Command;

/// One task.
struct Task {
    name: &'static str,
    /// What it does, in one line.
    about: &'static str,
    /// What it installs or downloads, and where; none if nothing.
    installs: Option<&'static str>,
    run: Run,
}

/// How a task is run.
enum Run {
    /// Commands, one after the other, each in the repository's root; the arguments go to the last.
    Commands(&'static [&'static [&'static str]]),
    /// A function of this program, with the arguments.
    Here(fn(&[String]) -> Result<(), Problems>),
}

/// What a check found wrong, one line each.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl Problems {
    /// Nothing wrong, or all that is.
    pub fn of(problems: Vec<String>) -> Result<(), Self> {
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Self(problems)),
        }
    }
}

impl From<repository::ReadError> for Problems {
    fn from(error: repository::ReadError) -> Self {
        Self(vec![error.to_string()])
    }
}

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is none of this name.
    #[error("there is no task {0}; `cargo xtask` lists them")]
    Unknown(String),
    /// A command cannot be started.
    #[error("cannot start {command}: {source}")]
    Start {
        /// The program.
        command: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A command failed, and said why.
    #[error("exit code {0}")]
    Exit(u8),
    /// A check failed.
    #[error("{}", .0.0.join("\nxtask: "))]
    Check(Problems),
}

const AARCH64: &str = "Debian packages (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross; as root) and, into target/aarch64-toolchain, a Rust \
                       compiler for arm64 and qemu-user";

const TASKS: &[Task] = &[
    Task {
        name: "ci",
        about: "all that CI checks; `ci --list` names the steps, `ci STEP...` runs some",
        installs: Some(
            "with the step `install`, which all steps begin with: what `cargo xtask install` installs",
        ),
        run: Run::Commands(&[&[".ci/run"]]),
    },
    Task {
        name: "install",
        about: "what CI needs beyond stable Rust and gcc",
        installs: Some(
            "Debian packages (g++, valgrind, Go, Chromium, Node, Python, lintian, mandoc, systemd, apparmor; as root), cargo-nextest and \
             mdbook into cargo's folder, and what `cargo xtask aarch64` installs",
        ),
        run: Run::Commands(&[&[".ci/install"]]),
    },
    Task {
        name: "bare-root",
        about: "proves in a new Debian 12 that stable Rust and gcc are enough; `--whole` runs all of CI there",
        installs: Some(
            "debootstrap (as root); everything else goes into target/bare-root and is removed at the end",
        ),
        run: Run::Commands(&[&["scripts/bare-root"]]),
    },
    Task {
        name: "aarch64",
        about: "cargo for aarch64 under an emulator, as in `aarch64 test --release -p pvf-rules`",
        installs: Some(AARCH64),
        run: Run::Commands(&[&["scripts/aarch64-cargo"]]),
    },
    Task {
        name: "aarch64-tests",
        about: "the workspace's tests under an emulator; `--list` names the targets, in by default unless excluded there",
        installs: Some(AARCH64),
        run: Run::Commands(&[&["scripts/aarch64-tests"]]),
    },
    Task {
        name: "cross-target",
        about: "runs everything for x86-64 and for aarch64 and compares outcomes; `--quick` runs a part",
        installs: Some(AARCH64),
        run: Run::Commands(&[&["scripts/cross-target"]]),
    },
    Task {
        name: "fuzz-all",
        about: "coverage-guided fuzzing of all targets for `--hours N`, on all cores, with one report; goes on where it ended",
        installs: None,
        run: Run::Commands(&[&["scripts/fuzz-all"]]),
    },
    Task {
        name: "team-day",
        about: "a parachain team's day, timed: installs pvf and asks the five questions of docs/parachain-teams.md of RUNTIMES",
        installs: Some("pvf, into a temporary folder; nothing with `--pvf PROGRAM`"),
        run: Run::Commands(&[&["scripts/team-day"]]),
    },
    Task {
        name: "network",
        about: "builds a network of whole nodes on loopback (integration/network), 25 minutes on two cores, and says how to run it",
        installs: None,
        run: Run::Commands(&[&["integration/network/build"]]),
    },
    Task {
        name: "executions",
        about: "a hundred million differential executions over all engines and both targets, for `--hours N` at a time",
        installs: Some(AARCH64),
        run: Run::Commands(&[&["scripts/executions"]]),
    },
    Task {
        name: "mutants",
        about: "whether tests notice mutants of our own source, as in `mutants pvf-metering`; `--report` prints the scores",
        installs: None,
        run: Run::Commands(&[
            &[
                "cargo",
                "build",
                "--quiet",
                "--release",
                "--package",
                "pvf-mutants",
            ],
            &["scripts/mutants/run"],
        ]),
    },
    Task {
        name: "arms",
        about: "which arms of compiler and assembler goldens, vectors and generated modules reach, on both targets (takes llvm-tools)",
        installs: None,
        run: Run::Commands(&[&["scripts/arms/run"]]),
    },
    Task {
        name: "conformance",
        about: "the conformance suite on every engine with an adapter, as one page in target/conformance",
        installs: None,
        run: Run::Commands(&[&["conformance/run-all"]]),
    },
    Task {
        name: "spec",
        about: "the specification against code and vectors; `--write` writes the table of vectors",
        installs: None,
        run: Run::Commands(&[&["spec/check"]]),
    },
    Task {
        name: "book",
        about: "specification and guides as one site in target/book, every link checked (takes mdbook)",
        installs: None,
        run: Run::Commands(&[&["scripts/book"]]),
    },
    Task {
        name: "pages",
        about: "builds the programs that write pages and checks these in a headless Chromium",
        installs: Some("two packages from npm into scripts/pages/node_modules"),
        run: Run::Commands(&[
            &["cargo", "build", "--release", "--workspace"],
            &[
                "cargo",
                "build",
                "--release",
                "--manifest-path",
                "bench/Cargo.toml",
                "--package",
                "pvf-bench",
            ],
            &["scripts/pages/run"],
        ]),
    },
    Task {
        name: "goldens",
        about: "writes anew what tests compare generated code and the C header with; look at the difference",
        installs: None,
        run: Run::Commands(&[
            &[
                "env",
                "PVF_BLESS=1",
                "cargo",
                "test",
                "--release",
                "--package",
                "pvf-compiler",
                "--test",
                "golden",
            ],
            &[
                "env",
                "PVF_BLESS=1",
                "cargo",
                "test",
                "--release",
                "--package",
                "pvf-c-api",
                "--test",
                "header",
            ],
        ]),
    },
    Task {
        name: "cases",
        about: "writes the conformance suite's cases and the specification's table of vectors anew",
        installs: None,
        run: Run::Commands(&[
            &[
                "cargo",
                "run",
                "--release",
                "--package",
                "pvf-conformance-cases",
            ],
            &["spec/check", "--write"],
        ]),
    },
    Task {
        name: "fixtures",
        about: "compiles the fixtures' guests (takes Debian's rustc-web and clang-19); `--check` compares",
        installs: None,
        run: Run::Commands(&[&["fixtures/build"]]),
    },
    Task {
        name: "guests",
        about: "compiles the benchmarks' guests (takes Debian's rustc-web and clang-19)",
        installs: None,
        run: Run::Commands(&[&["bench/guests/build"]]),
    },
    Task {
        name: "bench",
        about: "builds and runs pvf-bench beside all engines, as in `bench all --json run.json`; `bench publish RUN.json` writes the tables",
        installs: None,
        run: Run::Commands(&[&[
            "cargo",
            "run",
            "--release",
            "--manifest-path",
            "bench/Cargo.toml",
            "--package",
            "pvf-bench",
            "--features",
            "peers",
            "--",
        ]]),
    },
    Task {
        name: "bench-aarch64",
        about: "code for aarch64 beside Wasmtime's: instructions, size, compile speed",
        installs: Some(AARCH64),
        run: Run::Commands(&[&["bench/aarch64/run"]]),
    },
    Task {
        name: "install-libpvf",
        about: "the C library into `--prefix DIR`",
        installs: Some("header, libraries and a file for pkg-config into DIR (/usr/local)"),
        run: Run::Commands(&[&["scripts/install-libpvf"]]),
    },
    Task {
        name: "release",
        about: "tarball, Debian package, component list and checksums in target/packages; the same commit gives the same bytes",
        installs: Some("cargo-cyclonedx into target/tools, unless `--without-sbom` is given"),
        run: Run::Commands(&[&["scripts/release"]]),
    },
    Task {
        name: "operators-trial",
        about: "the release's package in a new Debian 12: the commands of docs/installing.md and docs/operators.md, use, purge",
        installs: Some(
            "debootstrap (as root); everything else goes into target/operators-trial and is removed at the end",
        ),
        run: Run::Commands(&[&["scripts/operators-trial"]]),
    },
    Task {
        name: "barriers",
        about: "what `pvf doctor` and `pvf workers test` say without namespaces, Landlock or seccomp and under containers' filters (as root)",
        installs: None,
        run: Run::Commands(&[&["scripts/barriers"]]),
    },
    Task {
        name: "machine",
        about: "the workers in an emulated machine with Debian's kernel: `machine apparmor`, `machine aarch64` (takes qemu-system)",
        installs: Some("nothing; packages of Debian are unpacked in target/machine"),
        run: Run::Commands(&[&["scripts/machine"]]),
    },
    Task {
        name: "layout",
        about: "that every dependency between folders points down; prints the layers",
        installs: None,
        run: Run::Here(layout::task),
    },
    Task {
        name: "licences",
        about: "the licences of all dependencies against deny.toml, without cargo-deny",
        installs: None,
        run: Run::Here(licences::task),
    },
    Task {
        name: "notices",
        about: "the licences and notices of all crates in the released programs, into a FILE",
        installs: None,
        run: Run::Here(notices::task),
    },
    Task {
        name: "packages",
        about: "that every crate says all that a registry wants, or why it is not published",
        installs: None,
        run: Run::Here(packages::task),
    },
    Task {
        name: "readmes",
        about: "writes the crates' README.md from their documentation; `--check` compares",
        installs: None,
        run: Run::Here(readmes::task),
    },
];

/// All tasks, as text.
pub fn list() -> String {
    let mut text = String::from("cargo xtask TASK [ARGUMENT...]\n\n");
    for task in TASKS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {:<15} {}", task.name, task.about);
        if let Some(what) = task.installs {
            let _ = writeln!(text, "  {:<15}   installs {what}", "");
        }
    }
    text
}

/// Runs the task of this name.
///
/// # Errors
/// [`TaskError`].
pub fn run(name: &str, arguments: &[String]) -> Result<(), TaskError> {
    let task = TASKS.iter().find(|task| task.name == name);
    let task = task.ok_or_else(|| TaskError::Unknown(name.to_owned()))?;
    if let Some(what) = task.installs {
        eprintln!("xtask: {name} installs {what}");
    }
    let commands = match task.run {
        Run::Here(function) => return function(arguments).map_err(TaskError::Check),
        Run::Commands(commands) => commands,
    };
    for (index, words) in commands.iter().enumerate() {
        let (program, fixed) = words.split_first().expect("a command has a program");
        let mut command = Command::new(program);
        command.args(fixed).current_dir(repository::root());
        if index + 1 == commands.len() {
            command.args(arguments);
        }
        let status = command.status().map_err(|source| TaskError::Start {
            command: program,
            source,
        })?;
        if !status.success() {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Err(TaskError::Exit(code.unwrap_or(1)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_script_exists_and_every_name_is_there_once() {
        let mut names = HashSet::new();
        for task in TASKS {
            assert!(names.insert(task.name), "{} is there twice", task.name);
            let Run::Commands(commands) = task.run else {
                continue;
            };
            for command in commands {
                let program = command[0];
                let exists = !program.contains('/') || repository::root().join(program).is_file();
                assert!(exists, "{}: there is no {program}", task.name);
            }
        }
    }

    #[test]
    fn every_script_has_a_task() {
        // What other scripts call, and what one folder's README describes.
        let parts = [
            "scripts/aarch64-run",
            "scripts/fuzz-rustc",
            "scripts/aarch64-toolchain",
            "integration/language/suites",
            "actions/pvf-diff/compare",
            "scripts/arms/rustc",
            "scripts/mutants/rustc",
            "packaging/lint",
            "packaging/sbom",
        ];
        let tasks: Vec<_> = TASKS
            .iter()
            .filter_map(|task| match task.run {
                Run::Commands(commands) => Some(commands.iter().map(|command| command[0])),
                Run::Here(_) => None,
            })
            .flatten()
            .collect();
        let is_script = |file: &String| {
            let path = repository::root().join(file);
            let executable = path
                .metadata()
                .is_ok_and(|it| it.permissions().mode() & 0o111 != 0);
            executable && std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"#!"))
        };
        let scripts: Vec<_> = repository::files()
            .unwrap()
            .into_iter()
            .filter(is_script)
            .collect();
        assert!(scripts.len() >= 15, "only {scripts:?}");
        for script in scripts {
            let known = tasks.contains(&script.as_str()) || parts.contains(&script.as_str());
            assert!(known, "no task runs {script}");
        }
    }

    /// Every step of `.ci/run` is in one job of the workflow, and nothing else is.
    #[test]
    fn the_workflow_has_every_step_of_ci() {
        let list = Command::new(".ci/run")
            .arg("--list")
            .current_dir(repository::root())
            .output()
            .unwrap();
        assert!(list.status.success(), "{list:?}");
        let list = String::from_utf8(list.stdout).unwrap();
        let mut steps: Vec<_> = list
            .lines()
            .filter_map(|it| it.split_whitespace().next())
            .collect();
        // Every job begins with it.
        steps.retain(|step| *step != "install");
        steps.sort();
        let workflow = repository::root().join(".github/workflows/ci.yml");
        let workflow = std::fs::read_to_string(workflow).unwrap();
        assert!(workflow.contains("run: .ci/run install ${{ matrix.steps }}"));
        let mut jobs: Vec<_> = workflow
            .lines()
            .filter_map(|line| line.strip_prefix("            steps: "))
            .flat_map(str::split_whitespace)
            .collect();
        jobs.sort();
        assert_eq!(jobs, steps);
    }

    #[test]
    fn unknown_tasks_are_named() {
        let error = run("no-such-task", &[]).unwrap_err().to_string();
        assert!(error.contains("no-such-task"), "{error}");
    }
}

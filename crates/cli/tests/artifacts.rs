//! An artifact has the same bytes in every process: with other threads, locale, time zone,
//! environment and working directory, one after the other and several at once.

mod common;

use common::{fixture, program};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// What surrounds a process.
struct Surroundings {
    threads: u16,
    variables: &'static [(&'static str, &'static str)],
    /// Nothing of this process's environment is handed down.
    bare: bool,
    directory: &'static str,
}

const SURROUNDINGS: &[Surroundings] = &[
    Surroundings {
        threads: 1,
        variables: &[],
        bare: false,
        directory: ".",
    },
    Surroundings {
        threads: 2,
        variables: &[
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TZ", "Pacific/Kiritimati"),
        ],
        bare: false,
        directory: "/",
    },
    Surroundings {
        threads: 8,
        variables: &[
            ("LC_ALL", "C"),
            ("TZ", "America/Los_Angeles"),
            ("SOURCE_DATE_EPOCH", "1"),
            ("HOME", "/nowhere"),
        ],
        bare: true,
        directory: "/tmp",
    },
    Surroundings {
        threads: 8,
        variables: &[
            ("LANG", "de_DE@euro"),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("MALLOC_PERTURB_", "165"),
            ("COLUMNS", "7"),
        ],
        bare: false,
        directory: ".",
    },
];

/// Starts `pvf prepare` in its surroundings.
fn prepare(code: &str, output: &Path, surroundings: &Surroundings, more: &[&str]) -> Child {
    let mut command = program();
    if surroundings.bare {
        command.env_clear();
    }
    command
        .args([
            "prepare",
            code,
            "--threads",
            &surroundings.threads.to_string(),
        ])
        .args(more)
        .arg("-o")
        .arg(output)
        .envs(surroundings.variables.iter().copied())
        .current_dir(surroundings.directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("pvf starts")
}

fn outputs(test: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("artifacts-{test}"));
    fs::create_dir_all(&folder).expect("a folder for artifacts");
    let paths = (0..SURROUNDINGS.len()).map(|number| folder.join(number.to_string()));
    paths.collect()
}

fn assert_identical(code: &str, artifacts: &[PathBuf]) {
    let bytes = |path: &PathBuf| fs::read(path).expect("an artifact");
    let first = bytes(&artifacts[0]);
    for (other, surroundings) in artifacts.iter().zip(SURROUNDINGS).skip(1) {
        assert!(
            bytes(other) == first,
            "{code}: another artifact with {} threads and {:?}",
            surroundings.threads,
            surroundings.variables
        );
    }
}

fn one_after_the_other(code: &str, test: &str, more: &[&str]) {
    let artifacts = outputs(test);
    for (artifact, surroundings) in artifacts.iter().zip(SURROUNDINGS) {
        let ended = prepare(code, artifact, surroundings, more).wait();
        assert!(ended.expect("pvf ends").success(), "{code}");
    }
    assert_identical(code, &artifacts);
}

#[test]
fn surroundings_do_not_matter() {
    for name in ["adder", "ledger", "hostcalls", "forth"] {
        let code = fixture(&format!("{name}/code.wasm"));
        one_after_the_other(&code, name, &[]);
        one_after_the_other(
            &code,
            name,
            &["--gas", "unlimited", "--stack-logical-max", "65536"],
        );
    }
}

#[test]
fn processes_at_once_do_not_matter() {
    let code = fixture("forth/code.wasm");
    let artifacts = outputs("at-once");
    let running: Vec<Child> = artifacts
        .iter()
        .zip(SURROUNDINGS)
        .map(|(artifact, surroundings)| prepare(&code, artifact, surroundings, &[]))
        .collect();
    for mut child in running {
        assert!(child.wait().expect("pvf ends").success());
    }
    assert_identical(&code, &artifacts);
}

/// The largest real blob, where there are any (`PVF_CASES`, or beside the repository).
#[test]
fn the_largest_real_blob() {
    let chains = pvf_corpus::recorded_chains().expect("the folder can be read");
    let codes = chains.into_iter().map(|chain| chain.code);
    let largest = codes.max_by_key(|code| fs::metadata(code).map_or(0, |it| it.len()));
    if let Some(code) = largest {
        let code = code.canonicalize().expect("it was found");
        one_after_the_other(&code.display().to_string(), "largest", &[]);
    }
}

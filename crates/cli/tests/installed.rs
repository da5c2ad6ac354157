//! A `pvf` that is installed uses what is beside it, and nothing of the checkout it was built in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the built program in a folder of its own.
fn install(folder: &Path) -> PathBuf {
    let installed = folder.join("pvf");
    let built = env!("CARGO_BIN_EXE_pvf");
    fs::hard_link(built, &installed)
        .or_else(|_| fs::copy(built, &installed).map(|_| ()))
        .expect("the program can be copied");
    installed
}

fn run(program: &Path, args: &[&str]) -> Output {
    // Under the emulator that these tests run under, if they do.
    let mut command = match std::env::var_os("PVF_TEST_RUNNER") {
        Some(runner) => {
            let mut command = Command::new(runner);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(args).env_remove("PVF_BENCH").current_dir("/");
    command.output().expect("pvf starts")
}

#[test]
fn other_programs_are_looked_for_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let pvf = install(folder.path());
    let ran = run(&pvf, &["bench", "programs"]);
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    let beside = folder.path().join("pvf-bench");
    fs::write(&beside, "#!/bin/sh\necho beside \"$@\"\n").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = run(&pvf, &["bench", "programs"]);
    assert_eq!(ran.stdout, b"beside programs\n", "{ran:?}");
}

#[test]
fn the_suite_has_to_be_named_or_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let pvf = install(folder.path());
    let args = [
        "conformance",
        "run",
        "--level",
        "core",
        "--filter",
        "LANG-1/",
    ];
    let ran = run(&pvf, &args);
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
    let text = String::from_utf8_lossy(&ran.stderr);
    assert!(text.contains("--suite"), "{text}");

    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let suite = suite.canonicalize().unwrap();
    let named = [&args[..], &["--suite", suite.to_str().unwrap()]].concat();
    let ran = run(&pvf, &named);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    std::os::unix::fs::symlink(&suite, folder.path().join("conformance")).unwrap();
    let ran = run(&pvf, &args);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
}

/// One that lies in the checkout's `target` folder does use the checkout.
#[test]
fn a_built_one_finds_the_checkout() {
    let ran = run(
        Path::new(env!("CARGO_BIN_EXE_pvf")),
        &[
            "conformance",
            "run",
            "--level",
            "core",
            "--filter",
            "LANG-1/",
        ],
    );
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
}

/// A package has the workers in `lib/pvf`, a build has them beside `pvf`.
#[test]
fn workers_are_looked_for_beside_it_and_where_a_package_has_them() {
    let root = tempfile::tempdir().unwrap();
    let place = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let worker = r#"[ "$1" != --version ] || cat "$(dirname "$0")/polkadot-worker.version""#;
    let names = ["polkadot-prepare-worker", "polkadot-execute-worker"];
    place("node", "echo polkadot 1.25.1-0abc");
    fs::create_dir(root.path().join("bin")).unwrap();
    let pvf = install(&root.path().join("bin"));
    let at = |path: &str| root.path().join(path).to_str().unwrap().to_owned();
    let into = at("into");
    let installed = || {
        let ran = run(
            &pvf,
            &["workers", "install", "--node", &at("node"), "--into", &into],
        );
        let text = fs::read_to_string(root.path().join("into").join(names[0]));
        (ran.status.code(), text.unwrap_or_default())
    };
    assert_eq!(installed().0, Some(3), "there are none");
    for name in names {
        place(&format!("lib/pvf/{name}"), &format!("{worker} # packaged"));
    }
    let (code, text) = installed();
    assert_eq!(code, Some(0));
    assert!(text.contains("# packaged"), "{text}");
    for name in names {
        place(&format!("bin/{name}"), &format!("{worker} # beside"));
    }
    let (code, text) = installed();
    assert_eq!(code, Some(0));
    assert!(text.contains("# beside"), "{text}");
}

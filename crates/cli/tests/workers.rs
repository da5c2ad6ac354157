//! `pvf workers`, with programs that stand for a node and its workers. The real ones are installed in `crates/worker/tests/install.rs`.

mod common;

use common::pvf;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn script(path: PathBuf, text: &str) -> String {
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.to_str().expect("UTF-8").to_owned()
}

/// Workers that say what the file beside them says, and to whom the machine allows everything.
fn built(directory: &Path) -> String {
    fs::create_dir(directory).unwrap();
    for name in ["polkadot-prepare-worker", "polkadot-execute-worker"] {
        script(
            directory.join(name),
            r#"[ "$1" != --version ] || cat "$(dirname "$0")/polkadot-worker.version""#,
        );
    }
    directory.to_str().expect("UTF-8").to_owned()
}

#[test]
fn installed_for_the_node_checked_and_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let node = script(scratch.path().join("polkadot"), "echo polkadot 1.24.3-0abc");
    let from = built(&scratch.path().join("built"));
    let into = scratch.path().join("installed");
    let into = into.to_str().unwrap();
    let install = [
        "workers", "install", "--node", &node, "--from", &from, "--into", into,
    ];

    let ran = pvf(install.into_iter().chain(["--json"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["version"], "1.24.3");
    assert_eq!(ran.json()["barriers"]["seccomp"], true);
    assert_eq!(
        fs::read_to_string(Path::new(into).join("polkadot-worker.version")).unwrap(),
        "1.24.3\n"
    );
    let check = ["workers", "check", "--node", &node, "--into", into];
    assert_eq!(pvf(check).code, 0);

    // The node is another one.
    script(scratch.path().join("polkadot"), "echo polkadot 1.25.1-0abc");
    assert_eq!(pvf(check).code, 1);
    assert_eq!(pvf(install).code, 0);
    assert_eq!(pvf(check).code, 0);

    // Of a release that has not been tried.
    script(scratch.path().join("polkadot"), "echo polkadot 1.26.0-0abc");
    let ran = pvf(install);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--untried"), "{}", ran.stderr);
    let ran = pvf(install.into_iter().chain(["--untried"]));
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    let uninstall = ["workers", "uninstall", "--into", into];
    let ran = pvf(uninstall);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.text().contains("1.25.1"), "{}", ran.text());
    assert_eq!(pvf(uninstall).code, 0);
    assert!(!Path::new(into).exists());
    assert_eq!(pvf(uninstall).code, 2);
}

#[test]
fn no_node_no_workers() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let node = script(scratch.path().join("polkadot"), "echo polkadot 1.25.1-0abc");
    let install = |node: &str, from: &str| {
        pvf([
            "workers",
            "install",
            "--node",
            node,
            "--from",
            from,
            "--into",
            &at("installed"),
        ])
    };
    assert_eq!(install(&at("missing"), &at("built")).code, 2);
    assert_eq!(install(&node, &at("built")).code, 3, "nothing to install");
    let other = script(scratch.path().join("other"), "echo something else");
    assert_eq!(install(&other, &at("built")).code, 2);
    let left = fs::read_dir(at("installed")).map(Iterator::count);
    assert_eq!(left.unwrap_or(0), 0);
}

//! Installing workers for a node, checking an installation, and removing it.

mod common;

use common::program;
use pvf_node_protocol::{VERIFY_FILE, Verification};
use pvf_worker_client::install::{
    InstallError, Installation, PROGRAMS, RECEIPT_FILE, check, install, installed, is_known,
    node_version, uninstall,
};
use pvf_worker_client::observation::{OBSERVE_FILE, Observation, Shadow};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Writes a program that ignores its arguments, prints a line, and exits with a status.
fn script(directory: &Path, name: &str, line: &str, status: u8) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\necho '{line}'\nexit {status}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn from() -> PathBuf {
    let worker = program("prepare-worker");
    worker.parent().expect("a directory").to_owned()
}

fn installation(into: &Path, version: &str) -> Installation {
    Installation {
        verification: Verification::default(),
        from: from(),
        into: into.to_owned(),
        version: version.to_owned(),
        primary: None,
        observation: None,
    }
}

/// Paths and bytes of all files in a directory, at any depth.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => drop(found.insert(path.clone(), fs::read(path).unwrap())),
            }
        }
    }
    found
}

/// The output of an installed program for `--version`.
fn says(directory: &Path, name: &str) -> String {
    let output = std::process::Command::new(directory.join(name))
        .arg("--version")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_installation_says_what_to_observe() {
    let scratch = scratch();
    let file = scratch.path().join(OBSERVE_FILE);
    let plain = installation(scratch.path(), "1.25.1");
    let observing = |observation| Installation {
        observation: Some(observation),
        ..plain.clone()
    };
    let record = Observation {
        directory: "/var/lib/pvf".into(),
        max_bytes: 1 << 30,
        record: true,
        shadow: None,
    };
    install(&observing(record.clone())).unwrap();
    let read = Observation::from_json(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(read, record);
    let shadow = Observation {
        shadow: Some(Shadow::default()),
        ..record.clone()
    };
    let error = install(&observing(shadow)).unwrap_err();
    assert!(matches!(error, InstallError::ShadowOfNothing), "{error}");
    let relative = Observation {
        directory: "pvf".into(),
        ..record
    };
    let error = install(&observing(relative)).unwrap_err();
    assert!(matches!(error, InstallError::Observation(_)), "{error}");
    // A failed installation changes nothing; the next one without an observation removes the file.
    assert!(file.exists());
    install(&plain).unwrap();
    assert!(!file.exists());
}

#[test]
fn an_installation_says_when_to_verify() {
    let scratch = scratch();
    let file = scratch.path().join(VERIFY_FILE);
    let plain = installation(scratch.path(), "1.25.1");
    let verification = Verification {
        at_load: true,
        ..Verification::default()
    };
    let verifying = Installation {
        verification,
        ..plain.clone()
    };
    install(&verifying).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.parse(), Ok(verification));
    check(scratch.path()).unwrap();
    // The next installation does not keep it, and the previous one comes back whole.
    install(&plain).unwrap();
    assert!(!file.exists());
    uninstall(scratch.path()).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // A changed file is noticed.
    fs::write(&file, "").unwrap();
    let error = check(scratch.path()).unwrap_err();
    assert!(matches!(error, InstallError::Foreign { .. }), "{error}");
}

#[test]
fn a_nodes_version_is_read_without_name_and_commit() {
    let scratch = scratch();
    for (line, version) in [
        ("polkadot 1.25.1-4ab7c2de1f3", Some("1.25.1")),
        ("polkadot 1.22.6-unknown", Some("1.22.6")),
        ("polkadot 1.26.0-rc1-0123abc", Some("1.26.0-rc1")),
        ("polkadot 1.25.1", Some("1.25.1")),
        ("1.25.1", None),
        ("polkadot node 1.25.1-abc", None),
        ("polkadot x.y.z-abc", None),
        ("", None),
    ] {
        let node = script(scratch.path(), "node", line, 0);
        let found = node_version(&node);
        assert_eq!(found.as_deref().ok(), version, "{line}: {found:?}");
    }
    let broken = script(scratch.path(), "broken", "polkadot 1.25.1-abc", 1);
    assert!(matches!(
        node_version(&broken),
        Err(InstallError::Mute { .. })
    ));
    let missing = node_version(&scratch.path().join("missing"));
    assert!(matches!(missing, Err(InstallError::Mute { .. })));
}

#[test]
fn releases_with_our_protocol_are_known() {
    for known in ["1.22.0", "1.22.6", "1.23.0", "1.24.3", "1.25.0", "1.25.1"] {
        assert!(is_known(known), "{known}");
    }
    for unknown in [
        "1.21.9",
        "1.22.0-rc1",
        "1.25.2",
        "1.26.0",
        "2.0.0",
        "",
        "1.25",
    ] {
        assert!(!is_known(unknown), "{unknown}");
    }
}

#[test]
fn an_installation_is_checked_and_uninstall_restores_the_previous_one() {
    let scratch = scratch();
    let into = scratch.path().join("deep/workers");
    let receipt = install(&installation(&into, "1.24.3")).unwrap();
    assert_eq!(receipt.version, "1.24.3");
    assert_eq!(installed(&into).unwrap().as_ref(), Some(&receipt));
    assert_eq!(check(&into).unwrap(), receipt);
    for name in PROGRAMS {
        assert_eq!(says(&into, name), "1.24.3");
        let mode = fs::metadata(into.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
    let first = files(&into);
    assert_eq!(first.len(), 4, "two programs, the version, the receipt");

    // Install again, for another version.
    install(&installation(&into, "1.25.1")).unwrap();
    assert_eq!(says(&into, PROGRAMS[0]), "1.25.1");
    assert_eq!(uninstall(&into).unwrap().as_ref(), Some(&receipt));
    assert_eq!(files(&into), first);
    assert_eq!(uninstall(&into).unwrap(), None);
    assert!(!into.exists());
    assert!(matches!(
        uninstall(&into),
        Err(InstallError::Nothing { .. })
    ));
}

#[test]
fn primary_workers_must_have_the_nodes_version() {
    let scratch = scratch();
    let primary = scratch.path().join("primary");
    fs::create_dir(&primary).unwrap();
    for name in PROGRAMS {
        script(&primary, name, "1.25.0", 0);
    }
    let into = scratch.path().join("workers");
    let mut installation = installation(&into, "1.25.0");
    installation.primary = Some(primary.clone());
    install(&installation).unwrap();
    let named = fs::read_to_string(into.join(pvf_node_protocol::PRIMARY_FILE)).unwrap();
    assert_eq!(Path::new(named.trim()), primary.canonicalize().unwrap());
    let before = files(&into);

    // One primary worker has another version.
    script(&primary, PROGRAMS[1], "1.25.1", 0);
    let error = install(&installation).unwrap_err();
    assert!(matches!(error, InstallError::Version { .. }), "{error}");
    assert_eq!(files(&into), before);
}

#[test]
fn foreign_and_changed_files_are_left_unchanged() {
    let scratch = scratch();
    let into = scratch.path();
    script(into, PROGRAMS[0], "1.25.1", 0);
    let before = files(into);
    let error = install(&installation(into, "1.25.1")).unwrap_err();
    assert!(matches!(error, InstallError::Foreign { .. }), "{error}");
    assert!(matches!(uninstall(into), Err(InstallError::Nothing { .. })));
    assert_eq!(files(into), before);

    let into = into.join("own");
    install(&installation(&into, "1.25.1")).unwrap();
    fs::write(into.join("else"), b"foreign").unwrap();
    fs::write(into.join(pvf_node_protocol::VERSION_FILE), "1.25.0\n").unwrap();
    let changed = files(&into);
    for error in [
        check(&into).unwrap_err(),
        uninstall(&into).unwrap_err(),
        install(&installation(&into, "1.25.1")).unwrap_err(),
    ] {
        assert!(matches!(error, InstallError::Foreign { .. }), "{error}");
    }
    assert_eq!(files(&into), changed);
    fs::write(into.join(pvf_node_protocol::VERSION_FILE), "1.25.1\n").unwrap();
    assert_eq!(uninstall(&into).unwrap(), None);
    assert_eq!(files(&into).len(), 1, "the foreign file stays");
}

#[test]
fn a_failed_installation_changes_nothing() {
    let scratch = scratch();
    let into = scratch.path().join("workers");
    install(&installation(&into, "1.25.0")).unwrap();
    let before = files(&into);

    // Programs that print another version than the file holds.
    let other = scratch.path().join("other");
    fs::create_dir(&other).unwrap();
    for name in PROGRAMS {
        script(&other, name, "1.25.0", 0);
    }
    let wrong = Installation {
        from: other.clone(),
        ..installation(&into, "1.25.1")
    };
    let error = install(&wrong).unwrap_err();
    assert!(matches!(error, InstallError::Version { .. }), "{error}");
    assert_eq!(files(&into), before);

    fs::remove_file(other.join(PROGRAMS[1])).unwrap();
    let error = install(&wrong).unwrap_err();
    assert!(matches!(error, InstallError::Io { .. }), "{error}");
    assert_eq!(files(&into), before);

    // A receipt that names a path outside of the directory.
    let receipt = r#"{"version": "1.25.0", "files": [{"name": "../other", "blake2_256": ""}]}"#;
    fs::write(into.join(RECEIPT_FILE), receipt).unwrap();
    let error = uninstall(&into).unwrap_err();
    assert!(matches!(error, InstallError::Receipt { .. }), "{error}");
    assert!(other.exists());
}

#[test]
fn a_failure_after_the_files_are_in_place_puts_the_previous_installation_back() {
    let scratch = scratch();
    let (into, other) = (scratch.path().join("workers"), scratch.path().join("other"));
    fs::create_dir(&other).unwrap();
    // These programs print the right version only where `install` checks them before it places them.
    for name in PROGRAMS {
        let path = other.join(name);
        let text =
            "#!/bin/sh\ncase $0 in */.polkadot-worker-*) echo 1.25.1;; *) echo 1.25.0;; esac\n";
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    let changing = Installation {
        from: other,
        ..installation(&into, "1.25.1")
    };
    let error = install(&changing).unwrap_err();
    assert!(matches!(error, InstallError::Version { .. }), "{error}");
    assert_eq!(files(&into).len(), 0);

    for version in ["1.24.0", "1.25.0"] {
        install(&installation(&into, version)).unwrap();
    }
    let before = files(&into);
    let error = install(&changing).unwrap_err();
    assert!(matches!(error, InstallError::Version { .. }), "{error}");
    assert_eq!(files(&into), before, "the installation before it too");
    check(&into).unwrap();
}

#[test]
fn the_name_of_the_primary_workers_goes_and_comes_back_with_its_installation() {
    let scratch = scratch();
    let (into, primary) = (
        scratch.path().join("workers"),
        scratch.path().join("primary"),
    );
    fs::create_dir(&primary).unwrap();
    for name in PROGRAMS {
        script(&primary, name, "1.25.1", 0);
    }
    let alone = installation(&into, "1.25.1");
    let both = Installation {
        primary: Some(primary),
        ..alone.clone()
    };
    let named = into.join(pvf_node_protocol::PRIMARY_FILE);
    install(&both).unwrap();
    install(&alone).unwrap();
    assert!(!named.exists());
    uninstall(&into).unwrap();
    assert!(named.exists());
    check(&into).unwrap();

    // A file of this name that no installation made.
    install(&alone).unwrap();
    fs::write(&named, "/foreign\n").unwrap();
    let before = files(&into);
    let error = install(&both).unwrap_err();
    assert!(matches!(error, InstallError::Foreign { .. }), "{error}");
    assert_eq!(files(&into), before);
}

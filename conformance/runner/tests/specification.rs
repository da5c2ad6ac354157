//! `spec/check` notices when a rule loses its vectors.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

/// What the check reads, copied, so that it can be made wrong.
fn copied(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in [
        "spec",
        "crates",
        "conformance",
        "bench",
        "fuzz",
        "docs",
        "fixtures",
    ] {
        copy(&root.join(folder), &to.join(folder)).expect(folder);
    }
    for file in ["README.md", "CONTRIBUTING.md"] {
        fs::copy(root.join(file), to.join(file)).expect(file);
    }
}

/// Copies a folder without what was built there, which cargo marks.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() && !entry.path().join("CACHEDIR.TAG").exists() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Whether python3 is here, which not everybody has. With `PVF_REQUIRE_TOOLS` set, as in CI, it has to be.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    let required = std::env::var_os("PVF_REQUIRE_TOOLS").is_some();
    assert!(found || !required, "there is no python3");
    if !found {
        eprintln!("not tested: there is no python3");
    }
    found
}

fn check(root: &Path, arguments: &[&str]) -> Output {
    Command::new("python3")
        .arg(root.join("spec/check"))
        .args(arguments)
        .output()
        .expect("python3 runs")
}

#[test]
fn a_rule_without_a_vector_fails_the_check() {
    if !has_python() {
        return;
    }
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("specification");
    let _ = fs::remove_dir_all(&root);
    copied(&root);
    let sound = check(&root, &[]);
    assert!(
        sound.status.success(),
        "{}",
        String::from_utf8_lossy(&sound.stderr)
    );

    // No case names LIMIT-4 any more, and no test of our own stands in for one.
    let path = root.join("conformance/cases/limits.jsonl");
    let cases = fs::read_to_string(&path).expect("the cases");
    let kept: Vec<&str> = cases
        .lines()
        .filter(|case| !case.contains("\"LIMIT-4\""))
        .collect();
    assert!(kept.len() < cases.lines().count());
    fs::write(&path, kept.join("\n")).expect("written");
    let broken = check(&root, &["--write"]);
    let says = String::from_utf8_lossy(&broken.stderr);
    assert_eq!(broken.status.code(), Some(1), "{says}");
    assert!(says.contains("LIMIT-4 has no vector"), "{says}");
    fs::remove_dir_all(&root).expect("it was ours");
}

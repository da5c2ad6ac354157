//! `spec/check` must fail if a rule loses its vectors, or if a document names something that does not exist.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

/// A copy of the repository that a test may change.
fn copied(name: &str) -> PathBuf {
    let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&to);
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository.canonicalize().expect("the repository");
    copy(&repository, &to).expect("the repository");
    to
}

/// Copies a folder without build output, without fetched packages, and without git's own files.
///
/// Cargo does not mark a target folder that another program has made before it, so build output is recognised by its
/// name too. The copy lies in the target folder; copied with the rest it would grow until the disk is full.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    const NOT_OURS: [&str; 3] = [".git", "node_modules", "target"];
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let source = entry.path();
        let name = entry.file_name();
        let built = source.join("CACHEDIR.TAG").exists() || to.starts_with(&source);
        if built || NOT_OURS.iter().any(|it| name == *it) {
            continue;
        }
        if kind.is_dir() {
            copy(&source, &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(source, to.join(name))?;
        }
    }
    Ok(())
}

/// Whether python3 is installed. With `PVF_REQUIRE_TOOLS` set, as in CI, it must be.
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
    let root = copied("specification");
    let sound = check(&root, &[]);
    assert!(
        sound.status.success(),
        "{}",
        String::from_utf8_lossy(&sound.stderr)
    );

    // No case names LIMIT-4 any more, and no test of the repository replaces one.
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

#[test]
fn a_document_that_names_what_does_not_exist_fails_the_check() {
    if !has_python() {
        return;
    }
    let root = copied("documents");
    let page = root.join("docs/page.md");
    for (text, complaint) in [
        (
            "`crates/rules/src/trap.rs`, `crates/rules/src/trap.rs::TrapKind`, [here](../README.md), `target/doc`",
            None,
        ),
        (
            "`crates/rules/src/nothing.rs`",
            Some("there is no crates/rules/src/nothing.rs"),
        ),
        (
            "`crates/rules/src/{trap,nothing}.rs`",
            Some("there is no crates/rules/src/nothing.rs"),
        ),
        (
            "`crates/rules/src/trap.rs::Nothing`",
            Some("defines no Nothing"),
        ),
        (
            "[there](nowhere.md)",
            Some("the link to nowhere.md leads nowhere"),
        ),
    ] {
        fs::write(&page, text).expect("written");
        let checked = check(&root, &[]);
        let says = String::from_utf8_lossy(&checked.stderr);
        assert_eq!(
            checked.status.success(),
            complaint.is_none(),
            "{text}: {says}"
        );
        assert!(
            complaint.is_none_or(|it| says.contains(it)),
            "{text}: {says}"
        );
    }
    fs::remove_file(&page).expect("it was ours");

    // A package with one more dependency.
    let manifest = root.join("crates/rules/Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    let text = text.replacen(
        "[dependencies]",
        "[dependencies]\npvf-assembler.workspace = true",
        1,
    );
    fs::write(&manifest, text).expect("written");
    let checked = check(&root, &[]);
    let says = String::from_utf8_lossy(&checked.stderr);
    assert!(
        says.contains("the table of packages is not up to date"),
        "{says}"
    );
    assert!(check(&root, &["--write"]).status.success());
    fs::remove_dir_all(&root).expect("it was ours");
}

//! `spec/check` notices when a rule loses its vectors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the check reads, copied, so that it can be made wrong.
fn copied(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tracked = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "spec",
            "crates",
            "conformance",
            "bench",
            "fuzz",
            "docs",
            "fixtures",
        ])
        .args(["README.md", "CONTRIBUTING.md"])
        .current_dir(&root)
        .output()
        .expect("git lists the repository");
    let names = String::from_utf8(tracked.stdout).expect("names are UTF-8");
    for name in names
        .split_terminator('\0')
        .filter(|name| root.join(name).is_file())
    {
        let target = to.join(name);
        fs::create_dir_all(target.parent().expect("a file is in a folder")).expect("a folder");
        fs::copy(root.join(name), target).expect("a copy");
    }
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

//! What ARCHITECTURE.md says of the compiler's layers: only `isa` knows machines, and nothing reads a clock.

use std::path::{Path, PathBuf};
use std::{fs, io};

fn sources(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        sources(&entry?.path(), found)?;
    }
    Ok(())
}

/// The lines of these files and folders of `src` that hold one of the words.
fn lines_with(words: &[&str], paths: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for path in paths {
        sources(&root.join(path), &mut files).unwrap();
    }
    let mut lines = Vec::new();
    // The generator's own tests may borrow an assembler for its labels.
    files.retain(|file| !file.starts_with(root.join("generate/tests")));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let found = text.lines().enumerate();
        let found = found.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        lines.extend(
            found.map(|(number, line)| format!("{}:{}: {line}", file.display(), number + 1)),
        );
    }
    lines
}

const MACHINES: [&str; 7] = [
    "::x64",
    "x86",
    "X86",
    "X64",
    "aarch64",
    "Aarch64",
    "target_arch",
];

#[test]
fn the_passes_name_no_machine() {
    let passes = [
        "analysis",
        "analysis.rs",
        "generate",
        "generate.rs",
        "module",
        "module.rs",
    ];
    assert_eq!(lines_with(&MACHINES, &passes), [""; 0]);
    // The search finds names where they are.
    assert!(!lines_with(&MACHINES, &["isa.rs"]).is_empty());
}

#[test]
fn nothing_reads_a_clock() {
    let clocks = ["Instant::", "SystemTime"];
    assert_eq!(lines_with(&clocks, &["."]), [""; 0]);
}

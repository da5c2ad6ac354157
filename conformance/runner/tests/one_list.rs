//! Compares lists in files that no compiler reads with the rules and the runner: levels, kinds of traps, features,
//! limits.

use pvf_conformance::LEVELS;
use pvf_rules::{ExecutionParameters, TrapKind};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(suite().join(file)).expect(file)
}

/// The parts of a text between pairs of a quote character.
fn between(text: &str, quote: char) -> BTreeSet<&str> {
    text.split(quote).skip(1).step_by(2).collect()
}

/// The lines from the one that starts with `first` to the next one that starts with `last`.
fn lines<'a>(text: &'a str, first: &str, last: &str) -> &'a str {
    let start = text.find(first).expect(first);
    let end = text[start..].find(last).expect(last);
    &text[start..start + end]
}

/// Every feature in the table of the README.
fn features(readme: &str) -> BTreeSet<&str> {
    let rows = lines(readme, "| feature | the engine |", "\n\n");
    let names = rows.lines().skip(2).map(|row| row.split('|').nth(1));
    names
        .flat_map(|names| between(names.expect("a column"), '`'))
        .collect()
}

#[test]
fn every_level_has_a_file_and_is_in_the_readme() {
    let folder = fs::read_dir(suite().join("cases")).expect("the suite is there");
    let files: BTreeSet<String> = folder
        .map(|file| file.expect("a file").path())
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let levels: BTreeSet<&str> = LEVELS.into();
    assert_eq!(
        files.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        levels
    );
    let readme = read("README.md");
    assert_eq!(between(lines(&readme, "Levels:", "\n\n"), '`'), levels);
}

#[test]
fn the_readme_says_the_limits_of_the_rules() {
    let thousands = |pages: u32| format!("{},{:03} pages", pages / 1000, pages % 1000);
    let readme = read("README.md");
    for parameters in [ExecutionParameters::POLKADOT, ExecutionParameters::WASM] {
        let pages = thousands(parameters.max_memory_pages);
        assert!(readme.contains(&pages), "{pages}");
    }
}

/// The adapter for V8 is not written in Rust and cannot use the constants of the rules.
#[test]
fn the_adapter_for_v8_uses_names_that_exist() {
    let (adapter, readme) = (read("adapters/node/adapter.mjs"), read("README.md"));
    let declared = between(lines(&adapter, "const features =", ";"), '"');
    assert!(
        !declared.is_empty() && declared.is_subset(&features(&readme)),
        "{declared:?}"
    );
    let used = between(lines(&adapter, "const kinds =", "];"), '"');
    let kinds: BTreeSet<&str> = TrapKind::ALL.iter().map(|kind| kind.name()).collect();
    assert!(used.len() > 8 && used.is_subset(&kinds), "{used:?}");
}

/// The README must explain every feature that a case needs.
#[test]
fn every_need_is_explained() {
    let readme = read("README.md");
    let features = features(&readme);
    for case in pvf_conformance::read_cases(&suite(), &LEVELS).expect("the suite can be read") {
        for need in &case.needs {
            assert!(features.contains(need.as_str()), "{}: {need}", case.id);
        }
    }
}

//! Writes the conformance suite, or checks with `--check` that the written suite is current.

use pvf_conformance_cases::{output, suite, uncovered};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let suite = suite(&folder.join("../fixtures"));
    let rules = std::fs::read_to_string(folder.join("../spec/rules.json")).unwrap_or_default();
    let mut failed = false;
    match uncovered(&suite, &rules) {
        Ok((without, unknown)) => {
            println!("rules without a case: {}", without.join(" "));
            println!("rules that do not exist: {}", unknown.join(" "));
            failed |= !without.is_empty() || !unknown.is_empty();
        }
        Err(error) => {
            eprintln!("spec/rules.json: {error}");
            failed = true;
        }
    }
    println!(
        "{} cases, {} modules",
        suite.cases.len(),
        suite.modules.len()
    );
    if std::env::args().any(|argument| argument == "--check") {
        let stale = output::check(&suite, &folder);
        stale.iter().for_each(|name| println!("stale: {name}"));
        failed |= !stale.is_empty();
    } else if let Err(error) = output::write(&suite, &folder) {
        eprintln!("cannot write the suite: {error}");
        failed = true;
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

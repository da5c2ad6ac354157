//! The cases of the conformance suite.
//!
//! Out of tables come modules and cases: every case names the rules it is about, a module, what is
//! done with it and how that must end. What is expected is stated by hand, computed by this crate's own
//! arithmetic, or (for the two meters) taken from oracles by other authors. Nothing
//! of this repository's compiler is used, and nothing here runs it.
//!
//! [`suite`] makes all cases; [`write`](output::write) puts them into a folder, [`check`](output::check)
//! says what in a folder is not what would be written, [`uncovered`] which rules no case is about.
#![forbid(unsafe_code)]

mod behaviour;
mod bytes;
mod counter;
mod language;
mod limits;
mod loops;
mod metering;
mod nan;
mod network;
mod numbers;
mod oracle;
mod outcome;
pub mod output;
mod pvf;
mod stack;
mod suite;
mod whole;

pub use pvf_conformance::LEVELS;

pub use oracle::{Run, fits, runs};
pub use suite::{Case, Source, Suite};

use std::path::Path;

/// Every case, with `fixtures` the folder of the repository's fixtures.
pub fn suite(fixtures: &Path) -> Suite {
    let mut suite = Suite::default();
    stack::add(&mut suite);
    counter::add(&mut suite);
    nan::add(&mut suite);
    numbers::add(&mut suite);
    behaviour::add(&mut suite);
    language::add(&mut suite);
    limits::add(&mut suite);
    network::add(&mut suite);
    pvf::add_modules(&mut suite);
    pvf::add(&mut suite);
    outcome::add(&mut suite);
    metering::add(&mut suite);
    loops::add(&mut suite);
    whole::add(&mut suite, fixtures);
    suite
}

/// The rules in a list (as JSON: objects with an `id`) that no case is about, and the rules cases name
/// that are not in it.
pub fn uncovered(
    suite: &Suite,
    rules: &str,
) -> Result<(Vec<String>, Vec<String>), serde_json::Error> {
    let rules: Vec<serde_json::Value> = serde_json::from_str(rules)?;
    let known: Vec<&str> = rules
        .iter()
        .filter_map(|rule| rule["id"].as_str())
        .collect();
    let covered = |id: &str| suite.cases.iter().any(|case| case.rules().contains(&id));
    let without = known
        .iter()
        .filter(|id| !covered(id))
        .map(|id| (*id).to_owned())
        .collect();
    let mut unknown: Vec<String> = suite
        .cases
        .iter()
        .flat_map(Case::rules)
        .filter(|id| !known.contains(id))
        .map(|id| (*id).to_owned())
        .collect();
    unknown.sort();
    unknown.dedup();
    Ok((without, unknown))
}

//! The cases of the conformance suite.
//!
//! Tables produce modules and cases. Every case names the rules that it tests, a module, the steps to execute and the
//! expected ending. Expectations are stated by hand, computed by this crate's own arithmetic, or (for the two meters)
//! taken from oracles by other authors. This crate uses nothing of this repository's compiler and does not run it.
//!
//! [`suite`] makes all cases. [`write`](output::write) writes them into a folder. [`check`](output::check) lists the
//! files of a folder that differ from them. [`uncovered`] lists the rules without a case.
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

/// Every case. `fixtures` is the folder of the repository's fixtures.
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

/// The rules in a list (as JSON: objects with an `id`) that no case tests, and the rules that cases name but the list
/// does not contain.
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

//! What became of the directives of a script.

use crate::SkipReason;
use std::collections::BTreeMap;

/// The directives of a script by what became of them. Counted is every directive that
/// can fail: assertions, invocations, and modules to be instantiated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many did as the script says.
    pub passed: u64,
    /// Those that did not, one line each: `LINE:COLUMN: what went wrong`.
    pub failures: Vec<String>,
    /// How many were not run, by reason.
    pub skips: BTreeMap<SkipReason, u64>,
}

impl Report {
    /// How many directives did not do as the script says.
    pub fn failed(&self) -> u64 {
        self.failures.len() as u64
    }

    /// How many directives were not run.
    pub fn skipped(&self) -> u64 {
        self.skips.values().sum()
    }

    /// Adds the counts of another script.
    pub fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures.iter().cloned());
        for (&reason, count) in &other.skips {
            *self.skips.entry(reason).or_default() += count;
        }
    }
}

//! What both runtimes make of a candidate.

use super::change::Change;
use crate::failure::Failure;
use crate::input::{self, CandidateArgs};
use crate::outcome;
use crate::output::hex;
use crate::progress::Progress;
use crate::timeout::TimeoutArgs;
use pvf_executor::{Execution, Outcome};
use pvf_validation::Pvf;
use pvf_validation::trace::TraceHasher;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A candidate, judged by both.
#[derive(Debug, Serialize)]
pub struct Candidate {
    /// The file.
    pub file: String,
    /// By the first.
    pub before: Judged,
    /// By the second.
    pub after: Judged,
    /// Whether both call it valid, or both do not.
    pub same_verdict: bool,
    /// Whether both results have the same bytes.
    pub same_result: bool,
    /// What was used, where both ran.
    pub changes: Vec<Change>,
    /// Host functions that are not called equally often.
    pub host_calls: Vec<Change>,
}

/// What one runtime made of it.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// `valid`, `invalid` or `rejected`.
    pub outcome: &'static str,
    /// Why it is not valid.
    pub reason: Option<String>,
    /// See the rules of outcomes.
    pub outcome_digest: String,
    #[serde(skip)]
    execution: Execution,
    #[serde(skip)]
    heap_peak: u64,
    #[serde(skip)]
    calls: BTreeMap<String, u64>,
}

impl Judged {
    fn new(pvf: &Pvf, candidate: &[u8], timeout: &TimeoutArgs) -> Result<Self, Failure> {
        let traced = || Ok(pvf.run_traced(candidate, TraceHasher::new())?);
        let (run, trace) = timeout.bound(traced)?;
        let execution = run.execution;
        Ok(Self {
            outcome: outcome::name(&execution.outcome),
            reason: outcome::reason(&execution.outcome).map(std::borrow::Cow::into_owned),
            outcome_digest: hex(&execution.digest()),
            heap_peak: run.heap.map_or(0, |heap| heap.peak_bytes.into()),
            calls: trace.finish().counts,
            execution,
        })
    }

    fn is_valid(&self) -> bool {
        matches!(self.execution.outcome, Outcome::Valid(_))
    }
}

/// Judges a candidate by both.
pub fn judge(
    path: &Path,
    [one, other]: [&Pvf; 2],
    args: &CandidateArgs,
    timeout: &TimeoutArgs,
) -> Result<Candidate, Failure> {
    let candidate = input::read_candidate(path, args)?;
    let _progress = Progress::start(&format!("executing {}", input::name(path)));
    let before = Judged::new(one, &candidate, timeout)?;
    let after = Judged::new(other, &candidate, timeout)?;
    let same_result = match (&before.execution.outcome, &after.execution.outcome) {
        (Outcome::Valid(one), Outcome::Valid(other)) => one == other,
        _ => false,
    };
    Ok(Candidate {
        file: input::name(path),
        same_verdict: before.is_valid() == after.is_valid(),
        same_result,
        changes: changes(&before, &after),
        host_calls: host_calls(&before, &after),
        before,
        after,
    })
}

fn changes(before: &Judged, after: &Judged) -> Vec<Change> {
    let (a, b) = (&before.execution, &after.execution);
    let calls = |judged: &Judged| judged.calls.values().sum::<u64>();
    let logical = |execution: &Execution| execution.stack.logical.unwrap_or(0);
    [
        ("gas", a.gas_used.unwrap_or(0), b.gas_used.unwrap_or(0)),
        ("native-stack", a.stack.native, b.stack.native),
        ("logical-stack", logical(a), logical(b)),
        (
            "memory",
            a.memory_pages_peak.into(),
            b.memory_pages_peak.into(),
        ),
        ("heap", before.heap_peak, after.heap_peak),
        ("host-calls", calls(before), calls(after)),
    ]
    .map(|(metric, before, after)| Change::new(metric, before, after))
    .into()
}

fn host_calls(before: &Judged, after: &Judged) -> Vec<Change> {
    let names = before.calls.keys().chain(after.calls.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable();
    names.dedup();
    let of = |judged: &Judged, name| judged.calls.get(name).copied().unwrap_or(0);
    let changes = names
        .into_iter()
        .map(|name| Change::new(name, of(before, name), of(after, name)));
    changes
        .filter(|change| change.before != change.after)
        .collect()
}

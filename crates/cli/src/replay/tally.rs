//! How many are how, while it goes on and at the end.

use super::record::Outcome;
use crate::Verdict;
use crate::failure::Failure;
use crate::outcome::printable;
use crate::output::{Output, duration};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Items that are named at the end.
const NAMED: usize = 20;

#[derive(Default, Serialize)]
struct TallyJson {
    /// Items of this part that were not done before.
    items: usize,
    /// Those that an earlier run had done.
    skipped: usize,
    valid: u64,
    invalid: u64,
    rejected: u64,
    /// Runtimes that were prepared alone and accepted.
    accepted: u64,
    agree: u64,
    differ: u64,
    /// Nothing was expected of these.
    without_expectation: u64,
    /// Without a verdict.
    failed: u64,
    wall_ns: u64,
    execute_ns: u64,
    prepare_ns: u64,
    prepare_cpu_ns: u64,
    /// Those that differ, failed, or, if runtimes are prepared alone, were rejected; at most 1,000.
    remarkable: Vec<Outcome>,
}

/// Most outcomes in the summary.
const REMARKABLE: usize = 1000;

/// Counts outcomes.
pub struct Tally {
    json: TallyJson,
    began: Instant,
    painted: Instant,
    terminal: bool,
    lines: bool,
    done: usize,
}

impl Tally {
    /// None of so many.
    pub fn new(items: usize, skipped: usize, progress: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            json: TallyJson {
                items,
                skipped,
                ..TallyJson::default()
            },
            began: Instant::now(),
            painted: Instant::now(),
            terminal,
            lines: progress && !terminal,
            done: 0,
        }
    }

    /// Another one.
    pub fn count(&mut self, outcome: &Outcome) {
        self.done += 1;
        let json = &mut self.json;
        match outcome.outcome.as_deref() {
            Some("valid") => json.valid += 1,
            Some("invalid") => json.invalid += 1,
            Some("rejected") => json.rejected += 1,
            Some("accepted") => json.accepted += 1,
            _ => {}
        }
        match (&outcome.error, outcome.agrees) {
            (Some(_), _) => json.failed += 1,
            (None, Some(true)) => json.agree += 1,
            (None, Some(false)) => json.differ += 1,
            (None, None) => json.without_expectation += 1,
        }
        json.execute_ns += outcome.execute_ns.unwrap_or(0);
        json.prepare_ns += outcome.prepare_ns.unwrap_or(0);
        json.prepare_cpu_ns += outcome.prepare_cpu_ns.unwrap_or(0);
        let refused = outcome.candidate.is_none() && outcome.outcome.as_deref() == Some("rejected");
        let remarkable = outcome.error.is_some() || outcome.agrees == Some(false) || refused;
        if remarkable && json.remarkable.len() < REMARKABLE {
            json.remarkable.push(outcome.clone());
        }
        self.paint();
    }

    fn paint(&mut self) {
        let pause = match (self.terminal, self.lines) {
            (true, _) => Duration::from_millis(200),
            (_, true) => Duration::from_secs(10),
            _ => return,
        };
        if self.painted.elapsed() < pause {
            return;
        }
        self.painted = Instant::now();
        let TallyJson {
            items,
            differ,
            failed,
            ..
        } = self.json;
        let seconds = self.began.elapsed().as_secs();
        let done = self.done;
        let text = format!("{done} of {items}, {differ} differ, {failed} failed, {seconds} s");
        let mut stderr = io::stderr().lock();
        let _ = match self.terminal {
            true => write!(stderr, "\r\x1b[2K{text}").and_then(|()| stderr.flush()),
            false => writeln!(stderr, "{text}"),
        };
    }

    /// Prints the end.
    pub fn report(mut self, output: &Output, prepare_only: bool) -> Result<Verdict, Failure> {
        if self.terminal {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
        self.json.wall_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let json = &self.json;
        match output.is_json() {
            true => output.result(json, |_| Ok(()))?,
            false => {
                // The results may have the standard output.
                let _ = text(&mut anstream::stderr().lock(), json);
            }
        }
        if json.differ > 0 || prepare_only && json.rejected > 0 {
            return Ok(Verdict::NotFine);
        }
        Ok(match json.failed {
            0 => Verdict::Fine,
            _ => Verdict::Unfinished,
        })
    }
}

fn text(out: &mut dyn Write, json: &TallyJson) -> io::Result<()> {
    let earlier = match json.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} done before"),
    };
    writeln!(
        out,
        "{} items in {}{earlier}",
        json.items,
        duration(json.wall_ns)
    )?;
    let counts = [
        ("valid", json.valid),
        ("invalid", json.invalid),
        ("rejected", json.rejected),
        ("accepted", json.accepted),
        ("as expected", json.agree),
        ("NOT as expected", json.differ),
        ("nothing expected", json.without_expectation),
        ("no verdict", json.failed),
    ];
    for (what, count) in counts.into_iter().filter(|&(_, count)| count > 0) {
        writeln!(out, "{count:>10}  {what}")?;
    }
    for outcome in json.remarkable.iter().take(NAMED) {
        let id = printable(&outcome.id);
        let what = match (&outcome.error, &outcome.outcome, &outcome.reason) {
            (Some(error), _, _) => error.clone(),
            (_, Some(outcome), Some(reason)) => format!("{outcome}: {reason}"),
            (_, Some(outcome), None) => outcome.clone(),
            _ => String::new(),
        };
        writeln!(out, "  {id}: {}", printable(&what))?;
    }
    if json.remarkable.len() > NAMED {
        writeln!(out, "  … and more")?;
    }
    Ok(())
}

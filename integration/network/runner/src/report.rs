//! What a scenario asserts, and what it prints.

use anyhow::Result;

use crate::network::Network;

/// Counts what holds and what does not.
#[derive(Default)]
pub struct Report {
    held: usize,
    failed: usize,
}

impl Report {
    /// Notes whether something holds.
    pub fn expect(&mut self, what: &str, holds: bool) {
        println!("  {} {what}", if holds { "ok  " } else { "FAIL" });
        match holds {
            true => self.held += 1,
            false => self.failed += 1,
        }
    }

    /// Notes that a scenario could not be carried out to its end.
    pub fn broken(&mut self, error: &anyhow::Error) {
        println!("  FAIL {error:#}");
        self.failed += 1;
    }

    /// Prints the last line and returns whether everything held.
    pub fn close(&self) -> bool {
        println!("{} passed, {} failed", self.held, self.failed);
        self.failed == 0
    }
}

/// Times that the table has: a title and the histogram.
const TIMES: [(&str, &str); 5] = [
    ("prepare", "polkadot_pvf_preparation_time"),
    ("execute", "polkadot_pvf_execution_time"),
    ("queued", "polkadot_pvf_execution_queued_time"),
    (
        "validate",
        "polkadot_parachain_candidate_validation_validate_from_exhaustive",
    ),
    (
        "second",
        "polkadot_parachain_candidate_backing_process_second",
    ),
];

/// Prints the times that validators have measured, a line for each.
///
/// # Errors
/// A validator does not answer.
pub fn times(network: &Network) -> Result<()> {
    let titles: Vec<String> = TIMES
        .iter()
        .map(|(title, _)| format!("{title:>9} ms  times"))
        .collect();
    println!("  {:8} {:17} {}", "", "workers", titles.join(" "));
    for (node, workers) in network.validators.iter().zip(&network.workers) {
        let metrics = node.metrics()?;
        let cells = TIMES.iter().map(|(_, name)| {
            let times = metrics.times(name);
            format!("{:>12.1} {:>6}", times.mean * 1e3, times.count)
        });
        println!(
            "  {:8} {:17} {}",
            node.name,
            workers.name(),
            cells.collect::<Vec<_>>().join(" ")
        );
    }
    Ok(())
}

//! What is tried on a network. Each scenario has a network of its own.

mod disputes;
mod faults;
mod upgrade;

use std::time::Duration;

use anyhow::Result;

use crate::network::{Materials, Network};
use crate::report::{Report, times};
use crate::workers::Workers;

/// A scenario.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Carries it out.
    pub run: fn(&Materials, &Amounts, &mut Report) -> Result<()>,
}

/// How much is asked for.
pub struct Amounts {
    /// Blocks of the parachain where engines are compared.
    pub blocks: u64,
    /// The longest wait for the first block of the parachain, and the wait for each further one.
    pub patience: Duration,
}

impl Amounts {
    /// How long so many blocks may take. A block takes two slots where nothing goes wrong.
    pub fn wait(&self, blocks: u64) -> Duration {
        self.patience
            + Duration::from_secs(60).saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX))
    }
}

/// All scenarios.
pub const ALL: [Scenario; 6] = [
    Scenario {
        name: "ours",
        about: "all validators have our workers: blocks are backed, approved and finalised",
        run: ours,
    },
    Scenario {
        name: "mixed",
        about: "two validators have ours, two the stock workers: no dispute; times of both",
        run: mixed,
    },
    Scenario {
        name: "upgrade",
        about: "validators of both kinds vote for a code that both accept, and against one that both refuse",
        run: upgrade::run,
    },
    Scenario {
        name: "liar",
        about: "one validator's engine calls valid candidates invalid: the dispute ends against it",
        run: disputes::liar,
    },
    Scenario {
        name: "second-opinion",
        about: "the same engine with ours behind it: no dispute",
        run: disputes::second_opinion,
    },
    Scenario {
        name: "faults",
        about: "workers are killed, stopped and replaced, the cache is full and cannot be written: no dispute",
        run: faults::run,
    },
];

const DISPUTES: &str = "polkadot_parachain_candidate_disputes_total";
const CONCLUDED: &str = "polkadot_parachain_candidate_dispute_concluded";
const EXECUTED: &str = "polkadot_pvf_execute_finished";

/// Asserts that no validator knows of a dispute.
fn expect_no_dispute(network: &Network, report: &mut Report) -> Result<()> {
    let disputes = network.sum(|metrics| metrics.sum(DISPUTES))?;
    report.expect(
        &format!("no validator knows of a dispute ({disputes} counted)"),
        disputes == 0.0,
    );
    Ok(())
}

/// Asserts that every validator has executed candidates.
fn expect_all_executed(network: &Network, report: &mut Report) -> Result<()> {
    for (node, workers) in network.validators.iter().zip(&network.workers) {
        let executed = node.metrics()?.sum(EXECUTED);
        let what = format!(
            "{} ({}) has executed {executed} candidates",
            node.name,
            workers.name()
        );
        report.expect(&what, executed > 0.0);
    }
    Ok(())
}

/// Blocks are finalised, all validators execute, and nobody disputes.
fn agreement(
    materials: &Materials,
    name: &str,
    workers: [Workers; 4],
    blocks: u64,
    amounts: &Amounts,
    report: &mut Report,
) -> Result<()> {
    let mut network = Network::start(materials, name, &workers)?;
    let last = network.wait_blocks(blocks, amounts.wait(blocks))?;
    report.expect(
        &format!("block {last} of the parachain is finalised, {blocks} were asked for"),
        last >= blocks,
    );
    expect_all_executed(&network, report)?;
    expect_no_dispute(&network, report)?;
    times(&network)?;
    network.stop()
}

fn ours(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    agreement(materials, "ours", [Workers::Ours; 4], 10, amounts, report)
}

fn mixed(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let workers = [Workers::Stock, Workers::Ours, Workers::Stock, Workers::Ours];
    agreement(materials, "mixed", workers, amounts.blocks, amounts, report)
}

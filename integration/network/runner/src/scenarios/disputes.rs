//! An engine that answers wrongly.

use anyhow::Result;

use super::{Amounts, CONCLUDED, DISPUTES, expect_no_dispute};
use crate::network::{Materials, Network, wait};
use crate::report::{Report, times};
use crate::workers::Workers;

/// One candidate in so many is called invalid.
const ONE_IN: u32 = 5;

/// Blocks after which the liar must have lied: it executes about every second one.
const BLOCKS: u64 = 20;

/// Three honest validators, ours among them, and one whose engine lies.
pub fn liar(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let workers = [
        Workers::Ours,
        Workers::Stock,
        Workers::Ours,
        Workers::Lying(ONE_IN),
    ];
    let mut network = Network::start(materials, "liar", &workers)?;
    network.wait_blocks(1, amounts.wait(1))?;
    wait("the end of a dispute", amounts.wait(BLOCKS), || {
        let honest = &network.validators[0];
        Ok(honest
            .metrics()
            .is_ok_and(|metrics| metrics.sum(CONCLUDED) > 0.0))
    })?;
    let block = network.parachain_block()?;
    network.wait_blocks(3, amounts.wait(3))?;
    report.expect(
        &format!("the parachain went on after block {block}"),
        network.parachain_block()? >= block + 3,
    );
    for (node, workers) in network.validators.iter().zip(&network.workers) {
        if *workers == Workers::Lying(ONE_IN) {
            continue;
        }
        let metrics = node.metrics()?;
        let disputes = metrics.sum(DISPUTES);
        let valid = metrics.sum_with(CONCLUDED, "validity", "valid");
        let invalid = metrics.sum_with(CONCLUDED, "validity", "invalid");
        let what = format!(
            "{} ({}): {disputes} disputes, {valid} ended for the candidate, {invalid} against",
            node.name,
            workers.name()
        );
        report.expect(&what, disputes > 0.0 && valid > 0.0 && invalid == 0.0);
    }
    times(&network)?;
    network.stop()
}

/// The same liar, with our workers behind it.
pub fn second_opinion(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let workers = [
        Workers::Ours,
        Workers::Stock,
        Workers::Ours,
        Workers::OursBehindLying(ONE_IN),
    ];
    let mut network = Network::start(materials, "second-opinion", &workers)?;
    let last = network.wait_blocks(BLOCKS, amounts.wait(BLOCKS))?;
    report.expect(
        &format!("block {last} of the parachain is finalised"),
        last >= BLOCKS,
    );
    expect_no_dispute(&network, report)?;
    let log = network.validators[3].process()?.log()?;
    let lies = log
        .lines()
        .filter(|line| line.contains("the engines disagree on a candidate"))
        .count();
    report.expect(
        &format!("the validator's log names {lies} answers that the second engine did not share"),
        lies > 0,
    );
    times(&network)?;
    network.stop()
}

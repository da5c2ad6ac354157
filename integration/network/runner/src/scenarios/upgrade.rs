//! A parachain's new code, on which the validators vote first.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Amounts, expect_no_dispute};
use crate::chain::another_code;
use crate::network::{Materials, Network, wait};
use crate::parachain_calls::Upgrade;
use crate::relay_calls::Relay;
use crate::report::{Report, times};
use crate::workers::Workers;

const VOTES: &str = "polkadot_pvf_precheck_votes_total";

/// A code that is no module, as a relay chain takes it: only the validators look into it.
const REFUSED: &[u8] = b"\0asm\x01\0\0\0\x01\x01\xff a type section that lies about its length";

/// Two validators of each kind vote against one code and for another.
pub fn run(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let workers = [Workers::Stock, Workers::Ours, Workers::Stock, Workers::Ours];
    let mut network = Network::start(materials, "upgrade", &workers)?;
    network.wait_blocks(2, amounts.wait(2))?;
    let relay = Relay::connect(&network.validators[0].url())?;
    let (parachain, collator) = network
        .parachains
        .first()
        .context("there is no parachain")?;
    let (id, code) = (parachain.id, another_code(&parachain.code)?);
    let upgrade = Upgrade::connect(&collator.url(), &code)?;
    let before = relay.code_hash(id)?;

    let now = network.validators[0].rpc().best()?;
    relay.schedule_code(id, REFUSED, u32::try_from(now)?)?;
    votes(&network, 1.0, amounts.patience)?;
    wait("the end of the vote", amounts.patience, || {
        Ok(relay.votes_open()? == 0)
    })?;
    network.wait_blocks(2, amounts.wait(2))?;
    report.expect(
        "the refused code did not become the parachain's",
        relay.code_hash(id)? == before,
    );

    // The parachain's own way to new code, which its governance goes.
    relay.transact(id, &upgrade.authorisation()?)?;
    wait("the parachain's leave for the code", amounts.patience, || {
        upgrade.is_authorised()
    })?;
    upgrade.apply()?;
    votes(&network, 2.0, amounts.patience)?;
    wait("the new code", amounts.patience, || {
        Ok(relay.code_hash(id)? != before)
    })?;
    let last = network.wait_blocks(5, amounts.wait(5))?;
    report.expect(
        &format!("the parachain went on with the new code, to block {last}"),
        relay.code_hash(id)? != before,
    );
    for (node, workers) in network.validators.iter().zip(&network.workers) {
        let votes = node.metrics()?.sum(VOTES);
        report.expect(
            &format!("{} ({}) has voted {votes} times", node.name, workers.name()),
            votes >= 2.0,
        );
    }
    expect_no_dispute(&network, report)?;
    times(&network)?;
    network.stop()
}

/// Waits until all validators have voted so often.
fn votes(network: &Network, each: f64, patience: Duration) -> Result<()> {
    wait(&format!("the validators' vote {each}"), patience, || {
        let all = network
            .validators
            .iter()
            .map(|node| Ok(node.metrics()?.sum(VOTES) >= each));
        Ok(all
            .collect::<Result<Vec<bool>>>()
            .is_ok_and(|voted| voted.iter().all(|voted| *voted)))
    })
}

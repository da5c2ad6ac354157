//! What can happen to the workers of one validator while the network runs. The log of every node is a
//! file throughout.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::{Amounts, EXECUTED, expect_all_executed, expect_no_dispute};
use crate::network::{Materials, Network, wait};
use crate::process::{output, signal, write};
use crate::report::{Report, times};
use crate::workers::Workers;

/// The validator that is disturbed. The first one is the one that others connect to.
const VICTIM: usize = 2;

/// How long workers are stopped: less than a candidate may take.
const PAUSE: Duration = Duration::from_secs(4);

/// Bytes of the small file system: enough for prepared code of one parachain.
const CACHE_BYTES: u64 = 64 << 20;

/// Disturbs one validator in all ways.
pub fn run(materials: &Materials, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let mut network = Network::start(materials, "faults", &[Workers::Ours; 4])?;
    network.wait_blocks(2, amounts.wait(2))?;
    // A worker that is at work: the victim has executed something.
    executes(&mut network, amounts)?;

    for kind in ["execute-worker", "prepare-worker"] {
        let workers = network.validators[VICTIM].workers(kind)?;
        workers
            .iter()
            .for_each(|worker| signal(*worker, Signal::KILL));
        println!("  killed {} of {kind}", workers.len());
        executes(&mut network, amounts)?;
        report.expect(
            &format!("candidates are executed after each {kind} was killed"),
            true,
        );
    }

    let workers = network.validators[VICTIM].workers("execute-worker")?;
    ensure!(!workers.is_empty(), "no execute worker");
    workers
        .iter()
        .for_each(|worker| signal(*worker, Signal::STOP));
    std::thread::sleep(PAUSE);
    workers
        .iter()
        .for_each(|worker| signal(*worker, Signal::CONT));
    executes(&mut network, amounts)?;
    report.expect(
        "candidates are executed after the workers were stopped for a while",
        true,
    );

    replaced(&mut network, amounts, report)?;
    small_cache(&mut network, amounts, report)?;

    expect_all_executed(&network, report)?;
    expect_no_dispute(&network, report)?;
    times(&network)?;
    network.stop()
}

/// Waits until the victim has executed more candidates than now.
fn executes(network: &mut Network, amounts: &Amounts) -> Result<()> {
    let before = network.validators[VICTIM].metrics()?.sum(EXECUTED);
    let node = &network.validators[VICTIM];
    wait(
        "another execution by the disturbed validator",
        amounts.wait(10),
        || {
            Ok(node
                .metrics()
                .is_ok_and(|metrics| metrics.sum(EXECUTED) > before))
        },
    )
}

/// Workers of another version: the node must end and not let them vote, and must go on once the right ones
/// are back.
fn replaced(network: &mut Network, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let version = network
        .workers_folder(VICTIM)
        .join("polkadot-worker.version");
    write(&version, b"1.22.0\n")?;
    let workers = network.validators[VICTIM].workers("execute-worker")?;
    workers
        .iter()
        .for_each(|worker| signal(*worker, Signal::KILL));
    let ended = network.validators[VICTIM].ended_within(amounts.wait(10))?;
    report.expect(
        "a node whose workers became those of another version ends",
        ended,
    );
    fs::remove_file(&version).context("removing the version")?;
    if ended {
        network.start_validator(VICTIM)?;
        answers(network, amounts)?;
    }
    executes(network, amounts)?;
    report.expect("it goes on with the right workers", true);
    Ok(())
}

/// Waits until the victim serves metrics.
fn answers(network: &Network, amounts: &Amounts) -> Result<()> {
    let node = &network.validators[VICTIM];
    wait(
        "an answer of the disturbed validator",
        amounts.patience,
        || Ok(node.metrics().is_ok()),
    )
}

/// A cache that is full, and one that cannot be written.
fn small_cache(network: &mut Network, amounts: &Amounts, report: &mut Report) -> Result<()> {
    let cache = network.validators[VICTIM].cache()?;
    network.validators[VICTIM].stop()?;
    let disk = SmallDisk::mount(&cache)?;
    network.start_validator(VICTIM)?;
    answers(network, amounts)?;
    executes(network, amounts)?;
    report.expect(
        "candidates are executed with the cache on a small file system",
        true,
    );

    let filler = disk.fill()?;
    let block = network.parachain_block()?;
    network.wait_blocks(3, amounts.wait(3))?;
    report.expect(
        "blocks are finalised while the cache is full",
        network.parachain_block()? >= block + 3,
    );
    expect_no_dispute(network, report)?;
    fs::remove_file(filler)?;

    disk.writable(false)?;
    network.wait_blocks(3, amounts.wait(3))?;
    report.expect(
        "blocks are finalised while the cache cannot be written",
        true,
    );
    expect_no_dispute(network, report)?;
    disk.writable(true)?;
    executes(network, amounts)?;
    report.expect(
        "candidates are executed once the cache can be written again",
        true,
    );

    network.validators[VICTIM].stop()?;
    drop(disk);
    network.start_validator(VICTIM)?;
    answers(network, amounts)?;
    executes(network, amounts)
}

/// A file system in memory, mounted until it is dropped. Mounting takes root.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Result<Self> {
        let mut mount = Command::new("mount");
        mount
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={CACHE_BYTES},mode=700"),
                "none",
            ])
            .arg(path);
        output(&mut mount)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Fills it with a file and returns the file's path.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.path.join("filler");
        let mut file = File::create(&path)?;
        while file.write_all(&[0; 4096]).is_ok() {}
        Ok(path)
    }

    /// Allows or forbids writing. A file that is open for writing would keep it writable.
    fn writable(&self, writable: bool) -> Result<()> {
        let options = if writable { "remount,rw" } else { "remount,ro" };
        let remount = || output(Command::new("mount").args(["-o", options]).arg(&self.path));
        wait("another mode of the cache", Duration::from_secs(60), || {
            Ok(remount().is_ok())
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a worker may still have its folder there.
        let _ = output(Command::new("umount").arg("--lazy").arg(&self.path));
    }
}

//! A relay chain with its validators and the collators of its parachains, on loopback.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::chain::{self, Parachain, Programs, VALIDATORS};
use crate::observe::{Metrics, Rpc};
use crate::process::{self, Process, output};
use crate::workers::{Sources, Workers};

/// What a network is made of.
pub struct Materials {
    /// The node's programs.
    pub programs: Programs,
    /// The workers.
    pub sources: Sources,
    /// A raw chain specification whose code is the relay chain's runtime.
    pub relay_runtime: PathBuf,
    /// Raw specifications of parachains.
    pub parachains: Vec<PathBuf>,
    /// A folder for everything that a network writes.
    pub folder: PathBuf,
    /// How long an epoch is. The first block is made so much earlier than now, because validators
    /// have no groups before the second epoch. Zero: the network waits for the second epoch.
    pub epoch: Duration,
    /// The library of `faketime`, with which a node takes another time for the present one.
    pub faketime: PathBuf,
}

/// Ports of a node on the loopback interface.
struct Ports {
    peers: u16,
    rpc: u16,
    metrics: u16,
}

impl Ports {
    /// Ports that nobody listens at.
    fn free() -> Result<Self> {
        let listen = || TcpListener::bind(("127.0.0.1", 0));
        let sockets = [listen()?, listen()?, listen()?];
        let port = |at: usize| sockets[at].local_addr().map(|address| address.port());
        Ok(Self {
            peers: port(0)?,
            rpc: port(1)?,
            metrics: port(2)?,
        })
    }
}

/// A node, which runs or does not.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    ports: Ports,
    key: PathBuf,
    process: Option<Process>,
}

impl Node {
    fn new(programs: &Programs, folder: &Path, name: &str) -> Result<Self> {
        let folder = folder.join(name.to_lowercase());
        fs::create_dir_all(&folder)?;
        let key = folder.join("node-key");
        output(
            programs
                .node()
                .args(["key", "generate-node-key", "--file"])
                .arg(&key),
        )?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            ports: Ports::free()?,
            key,
            process: None,
        })
    }

    /// Arguments that all nodes have.
    fn arguments(&self, command: &mut Command) {
        command
            .arg("--base-path")
            .arg(self.folder.join("data"))
            .arg("--node-key-file")
            .arg(&self.key)
            .args([
                "--database",
                "paritydb",
                "--no-telemetry",
                "--no-mdns",
                "--no-hardware-benchmarks",
            ])
            .args([
                "--listen-addr",
                &format!("/ip4/127.0.0.1/tcp/{}", self.ports.peers),
            ])
            .args(["--rpc-port", &self.ports.rpc.to_string()])
            .args(["--prometheus-port", &self.ports.metrics.to_string()]);
    }

    /// How other nodes reach it.
    fn address(&self, programs: &Programs) -> Result<String> {
        let peer = programs.peer(&self.key)?;
        Ok(format!(
            "/ip4/127.0.0.1/tcp/{}/p2p/{peer}",
            self.ports.peers
        ))
    }

    /// Its JSON-RPC server.
    pub fn rpc(&self) -> Rpc {
        Rpc::new(self.ports.rpc)
    }

    /// Where a client for signed transactions connects to.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.ports.rpc)
    }

    /// Its metrics at this moment.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::fetch(self.ports.metrics).with_context(|| self.name.clone())
    }

    /// The process.
    ///
    /// # Errors
    /// The node does not run.
    pub fn process(&mut self) -> Result<&mut Process> {
        let name = &self.name;
        self.process
            .as_mut()
            .with_context(|| format!("{name} does not run"))
    }

    /// The numbers of its workers of a kind.
    ///
    /// # Errors
    /// The node does not run.
    pub fn workers(&mut self, kind: &str) -> Result<Vec<u32>> {
        let node = self.process()?.id();
        let found = process::descendants(node)
            .into_iter()
            .filter(|found| found.is_worker_of(node, kind));
        Ok(found.map(|found| found.id).collect())
    }

    /// Where prepared code is kept.
    ///
    /// # Errors
    /// The node has not made the folder yet.
    pub fn cache(&self) -> Result<PathBuf> {
        let mut folders = vec![self.folder.join("data")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_name() == "pvf-artifacts" {
                    return Ok(entry.path());
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        bail!("{} has no folder for prepared code", self.name)
    }

    /// Ends the node.
    ///
    /// # Errors
    /// It had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::stop)
    }

    /// Waits until the process has ended by itself; afterwards it can be started again. Returns whether
    /// it did.
    ///
    /// # Errors
    /// The node does not run.
    pub fn ended_within(&mut self, patience: Duration) -> Result<bool> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if self.process()?.ended()?.is_some() {
                self.process = None;
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(false)
    }
}

/// A relay chain with parachains.
pub struct Network {
    programs: Programs,
    specification: PathBuf,
    bootnode: String,
    faketime: PathBuf,
    /// The newest finalised block of the first parachain that was seen.
    seen: u64,
    /// The validators.
    pub validators: Vec<Node>,
    /// The workers of each validator.
    pub workers: Vec<Workers>,
    folders: Vec<PathBuf>,
    /// The parachains and their collators.
    pub parachains: Vec<(Parachain, Node)>,
}

impl Network {
    /// Makes the relay chain, with a validator for each of these workers, and starts all nodes.
    ///
    /// # Errors
    /// A tool of the node fails, or a node does not start.
    pub fn start(materials: &Materials, name: &str, workers: &[Workers]) -> Result<Self> {
        let folder = materials.folder.join(name);
        fs::create_dir_all(&folder)?;
        let programs = Programs::in_folder(materials.programs.folder())?;
        let read = |path: &PathBuf| Parachain::read(&programs, path, &folder);
        let parachains: Vec<Parachain> = materials
            .parachains
            .iter()
            .map(read)
            .collect::<Result<_>>()?;
        let specification = chain::relay(
            &programs,
            &materials.relay_runtime,
            &parachains,
            workers.len(),
            &folder,
        )?;
        let mut validators = Vec::new();
        let mut folders = Vec::new();
        for (name, workers) in VALIDATORS.iter().zip(workers) {
            let node = Node::new(&programs, &folder, name)?;
            folders.push(
                materials
                    .sources
                    .install(*workers, &node.folder.join("workers"))?,
            );
            validators.push(node);
        }
        let collators = parachains.into_iter().map(|parachain| {
            let node = Node::new(&programs, &folder, &format!("collator-{}", parachain.id))?;
            Ok((parachain, node))
        });
        let parachains = collators.collect::<Result<_>>()?;
        let bootnode = validators[0].address(&programs)?;
        let workers = workers.to_owned();
        let mut network = Self {
            programs,
            specification,
            bootnode,
            faketime: materials.faketime.clone(),
            seen: 0,
            validators,
            workers,
            folders,
            parachains,
        };
        network.first_block(materials.epoch)?;
        for at in 0..network.validators.len() {
            network.start_validator(at)?;
        }
        for at in 0..network.parachains.len() {
            network.start_collator(at)?;
        }
        Ok(network)
    }

    /// Makes the first block an epoch ago: validators get their groups at the end of the first epoch,
    /// and the next block ends it.
    fn first_block(&mut self, epoch: Duration) -> Result<()> {
        if epoch.is_zero() {
            return Ok(());
        }
        let back = epoch + Duration::from_secs(60);
        let mut command = self.programs.node();
        command
            .env("LD_PRELOAD", &self.faketime)
            .env("FAKETIME", format!("-{}s", back.as_secs()))
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            // It has no peers yet.
            .arg("--force-authoring");
        self.run_validator(0, command)?;
        let alice = &mut self.validators[0];
        wait("the first block", Duration::from_secs(600), || {
            Ok(alice.rpc().best().is_ok_and(|best| best > 0))
        })?;
        let actual = alice.rpc().epoch()?;
        ensure!(
            actual == epoch,
            "--epoch should be {} for this runtime",
            actual.as_secs()
        );
        alice.stop()
    }

    /// Starts a validator.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start_validator(&mut self, at: usize) -> Result<()> {
        self.run_validator(at, self.programs.node())
    }

    fn run_validator(&mut self, at: usize, mut command: Command) -> Result<()> {
        let node = &mut self.validators[at];
        node.arguments(&mut command);
        command
            .arg("--chain")
            .arg(&self.specification)
            .args([&format!("--{}", node.name.to_lowercase()), "--validator"])
            .arg("--workers-path")
            .arg(&self.folders[at])
            .args(["-l", "parachain::pvf=debug,parachain::pvf-checker=debug,parachain::dispute-coordinator=debug"]);
        if at > 0 {
            command.args(["--bootnodes", &self.bootnode]);
        }
        node.process = Some(Process::start(command, &node.folder.join("log"))?);
        Ok(())
    }

    /// The folder of a validator's workers.
    pub fn workers_folder(&self, at: usize) -> &Path {
        &self.folders[at]
    }

    /// Starts a collator, which has the keys of the two authors of these parachains' development genesis.
    fn start_collator(&mut self, at: usize) -> Result<()> {
        let relay = self.validators[0].url();
        let (parachain, node) = &mut self.parachains[at];
        for key in ["//Alice", "//Bob"] {
            let mut insert = self.programs.collator();
            insert
                .args([
                    "key",
                    "insert",
                    "--scheme",
                    "sr25519",
                    "--key-type",
                    "aura",
                    "--suri",
                    key,
                    "--chain",
                ])
                .arg(&parachain.specification)
                .arg("--base-path")
                .arg(node.folder.join("data"));
            output(&mut insert)?;
        }
        let exported = node.folder.join("candidates");
        fs::create_dir_all(&exported)?;
        let mut command = self.programs.collator();
        node.arguments(&mut command);
        command
            .arg("--chain")
            .arg(&parachain.specification)
            .args([
                "--collator",
                "--relay-chain-rpc-urls",
                &relay,
                "--export-pov-to-path",
            ])
            .arg(exported)
            .args(["--", "--chain"])
            .arg(&self.specification)
            .args([
                "--listen-addr",
                "/ip4/127.0.0.1/tcp/0",
                "--no-prometheus",
                "--no-mdns",
                "--bootnodes",
                &self.bootnode,
            ]);
        node.process = Some(Process::start(command, &node.folder.join("log"))?);
        Ok(())
    }

    /// The newest finalised block of the first parachain.
    ///
    /// # Errors
    /// The collator does not answer.
    pub fn parachain_block(&self) -> Result<u64> {
        let (_, collator) = self.parachains.first().context("there is no parachain")?;
        collator.rpc().finalized()
    }

    /// Waits until so many blocks more of the first parachain are finalised, and returns the newest.
    ///
    /// # Errors
    /// It takes too long, or a node has ended.
    pub fn wait_blocks(&mut self, more: u64, patience: Duration) -> Result<u64> {
        let target = self.look()? + more;
        wait(
            &format!("block {target} of the parachain"),
            patience,
            || Ok(self.look()? >= target),
        )?;
        Ok(self.seen)
    }

    /// The newest finalised block of the first parachain. A node that starts, or a busy one, may not
    /// answer: then the newest that was seen.
    fn look(&mut self) -> Result<u64> {
        self.all_run()?;
        self.seen = self.seen.max(self.parachain_block().unwrap_or(0));
        Ok(self.seen)
    }

    /// Fails if a node that was started has ended.
    fn all_run(&mut self) -> Result<()> {
        let collators = self.parachains.iter_mut().map(|(_, node)| node);
        for node in self.validators.iter_mut().chain(collators) {
            let Some(process) = &mut node.process else {
                continue;
            };
            if let Some(status) = process.ended()? {
                bail!(
                    "{} ended with {status}; see {}",
                    node.name,
                    process.log_path().display()
                );
            }
        }
        Ok(())
    }

    /// A sum over all validators' metrics.
    ///
    /// # Errors
    /// A validator does not answer.
    pub fn sum(&self, read: impl Fn(&Metrics) -> f64) -> Result<f64> {
        self.validators
            .iter()
            .map(|node| Ok(read(&node.metrics()?)))
            .sum()
    }

    /// Ends all nodes.
    ///
    /// # Errors
    /// One had to be killed.
    pub fn stop(mut self) -> Result<()> {
        let collators = self.parachains.iter_mut().map(|(_, node)| node);
        let ends: Vec<Result<()>> = collators
            .chain(&mut self.validators)
            .map(Node::stop)
            .collect();
        ends.into_iter().collect()
    }
}

/// Waits until something holds.
///
/// # Errors
/// It does not in time, or looking fails.
pub fn wait(what: &str, patience: Duration, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < patience {
        if holds()? {
            println!("  {what}: after {} s", started.elapsed().as_secs());
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    bail!("{what}: not within {} s", patience.as_secs())
}

//! Runs a Polkadot network on loopback whose validators use our workers, and asserts what the nodes say
//! about it.

mod chain;
mod client;
mod network;
mod observe;
mod parachain_calls;
mod process;
mod relay_calls;
mod report;
mod scenarios;
mod workers;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use chain::Programs;
use network::Materials;
use report::Report;
use scenarios::{ALL, Amounts, Scenario};
use workers::Sources;

/// Scenarios on a Polkadot network on loopback, whose validators use our workers.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios.
    List,
    /// Runs scenarios, one after the other, each on a network of its own.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Names of scenarios; all without one.
    scenarios: Vec<String>,
    /// Folder with the programs of the node: those that `cargo build -p pvf-network-node` makes.
    #[arg(long, default_value = "target/debug")]
    nodes: PathBuf,
    /// Folder with our workers.
    #[arg(long, default_value = "../../target/release")]
    ours: PathBuf,
    /// A raw chain specification whose code is the runtime of the relay chain.
    #[arg(long)]
    relay: PathBuf,
    /// Raw chain specifications of parachains, each for a collator.
    #[arg(long, required = true)]
    parachain: Vec<PathBuf>,
    /// Seconds of an epoch of the relay chain's runtime. The first block is made so long ago, with
    /// `faketime`, since validators have no groups in the first epoch. 0 waits for its end instead.
    #[arg(long, default_value_t = 3600)]
    epoch: u64,
    /// The library of `faketime`.
    #[arg(
        long,
        default_value = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
    )]
    faketime: PathBuf,
    /// Blocks of the parachain in the scenario `mixed`.
    #[arg(long, default_value_t = 200)]
    blocks: u64,
    /// Seconds to wait for what needs a few blocks.
    #[arg(long, default_value_t = 900)]
    patience: u64,
    /// Folder for what the network writes. It is removed after a run in which everything held.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Keeps the folder.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let ran = match Cli::parse().command {
        Command::List => {
            ALL.iter()
                .for_each(|scenario| println!("{:15} {}", scenario.name, scenario.about));
            Ok(true)
        }
        Command::Run(arguments) => run(&arguments),
    };
    let left = process::kill_descendants();
    match ran {
        Ok(true) if left == 0 => ExitCode::SUCCESS,
        Ok(held) => {
            if left > 0 {
                println!("{left} processes had to be killed at the end");
            }
            ExitCode::from(u8::from(!held || left > 0))
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Run) -> Result<bool> {
    let chosen = chosen(&arguments.scenarios)?;
    process::adopt_orphans()?;
    let programs = Programs::in_folder(&arguments.nodes)?;
    let here = env::current_exe()?;
    let sources = Sources {
        stock: programs.folder().to_owned(),
        ours: arguments
            .ours
            .canonicalize()
            .with_context(|| arguments.ours.display().to_string())?,
        liar: here.with_file_name("lying-execute-worker"),
    };
    let folder = match &arguments.folder {
        Some(folder) => folder.clone(),
        None => env::temp_dir().join(format!("pvf-network-{}", std::process::id())),
    };
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let parachains = arguments.parachain.iter().map(|path| {
        path.canonicalize()
            .with_context(|| path.display().to_string())
    });
    let materials = Materials {
        programs,
        sources,
        relay_runtime: arguments.relay.clone(),
        parachains: parachains.collect::<Result<_>>()?,
        folder: folder.canonicalize()?,
        epoch: Duration::from_secs(arguments.epoch),
        faketime: arguments.faketime.clone(),
    };
    let amounts = Amounts {
        blocks: arguments.blocks,
        patience: Duration::from_secs(arguments.patience),
    };
    ensure!(
        arguments.epoch == 0 || arguments.faketime.is_file(),
        "{} is not there: install `faketime`, or wait with --epoch 0",
        arguments.faketime.display()
    );
    let mut report = Report::default();
    for scenario in chosen {
        println!("{}: {}", scenario.name, scenario.about);
        let started = Instant::now();
        if let Err(error) = (scenario.run)(&materials, &amounts, &mut report) {
            report.broken(&error);
        }
        println!("  {} s", started.elapsed().as_secs());
    }
    let held = report.close();
    match held && !arguments.keep {
        true => {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?
        }
        false => println!("logs and data: {}", folder.display()),
    }
    Ok(held)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>> {
    for name in names {
        ensure!(
            ALL.iter().any(|scenario| scenario.name == name),
            "no scenario {name}; see `pvf-network list`"
        );
    }
    let wanted =
        |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(ALL.iter().filter(wanted).collect())
}

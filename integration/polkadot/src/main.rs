//! Our workers under the unmodified PVF host of a Polkadot node, beside the stock workers.
//!
//! The input is two directories of workers, candidates with recorded results, and modules that
//! break rules. The output is the host's answer to each, with either pair of workers, and times.
//! The host is `polkadot-node-core-pvf` as published; its answers become a validator's votes.
//!
//! | command | does |
//! | --- | --- |
//! | `compare` | prechecks and executes all cases with both and prints the differences |
//! | `faults` | executes while it kills workers, corrupts artifacts and fills the disk |
//! | `logs` | executes functions that log, with every kind of standard error, with and without a sandbox |
//! | `shadow` | measures what our engine as a shadow of the stock workers changes: no answer, and how much time |
//! | `subsystems` | asks the node's candidate validation and PVF checker, under its overseer, with both |
//! | `bench` | measures the time to the first result, candidates per second, and the workers' memory |
#![forbid(unsafe_code)]

mod bench;
mod cases;
mod compare;
mod disk;
mod faults;
mod host;
mod lie;
mod logs;
mod outcome;
mod processes;
mod shadow;
mod subsystems;
mod table;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Compares workers under a node's PVF host.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    places: Places,
}

/// Paths.
#[derive(Args, Clone)]
pub struct Places {
    /// Directory of our workers.
    #[arg(long, global = true, default_value = "../../target/release")]
    ours: PathBuf,
    /// Directory of the stock workers [default: that of this program].
    #[arg(long, global = true)]
    stock: Option<PathBuf>,
    /// Folder of the fixtures.
    #[arg(long, global = true, default_value = "../../fixtures")]
    fixtures: PathBuf,
    /// Folder of validation functions of real networks.
    #[arg(long, global = true, default_value = "../../../shared/pvf")]
    corpus: PathBuf,
}

impl Places {
    fn stock(&self) -> std::io::Result<PathBuf> {
        match &self.stock {
            Some(directory) => Ok(directory.clone()),
            None => {
                let own = std::env::current_exe()?;
                own.parent()
                    .map(PathBuf::from)
                    .ok_or_else(|| std::io::Error::other("this program lies nowhere"))
            }
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Compare all cases with both pairs of workers.
    Compare {
        /// Run only cases whose name contains this.
        #[arg(long, default_value = "")]
        filter: String,
        /// Show every case, not only those that differ.
        #[arg(long)]
        all: bool,
    },
    /// Execute while jobs are killed, artifacts are corrupted and the disk is filled.
    Faults {
        /// Number of executions.
        #[arg(long, default_value_t = 10_000)]
        executions: u32,
        /// Disturb one in this number of executions.
        #[arg(long, default_value_t = 100)]
        one_in: u32,
        /// Disturb the stock workers instead.
        #[arg(long)]
        stock_workers: bool,
    },
    /// Execute functions that log, with every kind of standard error and on machines without some
    /// sandbox features.
    Logs,
    /// Measure what our engine as a shadow of the stock workers changes.
    Shadow {
        /// Number of candidates of each host, and as many again with faults.
        #[arg(long, default_value_t = 10_000)]
        jobs: usize,
        /// Disturb the shadow once in this number of candidates.
        #[arg(long, default_value_t = 50)]
        one_in: usize,
    },
    /// Runs one row of `logs` in this process.
    #[command(hide = true)]
    LogsOfOne {
        /// Index of the simulated machine.
        #[arg(long)]
        machine: usize,
    },
    /// Ask the node's subsystems for candidate validation and for votes on code, under its overseer.
    Subsystems {
        /// Use only chains whose name contains this.
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// Measure times and memory.
    Bench {
        /// Number of candidates for the throughput.
        #[arg(long, default_value_t = 24_000)]
        candidates: u32,
        /// Number of measurements from the host's start to the first result.
        #[arg(long, default_value_t = 5)]
        starts: u32,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match options.command {
        Command::Compare { filter, all } => compare::run(&options.places, &filter, all).await,
        Command::Faults {
            executions,
            one_in,
            stock_workers,
        } => faults::run(&options.places, executions, one_in, stock_workers).await,
        Command::Shadow { jobs, one_in } => shadow::run(&options.places, jobs, one_in.max(1)).await,
        Command::Logs => logs::run(&options.places).await,
        Command::LogsOfOne { machine } => logs::one(&options.places.ours, machine).await,
        Command::Subsystems { filter } => subsystems::run(&options.places, &filter).await,
        Command::Bench { candidates, starts } => {
            bench::run(&options.places, candidates, starts).await
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! `pvf-bench`: compilation and execution beside Wasmtime, in one process, in one
//! thread, by turns, so that whatever disturbs the machine disturbs both.
#![forbid(unsafe_code)]

mod compile;
mod corpus;
mod execute;
mod measure;
mod meters;
mod ours;
mod programs;
mod report;

use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure this repository's engine beside Wasmtime (Cranelift, optimisation level
/// speed, canonical NaNs, one thread).
///
/// A table goes to stdout. Times are CPU time of the measuring thread, the least of all
/// runs unless it says median.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Compile every validation function: MB of Wasm per second, size of the code, peak memory.
    Compile(Options),
    /// Execute every candidate: a fresh instance and the call. Results are compared
    /// with the expected ones.
    Execute(Options),
    /// Compile and run small programs that do one thing each.
    Programs(Options),
    /// Execute every candidate with both meters, here and in Wasmtime after `wasm-instrument`: gas and the limit
    /// at which the logical stack overflows have to be the same.
    Meters(Options),
    /// Prepare one file in this process and print the peak of its resident set.
    #[command(hide = true)]
    PeakMemory { engine: Engine, code: PathBuf },
}

#[derive(clap::Args)]
struct Options {
    /// Folder of folders with code and candidates.
    #[arg(long, value_name = "DIR", default_value_os_t = default_corpus())]
    corpus: PathBuf,
    /// Only names that hold this text; behind a slash, text that candidates' names hold.
    #[arg(long, default_value = "")]
    filter: String,
    /// Repetitions of each measurement.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Only one of the engines.
    #[arg(long)]
    only: Option<Engine>,
    /// Ours counts the logical stack as Polkadot's profile does. Wasmtime never
    /// does: it would need an instrumented module.
    #[arg(long)]
    logical_stack: bool,
    /// Also write all figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The yardstick.
    Wasmtime,
    /// This repository's.
    Ours,
}

impl Options {
    fn engines(&self) -> &'static [Engine] {
        match self.only {
            Some(Engine::Wasmtime) => &[Engine::Wasmtime],
            Some(Engine::Ours) => &[Engine::Ours],
            None => &[Engine::Wasmtime, Engine::Ours],
        }
    }
}

/// Validation functions of real chains where they lie beside the repository, else the
/// fixtures.
fn default_corpus() -> PathBuf {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let real = repository.join("../shared/pvf");
    if real.is_dir() {
        real
    } else {
        repository.join("fixtures")
    }
}

fn main() -> ExitCode {
    let command = Command::parse();
    // Executing in the peer takes a large stack.
    let work = move || match command {
        Command::Compile(options) => compile::run(&options),
        Command::Execute(options) => execute::run(&options),
        Command::Programs(options) => programs::run(&options),
        Command::Meters(options) => meters::run(&options),
        Command::PeakMemory { engine, code } => compile::print_peak_memory(engine, &code),
    };
    let thread = std::thread::Builder::new()
        .stack_size(pvf_peer::THREAD_STACK_BYTES)
        .spawn(work);
    let done = thread
        .map_err(|error| error.to_string())
        .and_then(|thread| thread.join().map_err(|_| "panicked".to_owned())?);
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("pvf-bench: {message}");
            ExitCode::from(2)
        }
    }
}

//! `pvf`: prepare, execute and look into parachain validation functions.
//!
//! In come files named on the command line, out goes one outcome: as text, or with
//! `--json` as one object on the standard output. Everything else goes to the standard
//! error. The exit code is 0 if the outcome is valid or the command did its work, 1 if the
//! outcome is invalid or rejected, 2 for wrong usage or unreadable input, 3 if this machine
//! could not do its part.
#![deny(unsafe_code)]

mod against;
mod arbitrate;
mod args;
mod backtrace;
mod bench;
#[cfg(feature = "candidate")]
mod candidate;
mod check;
mod clock;
mod companion;
mod conformance;
mod decode;
mod decoded;
mod diff;
mod doctor;
mod engine;
mod execute;
mod failure;
mod input;
mod inspect;
mod instrument;
mod judging;
mod kind;
mod listing;
mod machine;
mod manual;
mod measure;
mod names;
mod network;
mod outcome;
mod output;
mod page;
mod parameters;
mod perf;
mod plain;
#[cfg(feature = "polkavm")]
mod polkavm;
mod prepare;
mod profile;
mod progress;
mod replay;
mod run;
mod scripts;
mod stock;
mod timeout;
mod trace;
mod validate;
mod verdict;
mod verify;
mod workers;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use failure::Failure;
use output::Output;
use pvf_worker::allocator::CountingAllocator;
use std::alloc::System;
use std::process::ExitCode;

/// Counts as the workers count, for the memory of preparations.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator(System);

/// Whether the command did its work and found everything in order.
pub(crate) enum Verdict {
    /// Exit code 0.
    Fine,
    /// Exit code 1.
    NotFine,
    /// Exit code 3: it did its work as far as this machine let it.
    Unfinished,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    match dispatch(cli.command, &output) {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::NotFine) => ExitCode::from(1),
        Ok(Verdict::Unfinished) => ExitCode::from(3),
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command, output: &Output) -> Result<Verdict, Failure> {
    match command {
        Command::Validate(args) => validate::validate(&args, output),
        Command::Prepare(args) => prepare::prepare(&args, output),
        Command::Execute(args) => execute::execute(&args, output),
        Command::Run(args) => run::run(&args, output),
        Command::Profile(args) => profile::profile(&args, output),
        Command::Diff(args) => diff::diff(&args, output),
        Command::Replay(args) => replay::replay(&args, output),
        Command::Trace(args) => trace::trace(&args, output),
        Command::Measure(args) => measure::measure(&args, output),
        Command::Wast(args) => scripts::wast(&args, output),
        Command::Inspect(args) => inspect::inspect(&args, output),
        Command::Check(args) => check::check(&args, output),
        #[cfg(feature = "candidate")]
        Command::Candidate { command } => candidate::candidate(&command, output),
        Command::Decode(args) => decode::decode(&args, output),
        Command::Verify(args) => verify::verify_file(&args, output),
        Command::Instrument(args) => instrument::instrument(&args, output),
        Command::Arbitrate(args) => arbitrate::arbitrate(&args, output),
        Command::Workers { command } => workers::workers(&command, output),
        Command::Doctor(args) => doctor::doctor(&args, output),
        Command::Conformance(args) => conformance::conformance(&args, output),
        Command::Bench(args) => bench::bench(&args, output),
        Command::Man(args) => manual::man(&args, output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pvf", &mut script);
            output.bytes(&script)?;
            Ok(Verdict::Fine)
        }
    }
}

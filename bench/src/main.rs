//! `pvf-bench`: this repository's engine beside others, in one process and one run, by turns, so
//! that whatever disturbs the machine disturbs all.
#![forbid(unsafe_code)]

mod corpus;
mod engine;
mod engines;
mod guests;
mod measure;
mod measures;
mod options;
mod run;
mod table;

use clap::Parser;
use measures::programs;
use options::Options;
use run::Run;
use std::process::ExitCode;

/// Measure this repository's engine beside others.
///
/// Tables go to stdout. Times are CPU time; ratios are of the least of all runs.
#[derive(Parser)]
#[command(name = "pvf-bench", version, max_term_width = 100)]
enum Command {
    /// Run small programs: guests that each stand for a kind of work, and single loops.
    Programs(Options),
}

/// Stack for the thread that executes modules in peers.
const STACK_BYTES: usize = 96 << 20;

fn main() -> ExitCode {
    let command = Command::parse();
    let thread = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || work(command));
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

fn work(command: Command) -> Result<bool, String> {
    match command {
        Command::Programs(options) => finish(&options, |run| {
            run.programs = programs::measure(&options)?;
            Ok(programs::all_right(&run.programs))
        }),
    }
}

/// Measures, then writes what was asked for.
fn finish(
    options: &Options,
    measure: impl FnOnce(&mut Run) -> Result<bool, String>,
) -> Result<bool, String> {
    let mut run = Run::here();
    let fine = measure(&mut run)?;
    if options.tables() {
        run.tables().iter().for_each(table::Table::print);
    }
    if let Some(file) = &options.json {
        run.write(file)?;
    }
    Ok(fine)
}

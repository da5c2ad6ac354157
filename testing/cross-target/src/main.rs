//! `pvf-digests`: compares the outcomes of all test inputs between two machines.
//!
//! On each machine the program prints one [`Line`](line::Line) for each execution: a key, a summary, and a digest over
//! everything that a rule fixes (results, kind of trap, gas, both peaks of the stack, memory) and over the artifacts
//! for *both* targets. `compare` takes the lines of two machines and writes the reports. `scripts/cross-target` runs
//! all inputs here and under an emulator.
//!
//! Inputs: WebAssembly's test suite, the conformance suite, candidates with their validation functions, and random
//! programs. The command `programs` writes the random programs as a stream, once for both machines.
#![deny(unsafe_code)]

mod artifacts;
mod candidates;
mod compare;
mod line;
mod programs;
mod report;
mod suite;
mod vectors;

use clap::Parser;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Digests of outcomes, to be compared between machines. Exit code 0: done, nothing differs; 1: something
/// differs; 2: something could not be done.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Write random programs as a stream.
    Programs(programs::Source),
    /// Execute a stream of programs.
    Execute(programs::Options),
    /// Run WebAssembly's test suite.
    Suite(suite::Options),
    /// Answer the conformance suite's cases.
    Conformance(vectors::Options),
    /// Judge the candidates of folders.
    Candidates(candidates::Options),
    /// Compare two machines' lines.
    Compare(compare::Options),
}

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match Command::parse() {
        Command::Programs(source) => programs::write(&source, &mut out).map(|()| true),
        Command::Execute(options) => {
            programs::execute(&options, io::stdin().lock(), &mut out).map(|()| true)
        }
        Command::Suite(options) => suite::run(&options, &mut out).map(|()| true),
        Command::Conformance(options) => vectors::run(&options, &mut out).map(|()| true),
        Command::Candidates(options) => candidates::run(&options, &mut out).map(|()| true),
        Command::Compare(options) => compare::run(&options, &mut out),
    };
    let done = done.and_then(|clean| match out.flush() {
        Ok(()) => Ok(clean),
        Err(error) => Err(error.to_string()),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("pvf-digests: {message}");
            ExitCode::from(2)
        }
    }
}

//! `pvf-fuzz`: the fuzzers as an ordinary program.
#![deny(unsafe_code)]

mod commands;

use clap::Parser;
use std::process::ExitCode;

/// Fuzz the executor. Exit code 0: nothing found; 1: something found; 2: wrong usage.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Run random modules here and in Wasmtime and compare.
    Differential(commands::differential::Options),
    /// Make very many calls of random modules here and in Wasmtime and wasmi, and keep the count in a folder.
    Executions(commands::executions::Options),
    /// List the targets of coverage-guided fuzzing, or run them without one.
    Targets(commands::targets::Options),
    /// Compare the meters on every module of WebAssembly's spec-test suite.
    Meters,
    /// Write the corpus's binaries from its texts.
    Corpus,
    /// Search for modules that are expensive to compile.
    WorstCase(commands::worst_case::Options),
    /// Feed damaged blobs, candidates and artifacts.
    BadInput(commands::bad_input::Options),
}

fn main() -> ExitCode {
    let clean = match Command::parse() {
        Command::Differential(options) => commands::differential::run(&options),
        Command::Executions(options) => commands::executions::run(&options),
        Command::Targets(options) => commands::targets::run(&options),
        Command::Meters => commands::meters::run(),
        Command::Corpus => commands::corpus::run(),
        Command::WorstCase(options) => commands::worst_case::run(&options),
        Command::BadInput(options) => commands::bad_input::run(&options),
    };
    match clean {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("pvf-fuzz: {message}");
            ExitCode::from(2)
        }
    }
}

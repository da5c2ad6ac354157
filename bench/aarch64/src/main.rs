//! Compares code for aarch64 with Wasmtime's on an x86-64 machine: its size, the instructions that it executes, and the
//! compile time compared with code for x86-64.
//!
//! Input: the guests of `../guests` and `../programs`, and folders of validation functions. Output: tables and JSON.
//! The script `run` in this folder builds the required programs and starts this one.
#![forbid(unsafe_code)]

mod compile;
mod count;
mod engines;
#[path = "../../src/guests.rs"]
mod guests;
mod inputs;
#[path = "../../src/measure.rs"]
#[expect(dead_code, reason = "of the other benchmark")]
mod measure;
#[path = "../../../testing/wasmtime/src/own_memory.rs"]
mod own_memory;
mod report;
mod size;
#[path = "../../src/table.rs"]
mod table;

use clap::{Parser, Subcommand};
use pvf_compiler::Target;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compare code for aarch64 with Wasmtime's: size and executed instructions; and compile times with code for x86-64.
#[derive(Parser)]
#[command(max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Exit codes:
  0  done
  1  a guest returned something else than what is known, or a mean is out of bounds
  2  wrong usage, unreadable input, or something that is needed failed")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

/// The selection of measurements and tools.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// qemu-user for aarch64 that supports plugins.
    #[arg(long, value_name = "FILE", default_value = "qemu-aarch64")]
    emulator: PathBuf,
    /// The plugin built from count.c.
    #[arg(long, value_name = "FILE", default_value = "count.so")]
    counter: PathBuf,
    /// The runner, built for aarch64.
    #[arg(long, value_name = "FILE", default_value = "runner")]
    runner: PathBuf,
    /// Folder of folders with code [default: `../shared/pvf` beside the repository if it is there, and the fixtures]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Only names that contain this text.
    #[arg(long, default_value = "", hide_default_value = true)]
    filter: String,
    /// What to measure, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "instructions,size,speed")]
    measures: Vec<Measure>,
    /// Repetitions of each compilation.
    #[arg(long, default_value_t = 9)]
    runs: u32,
    /// Write all figures to this file; without a name, to the standard output, which then contains nothing else.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// Instructions that guests execute, counted by the emulator.
    Instructions,
    /// Bytes of code.
    Size,
    /// CPU time of compilations, and instructions if callgrind is installed.
    Speed,
}

#[derive(Subcommand)]
enum Command {
    /// Compiles a file this number of times.
    #[command(name = compile::COMMAND, hide = true)]
    Compile {
        target: String,
        file: PathBuf,
        times: u32,
    },
}

fn main() -> ExitCode {
    match work(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("pvf-bench-aarch64: {message}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: Arguments) -> Result<bool, String> {
    if let Some(Command::Compile {
        target,
        file,
        times,
    }) = arguments.command
    {
        let target = Target::from_name(&target).ok_or("no such target")?;
        compile::repeat(target, &file, times)?;
        return Ok(true);
    }
    let options = arguments.options;
    let measured = |measure| options.measures.contains(&measure);
    let mut report = report::Report::default();
    if measured(Measure::Instructions) {
        report.instructions = count::measure(&options)?;
    }
    if measured(Measure::Size) {
        report.size = size::measure(&options)?;
    }
    if measured(Measure::Speed) {
        report.speed = compile::measure(&options)?;
    }
    report.write(options.json.as_deref())?;
    Ok(report.all_right())
}

//! `pvf-bench`: measures this executor and other engines, interleaved in one process and one run, so that disturbances
//! of the machine affect all engines alike.
#![deny(unsafe_code)]

#[cfg(feature = "wasmtime")]
mod agreement;
mod corpus;
mod engine;
mod engines;
mod generated;
mod guests;
mod measure;
mod measures;
mod modules;
mod options;
mod peak;
mod public;
mod report;
mod run;
mod table;

use clap::Parser;
use engines::EngineName;
use measures::{
    boundary, cold, compile, execute, instantiate, linear, meters, programs, public as published,
    wasm_opt,
};
use options::Options;
use run::Run;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measure this repository's engine and other engines.
///
/// Tables go to stdout. Times are CPU time; ratios are of the least of all runs.
#[derive(Parser)]
#[command(name = "pvf-bench", version, max_term_width = 100)]
#[command(after_help = "\
Exit codes:
  0  done
  1  something came out that is not what is known, or a shape is out of bounds
  2  wrong usage, unreadable input, or an engine failed

Examples:
  pvf-bench programs --engines ours,cranelift
  pvf-bench all --json run.json --html report.html
  pvf-bench execute --filter tick/transfer
  pvf-bench linear --filter locals")]
enum Command {
    /// All of compile, instantiate, programs, execute and cold.
    All(Options),
    /// Compile every module: MB of Wasm per second, size of the code, peak memory.
    Compile(Options),
    /// Make instances of every module.
    Instantiate(Options),
    /// Run small programs: guests that each stand for a kind of work, and single loops.
    Programs(Options),
    /// Run programs that others published: `.wasm` files of packages, fetched with `cargo`, `npm` and `pip`.
    Public(published::Arguments),
    /// Execute every candidate: a fresh instance and the call.
    Execute(Options),
    /// Compile, instantiate and execute once.
    Cold(Options),
    /// Host calls, loading and linking of compiled code, instantiation: the costs around the code.
    Boundary(Options),
    /// The cost of the meters of this repository's engine, and the benefit of its loop idioms.
    Meters(Options),
    /// Execute every candidate with both meters, here and in Wasmtime after `wasm-instrument`: gas and the limit at
    /// which the logical stack overflows must be equal.
    #[cfg(feature = "wasmtime")]
    Agree(Options),
    /// Compile generated modules: normal ones of all sizes, and adversarial ones.
    Linear(linear::Arguments),
    /// What Binaryen's wasm-opt changes.
    WasmOpt(wasm_opt::Arguments),
    /// Combine the figures of runs into a page with charts.
    Report {
        /// JSON of runs; if several runs have the same measure, the first one counts.
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// The file of the page.
        #[arg(long, value_name = "FILE")]
        html: PathBuf,
    },
    /// Write the tables of BENCHMARKS.md, the README's figures and docs/bench.svg from runs.
    Publish {
        /// JSON of runs; if several runs have the same measure, the first one counts.
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// The repository.
        #[arg(long, value_name = "DIR", default_value_os_t = options::repository())]
        repository: PathBuf,
    },
    /// Prepare one file in this process and print its resident memory.
    #[command(name = peak::COMMAND, hide = true)]
    PeakMemory { engine: EngineName, code: PathBuf },
    /// Measure one shape in this process and print its figures.
    #[command(name = linear::COMMAND, hide = true)]
    LinearOne { engine: EngineName, shape: String },
}

/// Stack size of the thread in which peers execute modules.
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
    let mut run = Run::here();
    match command {
        Command::All(options) => {
            run.compile = compile::measure(&options)?;
            run.instantiate = instantiate::measure(&options)?;
            run.programs = programs::measure(&options)?;
            run.execute = execute::measure(&options)?;
            run.cold = cold::measure(&options)?;
            finish(&run, &options)
        }
        Command::Compile(options) => {
            run.compile = compile::measure(&options)?;
            finish(&run, &options)
        }
        Command::Instantiate(options) => {
            run.instantiate = instantiate::measure(&options)?;
            finish(&run, &options)
        }
        Command::Programs(options) => {
            run.programs = programs::measure(&options)?;
            finish(&run, &options)
        }
        Command::Public(arguments) => {
            if let Some(folder) = &arguments.write {
                return published::write(&arguments, folder);
            }
            run.public = published::measure(&arguments)?;
            finish(&run, &arguments.options)
        }
        Command::Execute(options) => {
            run.execute = execute::measure(&options)?;
            finish(&run, &options)
        }
        Command::Cold(options) => {
            run.cold = cold::measure(&options)?;
            finish(&run, &options)
        }
        Command::Boundary(options) => {
            run.boundary = boundary::measure(&options)?;
            finish(&run, &options)
        }
        #[cfg(feature = "wasmtime")]
        Command::Agree(options) => agreement::run(&options),
        Command::Meters(options) => {
            run.meters = meters::measure(&options)?;
            finish(&run, &options)
        }
        Command::Linear(arguments) => {
            if let Some(folder) = &arguments.write {
                return linear::write(folder, &arguments.filter);
            }
            run.linear = linear::measure(&arguments)?;
            output(&run, arguments.json.as_deref(), None)
        }
        Command::WasmOpt(arguments) => {
            run.wasm_opt = wasm_opt::measure(&arguments)?;
            finish(&run, &arguments.options)
        }
        Command::Report { runs, html } => {
            report::write_page(&Run::merged(read(&runs)?), &html)?;
            Ok(true)
        }
        Command::Publish { runs, repository } => {
            report::publish(&read(&runs)?, &repository)?;
            Ok(true)
        }
        Command::PeakMemory { engine, code } => peak::print(engine, &code),
        Command::LinearOne { engine, shape } => linear::print(engine, &shape),
    }
}

fn finish(run: &Run, options: &Options) -> Result<bool, String> {
    output(run, options.json.as_deref(), options.html.as_deref())
}

/// The runs in these files.
fn read(files: &[PathBuf]) -> Result<Vec<Run>, String> {
    files.iter().map(|file| Run::read(file)).collect()
}

/// Writes the requested files.
fn output(run: &Run, json: Option<&Path>, html: Option<&Path>) -> Result<bool, String> {
    if run.tables().is_empty() {
        return Err("nothing was measured: no name holds the filter".to_owned());
    }
    if json.is_none_or(|file| file.as_os_str() != "-") {
        run.tables().iter().for_each(table::Table::print);
    }
    if let Some(file) = json {
        run.write(file)?;
    }
    if let Some(file) = html {
        report::write_page(run, file)?;
    }
    Ok(run.all_right())
}

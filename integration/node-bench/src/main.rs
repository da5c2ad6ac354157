//! Measures preparation and execution of production candidates: the functions that a Polkadot
//! node's workers call, and ours.
//!
//! The input is folders of validation functions and candidates. The output is a table and JSON.
//! Both executors run alternately in one process and one thread, with the same host functions.
//! Times are CPU times, the least of several runs; the ratios are the result:
//!
//! - *prepare*: from a blob to an artifact, including decompression;
//! - *execute*: `validate_block` in a fresh instance of a loaded artifact;
//! - *load + execute*: from the artifact's file to a result, including the checksum, as a worker
//!   does for each candidate (`execute_artifact`);
//! - *cold*: prepare, load and execute once.
#![deny(unsafe_op_in_unsafe_fn)]

mod corpus;
mod measure;
mod ours;
mod stock;

use clap::Parser;
use corpus::{Blob, Case};
use measure::{Pair, geometric_mean, interleaved};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Stack of the thread that runs all measurements, as large as in the node's workers.
const STACK_BYTES: usize = (256 << 20) + (16 << 20);

/// Compares with a node's own functions.
#[derive(Parser)]
struct Options {
    /// Folder of validation functions and candidates.
    #[arg(long, default_value = "../../../shared/pvf")]
    corpus: PathBuf,
    /// Run only validation functions whose name contains this; the part after a slash selects
    /// candidates.
    #[arg(long, default_value = "")]
    filter: String,
    /// Minimum number of runs of each case.
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Write all figures to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Directory for the artifacts during the run.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
}

#[derive(Serialize)]
struct ChainRow {
    chain: String,
    wasm_bytes: usize,
    stock_artifact_bytes: usize,
    ours_artifact_bytes: usize,
    prepare: Pair,
}

#[derive(Serialize)]
struct CaseRow {
    chain: String,
    case: String,
    valid: bool,
    execute: Pair,
    load_execute: Pair,
    /// The chain's preparation plus this candidate's load and execution.
    cold_stock_ns: u64,
    cold_ours_ns: u64,
}

impl CaseRow {
    fn cold_ratio(&self) -> f64 {
        self.cold_ours_ns as f64 / self.cold_stock_ns as f64
    }
}

#[derive(Default, Serialize)]
struct Report {
    chains: Vec<ChainRow>,
    cases: Vec<CaseRow>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    // Panics of host functions are expected. Our log output is the same with every logger.
    std::panic::set_hook(Box::new(|_| {}));
    log::set_max_level(log::LevelFilter::Error);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let done = thread
        .spawn(move || run(&options))
        .map_err(|error| error.to_string())
        .and_then(|thread| thread.join().unwrap_or_else(|_| Err("panicked".to_owned())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let mut report = Report::default();
    for blob in corpus::blobs(&options.corpus, &options.filter)? {
        eprintln!("{} ...", blob.name);
        measure_chain(options, &blob, &mut report)
            .map_err(|error| format!("{}: {error}", blob.name))?;
    }
    print(&report);
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n")
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn measure_chain(options: &Options, blob: &Blob, report: &mut Report) -> Result<(), String> {
    let mut artifacts = (Vec::new(), Vec::new());
    let prepare = interleaved(
        options.runs.min(3),
        || stock::prepare(&blob.code),
        || ours::prepare(&blob.code),
        |stock, ours| {
            artifacts = (stock, ours);
            Ok(())
        },
    )?;
    let (stock_artifact, ours_artifact) = artifacts;
    let file = |engine: &str, bytes: &[u8]| {
        let name = format!("pvf-node-bench-{}-{engine}", std::process::id());
        let path = options.scratch.join(name);
        let written = std::fs::write(&path, bytes);
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(path)
    };
    let stock_file = file("stock", &stock_artifact)?;
    let ours_file = file("ours", &ours_artifact)?;
    report.chains.push(ChainRow {
        chain: blob.name.clone(),
        wasm_bytes: stock::wasm_bytes(&blob.code)?,
        stock_artifact_bytes: stock_artifact.len(),
        ours_artifact_bytes: ours_artifact.len(),
        prepare,
    });
    let checksum = stock::checksum(&stock_artifact);
    let stock_loaded = stock::Loaded::new(&stock_artifact)?;
    let ours_loaded = ours::Loaded::new(&ours_file)?;
    for case in &blob.cases {
        let what = |error| format!("{}: {error}", case.name);
        let execute = interleaved(
            options.runs,
            || stock_loaded.execute(&case.params),
            || ours_loaded.execute(&case.params),
            |stock, ours| check(case, &stock, &ours),
        );
        let files: (&Path, &Path) = (&stock_file, &ours_file);
        let load_execute = interleaved(
            options.runs,
            || stock::load_and_execute(files.0, &checksum, &case.params),
            || ours::load_and_execute(files.1, &case.params),
            |stock, ours| check(case, &stock, &ours),
        );
        let (execute, load_execute) = (execute.map_err(what)?, load_execute.map_err(what)?);
        report.cases.push(CaseRow {
            chain: blob.name.clone(),
            case: case.name.clone(),
            valid: case.result.is_some(),
            cold_stock_ns: prepare.stock.least_ns + load_execute.stock.least_ns,
            cold_ours_ns: prepare.ours.least_ns + load_execute.ours.least_ns,
            execute,
            load_execute,
        });
    }
    // Errors are ignored: the files are in a directory for temporary files.
    let _ = (
        std::fs::remove_file(&stock_file),
        std::fs::remove_file(&ours_file),
    );
    Ok(())
}

fn check(case: &Case, stock: &stock::Judged, ours: &stock::Judged) -> Result<(), String> {
    for (who, judged) in [("the node's", stock), ("ours", ours)] {
        if *judged != case.result {
            return Err(format!("{who} has another result than what was recorded"));
        }
    }
    Ok(())
}

fn ms(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e6)
}

fn print(report: &Report) {
    println!("| PVF | MB of Wasm | prepare ms: node | ours | times faster |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for row in &report.chains {
        let Pair { stock, ours } = row.prepare;
        println!(
            "| {} | {:.2} | {} | {} | {:.1} |",
            row.chain,
            row.wasm_bytes as f64 / 1e6,
            ms(stock.least_ns),
            ms(ours.least_ns),
            1.0 / row.prepare.ratio()
        );
    }
    println!(
        "\n| PVF | candidate | execute ms: node | ours | ours/node | load + execute ms: node | ours | times faster | cold times faster |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for row in &report.cases {
        println!(
            "| {} | {} | {} | {} | {:.2} | {} | {} | {:.1} | {:.1} |",
            row.chain,
            row.case,
            ms(row.execute.stock.least_ns),
            ms(row.execute.ours.least_ns),
            row.execute.ratio(),
            ms(row.load_execute.stock.least_ns),
            ms(row.load_execute.ours.least_ns),
            1.0 / row.load_execute.ratio(),
            1.0 / row.cold_ratio()
        );
    }
    print_means(report);
}

/// Geometric means by candidate name and over all.
fn print_means(report: &Report) {
    let mut by_case: BTreeMap<&str, Vec<&CaseRow>> = BTreeMap::new();
    for row in &report.cases {
        by_case.entry(&row.case).or_default().push(row);
    }
    println!(
        "\n| candidate | chains | execute ours/node | worst | load + execute times faster | least | cold times faster | least |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let line = |name: &str, rows: &[&CaseRow]| {
        let of = |get: &dyn Fn(&CaseRow) -> f64| -> Vec<f64> {
            rows.iter().map(|row| get(row)).collect()
        };
        let execute = of(&|row| row.execute.ratio());
        let load = of(&|row| 1.0 / row.load_execute.ratio());
        let cold = of(&|row| 1.0 / row.cold_ratio());
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "| {name} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} |",
            rows.len(),
            geometric_mean(execute.iter().copied()),
            most(&execute),
            geometric_mean(load.iter().copied()),
            least(&load),
            geometric_mean(cold.iter().copied()),
            least(&cold)
        );
    };
    for (case, rows) in &by_case {
        line(case, rows);
    }
    let all: Vec<&CaseRow> = report.cases.iter().collect();
    line("all", &all);
    let prepare = report.chains.iter().map(|row| 1.0 / row.prepare.ratio());
    println!(
        "\nprepare: {:.1} times faster in the geometric mean",
        geometric_mean(prepare)
    );
}

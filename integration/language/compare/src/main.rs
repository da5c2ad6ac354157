//! Sends the same modules to the stock prepare worker's functions and to this repository's, and
//! reports the differences.

#![forbid(unsafe_code)]

mod folder;
mod generate;
mod judge;
mod limits;
mod module;
mod mutate;
mod report;
mod segments;
mod shrink;
mod side;
mod sketch;

use clap::{Parser, Subcommand};
use generate::{From, Sources};
use judge::{Judge, Subject};
use pvf_language_protocol::Parameters;
use report::Report;
use side::Side;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Compares the answers of the stock prepare worker's functions and of ours for the same modules.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The program with the stock functions [default: next to this program].
    #[arg(long, global = true)]
    stock: Option<PathBuf>,
    /// The program with our functions [default: next to this program].
    #[arg(long, global = true)]
    ours: Option<PathBuf>,
    /// Ask only the stock functions.
    #[arg(long, global = true)]
    stock_alone: bool,
    /// Do not execute modules that both accept.
    #[arg(long, global = true)]
    no_execution: bool,
    /// The parameter `StackLogicalMax`.
    #[arg(long, global = true)]
    stack_logical_max: Option<u32>,
    /// The parameter `WasmExtBulkMemory`.
    #[arg(long, global = true)]
    bulk_memory: bool,
    /// Do not shrink the differing modules.
    #[arg(long, global = true)]
    no_shrinking: bool,
    /// Print the answers for every module.
    #[arg(long, global = true)]
    list: bool,
    /// Also write the differences to this file.
    #[arg(long, global = true)]
    report: Option<PathBuf>,
    /// Write the stock functions' answers by kind of module to this file.
    #[arg(long, global = true)]
    table: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Modules in folders: `.wasm`, `.wat`, the modules of `.wast`, `.wasm.zst`, and other files
    /// that begin as modules do.
    Folder {
        /// Folders or files.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// WebAssembly's test suite, of all versions and proposals.
    Suite,
    /// Generated modules. A seed always gives the same module.
    Generate {
        /// Number of modules.
        #[arg(long, default_value_t = 10_000)]
        count: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Sources of modules; several alternate.
        #[arg(long, value_enum, value_delimiter = ',', default_values = ["sketch", "changed", "segments", "smith", "mutate", "program"])]
        from: Vec<From>,
    },
    /// Modules at the counts that parsers limit.
    Limits {
        /// Include modules that take minutes.
        #[arg(long)]
        all: bool,
    },
    /// A folder whose `expected.json` holds the recorded answers of the node's workers: precheck,
    /// preparation, execution.
    Expected {
        /// The folder with the modules.
        folder: PathBuf,
        /// The file with the recorded answers.
        expected: PathBuf,
    },
}

fn beside(name: &str, given: Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(here.with_file_name(name))
}

struct Run {
    judge: Judge,
    report: Report,
    list: bool,
    start: Instant,
}

impl Run {
    fn compare(&mut self, subject: &Subject) -> Result<(), String> {
        let answers = self.judge.ask(&subject.code)?;
        self.report.add(subject, &answers);
        if self.list {
            println!("{}: {}", subject.name, report::line(&answers));
        }
        if self.report.compared % 5_000 == 0 {
            let seconds = self.start.elapsed().as_secs();
            let Report {
                compared, differ, ..
            } = self.report;
            eprintln!("{compared} compared, {differ} differ, {seconds} s");
        }
        Ok(())
    }

    /// Counts the differences from the recorded answers.
    fn expected(&mut self, folder: &Path, expected: &Path) -> Result<u64, String> {
        let text = std::fs::read(expected).map_err(|error| error.to_string())?;
        let expected: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let mut wrong = 0;
        for (file, recorded) in expected.as_object().into_iter().flatten() {
            let path = folder.join(file);
            let code = std::fs::read(&path).map_err(|error| error.to_string())?;
            let answers = self.judge.ask(&code)?;
            let mut said = vec![
                format!("{:?}", answers.stock.precheck),
                format!("{:?}", answers.stock.class),
            ];
            if let Some((stock, _)) = &answers.executed {
                said.push(match format!("{:?}", stock.outcome).as_str() {
                    "Valid" => "Ok".to_owned(),
                    "Invalid" => "InvalidCandidate".to_owned(),
                    other => other.to_owned(),
                });
            }
            let recorded: Vec<_> = recorded.as_array().into_iter().flatten().collect();
            let same = said
                .iter()
                .zip(&recorded)
                .all(|(said, recorded)| recorded.as_str() == Some(said));
            if !same {
                wrong += 1;
                println!("{file}: recorded {recorded:?}, the stock functions say {said:?}");
            }
            let subject = Subject {
                name: file.clone(),
                kind: file.clone(),
                code,
            };
            self.report.add(&subject, &answers);
        }
        Ok(wrong)
    }
}

fn run(arguments: Arguments) -> Result<bool, String> {
    let ours = match arguments.stock_alone {
        true => None,
        false => Some(Side::new(beside("pvf-language-ours", arguments.ours)?)),
    };
    let mut run = Run {
        judge: Judge {
            stock: Side::new(beside("pvf-language-stock", arguments.stock)?),
            ours,
            parameters: Parameters {
                stack_logical_max: arguments.stack_logical_max,
                bulk_memory: arguments.bulk_memory,
            },
            execute: !arguments.no_execution,
        },
        report: Report::default(),
        list: arguments.list,
        start: Instant::now(),
    };
    let mut wrong = 0;
    match arguments.command {
        Command::Folder { paths } => {
            for path in paths {
                folder::walk(&path, &mut |subject| run.compare(&subject))?;
            }
        }
        Command::Suite => folder::suite(&mut |subject| run.compare(&subject))?,
        Command::Generate { count, seed, from } => {
            let sources = Sources::new()?;
            for seed in seed..seed + count {
                let from = from[(seed % from.len() as u64) as usize];
                if let Some(subject) = sources.module(from, seed) {
                    run.compare(&subject)?;
                }
            }
        }
        Command::Limits { all } => {
            for subject in limits::modules(all) {
                run.compare(&subject)?;
            }
        }
        Command::Expected { folder, expected } => wrong = run.expected(&folder, &expected)?,
    }
    if !arguments.no_shrinking {
        let groups = run.report.groups();
        let groups: Vec<_> = groups
            .map(|(group, code)| (group.clone(), code.to_vec()))
            .collect();
        for (group, code) in groups {
            let smaller = shrink::shrink(&mut run.judge, &code, &group)?;
            run.report.smaller(&group, smaller);
        }
    }
    let Run {
        judge,
        report,
        start,
        ..
    } = run;
    let text = report.differences();
    print!("{text}");
    for (path, text) in [(arguments.report, text), (arguments.table, report.table())] {
        if let Some(path) = path {
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "\n{:.0} s; {} accepted by both, {} executed, {} of them given up, {} beyond this machine's memory; started anew: stock {}, ours {}",
        seconds,
        report.accepted,
        report.executed + report.endless,
        report.endless,
        report.beyond_machine,
        judge.stock.restarts,
        judge.ours.as_ref().map_or(0, |ours| ours.restarts),
    );
    if wrong > 0 {
        println!("{wrong} of the recorded answers differ from what the stock functions say");
    }
    println!("{} compared, {} differ", report.compared, report.differ);
    Ok(report.differ == 0 && wrong == 0)
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

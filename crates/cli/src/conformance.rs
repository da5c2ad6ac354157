//! `pvf conformance`: runs the conformance suite, on this executor or on engines behind adapters.

use crate::Verdict;
use crate::args::{ConformanceArgs, ConformanceCommand, ConformanceRunArgs};
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Progress;
use pvf_conformance::{
    Engine, EngineError, LEVELS, Options, ReadError, Report, html, json, junit, read_cases,
    read_rules, run as run_cases, table,
};
use std::fs;
use std::io::{self, BufReader};
use std::path::Path;

/// Runs the suite, or serves as the adapter that the runner talks to.
pub fn conformance(args: &ConformanceArgs, output: &Output) -> Result<Verdict, Failure> {
    match &args.command {
        ConformanceCommand::Run(args) => run(args, output),
        ConformanceCommand::Adapter => {
            let questions = BufReader::new(io::stdin());
            pvf_adapter::serve(questions, io::stdout().lock()).map_err(|source| {
                Failure::Output {
                    name: "the standard output".into(),
                    source,
                }
            })?;
            Ok(Verdict::Fine)
        }
    }
}

fn run(args: &ConformanceRunArgs, output: &Output) -> Result<Verdict, Failure> {
    let unreadable = |reason: String| Failure::Input {
        name: input::name(&args.suite),
        reason,
    };
    let suite = args
        .suite
        .canonicalize()
        .map_err(|error| unreadable(error.to_string()))?;
    let levels: Vec<&str> = match &args.level[..] {
        [] => LEVELS.to_vec(),
        levels => levels.iter().map(String::as_str).collect(),
    };
    let cases = read_cases(&suite, &levels).map_err(|error| unreadable(error.to_string()))?;
    let options = Options {
        filter: args.filter.clone(),
        ..Options::default()
    };
    let scratch = std::env::temp_dir().join(format!("pvf-conformance-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|source| cannot_write(&scratch, source))?;
    let mut engines = Vec::new();
    for command in commands(args)? {
        let mut engine = Engine::start(&command).map_err(started)?;
        let _progress = Progress::start(&format!("{} cases", cases.len()));
        let report = run_cases(&suite, &cases, &mut engine, &scratch, &options, |_| ());
        engines.push(report.map_err(|error: ReadError| unreadable(error.to_string()))?);
    }
    // What is left behind in a folder for temporary files does no harm.
    let _ = fs::remove_dir_all(&scratch);
    let rules = read_rules(&suite.join("../spec/rules.json"));
    let report = Report {
        cases: &cases,
        rules,
        engines,
    };
    write(args.html.as_deref(), || html(&report, &suite))?;
    write(args.junit.as_deref(), || junit(&report))?;
    output.result(&json(&report), |out| write!(out, "{}", table(&report)))?;
    let same = report.engines.iter().all(|it| it.differences() == 0);
    Ok(if same {
        Verdict::Fine
    } else {
        Verdict::NotFine
    })
}

/// How to start each adapter; without one named, this program is the engine.
fn commands(args: &ConformanceRunArgs) -> Result<Vec<Vec<String>>, Failure> {
    if args.engine.is_empty() {
        let program = std::env::current_exe()
            .map_err(|error| Failure::Host(format!("where is this program? {error}")))?;
        let program = program.display().to_string();
        return Ok(vec![vec![program, "conformance".into(), "adapter".into()]]);
    }
    let words = |command: &String| command.split_whitespace().map(str::to_owned).collect();
    Ok(args.engine.iter().map(words).collect())
}

fn started(error: EngineError) -> Failure {
    match error {
        EngineError::Start { .. } => Failure::Usage(error.to_string()),
        error => Failure::Host(error.to_string()),
    }
}

fn write(path: Option<&Path>, content: impl FnOnce() -> String) -> Result<(), Failure> {
    match path {
        Some(path) => fs::write(path, content()).map_err(|source| cannot_write(path, source)),
        None => Ok(()),
    }
}

fn cannot_write(path: &Path, source: io::Error) -> Failure {
    Failure::Output {
        name: input::name(path),
        source,
    }
}

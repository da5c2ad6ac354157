//! `pvf conformance`: runs the conformance suite, on this executor or on engines behind adapters.

use crate::Verdict;
use crate::args::{ConformanceArgs, ConformanceCommand, ConformanceRunArgs};
use crate::companion;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::Progress;
use pvf_conformance::{
    Engine, EngineError, LEVELS, Options, ReadError, Report, html, json, junit, read_cases,
    read_rules, run as run_cases, table,
};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    let suite = suite(args)?;
    let unreadable = |reason: String| Failure::Input {
        name: input::name(&suite),
        reason,
    };
    let levels: Vec<&str> = match &args.level[..] {
        [] => LEVELS.to_vec(),
        levels => levels.iter().map(String::as_str).collect(),
    };
    let mut cases = read_cases(&suite, &levels).map_err(|error| unreadable(error.to_string()))?;
    if let Some(filter) = &args.filter {
        cases.retain(|case| case.id.contains(filter.as_str()));
    }
    if cases.is_empty() {
        let message = "no case is selected: --level and --filter leave none of the suite";
        return Err(Failure::Usage(message.to_owned()));
    }
    let options = Options {
        limit: args.timeout.time().unwrap_or(Duration::MAX),
        ..Options::default()
    };
    let scratch = tempfile::tempdir().map_err(|source| Failure::Output {
        name: "a folder for temporary files".to_owned(),
        source,
    })?;
    let mut engines = Vec::new();
    for command in commands(args)? {
        let mut engine = Engine::start(&command).map_err(|error| started(&command, error))?;
        let _progress = Progress::start(&format!("{} cases", cases.len()));
        let report = run_cases(
            &suite,
            &cases,
            &mut engine,
            scratch.path(),
            &options,
            |_| (),
        );
        engines.push(report.map_err(|error: ReadError| unreadable(error.to_string()))?);
    }
    let rules = read_rules(&suite.join("../spec/rules.json"));
    let report = Report {
        cases: &cases,
        rules,
        engines,
    };
    if let Some(path) = &args.html {
        output.file(path, html(&report, &suite).as_bytes())?;
    }
    if let Some(path) = &args.junit {
        output.file(path, junit(&report).as_bytes())?;
    }
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

fn started(command: &[String], error: EngineError) -> Failure {
    match error {
        EngineError::Start { .. } => Failure::Usage(error.to_string()),
        error => Failure::Host(format!("{}: {error}", command.join(" "))),
    }
}

/// The suite: the folder named, or the first of the usual ones that is a suite.
fn suite(args: &ConformanceRunArgs) -> Result<PathBuf, Failure> {
    let found = |path: &Path| path.join(format!("cases/{}.jsonl", LEVELS[0])).is_file();
    if let Some(named) = &args.suite {
        return named.canonicalize().map_err(|error| Failure::Input {
            name: input::name(named),
            reason: error.to_string(),
        });
    }
    let here = PathBuf::from("conformance");
    let beside = std::env::current_exe().map(|it| it.with_file_name("conformance"));
    let checkout = companion::checkout().map(|root| root.join("conformance"));
    let mut places = [Some(here), beside.ok(), checkout].into_iter().flatten();
    let suite = places.find(|path| found(path));
    suite
        .and_then(|path| path.canonicalize().ok())
        .ok_or_else(|| {
            let message =
                "the conformance suite is neither here nor beside pvf; --suite says where it is";
            Failure::Usage(message.to_owned())
        })
}

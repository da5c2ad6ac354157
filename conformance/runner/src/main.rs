//! `pvf-conformance [--suite DIR] [--level L]… [--filter TEXT] [--html FILE] [--junit FILE] [--json FILE] --engine CMD…`:
//! runs the suite on engines. Exit code 1 if any case differs, 2 for wrong usage.

use pvf_conformance::{
    Engine, LEVELS, Options, Report, html, json, junit, read_cases, read_rules, run, table,
};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Default)]
struct Arguments {
    suite: Option<PathBuf>,
    levels: Vec<String>,
    filter: Option<String>,
    engines: Vec<String>,
    html: Option<PathBuf>,
    junit: Option<PathBuf>,
    json: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let value = given
            .next()
            .ok_or_else(|| format!("{flag} wants a value"))?;
        match flag.as_str() {
            "--suite" => arguments.suite = Some(value.into()),
            "--level" => arguments.levels.push(value),
            "--filter" => arguments.filter = Some(value),
            "--engine" => arguments.engines.push(value),
            "--html" => arguments.html = Some(value.into()),
            "--junit" => arguments.junit = Some(value.into()),
            "--json" => arguments.json = Some(value.into()),
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    match arguments().map_err(Into::into).and_then(work) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: Arguments) -> Result<bool, Box<dyn Error>> {
    let suite = arguments
        .suite
        .unwrap_or_else(|| "conformance".into())
        .canonicalize()?;
    let levels: Vec<&str> = match &arguments.levels[..] {
        [] => LEVELS.to_vec(),
        levels => levels.iter().map(String::as_str).collect(),
    };
    let cases = read_cases(&suite, &levels)?;
    let scratch = std::env::temp_dir().join(format!("pvf-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let options = Options {
        filter: arguments.filter,
        ..Options::default()
    };
    let mut engines = Vec::new();
    for command in &arguments.engines {
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let mut engine = Engine::start(&command)?;
        engines.push(run(
            &suite,
            &cases,
            &mut engine,
            &scratch,
            &options,
            |_| (),
        )?);
    }
    std::fs::remove_dir_all(&scratch)?;
    let report = Report {
        cases: &cases,
        rules: read_rules(&suite.join("../spec/rules.json")),
        engines,
    };
    print!("{}", table(&report));
    if let Some(path) = arguments.html {
        std::fs::write(path, html(&report, &suite))?;
    }
    if let Some(path) = arguments.junit {
        std::fs::write(path, junit(&report))?;
    }
    if let Some(path) = arguments.json {
        std::fs::write(path, json(&report).to_string())?;
    }
    Ok(report
        .engines
        .iter()
        .all(|engine| engine.differences() == 0))
}

//! `pvf wast`: runs WebAssembly spec-test scripts.

use crate::Verdict;
use crate::args::WastArgs;
use crate::failure::Failure;
use crate::input;
use crate::network::ParametersJson;
use crate::output::Output;
use crate::progress::Progress;
use anstyle::AnsiColor;
use pvf_executor::Profile;
use pvf_wast::{Options, Report, run_script};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

#[derive(Serialize)]
struct WastJson {
    files: Vec<FileJson>,
    passed: u64,
    failed: u64,
    skipped: u64,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct FileJson {
    file: String,
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<String>,
    skip_reasons: BTreeMap<String, u64>,
}

/// Runs the scripts and prints what became of their directives.
pub fn wast(args: &WastArgs, output: &Output) -> Result<Verdict, Failure> {
    let profile = args.language.profile(Profile::Wasm);
    let parameters = args.limits.parameters(profile)?;
    let options = Options {
        features: args.language.features(Profile::Wasm),
        metering: args.limits.meters.metering(profile)?,
        parameters: parameters.execution,
        #[cfg(feature = "polkavm")]
        machine: match args.machine.engine()? {
            Some(engine) => pvf_wast::OnMachine::PolkaVm(engine),
            None => pvf_wast::OnMachine::Hardware,
        },
        ..Options::default()
    };
    let paths: Vec<&Path> = args.files.iter().map(AsRef::as_ref).collect();
    input::at_most_one_stdin(&paths)?;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        files.push(args.timeout.bound_all(|| run_file(path, &options))?);
    }
    let sum = |count: fn(&FileJson) -> u64| files.iter().map(count).sum();
    let json = WastJson {
        passed: sum(|file| file.passed),
        failed: sum(|file| file.failed),
        skipped: sum(|file| file.skipped),
        parameters: parameters.json(),
        files,
    };
    output.result(&json, |out| text(out, &json))?;
    Ok(match json.failed {
        0 => Verdict::Fine,
        _ => Verdict::NotFine,
    })
}

fn run_file(path: &Path, options: &Options) -> Result<FileJson, Failure> {
    let name = input::name(path);
    let bytes = input::read(path)?;
    let unreadable = |reason: String| Failure::Input {
        name: name.clone(),
        reason,
    };
    let script = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let _progress = Progress::start(&format!("running {name}"));
    let report = run_script(&script, options).map_err(|error| unreadable(error.to_string()))?;
    Ok(FileJson::new(name, report))
}

impl FileJson {
    fn new(file: String, report: Report) -> Self {
        let failures = report.failures.iter().map(|f| format!("{file}:{f}"));
        Self {
            passed: report.passed,
            failed: report.failed(),
            skipped: report.skipped(),
            failures: failures.collect(),
            skip_reasons: report
                .skips
                .iter()
                .map(|(reason, &count)| (reason.to_string(), count))
                .collect(),
            file,
        }
    }
}

fn text(out: &mut dyn Write, json: &WastJson) -> io::Result<()> {
    let red = AnsiColor::Red.on_default();
    for file in &json.files {
        let FileJson {
            passed,
            failed,
            skipped,
            ..
        } = file;
        writeln!(
            out,
            "{}: {passed} passed, {failed} failed, {skipped} skipped",
            file.file
        )?;
        for failure in &file.failures {
            writeln!(out, "  {red}failed{red:#} {failure}")?;
        }
        for (reason, count) in &file.skip_reasons {
            writeln!(out, "  skipped {count}: {reason}")?;
        }
    }
    let WastJson {
        passed,
        failed,
        skipped,
        ..
    } = json;
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")
}

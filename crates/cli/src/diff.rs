//! `pvf diff`: two runtimes, by themselves and over candidates.

mod candidates;
mod change;
mod print;
mod runtime;

use crate::Verdict;
use crate::failure::Failure;
use crate::input;
use crate::judging::JudgingArgs;
use crate::network::ParametersJson;
use crate::output::Output;
use crate::validate::host_parameters;
use candidates::Candidate;
use change::{Change, FunctionChange};
use clap::Args;
use pvf_executor::{Costs, Profile};
use pvf_validation::Pvf;
use runtime::Runtime;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Differences alone leave the exit code at 0. It is 1 if a node turns AFTER down and not BEFORE, if a
candidate that is valid with BEFORE is not with AFTER, or if something has grown by more than
--fail-above allows.

What --fail-above can name: blob (the code as on chain), wasm, bodies, data, code (machine code),
functions, frame (the largest), initial-memory; over candidates gas, native-stack, logical-stack,
memory (pages), heap, host-calls. For candidates the limit holds for each of them.

Examples:
  pvf diff old.wasm new.wasm
  pvf diff old.wasm new.wasm blocks/*.params --fail-above gas=5% --fail-above blob=2%
  pvf diff old.wasm new.wasm blocks/*.params --markdown > comment.md")]
pub struct DiffArgs {
    /// The runtime before.
    pub before: PathBuf,
    /// The runtime after.
    pub after: PathBuf,
    /// Candidates to judge by both. One that was made for one of them is invalid with the other if the state's version is checked.
    #[arg(value_name = "PARAMS")]
    pub candidates: Vec<PathBuf>,
    /// Print Markdown, for a comment on a pull request.
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// List at most so many functions.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Exit with 1 if this has grown by more than so many percent; may be given several times.
    #[arg(long, value_name = "METRIC=PERCENT", value_parser = ceiling)]
    pub fail_above: Vec<Ceiling>,
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// What may grow by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    metric: String,
    percent: f64,
}

/// What a ceiling can be set for without candidates.
const OF_CODE: [&str; 8] = [
    "blob",
    "wasm",
    "bodies",
    "data",
    "code",
    "functions",
    "frame",
    "initial-memory",
];

/// What a ceiling can be set for with candidates.
const OF_CANDIDATES: [&str; 6] = [
    "gas",
    "native-stack",
    "logical-stack",
    "memory",
    "heap",
    "host-calls",
];

fn ceiling(text: &str) -> Result<Ceiling, String> {
    let (metric, percent) = text
        .split_once('=')
        .ok_or("expected a metric and a percentage, such as gas=5%")?;
    let metrics = [&OF_CODE[..], &OF_CANDIDATES].concat();
    if !metrics.contains(&metric) {
        return Err(format!("unknown metric, there are {}", metrics.join(", ")));
    }
    let number = percent.strip_suffix('%').unwrap_or(percent).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(Ceiling {
            metric: metric.to_owned(),
            percent,
        }),
        _ => Err("expected a percentage from 0 on, such as 5%".to_owned()),
    }
}

/// The answer.
#[derive(Serialize)]
struct DiffJson {
    /// Of this object's form. Keys may be added without another version.
    version: u32,
    before: Runtime,
    after: Runtime,
    sizes: Vec<Change>,
    /// All functions that differ, those that changed most first.
    functions: Vec<FunctionChange>,
    imports_added: Vec<String>,
    imports_removed: Vec<String>,
    /// Functions with the deepest frames of both, by name, with their frames.
    deepest_frames: Vec<Change>,
    candidates: Vec<Candidate>,
    /// What makes the exit code 1, in words.
    failures: Vec<String>,
    parameters: ParametersJson,
}

/// Compares and prints.
pub fn diff(args: &DiffArgs, output: &Output) -> Result<Verdict, Failure> {
    let (mut options, parameters) = args.judging.resolve(Profile::Polkadot)?;
    let gas = &mut options.metering.gas;
    gas.get_or_insert_with(|| Arc::new(Costs::default()));
    let paths = [&args.before, &args.after].into_iter();
    let paths = paths.chain(&args.candidates).map(AsRef::as_ref);
    input::at_most_one_stdin(&paths.collect::<Vec<_>>())?;
    let of_candidates = |it: &&Ceiling| OF_CANDIDATES.contains(&&it.metric[..]);
    if let Some(ceiling) = args.fail_above.iter().find(of_candidates)
        && args.candidates.is_empty()
    {
        let metric = &ceiling.metric;
        let message = format!("--fail-above {metric} needs candidates: the code alone uses none");
        return Err(Failure::Usage(message));
    }
    let verification = args.judging.verification();
    let (before, one) = Runtime::read(&args.before, &options, verification)?;
    let (after, other) = Runtime::read(&args.after, &options, verification)?;
    let mut candidates = Vec::new();
    if let (Some(one), Some(other)) = (one, other) {
        let pvf = |module| Pvf::new(module, host_parameters(&args.judging.host, &parameters));
        let (one, other) = (pvf(one), pvf(other));
        for path in &args.candidates {
            let pvfs = [&one, &other];
            candidates.push(candidates::judge(
                path,
                pvfs,
                &args.judging.candidate,
                &args.judging.timeout,
            )?);
        }
    }
    let rejected = before.rejection.is_some() || after.rejection.is_some();
    let only = |here: &Runtime, there: &Runtime| -> Vec<String> {
        if rejected {
            return Vec::new();
        }
        here.imports.difference(&there.imports).cloned().collect()
    };
    let mut json = DiffJson {
        version: 1,
        sizes: change::sizes(&before, &after),
        functions: change::functions(&before, &after),
        imports_added: only(&after, &before),
        imports_removed: only(&before, &after),
        deepest_frames: match rejected {
            true => Vec::new(),
            false => deepest(&before, &after, args.top),
        },
        candidates,
        failures: Vec::new(),
        parameters: parameters.json(),
        before,
        after,
    };
    json.failures = failures(&json, args);
    if args.markdown {
        let mut text = Vec::new();
        // Writing to memory does not fail.
        let _ = print::markdown(&mut text, &json, args.top);
        output.bytes(&text)?;
    } else {
        output.result(&json, |out| {
            print::text(out, &json, args.top)?;
            writeln!(out, "\nparameters  {}", parameters.words())
        })?;
    }
    Ok(match json.failures.is_empty() {
        true => Verdict::Fine,
        false => Verdict::NotFine,
    })
}

/// The names with the deepest frames in either.
fn deepest(before: &Runtime, after: &Runtime, top: usize) -> Vec<Change> {
    let frame = |runtime: &Runtime, name: &String| {
        let function = runtime.functions.get(name);
        function.map_or(0, |function| u64::from(function.frame_bytes))
    };
    let names = before.functions.keys().chain(after.functions.keys());
    let mut all: Vec<Change> = names
        .map(|name| Change::new(name, frame(before, name), frame(after, name)))
        .collect();
    all.sort_by(|a, b| {
        let deepest = |change: &Change| change.before.max(change.after);
        (deepest(b), &a.metric).cmp(&(deepest(a), &b.metric))
    });
    all.dedup();
    all.truncate(top);
    all
}

fn failures(json: &DiffJson, args: &DiffArgs) -> Vec<String> {
    let mut failures = Vec::new();
    if json.before.rejection.is_none() && json.after.rejection.is_some() {
        failures.push("the code after is rejected".to_owned());
    }
    for candidate in &json.candidates {
        if candidate.before.outcome == "valid" && candidate.after.outcome != "valid" {
            let Candidate { file, after, .. } = candidate;
            failures.push(format!("{file} is {} after", after.outcome));
        }
    }
    for Ceiling { metric, percent } in &args.fail_above {
        let of_code = json.sizes.iter().map(|change| (None, change));
        let of_candidates = json.candidates.iter().flat_map(|candidate| {
            let changes = candidate.changes.iter();
            changes.map(|change| (Some(&candidate.file), change))
        });
        for (file, change) in of_code.chain(of_candidates) {
            if change.metric == *metric && change.above(*percent) {
                let place = file.map_or(String::new(), |file| format!(" in {file}"));
                let words = change.words();
                failures.push(format!("{metric}{place}: {words}, allowed are {percent} %"));
            }
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_are_read() {
        let read = |text| ceiling(text).map(|it| (it.metric, it.percent));
        assert_eq!(read("gas=5%"), Ok(("gas".to_owned(), 5.0)));
        assert_eq!(read("blob=0.5"), Ok(("blob".to_owned(), 0.5)));
        for wrong in [
            "gas", "gas=", "gas=%", "gas=-1", "gas=inf", "gas=NaN", "gas=5%%", "fuel=5",
        ] {
            assert!(ceiling(wrong).is_err(), "{wrong}");
        }
    }
}

//! `pvf arbitrate`: a second opinion on a disputed candidate.

use crate::Verdict;
use crate::against::{self, Asked, Comparison};
use crate::args::ArbitrateArgs;
use crate::engine::read_blob_file;
use crate::failure::Failure;
use crate::input;
use crate::network::{Parameters, ParametersJson};
use crate::outcome::{self, printable};
use crate::output::{Output, duration, hex};
use crate::progress::Progress;
use crate::timeout::TimeUp;
use crate::validate::host_parameters;
use pvf_arbiter::{ArbiterError, Difference, Headroom, Question, Rerun, Ruling, arbitrate as rule};
use pvf_executor::{CompileOptions, DecompressError, Execution, Profile, RuleId, decompress};
use pvf_validation::{HostFailure, PvfExecKind};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// The jobs for which a network sets a time limit.
const TIME_OUTS: [(&str, PvfExecKind); 2] = [
    ("backing", PvfExecKind::Backing),
    ("approval", PvfExecKind::Approval),
];

#[derive(Serialize)]
struct RulingJson<'a> {
    outcome: &'static str,
    trap: Option<&'static str>,
    reason: Option<Cow<'a, str>>,
    deterministic: bool,
    rule: Option<RuleId>,
    limit: Option<pvf_arbiter::Limit>,
    outcome_digest: String,
    headroom: &'a [Headroom],
    execute_ns: u64,
    runs: Vec<RunJson>,
    differences: Vec<DifferenceJson<'a>>,
    without_limit: Option<SummaryJson<'a>>,
    /// Runs with a lifted limit that did not end in time.
    unfinished: Vec<String>,
    against: Option<&'a Comparison>,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct RunJson {
    name: String,
    outcome: &'static str,
    outcome_digest: String,
    gas_used: Option<u64>,
    execute_ns: u64,
}

#[derive(Serialize)]
struct DifferenceJson<'a> {
    run: String,
    field: &'static str,
    first: &'a str,
    second: &'a str,
}

#[derive(Serialize)]
struct SummaryJson<'a> {
    outcome: &'static str,
    trap: Option<&'static str>,
    reason: Option<Cow<'a, str>>,
    gas_used: Option<u64>,
    stack_native_peak: u64,
    stack_logical_peak: Option<u64>,
    memory_pages_peak: u32,
}

/// Runs a candidate in several ways and prints the ruling.
pub fn arbitrate(args: &ArbitrateArgs, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args.judging.resolve(Profile::Polkadot)?;
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate(&args.params, &args.judging.candidate)?;
    let costs = options.metering.gas.as_deref().cloned().unwrap_or_default();
    let blob = read_blob_file(&args.code)?;
    let question = Question {
        blob: &blob.bytes,
        candidate: &candidate,
        features: options.features,
        costs,
        parameters: host_parameters(&args.judging.host, &parameters),
        threads: options.threads,
        time: args.judging.timeout.time(),
    };
    let progress = Progress::start("arbitrating");
    let ruling = rule(&question).map_err(|error| match error {
        ArbiterError::Host(HostFailure::Interrupted) => {
            Failure::NoVerdict(TimeUp(args.judging.timeout.time()))
        }
        error => Failure::Host(error.to_string()),
    })?;
    drop(progress);
    let comparison = match &args.against {
        Some(engine) => compare(engine, &question, &options, &ruling)?,
        None => None,
    };
    let comparison = comparison.as_ref();
    output.result(&json(&ruling, &parameters, comparison), |out| {
        text(out, &ruling, &parameters, comparison)
    })?;
    let differs = comparison.is_some_and(|it| it.first_difference.is_some());
    match ruling.is_deterministic() && !differs {
        true => Ok(outcome::verdict(&ruling.execution)),
        false => Ok(Verdict::NotFine),
    }
}

/// Asks another engine. A blob that cannot be decompressed holds no module to ask about.
fn compare(
    engine: &str,
    question: &Question<'_>,
    options: &CompileOptions,
    ruling: &Ruling,
) -> Result<Option<Comparison>, Failure> {
    let wasm = match decompress(question.blob, options.limits.module_bytes as usize) {
        Ok(wasm) => wasm,
        Err(error @ DecompressError::OutOfMemory) => return Err(Failure::Host(error.to_string())),
        Err(_) => return Ok(None),
    };
    let asked = Asked {
        wasm: &wasm,
        candidate: question.candidate,
        features: question.features,
        parameters: question.parameters.execution,
        costs: &question.costs,
        time: question.time,
    };
    let _progress = Progress::start(engine);
    against::compare(engine, &asked, &ruling.execution).map(Some)
}

/// The shortest time of the runs with the same code.
fn execute_ns(ruling: &Ruling) -> u64 {
    let times = ruling.runs.iter().take(2).map(|run| run.execute_ns);
    times.min().unwrap_or(0)
}

fn json<'a>(
    ruling: &'a Ruling,
    asked: &Parameters,
    against: Option<&'a Comparison>,
) -> RulingJson<'a> {
    let cause = ruling.cause.as_ref();
    RulingJson {
        outcome: outcome::name(&ruling.execution.outcome),
        trap: ruling.execution.trap_kind().map(|kind| kind.name()),
        reason: outcome::reason(&ruling.execution.outcome),
        deterministic: ruling.is_deterministic(),
        rule: cause.and_then(|cause| cause.rule),
        limit: cause.and_then(|cause| cause.limit),
        outcome_digest: hex(&ruling.execution.digest()),
        headroom: &ruling.headroom,
        execute_ns: execute_ns(ruling),
        runs: ruling.runs.iter().map(run_json).collect(),
        differences: ruling.differences.iter().map(difference_json).collect(),
        without_limit: ruling.without_limit.as_ref().map(summary_json),
        unfinished: ruling.unfinished.iter().map(|it| it.name()).collect(),
        against,
        parameters: asked.json(),
    }
}

fn run_json(run: &Rerun) -> RunJson {
    RunJson {
        name: run.variant.name(),
        outcome: outcome::name(&run.execution.outcome),
        outcome_digest: hex(&run.execution.digest()),
        gas_used: run.execution.gas_used,
        execute_ns: run.execute_ns,
    }
}

fn difference_json(difference: &Difference) -> DifferenceJson<'_> {
    DifferenceJson {
        run: difference.variant.name(),
        field: difference.field,
        first: &difference.first,
        second: &difference.second,
    }
}

fn summary_json(execution: &Execution) -> SummaryJson<'_> {
    SummaryJson {
        outcome: outcome::name(&execution.outcome),
        trap: execution.trap_kind().map(|kind| kind.name()),
        reason: outcome::reason(&execution.outcome),
        gas_used: execution.gas_used,
        stack_native_peak: execution.stack.native,
        stack_logical_peak: execution.stack.logical,
        memory_pages_peak: execution.memory_pages_peak,
    }
}

fn text(
    out: &mut dyn Write,
    ruling: &Ruling,
    asked: &Parameters,
    comparison: Option<&Comparison>,
) -> io::Result<()> {
    writeln!(out, "{}", sentence(ruling))?;
    if let Some(cause) = &ruling.cause {
        writeln!(out, "  reason        {}", printable(&cause.what))?;
        let rule = cause.rule.map_or("see the reason", RuleId::as_str);
        match cause.limit {
            Some(limit) => writeln!(out, "  rule          {rule}: the {limit} was reached")?,
            None => writeln!(out, "  rule          {rule}")?,
        }
    }
    if let Some(without) = &ruling.without_limit {
        writeln!(out, "  without it    {}", short(without))?;
    }
    for headroom in &ruling.headroom {
        let name = headroom.quantity.label();
        match (headroom.limit, headroom.share) {
            (Some(limit), Some(share)) => writeln!(
                out,
                "  {name:<22} {} of {limit} ({:.2} %)",
                headroom.peak,
                share * 100.0
            )?,
            _ => writeln!(out, "  {name:<22} {} (no limit)", headroom.peak)?,
        }
    }
    let took = execute_ns(ruling);
    let shares = TIME_OUTS.into_iter().filter_map(|(name, kind)| {
        let ms = asked.exec_timeout_ms(kind)?;
        let share = took as f64 / (ms.max(1) as f64 * 1e6) * 100.0;
        Some(format!(", {share:.1} % of the {ms} ms for {name}"))
    });
    writeln!(
        out,
        "  time on this machine   {}{}",
        duration(took),
        shares.collect::<String>()
    )?;
    writeln!(out, "  parameters             {}", asked.words())?;
    for run in &ruling.runs {
        writeln!(
            out,
            "  run           {}: {}",
            run.variant.name(),
            short(&run.execution)
        )?;
    }
    for variant in &ruling.unfinished {
        writeln!(
            out,
            "  run           {}: did not end in time",
            variant.name()
        )?;
    }
    for difference in &ruling.differences {
        let Difference {
            variant,
            field,
            first,
            second,
        } = difference;
        writeln!(
            out,
            "  DIFFERENT     {}: {field} is {second}, as asked {first}",
            variant.name()
        )?;
    }
    match comparison {
        Some(comparison) => comparison.text(out),
        None => Ok(()),
    }
}

fn sentence(ruling: &Ruling) -> String {
    let name = outcome::name(&ruling.execution.outcome);
    match ruling.is_deterministic() {
        true => format!("{name}, and every machine that follows the rules says so"),
        false => format!(
            "{name} here, but the runs disagree: a fault of this executor or of this machine. Do not vote on it"
        ),
    }
}

fn short(execution: &Execution) -> String {
    let name = outcome::name(&execution.outcome);
    let gas = execution
        .gas_used
        .map_or(String::new(), |gas| format!(", gas {gas}"));
    match execution.trap_kind() {
        Some(kind) => format!("{name} ({kind}){gas}"),
        None => format!("{name}{gas}"),
    }
}

//! `pvf arbitrate`: a second opinion on a disputed candidate.

use crate::Verdict;
use crate::against::{self, Comparison};
use crate::args::ArbitrateArgs;
use crate::engine::read_code_file;
use crate::failure::Failure;
use crate::input;
use crate::outcome::{self, printable};
use crate::output::{Output, duration, hex};
use crate::progress::Progress;
use crate::validate::host_parameters;
use pvf_arbiter::{Cause, Difference, Headroom, Question, Rerun, Ruling, arbitrate as rule};
use pvf_executor::{Costs, Execution, Profile, RejectionStage, Target};
use serde::Serialize;
use std::io::{self, Write};

/// Milliseconds that a network gives a candidate by default: to backers, to all others.
const TIME_OUTS: [(&str, u64); 2] = [("backing", 2_000), ("approval", 12_000)];

#[derive(Serialize)]
struct RulingJson<'a> {
    outcome: &'static str,
    trap: Option<&'static str>,
    reason: Option<&'a str>,
    deterministic: bool,
    rule: Option<&'static str>,
    limit: Option<pvf_arbiter::Limit>,
    outcome_digest: String,
    headroom: &'a [Headroom],
    execute_ns: u64,
    runs: Vec<RunJson>,
    differences: Vec<DifferenceJson<'a>>,
    without_limit: Option<SummaryJson<'a>>,
    against: Option<&'a Comparison>,
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
    reason: Option<&'a str>,
    gas_used: Option<u64>,
    stack_native_peak: u64,
    stack_logical_peak: Option<u64>,
    memory_pages_peak: u32,
}

/// Rules on a candidate and prints the ruling.
pub fn arbitrate(args: &ArbitrateArgs, output: &Output) -> Result<Verdict, Failure> {
    let (compilation, parameters) = args.executor.resolve(Profile::Polkadot, Target::HOST)?;
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate(&args.params)?;
    let costs = compilation.metering.gas.as_deref().cloned();
    let code = read_code_file(&args.code)?;
    let parameters = host_parameters(&args.host, parameters);
    let ruling = match &code {
        Err(reason) => rejected(reason.clone()),
        Ok(code) => {
            let question = Question {
                wasm: &code.wasm,
                candidate: &candidate,
                features: compilation.features,
                costs: costs.clone().unwrap_or_default(),
                parameters: parameters.clone(),
                threads: compilation.threads,
            };
            let _progress = Progress::start("arbitrating");
            rule(&question).map_err(|error| Failure::Host(error.to_string()))?
        }
    };
    let comparison = match (&args.against, &code) {
        (Some(engine), Ok(code)) => {
            let _progress = Progress::start(engine);
            Some(against::compare(
                engine,
                &code.wasm,
                &candidate,
                &parameters.execution,
                costs
                    .as_ref()
                    .is_none_or(|costs| *costs == Costs::default()),
                &ruling.execution,
            )?)
        }
        _ => None,
    };
    let comparison = comparison.as_ref();
    output.result(&json(&ruling, comparison), |out| {
        text(out, &ruling, comparison)
    })?;
    let differs = comparison.is_some_and(|it| it.first_difference.is_some());
    match ruling.is_deterministic() && !differs {
        true => Ok(outcome::verdict(&ruling.execution)),
        false => Ok(Verdict::NotFine),
    }
}

/// A blob that is none.
fn rejected(reason: String) -> Ruling {
    Ruling {
        execution: Execution::rejected(RejectionStage::Prepare, reason.clone()),
        runs: vec![],
        differences: vec![],
        cause: Some(Cause {
            rule: None,
            limit: None,
            what: reason,
        }),
        without_limit: None,
        headroom: vec![],
    }
}

/// The least time of the runs that are alike.
fn execute_ns(ruling: &Ruling) -> u64 {
    let times = ruling.runs.iter().take(2).map(|run| run.execute_ns);
    times.min().unwrap_or(0)
}

fn json<'a>(ruling: &'a Ruling, against: Option<&'a Comparison>) -> RulingJson<'a> {
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
        against,
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

fn text(out: &mut dyn Write, ruling: &Ruling, comparison: Option<&Comparison>) -> io::Result<()> {
    writeln!(out, "{}", sentence(ruling))?;
    if let Some(cause) = &ruling.cause {
        writeln!(out, "  reason        {}", printable(&cause.what))?;
        let rule = cause.rule.unwrap_or("see the reason");
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
    let shares = TIME_OUTS.map(|(name, ms)| {
        let share = took as f64 / (ms as f64 * 1e6) * 100.0;
        format!("{share:.1} % of the {ms} ms for {name}")
    });
    writeln!(
        out,
        "  time on this machine   {}, {} (the network's defaults)",
        duration(took),
        shares.join(", ")
    )?;
    for run in &ruling.runs {
        writeln!(
            out,
            "  run           {}: {}",
            run.variant.name(),
            short(&run.execution)
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
            "{name} here, but not every run agrees: a fault of this executor or of this machine. Nobody should vote on it"
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

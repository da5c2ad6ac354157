//! `pvf profile --by time`: samples of a run that is repeated.

use super::graph::Graph;
use super::{Job, Profiler, rejected, write};
use crate::Verdict;
use crate::failure::Failure;
use crate::names::Names;
use crate::network::ParametersJson;
use crate::outcome::{self, printable};
use crate::output::{Output, duration, hex};
use pvf_executor::{Activity, Execution, Module, Outcome, Sampler};
use serde::Serialize;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The frame of what is in no function: making the instance, passing the candidate, decoding the result.
const OUTSIDE: &str = "[instance and candidate]";
/// The frame of work that the runtime does for the code.
const RUNTIME: &str = "[runtime: growth of memory]";
/// The frame of a host function that was called through the table.
const SOME_HOST_FUNCTION: &str = "[host function called through the table]";
/// The frame of callers that are not known.
const UNKNOWN_CALLERS: &str = "[callers unknown]";

#[derive(Serialize)]
struct TimeJson {
    outcome: &'static str,
    reason: Option<String>,
    outcome_digest: String,
    by: &'static str,
    runs: u32,
    /// Wall-clock time of a run, in the middle and at least.
    run_ns_median: u64,
    run_ns_min: u64,
    samples: u64,
    /// Samples that the buffer had no room for.
    samples_lost: u64,
    /// Samples of which the callers are not known.
    samples_cut: u64,
    interval_ns: u64,
    output: Option<String>,
    html: Option<String>,
    /// Share of the samples in host functions.
    host_share: f64,
    functions: Vec<ShareJson>,
    stacks: Option<Vec<StackJson>>,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct ShareJson {
    name: String,
    samples: u64,
    samples_with_callees: u64,
    /// Of a run of the least time.
    share: f64,
    share_with_callees: f64,
}

#[derive(Serialize)]
struct StackJson {
    functions: Vec<String>,
    samples: u64,
}

/// Runs again and again, samples, writes.
pub fn profile(
    profiler: &Profiler<'_>,
    module: &Module,
    wasm: &[u8],
    output: &Output,
) -> Result<Verdict, Failure> {
    let args = profiler.args;
    let mut sampler = Sampler::new(module, Duration::from_micros(args.sampling.interval.into()));
    let enough = Duration::from_secs_f64(args.sampling.seconds);
    let mut times = Vec::new();
    let began = Instant::now();
    let runner = profiler.runner(module)?;
    // All runs in one, so that the moments of samples have nothing to do with their beginnings.
    let repeated = sampler.during(|| -> Result<Execution, Failure> {
        loop {
            let start = Instant::now();
            let execution = runner.run(profiler)?;
            times.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            let done = match args.sampling.runs {
                Some(runs) => times.len() as u64 >= u64::from(runs),
                None => began.elapsed() >= enough,
            };
            if done || matches!(execution.outcome, Outcome::Rejected(_)) {
                return Ok(execution);
            }
        }
    });
    let execution = repeated.map_err(|failure| Failure::Host(failure.to_string()))??;
    if let Outcome::Rejected(_) = &execution.outcome {
        return rejected(output, &execution, &profiler.parameters);
    }
    let names = Names::of(module.info(), Some(wasm));
    let sampled = Sampled::new(&sampler, &names);
    report(profiler, output, &execution, &sampler, sampled, &mut times)
}

/// Samples by stack.
struct Sampled {
    graph: Graph,
    host: u64,
    cut: u64,
}

impl Sampled {
    fn new(sampler: &Sampler, names: &Names) -> Self {
        let mut sampled = Self {
            graph: Graph::default(),
            host: 0,
            cut: 0,
        };
        for sample in sampler.samples() {
            let callers = sample
                .functions
                .iter()
                .map(|&function| names.label(function));
            let mut stack: Vec<String> = callers.collect();
            if !sample.whole {
                sampled.cut += 1;
                stack.insert(0, UNKNOWN_CALLERS.to_owned());
            }
            match sample.activity {
                Activity::Code => {}
                Activity::Host(function) => {
                    sampled.host += 1;
                    stack.push(match function {
                        Some(function) => names.label(function),
                        None => SOME_HOST_FUNCTION.to_owned(),
                    });
                }
                Activity::Runtime => stack.push(RUNTIME.to_owned()),
                Activity::Outside => stack = vec![OUTSIDE.to_owned()],
            }
            sampled.graph.add(stack, 1);
        }
        sampled
    }
}

fn report(
    profiler: &Profiler<'_>,
    output: &Output,
    execution: &Execution,
    sampler: &Sampler,
    Sampled { graph, host, cut }: Sampled,
    times: &mut [u64],
) -> Result<Verdict, Failure> {
    let args = profiler.args;
    times.sort_unstable();
    let samples = graph.total();
    let of_all = |count: u64| count as f64 / samples.max(1) as f64;
    let functions = graph.functions().into_iter().map(|share| ShareJson {
        share: of_all(share.own),
        share_with_callees: of_all(share.total),
        samples: share.own,
        samples_with_callees: share.total,
        name: share.name,
    });
    let functions = functions.collect();
    let stacks = || {
        let stack = |(functions, samples): (&[String], u64)| StackJson {
            functions: functions.to_vec(),
            samples,
        };
        graph.stacks().map(stack).collect()
    };
    let json = TimeJson {
        outcome: outcome::name(&execution.outcome),
        reason: outcome::reason(&execution.outcome).map(std::borrow::Cow::into_owned),
        outcome_digest: hex(&execution.digest()),
        by: args.by.name(),
        runs: times.len() as u32,
        run_ns_median: times[times.len() / 2],
        run_ns_min: times[0],
        samples,
        samples_lost: sampler.lost(),
        samples_cut: cut,
        interval_ns: u64::from(args.sampling.interval) * 1000,
        output: args.output.as_ref().map(|path| path.display().to_string()),
        html: args.html.as_ref().map(|path| path.display().to_string()),
        host_share: of_all(host),
        functions,
        stacks: args.output.is_none().then(stacks),
        parameters: profiler.parameters.json(),
    };
    let what = match &profiler.job {
        Job::Candidate(_) => "validate_block",
        Job::Call(name, _) => name,
    };
    let subtitle = format!(
        "{what}: {} runs of {} (median), {samples} samples",
        json.runs,
        duration(json.run_ns_median)
    );
    write(args, output, &graph, "samples", &subtitle)?;
    output.result(&json, |out| match (&args.output, &args.html) {
        (None, None) => out.write_all(graph.folded().as_bytes()),
        _ => text(out, &json, &profiler.parameters.words()),
    })?;
    Ok(outcome::verdict(execution))
}

fn text(out: &mut dyn Write, json: &TimeJson, parameters: &str) -> io::Result<()> {
    writeln!(out, "{}", json.outcome)?;
    if let Some(reason) = &json.reason {
        writeln!(out, "  reason   {}", printable(reason))?;
    }
    writeln!(out, "  digest   {}", json.outcome_digest)?;
    writeln!(
        out,
        "  time     {} in the middle, {} at least, {} runs",
        duration(json.run_ns_median),
        duration(json.run_ns_min),
        json.runs
    )?;
    let lost = match json.samples_lost {
        0 => String::new(),
        lost => format!(", {lost} more had no room"),
    };
    writeln!(
        out,
        "  samples  {}, {:.1} % of them in host functions{lost}",
        json.samples,
        100.0 * json.host_share
    )?;
    writeln!(out, "  limits   {parameters}")?;
    writeln!(
        out,
        "\n{:>8} {:>13} {:>12}  function",
        "itself", "with callees", "time a run"
    )?;
    for function in json.functions.iter().take(super::TOP_BY_TIME) {
        let time = (json.run_ns_median as f64 * function.share) as u64;
        writeln!(
            out,
            "{:>6.1} % {:>11.1} % {:>12}  {}",
            100.0 * function.share,
            100.0 * function.share_with_callees,
            duration(time),
            printable(&function.name)
        )?;
    }
    Ok(())
}

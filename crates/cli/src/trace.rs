//! `pvf trace`: the host calls of a candidate, and the first difference between two traces.

mod compare;
mod record;
mod writer;

use crate::Verdict;
use crate::engine::{For, Loaded, Stop, load_file};
use crate::failure::Failure;
use crate::input;
use crate::judging::JudgingArgs;
use crate::network::ParametersJson;
use crate::outcome;
use crate::output::{Output, hex};
use crate::progress::Progress;
use crate::validate::host_parameters;
use clap::Args;
use compare::{Difference, Reader, Side};
use pvf_executor::{Execution, Outcome, Profile};
use pvf_validation::Pvf;
use pvf_validation::trace::TraceSummary;
use record::Filter;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use writer::{Form, Sink, Writer};

/// Arguments of `trace`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line of JSON is one call: its number, the function, its arguments, the bytes that the host read
from memory and wrote there, and what it returned. An i64 argument of a host function is nearly
always a pointer with its length: the low half is the address, the high half the number of bytes.
Byte strings longer than --bytes are cut, and carry the BLAKE2b-256 of the whole.

With --against the exit code is 1 if the traces differ. Without PARAMS, CODE is a trace as well.

Examples:
  pvf trace parachain.wasm candidate.params
  pvf trace parachain.wasm candidate.params -o candidate.jsonl
  pvf trace parachain.wasm candidate.params --only crypto --json | jq .functions
  pvf trace new.wasm candidate.params --against candidate.jsonl --ignore-pointers
  pvf trace one.jsonl --against other.jsonl")]
pub struct TraceArgs {
    /// The PVF.
    pub code: PathBuf,
    /// The candidate: SCALE-encoded ValidationParams, zstd-compressed or not.
    pub params: Option<PathBuf>,
    /// Write the calls as lines of JSON to a file, `-` for the standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only functions whose name contains this; may be given several times.
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// No functions whose name contains this; may be given several times. --only and --without leave the totals as they are.
    #[arg(long, value_name = "TEXT")]
    pub without: Vec<String>,
    /// Leave out this many calls at the beginning.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// Show at most this many calls, or `all`. The run goes on to its end [default: 1000 on the standard output, else all].
    #[arg(long, value_name = "N", value_parser = count)]
    pub limit: Option<Count>,
    /// Show at most this many bytes of each byte string, or `all`.
    #[arg(long, value_name = "N", value_parser = count, default_value = "64")]
    pub bytes: Count,
    /// Compare with a trace and say where the first difference is.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "skip", "limit"])]
    pub against: Option<PathBuf>,
    /// Compare functions and byte strings alone, for code whose allocations are at other addresses.
    #[arg(long, requires = "against")]
    pub ignore_pointers: bool,
    #[command(flatten)]
    pub judging: JudgingArgs,
}

/// A number, or no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(u64);

impl Count {
    const ALL: Self = Self(u64::MAX);
}

/// Calls that a terminal or a pipe is given without being asked for more.
const SHOWN: Count = Count(1000);

fn count(text: &str) -> Result<Count, String> {
    match text {
        "all" => Ok(Count::ALL),
        number => number
            .parse()
            .map(Count)
            .map_err(|_| "expected a number, or `all`".to_owned()),
    }
}

#[derive(Serialize)]
struct TraceJson {
    outcome: &'static str,
    reason: Option<String>,
    outcome_digest: Option<String>,
    /// Host calls, filtered or not.
    calls: u64,
    /// Calls that the filters let through and the limit did not cut off.
    shown: u64,
    bytes_read: u64,
    bytes_written: u64,
    /// Calls by function.
    functions: BTreeMap<String, u64>,
    /// Two hashes over all calls, as the documentation of the library's `TraceHasher` says.
    calls_digest: String,
    data_digest: String,
    output: Option<String>,
    /// With `--against`: where the traces part; null if they do not.
    difference: Option<Difference>,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct ComparisonJson {
    /// Calls that are the same in both.
    same: u64,
    difference: Option<Difference>,
}

/// Traces, and prints or compares.
pub fn trace(args: &TraceArgs, output: &Output) -> Result<Verdict, Failure> {
    match (&args.params, &args.against) {
        (Some(params), _) => run(args, params, output),
        (None, Some(against)) => files(args, against, output),
        (None, None) => Err(Failure::Usage(
            "a candidate (PARAMS) is wanted; or, with --against, two traces".to_owned(),
        )),
    }
}

impl TraceArgs {
    fn filter(&self) -> Filter {
        Filter {
            only: self.only.clone(),
            without: self.without.clone(),
        }
    }

    /// Where calls go.
    fn sink(&self) -> Result<(Sink, Form), Failure> {
        let standard = || Box::new(io::BufWriter::new(io::stdout())) as Box<dyn Write + Send>;
        match &self.output {
            None => Ok((Sink::new(standard(), "the standard output"), Form::Text)),
            Some(path) if path.as_os_str() == input::STDIN => {
                Ok((Sink::new(standard(), "the standard output"), Form::Json))
            }
            Some(path) => {
                let name = path.display().to_string();
                let file = std::fs::File::create(path).map_err(|source| Failure::Output {
                    name: name.clone(),
                    source,
                })?;
                let file = Box::new(io::BufWriter::new(file));
                Ok((Sink::new(file, &name), Form::Json))
            }
        }
    }
}

fn run(args: &TraceArgs, params: &Path, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args.judging.resolve(Profile::Polkadot)?;
    let paths = [args.code.as_path(), params].into_iter();
    let paths = paths.chain(args.against.as_deref());
    input::at_most_one_stdin(&paths.collect::<Vec<_>>())?;
    let to_stdout = match &args.output {
        None => args.against.is_none() && !output.is_json(),
        Some(path) => path.as_os_str() == input::STDIN,
    };
    if to_stdout && output.is_json() {
        let message = "only one thing can be written to the standard output";
        return Err(Failure::Usage(message.to_owned()));
    }
    let candidate = input::read_candidate(params, &args.judging.candidate)?;
    let verification = args.judging.verification();
    let loaded = load_file(&args.code, &options, For::Candidates, verification, None);
    let Loaded {
        module, measured, ..
    } = match loaded {
        Ok(loaded) => loaded,
        Err(Stop::Rejected(rejection, measured)) => {
            let rejected = Execution::rejected(rejection);
            return outcome::report(output, &rejected, &measured, &parameters, None);
        }
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    let pvf = Pvf::new(module, host_parameters(&args.judging.host, &parameters));
    let writer = match &args.against {
        Some(path) => {
            let reader = Reader::open(path, args.filter())?;
            Writer::comparing(reader, args.filter(), args.ignore_pointers)
        }
        None if to_stdout || args.output.is_some() => {
            let (sink, form) = args.sink()?;
            let limit = args.limit.unwrap_or(match args.output {
                None => SHOWN,
                Some(_) => Count::ALL,
            });
            Writer::writing(
                sink,
                form,
                args.filter(),
                (args.skip, limit.0),
                args.bytes.0,
            )
        }
        None => Writer::counting(),
    };
    let progress = Progress::start(&format!("tracing {}", input::name(params)));
    let (run, writer) = args
        .judging
        .timeout
        .bound(|| Ok(pvf.run_traced(&candidate, writer)?))?;
    drop(progress);
    let traced = writer.finish()?;
    if matches!(run.execution.outcome, Outcome::Rejected(_)) {
        return outcome::report(output, &run.execution, &measured, &parameters, None);
    }
    let TraceSummary {
        calls,
        data,
        counts,
        bytes_read,
        bytes_written,
    } = traced.summary;
    let json = TraceJson {
        outcome: outcome::name(&run.execution.outcome),
        reason: outcome::reason(&run.execution.outcome).map(std::borrow::Cow::into_owned),
        outcome_digest: Some(hex(&run.execution.digest())),
        calls: counts.values().sum(),
        shown: traced.shown,
        bytes_read,
        bytes_written,
        functions: counts,
        calls_digest: hex(&calls),
        data_digest: hex(&data),
        output: args.output.as_ref().map(|path| path.display().to_string()),
        difference: traced.difference,
        parameters: parameters.json(),
    };
    let differs = json.difference.is_some();
    let printed = |out: &mut dyn Write| match &args.against {
        Some(_) => compared(out, &json.difference, traced.same),
        None => summary(out, &json),
    };
    if to_stdout {
        // The calls have the standard output.
        let _ = printed(&mut anstream::stderr().lock());
    } else {
        output.result(&json, printed)?;
    }
    Ok(match (&args.against, differs) {
        (Some(_), true) => Verdict::NotFine,
        (Some(_), false) => Verdict::Fine,
        (None, _) => outcome::verdict(&run.execution),
    })
}

/// Compares two files.
fn files(args: &TraceArgs, against: &Path, output: &Output) -> Result<Verdict, Failure> {
    input::at_most_one_stdin(&[&args.code, against])?;
    let mut one = Reader::open(&args.code, args.filter())?;
    let mut other = Reader::open(against, args.filter())?;
    let mut same = 0;
    let difference = loop {
        let (a, b) = (one.next()?, other.next()?);
        if a.is_none() && b.is_none() {
            break None;
        }
        if let Some(difference) = compare::difference(
            Side::of(a.as_ref()),
            Side::of(b.as_ref()),
            args.ignore_pointers,
        ) {
            break Some(difference);
        }
        same += 1;
    };
    let verdict = match difference {
        None => Verdict::Fine,
        Some(_) => Verdict::NotFine,
    };
    let json = ComparisonJson { same, difference };
    output.result(&json, |out| compared(out, &json.difference, same))?;
    Ok(verdict)
}

fn compared(out: &mut dyn Write, difference: &Option<Difference>, same: u64) -> io::Result<()> {
    match difference {
        None => writeln!(out, "no difference: {same} calls are the same"),
        Some(difference) => {
            writeln!(out, "{same} calls are the same, then: {}", difference.what)?;
            for (name, side) in [("here", &difference.here), ("there", &difference.there)] {
                match side {
                    Some(call) => write!(out, "  {name:<6}{}", call.text())?,
                    None => writeln!(out, "  {name:<6}no call: the trace has ended")?,
                }
            }
            Ok(())
        }
    }
}

fn summary(out: &mut dyn Write, json: &TraceJson) -> io::Result<()> {
    writeln!(out, "{}", json.outcome)?;
    if let Some(reason) = &json.reason {
        writeln!(out, "  reason  {}", outcome::printable(reason))?;
    }
    let (read, written) = (json.bytes_read, json.bytes_written);
    writeln!(
        out,
        "  calls   {} ({} shown), {read} bytes read, {written} written",
        json.calls, json.shown
    )?;
    let mut functions: Vec<_> = json.functions.iter().collect();
    functions.sort_by_key(|&(name, &calls)| (u64::MAX - calls, name));
    for (name, calls) in functions {
        writeln!(out, "{calls:>10}  {name}")?;
    }
    Ok(())
}

//! `pvf check`: what happens to a runtime before its first block.
//!
//! [`report`] is for all commands that check many: it takes a blob and prints nothing.

use crate::Verdict;
use crate::args::CheckArgs;
use crate::clock::timed;
use crate::engine::read_blob_file;
use crate::failure::Failure;
use crate::input;
use crate::network::{HostLimitsJson, Parameters, ParametersJson};
use crate::outcome::printable;
use crate::output::{Output, duration, size};
use crate::progress::Progress;
use crate::stock;
use crate::timeout::{TimeUp, TimeoutArgs};
use anstyle::{AnsiColor, Style};
use clap::builder::TypedValueParser;
use pvf_check::{CheckError, Line, NODES, Node, Report, Settings, Status, Unit, Usage};
use pvf_executor::{HostFailure, Profile};
use pvf_primitives::HostLimits;
use pvf_worker::allocator::peak_of;
use serde::Serialize;
use std::io::{self, Write};
use std::num::NonZeroUsize;

/// The version of the objects that `check` prints; `schema/check.json` describes them.
const SCHEMA_VERSION: u32 = 1;

/// The report of one runtime.
#[derive(Serialize)]
pub struct CheckJson {
    schema_version: u32,
    /// The file, as it was named.
    file: String,
    #[serde(flatten)]
    report: Report,
    parameters: ParametersJson,
    /// The limits of sizes.
    network: HostLimitsJson,
}

/// The reports of several.
#[derive(Serialize)]
struct ManyJson {
    schema_version: u32,
    /// Whether all pass.
    passes: bool,
    reports: Vec<CheckJson>,
}

/// A node's version on the command line.
pub fn node() -> impl TypedValueParser<Value = Node> {
    clap::builder::NonEmptyStringValueParser::new().try_map(|version| {
        Node::of_version(&version).ok_or_else(|| {
            let known = NODES.map(|node| format!("{} to {}", node.first, node.last));
            format!("not known here; known are {}", known.join(" and "))
        })
    })
}

/// What runtimes are checked against.
pub struct Against {
    parameters: Parameters,
    limits: HostLimits,
    node: Node,
    threads: NonZeroUsize,
    timeout: TimeoutArgs,
}

impl Against {
    /// These parameters, the newest node that is known, and all processors.
    pub fn new(parameters: Parameters, timeout: TimeoutArgs) -> Result<Self, Failure> {
        let Some(limits) = parameters.host_limits() else {
            return Err(Failure::Usage(
                "a network's parameters are needed".to_owned(),
            ));
        };
        let threads = std::thread::available_parallelism();
        Ok(Self {
            parameters,
            limits,
            node: Node::NEWEST,
            threads: threads.unwrap_or(NonZeroUsize::MIN),
            timeout,
        })
    }

    /// By the flags.
    fn by_flags(args: &CheckArgs) -> Result<Self, Failure> {
        let parameters = args.network.parameters(Profile::Polkadot)?;
        let parameters = parameters.with_functions(&args.functions);
        let mut against = Self::new(parameters, args.timeout)?.with_threads(args.threads);
        if let Some(bytes) = args.max_code_size {
            against.limits.max_code_size = bytes;
        }
        if let Some(node) = args.node {
            against.node = node;
        }
        Ok(against)
    }

    /// With so many threads that compile, if a number is given.
    pub fn with_threads(mut self, threads: Option<u16>) -> Self {
        let threads = threads.and_then(|threads| NonZeroUsize::new(threads.into()));
        self.threads = threads.unwrap_or(self.threads);
        self
    }

    /// The report of a blob. Memory is measured with the process's counters: not for several at a time in one process.
    pub fn report(&self, blob: &[u8]) -> Result<Report, Failure> {
        let params = self.parameters.set.executor_params().unwrap_or_default();
        let settings = Settings {
            execution: self.parameters.execution,
            ecc_rfc163: self.parameters.ecc_rfc163,
            node: self.node,
            threads: self.threads,
            time: self.timeout.time(),
            meter: &metered,
            stock: Some(pvf_check::StockRatio {
                ratio: stock::PREPARATION.ratio,
                measured: stock::PREPARATION.measured,
                source: stock::PREPARATION.source,
            }),
            ..Settings::new(params, self.limits)
        };
        pvf_check::check(blob, &settings).map_err(|error| match error {
            CheckError::Host(HostFailure::Interrupted) => {
                Failure::NoVerdict(TimeUp(self.timeout.time()))
            }
            error => Failure::Host(error.to_string()),
        })
    }

    /// A report with what it was made against.
    fn json(&self, report: Report, file: String) -> CheckJson {
        let network = match self.parameters.set {
            crate::network::ParameterSet::Network(network) => network,
            _ => Default::default(),
        };
        CheckJson {
            schema_version: SCHEMA_VERSION,
            file,
            report,
            parameters: self.parameters.json(),
            network: HostLimitsJson::new(network, &self.limits),
        }
    }
}

/// Processor time and memory of an action. Clocks that cannot be read leave the times unknown.
fn metered(action: &mut dyn FnMut()) -> Usage {
    let (took, peak) = peak_of(|| timed(action));
    match took {
        Ok(((), took)) => Usage {
            wall_ns: took.wall_ns,
            cpu_ns: Some(took.cpu_ns),
            peak_bytes: Some(peak),
        },
        Err(_) => Usage {
            peak_bytes: Some(peak),
            ..Usage::default()
        },
    }
}

/// Checks and prints.
pub fn check(args: &CheckArgs, output: &Output) -> Result<Verdict, Failure> {
    let against = Against::by_flags(args)?;
    let paths: Vec<_> = args.code.iter().map(AsRef::as_ref).collect();
    input::at_most_one_stdin(&paths)?;
    let mut reports = Vec::new();
    for path in paths {
        let name = input::name(path);
        let blob = read_blob_file(path)?;
        let _progress = Progress::start(&format!("checking {name}"));
        let report = against.report(&blob.bytes)?;
        reports.push(against.json(report, name));
    }
    let passes = reports.iter().all(|it| it.report.passes);
    let words = against.parameters.words();
    match <[CheckJson; 1]>::try_from(reports) {
        Ok([json]) => output.result(&json, |out| text(out, &json, &words))?,
        Err(reports) => {
            let many = ManyJson {
                schema_version: SCHEMA_VERSION,
                passes,
                reports,
            };
            output.result(&many, |out| {
                for json in &many.reports {
                    text(out, json, &words)?;
                }
                Ok(())
            })?;
        }
    }
    Ok(match passes {
        true => Verdict::Fine,
        false => Verdict::NotFine,
    })
}

fn text(out: &mut dyn Write, json: &CheckJson, parameters: &str) -> io::Result<()> {
    let CheckJson { report, .. } = json;
    let about = &report.about;
    let (verdict, colour) = match report.passes {
        true => ("passes", AnsiColor::Green),
        false => ("would be refused", AnsiColor::Red),
    };
    let bold: Style = colour.on_default().bold();
    writeln!(out, "{bold}{verdict}{bold:#}: {}", printable(&json.file))?;
    writeln!(out, "  code hash          {}", about.code_hash)?;
    if let Some(version) = &about.version {
        writeln!(
            out,
            "  runtime            {} {}, transactions {}",
            printable(&version.spec_name),
            version.spec_version,
            version.transaction_version
        )?;
    }
    for line in &report.lines {
        text_of_line(out, line)?;
    }
    if !about.tools.is_empty() {
        let tools = about
            .tools
            .iter()
            .map(|it| format!("{} {}", it.name, it.version));
        let tools = tools.collect::<Vec<_>>().join(", ");
        writeln!(out, "  made by            {}", printable(&tools))?;
    }
    if !about.features.is_empty() {
        let features = about
            .features
            .iter()
            .map(|it| format!("{}{}", it.prefix, it.name));
        let features = features.collect::<Vec<_>>().join(" ");
        writeln!(out, "  features           {}", printable(&features))?;
    }
    let names = match about.has_names {
        true => "with names of functions",
        false => "without names of functions: profiles and backtraces show numbers",
    };
    writeln!(
        out,
        "  custom sections    {}, {names}",
        size(about.custom_bytes as u64)
    )?;
    writeln!(out, "  parameters         {parameters}")?;
    match json.network.seen {
        Some(seen) => writeln!(
            out,
            "  limits of sizes    as of {seen}: {}",
            json.network.source
        ),
        None => writeln!(out, "  limits of sizes    {}", json.network.source),
    }
}

fn text_of_line(out: &mut dyn Write, line: &Line) -> io::Result<()> {
    let (mark, colour) = match line.status {
        Status::Pass => ("ok", AnsiColor::Green),
        Status::Warn => ("look", AnsiColor::Yellow),
        Status::Fail => ("NO", AnsiColor::Red),
        Status::Unknown => ("?", AnsiColor::Yellow),
    };
    let style = colour.on_default();
    let check = line.check.replace('_', " ");
    write!(out, "  {check:<22} {style}{mark:<4}{style:#} ")?;
    if let (Some(used), Some(unit)) = (line.used, line.unit) {
        let shown = |number: u64| match unit {
            Unit::Bytes => size(number),
            Unit::Ns => duration(number),
            Unit::Pages => format!("{number} pages"),
            Unit::Units => format!("{number} units"),
        };
        write!(out, "{}", shown(used))?;
        match line.limit.zip(line.share) {
            Some((limit, share)) => write!(out, ", {:.1} % of {}; ", share * 100.0, shown(limit))?,
            None => write!(out, "; ")?,
        }
    }
    if let Some(rule) = line.rule {
        write!(out, "{rule}: ")?;
    }
    write!(out, "{}", printable(&line.words))?;
    match (line.function, &line.function_name) {
        (Some(_), Some(name)) => write!(out, ", in {}", printable(name))?,
        (Some(function), None) => write!(out, ", in function {function}")?,
        _ => {}
    }
    match line.offset {
        Some(offset) => writeln!(out, " at offset {offset:#x}"),
        None => writeln!(out),
    }
}

//! The verdict's screen: beside the outcome, why, how close to every limit, and what the result says.

use crate::backtrace::BacktraceJson;
use crate::decoded::ResultJson;
use crate::input::CandidateFile;
use crate::network::Parameters;
use crate::outcome::printable;
use crate::output::{duration, size};
use crate::stock::{self, StockRatio};
use pvf_arbiter::{Headroom, Limit};
use pvf_executor::{Execution, Outcome};
use pvf_primitives::{HostLimits, ValidationResult};
use pvf_validation::candidate::{Exported, ExtensionSource, Form};
use pvf_validation::{HeapUse, LogLevel, LogRecord, PvfExecKind};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The version of the objects that `validate`, `execute` and `run` print. It changes when a key changes its meaning or goes; new keys do not
/// change it. `schema/validate.json` describes them.
pub const SCHEMA_VERSION: u32 = 1;

/// What is told beside an outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    /// What the code said when it panicked.
    panic: Option<String>,
    /// The last lines that it logged as errors.
    errors_logged: Vec<String>,
    /// The name of the function in which it trapped.
    function_name: Option<String>,
    /// The functions that were active then.
    backtrace: Option<BacktraceJson>,
    /// Why there is no backtrace of a trap.
    no_backtrace: Option<String>,
    /// Processor time of the instance and its call, which a node compares with its time-outs.
    execute_cpu_ns: u64,
    /// How close the run came to each limit.
    limits: Vec<LimitJson>,
    /// Why a node refuses the candidate before or after it runs it.
    refused_by_network: Vec<String>,
    /// How the candidate was given.
    candidate: GivenJson,
    /// The result, decoded.
    decoded: Option<ResultJson>,
    /// What the node's own engine takes.
    stock: StockJson,
}

/// What was used of a limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LimitJson {
    /// Which limit.
    name: &'static str,
    /// Of what `used` and `limit` are numbers.
    unit: &'static str,
    used: u64,
    /// None if it is not limited.
    limit: Option<u64>,
    /// `used` by `limit`.
    share: Option<f64>,
}

/// How a candidate was given.
#[derive(Clone, Debug, Serialize)]
struct GivenJson {
    /// `params`, `exported` or `exported_old`.
    form: &'static str,
    /// Bytes of the parameters.
    params_bytes: usize,
    /// Bytes of the encoded proof of validity, if the file has one.
    pov_bytes: Option<usize>,
    /// Whether its block data are compressed.
    compressed: Option<bool>,
    /// Bytes of its block data, decompressed.
    block_bytes: Option<usize>,
    /// The largest proof of validity, as the collator knew it.
    max_pov_size: Option<u32>,
}

/// An estimate for the node's own engine.
#[derive(Clone, Debug, Serialize)]
struct StockJson {
    #[serde(flatten)]
    ratio: StockRatio,
    /// Executing the candidate.
    execute_ns: u64,
}

/// Lines that a PVF logged, the last of them.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Mutex<VecDeque<String>>>);

/// How many lines are kept, and how many bytes of each.
const MOST_LINES: usize = 32;
const MOST_LINE_BYTES: usize = 4096;
/// How many of them are shown.
const MOST_SHOWN: usize = 5;

impl Lines {
    /// Keeps a line.
    pub fn keep(&self, record: &LogRecord<'_>) {
        if record.level != LogLevel::Error {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        let end = record.message.floor_char_boundary(MOST_LINE_BYTES);
        lines.push_back(record.message[..end].to_owned());
    }

    /// What was said last about a panic, by the panic handler of a runtime.
    fn panic(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = lines.iter().rev().find(|line| line.contains("panicked at"));
        said.cloned()
    }

    /// The last lines, oldest first.
    fn last(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = lines.len().saturating_sub(MOST_SHOWN);
        lines.range(from..).cloned().collect()
    }
}

/// A run and what is known of it.
pub struct Told<'a> {
    /// The run.
    pub execution: &'a Execution,
    /// The use of its heap.
    pub heap: Option<HeapUse>,
    /// Processor time of the instance and its call.
    pub execute_cpu_ns: u64,
    /// The candidate.
    pub candidate: &'a CandidateFile,
    /// The limits.
    pub parameters: &'a Parameters,
    /// What it logged.
    pub lines: &'a Lines,
    /// The function in which it trapped.
    pub function_name: Option<String>,
    /// The functions that were active then, or why they are not known.
    pub backtrace: Option<Result<BacktraceJson, String>>,
}

impl Details {
    /// Of a run.
    pub fn new(told: Told<'_>) -> Self {
        let Told {
            execution,
            candidate,
            parameters,
            ..
        } = told;
        let result = match &execution.outcome {
            Outcome::Valid(bytes) => ValidationResult::from_bytes(bytes).ok(),
            _ => None,
        };
        let mut limits = of_execution(execution, parameters);
        if let Some(heap) = told.heap {
            limits.push(LimitJson::new(
                "heap",
                "bytes",
                heap.peak_bytes.into(),
                None,
            ));
        }
        limits.extend(of_time(told.execute_cpu_ns, parameters));
        let network = parameters.host_limits();
        if let Some(exported) = &candidate.exported {
            let most = exported.max_pov_size.or(network.map(|it| it.max_pov_size));
            let most = most.map(u64::from);
            limits.push(LimitJson::new(
                "pov",
                "bytes",
                exported.pov_bytes as u64,
                most,
            ));
        }
        if let (Some(network), Some(result)) = (network, &result) {
            limits.extend(of_result(result, &network));
        }
        let panicked = matches!(&execution.outcome, Outcome::Invalid { trap: Some(_), .. });
        let (backtrace, no_backtrace) = match told.backtrace {
            None => (None, None),
            Some(Ok(backtrace)) => (Some(backtrace), None),
            Some(Err(reason)) => (None, Some(reason)),
        };
        Self {
            panic: told.lines.panic().filter(|_| panicked),
            errors_logged: told.lines.last(),
            function_name: told.function_name,
            backtrace,
            no_backtrace,
            execute_cpu_ns: told.execute_cpu_ns,
            refused_by_network: limits.iter().filter_map(LimitJson::refused).collect(),
            limits,
            candidate: GivenJson::new(candidate),
            decoded: result.as_ref().map(ResultJson::new),
            stock: StockJson {
                ratio: stock::EXECUTION,
                execute_ns: stock::EXECUTION.apply(told.execute_cpu_ns),
            },
        }
    }

    /// Whether a node refuses the candidate although its code does not.
    pub fn is_refused(&self) -> bool {
        !self.refused_by_network.is_empty()
    }

    /// Why it is invalid, as lines of an output, behind the reason.
    pub fn text_of_reason(&self, out: &mut dyn Write) -> io::Result<()> {
        for refused in &self.refused_by_network {
            writeln!(out, "  refused       {refused}")?;
        }
        match (&self.panic, self.errors_logged.last()) {
            (Some(panic), _) => writeln!(out, "  panic         {}", printable(panic))?,
            // Not every PVF has the panic handler of a runtime.
            (None, Some(line)) => writeln!(out, "  logged        {}", printable(line))?,
            (None, None) => {}
        }
        match (&self.backtrace, &self.function_name, &self.no_backtrace) {
            (Some(backtrace), _, _) => backtrace.text(out),
            (None, name, reason) => {
                if let Some(name) = name {
                    writeln!(out, "  in            {}", printable(name))?;
                }
                match reason {
                    Some(reason) => writeln!(out, "  no backtrace  {}", printable(reason)),
                    None => Ok(()),
                }
            }
        }
    }

    /// The result, as lines of an output.
    pub fn text_of_result(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.decoded {
            Some(decoded) => decoded.text(out),
            None => Ok(()),
        }
    }

    /// The share of a limit, to be written behind what was used.
    pub fn share(&self, name: &str) -> String {
        let limit = self.limits.iter().find(|it| it.name == name);
        limit.map_or_else(String::new, LimitJson::words)
    }

    /// Proof of validity and time, as lines of an output.
    pub fn text_of_limits(&self, out: &mut dyn Write) -> io::Result<()> {
        let named = |name: &str| self.limits.iter().find(|it| it.name == name);
        match named("pov") {
            Some(pov) => {
                let compressed = match self.candidate.compressed {
                    Some(true) => "compressed",
                    _ => "not compressed",
                };
                writeln!(
                    out,
                    "  PoV           {}{}, {compressed}",
                    size(pov.used),
                    pov.words()
                )?;
            }
            None => writeln!(
                out,
                "  PoV           not in ValidationParams ({}), only in a collator's export",
                size(self.candidate.params_bytes as u64)
            )?,
        }
        for (name, label) in [("head_data", "head data"), ("new_code", "code size")] {
            if let Some(limit) = named(name) {
                writeln!(out, "  {label:<13} {}{}", size(limit.used), limit.words())?;
            }
        }
        for (here, stock, label) in [
            ("backing_time", "backing_time_stock", "backing"),
            ("approval_time", "approval_time_stock", "approval"),
        ] {
            let (Some(here), Some(stock)) = (named(here), named(stock)) else {
                continue;
            };
            let most = duration(here.limit.unwrap_or_default());
            let percent = |it: &LimitJson| it.share.unwrap_or_default() * 100.0;
            writeln!(
                out,
                "  {label:<13} {:.1} % of {most} on this machine, about {:.1} % with the node's engine",
                percent(here),
                percent(stock)
            )?;
        }
        writeln!(
            out,
            "                (the node's engine takes {:.1} times as long: measured {})",
            self.stock.ratio.ratio, self.stock.ratio.measured
        )
    }
}

impl LimitJson {
    fn new(name: &'static str, unit: &'static str, used: u64, limit: Option<u64>) -> Self {
        Self {
            name,
            unit,
            used,
            limit,
            share: limit.map(|limit| used as f64 / limit.max(1) as f64),
        }
    }

    fn words(&self) -> String {
        let Some((limit, share)) = self.limit.zip(self.share) else {
            return String::new();
        };
        let limit = match self.unit {
            "bytes" => size(limit),
            "ns" => duration(limit),
            _ => limit.to_string(),
        };
        format!(", {:.2} % of {limit}", share * 100.0)
    }

    /// Why a node refuses the candidate, if what its code is not held to is exceeded.
    fn refused(&self) -> Option<String> {
        let what = match self.name {
            "pov" => "the proof of validity has",
            "head_data" => "the new head data have",
            "new_code" => "the new code has",
            "upward_messages" | "horizontal_messages" => "there are",
            "upward_message" => "the largest message to the relay chain has",
            _ => return None,
        };
        let limit = self.limit.filter(|limit| self.used > *limit)?;
        let unit = match self.name {
            "upward_messages" => "messages to the relay chain",
            "horizontal_messages" => "messages to parachains",
            _ => self.unit,
        };
        Some(format!(
            "{what} {} {unit}, the network's limit is {limit}",
            self.used
        ))
    }
}

fn of_execution(execution: &Execution, parameters: &Parameters) -> Vec<LimitJson> {
    let all = Headroom::of(execution, &parameters.execution);
    all.into_iter()
        .map(|it| {
            let (name, unit) = match it.quantity {
                Limit::NativeStack => ("native_stack", "bytes"),
                Limit::LogicalStack => ("logical_stack", "units"),
                Limit::Gas => ("gas", "gas"),
                Limit::Memory => ("memory", "pages"),
            };
            LimitJson::new(name, unit, it.peak, it.limit)
        })
        .collect()
}

fn of_time(execute_ns: u64, parameters: &Parameters) -> Vec<LimitJson> {
    let kinds = [
        (PvfExecKind::Backing, "backing_time", "backing_time_stock"),
        (
            PvfExecKind::Approval,
            "approval_time",
            "approval_time_stock",
        ),
    ];
    let mut all = Vec::new();
    for (kind, here, stock) in kinds {
        let Some(ms) = parameters.exec_timeout_ms(kind) else {
            continue;
        };
        let limit = Some(ms.saturating_mul(1_000_000));
        all.push(LimitJson::new(here, "ns", execute_ns, limit));
        let estimate = stock::EXECUTION.apply(execute_ns);
        all.push(LimitJson::new(stock, "ns", estimate, limit));
    }
    all
}

fn of_result(result: &ValidationResult, network: &HostLimits) -> Vec<LimitJson> {
    let decoded = ResultJson::new(result);
    let upward = &decoded.upward_messages;
    let bytes = |name, used: usize, limit: u32| {
        LimitJson::new(name, "bytes", used as u64, Some(limit.into()))
    };
    let count = |name, used: usize, limit: u32| {
        LimitJson::new(name, "messages", used as u64, Some(limit.into()))
    };
    let mut all = vec![
        bytes(
            "head_data",
            result.head_data.len(),
            network.max_head_data_size,
        ),
        count("upward_messages", upward.count, network.max_upward_messages),
        bytes(
            "upward_message",
            upward.largest,
            network.max_upward_message_size,
        ),
        count(
            "horizontal_messages",
            decoded.horizontal_messages.count,
            network.max_horizontal_messages,
        ),
    ];
    if let Some(code) = &decoded.new_code {
        all.push(bytes("new_code", code.bytes, network.max_code_size));
    }
    all
}

impl GivenJson {
    fn new(candidate: &CandidateFile) -> Self {
        let exported: Option<&Exported> = candidate.exported.as_ref();
        Self {
            form: match exported.map(|it| it.form) {
                Some(Form::Exported) => "exported",
                Some(Form::ExportedOld) => "exported_old",
                _ => "params",
            },
            params_bytes: candidate.params.len(),
            pov_bytes: exported.map(|it| it.pov_bytes),
            compressed: exported.map(|it| it.compressed),
            block_bytes: exported.map(|it| it.block_bytes),
            max_pov_size: exported.and_then(|it| it.max_pov_size),
        }
    }
}

/// What is to be known about a collator's export before its verdict.
pub fn warning(candidate: &CandidateFile) -> Option<&'static str> {
    match candidate.exported?.extension {
        ExtensionSource::Unknown => Some(
            "the candidate is one of version 3, but no header in it is its relay parent, whose hash the file does not have: it is run \
             without the extension of its parameters",
        ),
        _ => None,
    }
}

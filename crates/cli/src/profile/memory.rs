//! `pvf profile --by memory` and `--by allocations`: what the host's allocator handed out, by the functions that asked for it.
//!
//! The run with hooks is traced: the hooks say which functions are active, the trace what is allocated and freed.

use super::graph::Graph;
use super::{Job, Profiler, check_end, write};
use crate::Verdict;
use crate::args::By;
use crate::failure::Failure;
use crate::names::Names;
use crate::network::ParametersJson;
use crate::outcome::{self, printable};
use crate::output::{Output, hex, size};
use pvf_executor::{Execution, ValType};
use pvf_instrument::profile::{ENTER, EXIT};
use pvf_validation::Observer;
use pvf_validation::trace::Trace;
use serde::Serialize;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The frame of the candidate, which the host allocates before the first call.
const CANDIDATE: &str = "[candidate]";

/// What was allocated, by stack.
pub struct Allocations {
    stacks: Vec<Stack>,
    /// Bytes in use at the peak.
    peak: u64,
}

/// What was allocated at one stack.
struct Stack {
    functions: Vec<u32>,
    allocations: u64,
    /// As they were asked for.
    bytes: u64,
    /// In use at the peak, with headers and rounded as they lie in memory.
    peak: u64,
}

#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<Recorded>>);

/// A tree of active functions, and all events of the allocator.
#[derive(Debug, Default)]
struct Recorded {
    /// By node: the parent and the function. The root, node 0, is none.
    nodes: Vec<(u32, u32)>,
    children: HashMap<(u32, u32), u32>,
    active: Vec<u32>,
    /// By node: allocations and their bytes.
    handed_out: HashMap<u32, (u64, u64)>,
    /// Node and bytes of what is in use, by address.
    live: HashMap<u32, (u32, u32)>,
    /// Bytes that are handed out at a node (positive) or come back to it.
    events: Vec<(u32, i64)>,
}

impl Recorder {
    fn with<R>(&self, work: impl FnOnce(&mut Recorded) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hooks, as functions of the host.
    fn observers(&self) -> [Observer; 2] {
        let (enters, exits) = (self.clone(), self.clone());
        [
            Observer::new(ENTER, &[ValType::I32, ValType::I64], move |told| {
                enters.with(|recorded| recorded.enter(told[0] as u32));
            }),
            Observer::new(EXIT, &[ValType::I64], move |_| {
                exits.with(|recorded| _ = recorded.active.pop());
            }),
        ]
    }
}

impl Recorded {
    fn current(&self) -> u32 {
        self.active.last().copied().unwrap_or(0)
    }

    fn enter(&mut self, function: u32) {
        let parent = self.current();
        let next = self.nodes.len() as u32 + 1;
        let node = *self.children.entry((parent, function)).or_insert(next);
        if node == next {
            self.nodes.push((parent, function));
        }
        self.active.push(node);
    }

    fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while let Some(&(parent, function)) = node
            .checked_sub(1)
            .and_then(|index| self.nodes.get(index as usize))
        {
            path.push(function);
            node = parent;
        }
        path.reverse();
        path
    }

    fn finish(&self) -> Allocations {
        let (mut now, mut peak, mut peak_at) = (0_i64, 0_i64, 0);
        for (at, &(_, bytes)) in self.events.iter().enumerate() {
            now += bytes;
            if now > peak {
                (peak, peak_at) = (now, at + 1);
            }
        }
        let mut at_peak: HashMap<u32, i64> = HashMap::new();
        for &(node, bytes) in &self.events[..peak_at] {
            *at_peak.entry(node).or_default() += bytes;
        }
        let mut nodes: Vec<u32> = self.handed_out.keys().copied().collect();
        nodes.sort_unstable();
        let stack = |node: u32| {
            let (allocations, bytes) = self.handed_out[&node];
            Stack {
                functions: self.path(node),
                allocations,
                bytes,
                peak: at_peak.get(&node).map_or(0, |&bytes| bytes.max(0) as u64),
            }
        };
        Allocations {
            stacks: nodes.into_iter().map(stack).collect(),
            peak: peak as u64,
        }
    }
}

impl Trace for Recorder {
    fn called(&mut self, _: &str, _: &[u64]) {}

    fn read(&mut self, _: &[u8]) {}

    fn wrote(&mut self, _: &[u8]) {}

    fn returned(&mut self, _: Result<Option<u64>, &str>) {}

    fn allocated(&mut self, address: u32, bytes: u32, taken: u32) {
        self.with(|recorded| {
            let node = recorded.current();
            let (allocations, sum) = recorded.handed_out.entry(node).or_default();
            *allocations += 1;
            *sum += u64::from(bytes);
            recorded.live.insert(address, (node, taken));
            recorded.events.push((node, i64::from(taken)));
        });
    }

    fn freed(&mut self, address: u32) {
        self.with(|recorded| {
            // A module can write headers of its own and free what was never allocated.
            if let Some((node, taken)) = recorded.live.remove(&address) {
                recorded.events.push((node, -i64::from(taken)));
            }
        });
    }
}

/// Runs with hooks and a trace.
pub fn take(
    profiler: &Profiler<'_>,
    wasm: &[u8],
    expected: &Execution,
) -> Result<Allocations, Failure> {
    let Job::Candidate(candidate) = &profiler.job else {
        let message =
            "only a candidate uses the host's allocator; --by memory has no use for --invoke";
        return Err(Failure::Usage(message.to_owned()));
    };
    let (watched, wide) = profiler.hooked(wasm)?;
    let recorder = Recorder::default();
    let pvf = profiler.pvf(&watched, &recorder.observers(), &wide);
    let timeout = &profiler.args.judging.timeout;
    let (run, _) = timeout.bound(|| Ok(pvf.run_traced(candidate, recorder.clone())?))?;
    check_end(expected, &run.execution)?;
    Ok(recorder.with(|recorded| recorded.finish()))
}

#[derive(Serialize)]
struct MemoryJson {
    outcome: &'static str,
    reason: Option<String>,
    outcome_digest: String,
    by: &'static str,
    memory_pages_peak: u32,
    allocations: u64,
    /// All that were handed out, as they were asked for.
    bytes: u64,
    /// In use when most were, with headers and rounded as they lie in memory.
    peak_bytes: u64,
    output: Option<String>,
    html: Option<String>,
    /// The functions that asked, those with most in use at the peak first.
    functions: Vec<FunctionJson>,
    stacks: Option<Vec<StackJson>>,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct FunctionJson {
    name: String,
    allocations: u64,
    bytes: u64,
    peak_bytes: u64,
}

#[derive(Serialize)]
struct StackJson {
    functions: Vec<String>,
    allocations: u64,
    bytes: u64,
    peak_bytes: u64,
}

/// Prints and writes.
pub fn report(
    profiler: &Profiler<'_>,
    output: &Output,
    execution: &Execution,
    allocations: &Allocations,
    names: &Names,
) -> Result<Verdict, Failure> {
    let args = profiler.args;
    let labels = |stack: &Stack| match stack.functions.is_empty() {
        true => vec![CANDIDATE.to_owned()],
        false => {
            let functions = stack.functions.iter();
            let mut labels: Vec<String> =
                functions.map(|&function| names.label(function)).collect();
            // The innermost is the one that asked, not what handed its wish on.
            while labels.len() > 1 && labels.last().is_some_and(|name| is_of_allocator(name)) {
                labels.pop();
            }
            labels
        }
    };
    let mut graph = Graph::default();
    for stack in &allocations.stacks {
        let count = match args.by {
            By::Memory => stack.peak,
            _ => stack.bytes,
        };
        graph.add(labels(stack), count);
    }
    let bytes: u64 = allocations.stacks.iter().map(|stack| stack.bytes).sum();
    let count: u64 = allocations
        .stacks
        .iter()
        .map(|stack| stack.allocations)
        .sum();
    let what = format!(
        "{} in use at the peak, {} in {count} allocations, {} pages of memory",
        size(allocations.peak),
        size(bytes),
        execution.memory_pages_peak
    );
    write(args, output, &graph, "bytes", &what)?;
    let stacks = || {
        let stack = |stack: &Stack| StackJson {
            functions: labels(stack),
            allocations: stack.allocations,
            bytes: stack.bytes,
            peak_bytes: stack.peak,
        };
        allocations.stacks.iter().map(stack).collect()
    };
    let json = MemoryJson {
        outcome: outcome::name(&execution.outcome),
        reason: outcome::reason(&execution.outcome).map(std::borrow::Cow::into_owned),
        outcome_digest: hex(&execution.digest()),
        by: args.by.name(),
        memory_pages_peak: execution.memory_pages_peak,
        allocations: count,
        bytes,
        peak_bytes: allocations.peak,
        output: args.output.as_ref().map(|path| path.display().to_string()),
        html: args.html.as_ref().map(|path| path.display().to_string()),
        functions: functions(allocations, &labels),
        stacks: args.output.is_none().then(stacks),
        parameters: profiler.parameters.json(),
    };
    output.result(&json, |out| match (&args.output, &args.html) {
        (None, None) => out.write_all(graph.folded().as_bytes()),
        _ => text(out, &json, &what, &profiler.parameters.words()),
    })?;
    Ok(outcome::verdict(execution))
}

/// By the function that asked.
fn functions(
    allocations: &Allocations,
    labels: &dyn Fn(&Stack) -> Vec<String>,
) -> Vec<FunctionJson> {
    let mut all: HashMap<String, (u64, u64, u64)> = HashMap::new();
    for stack in &allocations.stacks {
        let name = labels(stack).pop().unwrap_or_default();
        let (count, bytes, peak) = all.entry(name).or_default();
        *count += stack.allocations;
        *bytes += stack.bytes;
        *peak += stack.peak;
    }
    let function = |(name, (allocations, bytes, peak_bytes))| FunctionJson {
        name,
        allocations,
        bytes,
        peak_bytes,
    };
    let mut all: Vec<FunctionJson> = all.into_iter().map(function).collect();
    all.sort_by(|a, b| (b.peak_bytes, b.bytes, &a.name).cmp(&(a.peak_bytes, a.bytes, &b.name)));
    all
}

/// Whether a function hands allocations through: those of the host, of Rust's `alloc` and what wraps them.
fn is_of_allocator(name: &str) -> bool {
    let parts = [
        "ext_allocator_",
        "__rust_alloc",
        "__rust_realloc",
        "__rg_",
        "__rdl_",
        "alloc::raw_vec::",
        "alloc::alloc::",
        "GlobalAlloc",
        "sp_io::allocator::",
    ];
    parts.iter().any(|part| name.contains(part))
}

fn text(out: &mut dyn Write, json: &MemoryJson, what: &str, parameters: &str) -> io::Result<()> {
    writeln!(out, "{}", json.outcome)?;
    if let Some(reason) = &json.reason {
        writeln!(out, "  reason  {}", printable(reason))?;
    }
    writeln!(out, "  digest  {}", json.outcome_digest)?;
    writeln!(out, "  memory  {what}")?;
    writeln!(out, "  limits  {parameters}")?;
    writeln!(
        out,
        "\n{:>12} {:>12} {:>12}  function that asked",
        "at the peak", "allocated", "allocations"
    )?;
    for function in json.functions.iter().take(super::TOP_BY_TIME) {
        writeln!(
            out,
            "{:>12} {:>12} {:>12}  {}",
            size(function.peak_bytes),
            size(function.bytes),
            function.allocations,
            printable(&function.name)
        )?;
    }
    Ok(())
}

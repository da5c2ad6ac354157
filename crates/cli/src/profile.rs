//! `pvf profile`: who used the gas, the time or the memory of a run.
//!
//! For gas, calls and memory the run is made twice: as it is, for outcome and gas, and with the hooks of `pvf-instrument`, for the call
//! tree. The second has to end like the first. For time the run is repeated as it is, and sampled.

mod graph;
mod memory;
mod page;
mod time;

use crate::Verdict;
use crate::args::{By, ProfileArgs};
use crate::engine::{Compiled, For, Stop, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::input;
use crate::names::Names;
use crate::network::{Parameters, ParametersJson};
use crate::outcome::{self, Measured};
use crate::output::{Output, hex};
use crate::plain::{NoInstance, Plain};
use crate::progress::Progress;
use crate::run::{find_function, parse_arguments};
use crate::validate::host_parameters;
use graph::Graph;
use pvf_executor::ValType;
use pvf_executor::{
    CompileOptions, Costs, Execution, ExecutionParameters, LoadError, Metering, Module, Outcome,
    Profile, TrapKind, Value,
};
use pvf_instrument::profile::{CallTree, ENTER, EXIT, Recorder};
use pvf_instrument::{GasLimit, InstrumentOptions};
use pvf_validation::{HostParameters, Observer, Pvf};
use serde::Serialize;
use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Functions that are shown without being asked for.
const TOP: usize = 10;

/// As [`TOP`], where many small ones are what a block is made of.
const TOP_BY_TIME: usize = 25;

/// Most bytes of native stack for the run with hooks, whose frames are larger, unless the limit is.
const MOST_STACK: u64 = 16 << 30;

#[derive(Serialize)]
struct ProfileJson {
    outcome: &'static str,
    reason: Option<String>,
    outcome_digest: String,
    gas_used: Option<u64>,
    calls: Option<u64>,
    by: &'static str,
    output: Option<String>,
    html: Option<String>,
    /// All functions that used gas or were called, the most expensive first.
    functions: Vec<FunctionJson>,
    /// The stacks, if they are not written to a file.
    stacks: Option<Vec<StackJson>>,
    parameters: ParametersJson,
}

#[derive(Serialize)]
struct FunctionJson {
    index: u32,
    name: String,
    gas: u64,
    calls: u64,
}

#[derive(Serialize)]
struct StackJson {
    functions: Vec<u32>,
    gas: u64,
    calls: u64,
}

/// What is run.
enum Job {
    Candidate(Vec<u8>),
    Call(String, Vec<String>),
}

/// Both runs.
struct Profiler<'a> {
    args: &'a ProfileArgs,
    job: Job,
    /// With gas.
    options: CompileOptions,
    parameters: Parameters,
}

/// Runs, profiles, writes.
pub fn profile(args: &ProfileArgs, output: &Output) -> Result<Verdict, Failure> {
    let profile = match args.invoke {
        Some(_) => Profile::Wasm,
        None => Profile::Polkadot,
    };
    let (mut options, parameters) = args.judging.resolve(profile)?;
    // Time is that of the code as validators run it.
    if args.by != By::Time {
        let gas = &mut options.metering.gas;
        gas.get_or_insert_with(|| Arc::new(Costs::default()));
    }
    let profiler = Profiler {
        args,
        job: job(args)?,
        options,
        parameters,
    };
    let blob = read_blob_file(&args.code)?;
    let progress = Progress::start(&format!("profiling {}", input::name(&args.code)));
    let what_for = match profiler.job {
        Job::Candidate(_) => For::Candidates,
        Job::Call(..) => For::Calls,
    };
    let (wasm, module) = match prepare_blob(
        &blob.bytes,
        &profiler.options,
        what_for,
        args.judging.verification(),
    ) {
        Ok(Compiled { artifact, wasm, .. }) => (wasm, Module::new(artifact).map_err(not_placed)?),
        Err(Stop::Rejected(rejection, _)) => {
            return rejected(
                output,
                &Execution::rejected(rejection),
                &profiler.parameters,
            );
        }
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    if args.by == By::Time {
        return time::profile(&profiler, &module, &wasm, output);
    }
    let execution = profiler.run(&module, &[], &profiler.parameters.execution)?;
    if let Outcome::Rejected(_) = &execution.outcome {
        return rejected(output, &execution, &profiler.parameters);
    }
    let names = Names::of(module.info(), Some(&wasm));
    if matches!(args.by, By::Memory | By::Allocations) {
        let allocations = memory::take(&profiler, &wasm, &execution)?;
        drop(progress);
        return memory::report(&profiler, output, &execution, &allocations, &names);
    }
    let tree = profiler.tree(&wasm, &module, &execution)?;
    drop(progress);
    report(&profiler, output, &execution, &tree, &names)
}

/// Writes the files that were asked for.
fn write(
    args: &ProfileArgs,
    output: &Output,
    graph: &Graph,
    unit: &str,
    subtitle: &str,
) -> Result<(), Failure> {
    if let Some(path) = &args.output {
        output.file(path, graph.folded().as_bytes())?;
    }
    if let Some(path) = &args.html {
        let title = input::name(&args.code);
        let title = title.rsplit('/').next().unwrap_or(&title);
        output.file(path, page::page(graph, title, subtitle, unit)?.as_bytes())?;
    }
    Ok(())
}

fn job(args: &ProfileArgs) -> Result<Job, Failure> {
    match (&args.invoke, &args.args[..]) {
        (Some(function), arguments) => Ok(Job::Call(function.clone(), arguments.to_vec())),
        (None, [params]) => {
            let params = PathBuf::from(params);
            input::at_most_one_stdin(&[&args.code, &params])?;
            Ok(Job::Candidate(input::read_candidate(
                &params,
                &args.judging.candidate,
            )?))
        }
        (None, _) => {
            let message = "one candidate (PARAMS) is wanted, or --invoke NAME with its arguments";
            Err(Failure::Usage(message.to_owned()))
        }
    }
}

fn rejected(
    output: &Output,
    execution: &Execution,
    parameters: &Parameters,
) -> Result<Verdict, Failure> {
    outcome::report(output, execution, &Measured::default(), parameters, None)
}

fn not_placed(error: LoadError) -> Failure {
    Failure::Host(error.to_string())
}

impl Profiler<'_> {
    /// The module with hooks. Its meters are part of it.
    fn watched(&self, hooked: &[u8]) -> Result<Module, Failure> {
        let options = CompileOptions {
            metering: Metering::default(),
            ..self.options.clone()
        };
        match prepare_blob(
            hooked,
            &options,
            For::Calls,
            self.args.judging.verification(),
        ) {
            Ok(compiled) => Module::new(compiled.artifact).map_err(not_placed),
            Err(Stop::Rejected(rejection, _)) => Err(Failure::Host(format!(
                "the profile: with hooks {rejection}"
            ))),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    fn run(
        &self,
        module: &Module,
        observers: &[Observer],
        parameters: &ExecutionParameters,
    ) -> Result<Execution, Failure> {
        self.runner_with(module, observers, parameters)?.run(self)
    }

    /// What can be run many times.
    fn runner(&self, module: &Module) -> Result<Runner, Failure> {
        self.runner_with(module, &[], &self.parameters.execution)
    }

    fn runner_with(
        &self,
        module: &Module,
        observers: &[Observer],
        parameters: &ExecutionParameters,
    ) -> Result<Runner, Failure> {
        Ok(match &self.job {
            Job::Candidate(_) => {
                Runner::Candidate(Box::new(self.pvf(module, observers, parameters)))
            }
            Job::Call(name, arguments) => {
                let function = find_function(module.info(), name)?;
                Runner::Call {
                    arguments: parse_arguments(module.info(), function, name, arguments)?,
                    function,
                    module: module.clone(),
                    observers: observers.to_vec(),
                    parameters: *parameters,
                }
            }
        })
    }

    fn pvf(
        &self,
        module: &Module,
        observers: &[Observer],
        parameters: &ExecutionParameters,
    ) -> Pvf {
        let host = HostParameters {
            execution: *parameters,
            ..host_parameters(&self.args.judging.host, &self.parameters)
        };
        Pvf::with_observers(module.clone(), host, observers)
    }

    /// The call tree of a run that ended as `expected` says.
    fn tree(
        &self,
        wasm: &[u8],
        module: &Module,
        expected: &Execution,
    ) -> Result<CallTree, Failure> {
        let limit = self.gas_limit();
        let (watched, wide) = self.hooked(wasm)?;
        let recorder = Recorder::new(module.info().functions.len(), limit);
        let ended = self.run(&watched, &observers(&recorder), &wide)?;
        let tree = recorder.finish(expected.gas_used.unwrap_or_default());
        check_end(expected, &ended)?;
        if Some(tree.gas()) != expected.gas_used {
            let (sum, used) = (tree.gas(), expected.gas_used.unwrap_or_default());
            return Err(failed(format!("the run used {used} gas, with hooks {sum}")));
        }
        Ok(tree)
    }

    fn gas_limit(&self) -> u64 {
        self.parameters.execution.gas_limit.unwrap_or(u64::MAX)
    }

    /// The module with hooks, which enforces the limits itself, and the wider ones to run it with.
    fn hooked(&self, wasm: &[u8]) -> Result<(Module, ExecutionParameters), Failure> {
        let native = self.parameters.execution.stack_native_max;
        let options = InstrumentOptions {
            features: self.options.features,
            stack_native_max: Some(native),
            stack_logical_max: self.parameters.execution.stack_logical_max,
            gas: self.options.metering.gas.as_deref().map(|costs| GasLimit {
                costs: costs.clone(),
                limit: self.gas_limit(),
            }),
        };
        let hooked = pvf_instrument::profile::instrument(wasm, &options);
        let hooked = hooked.map_err(|error| failed(error.to_string()))?;
        Ok((self.watched(&hooked)?, wide(&self.parameters.execution)))
    }
}

fn failed(what: String) -> Failure {
    Failure::Host(format!("the profile: {what}"))
}

/// A run with hooks has to end as the one without.
fn check_end(expected: &Execution, ended: &Execution) -> Result<(), Failure> {
    if same_end(&expected.outcome, &ended.outcome) {
        return Ok(());
    }
    let (one, other) = (shown(&expected.outcome), shown(&ended.outcome));
    Err(failed(format!("the run ended {one}, with hooks {other}")))
}

/// What is run, ready to be run many times.
enum Runner {
    Candidate(Box<Pvf>),
    Call {
        module: Module,
        function: u32,
        arguments: Vec<Value>,
        observers: Vec<Observer>,
        parameters: ExecutionParameters,
    },
}

impl Runner {
    fn run(&self, profiler: &Profiler<'_>) -> Result<Execution, Failure> {
        match (self, &profiler.job) {
            (Self::Candidate(pvf), Job::Candidate(candidate)) => {
                let timeout = &profiler.args.judging.timeout;
                timeout.bound(|| Ok(pvf.validate(candidate)?))
            }
            (Self::Candidate(_), Job::Call(..)) => {
                Err(failed("a call has no candidate".to_owned()))
            }
            (
                Self::Call {
                    module,
                    function,
                    arguments,
                    observers,
                    parameters,
                },
                _,
            ) => {
                let made = || Plain::with_observers(module, parameters, observers);
                profiler.args.judging.timeout.bound(|| match made() {
                    Ok(mut instance) => Ok(instance.call(*function, arguments)?.0),
                    Err(NoInstance::Rejected(rejection)) => Ok(Execution::rejected(rejection)),
                    Err(NoInstance::Failed(failure)) => Err(failure),
                })
            }
        }
    }
}

/// The hooks, as functions of the host.
fn observers(recorder: &Recorder) -> [Observer; 2] {
    let (enters, exits) = (recorder.clone(), recorder.clone());
    [
        Observer::new(ENTER, &[ValType::I32, ValType::I64], move |told| {
            enters.enter(told[0] as u32, told[1]);
        }),
        Observer::new(EXIT, &[ValType::I64], move |told| exits.exit(told[0])),
    ]
}

/// The parameters of a run with hooks: its frames are larger, and its meters are part of the module.
pub fn wide(parameters: &ExecutionParameters) -> ExecutionParameters {
    let native = parameters.stack_native_max;
    ExecutionParameters {
        stack_native_max: native.max(native.saturating_mul(8).min(MOST_STACK)),
        stack_logical_max: None,
        gas_limit: None,
        ..*parameters
    }
}

/// Whether a run with hooks ended like that without. Its meters are part of the module, which then ends
/// with `unreachable`.
pub fn same_end(plain: &Outcome, hooked: &Outcome) -> bool {
    match (plain, hooked) {
        (Outcome::Valid(one), Outcome::Valid(other)) => one == other,
        (Outcome::Invalid { trap: one, .. }, Outcome::Invalid { trap: other, .. }) => {
            let expected = one.as_ref().map(|trap| match trap.kind {
                TrapKind::StackOverflow | TrapKind::OutOfGas => TrapKind::Unreachable,
                kind => kind,
            });
            expected == other.as_ref().map(|trap| trap.kind)
        }
        _ => false,
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome::reason(outcome) {
        Some(reason) => format!("{} ({reason})", outcome::name(outcome)),
        None => outcome::name(outcome).to_owned(),
    }
}

fn report(
    Profiler {
        args, parameters, ..
    }: &Profiler<'_>,
    output: &Output,
    execution: &Execution,
    tree: &CallTree,
    names: &Names,
) -> Result<Verdict, Failure> {
    let mut graph = Graph::default();
    for stack in tree.stacks() {
        let functions = stack.functions.iter();
        let count = match args.by {
            By::Calls => stack.calls,
            _ => stack.gas,
        };
        graph.add(functions.map(|&function| names.label(function)), count);
    }
    let gas = execution.gas_used.unwrap_or_default();
    let subtitle = format!("{gas} gas, {} calls", tree.calls());
    write(args, output, &graph, args.by.name(), &subtitle)?;
    let stacks = || {
        let stacks = tree.stacks().into_iter();
        stacks.map(|stack| StackJson {
            functions: stack.functions,
            gas: stack.gas,
            calls: stack.calls,
        })
    };
    let json = ProfileJson {
        outcome: outcome::name(&execution.outcome),
        reason: outcome::reason(&execution.outcome).map(Cow::into_owned),
        outcome_digest: hex(&execution.digest()),
        gas_used: execution.gas_used,
        calls: Some(tree.calls()),
        by: args.by.name(),
        output: args.output.as_ref().map(|path| path.display().to_string()),
        html: args.html.as_ref().map(|path| path.display().to_string()),
        functions: functions(tree, names),
        stacks: args.output.is_none().then(|| stacks().collect()),
        parameters: parameters.json(),
    };
    output.result(&json, |out| match (&args.output, &args.html) {
        // Nothing but the profile, for a pipe.
        (None, None) => out.write_all(graph.folded().as_bytes()),
        _ => text(out, &json, parameters),
    })?;
    Ok(outcome::verdict(execution))
}

/// The functions with the gas that they used themselves, the most expensive first.
fn functions(tree: &CallTree, names: &Names) -> Vec<FunctionJson> {
    let mut all = std::collections::BTreeMap::new();
    for stack in tree.stacks() {
        // Gas that no function used has no stack.
        let Some(&function) = stack.functions.last() else {
            continue;
        };
        let (gas, calls) = all.entry(function).or_insert((0, 0));
        *gas += stack.gas;
        *calls += stack.calls;
    }
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(index, (gas, calls))| FunctionJson {
            index,
            name: names.label(index),
            gas,
            calls,
        })
        .collect();
    all.sort_by_key(|function| (u64::MAX - function.gas, function.index));
    all
}

fn text(out: &mut dyn Write, json: &ProfileJson, parameters: &Parameters) -> std::io::Result<()> {
    let gas = json.gas_used.unwrap_or_default();
    writeln!(out, "{}", json.outcome)?;
    if let Some(reason) = &json.reason {
        writeln!(out, "  reason  {}", outcome::printable(reason))?;
    }
    writeln!(out, "  digest  {}", json.outcome_digest)?;
    writeln!(out, "  gas     {gas}")?;
    writeln!(out, "  calls   {}", json.calls.unwrap_or_default())?;
    writeln!(out, "  limits  {}", parameters.words())?;
    writeln!(
        out,
        "\n{:>8} {:>16} {:>12}  function",
        "share", "gas", "calls"
    )?;
    for function in json.functions.iter().take(TOP) {
        let share = 100.0 * function.gas as f64 / gas.max(1) as f64;
        let name = outcome::printable(&function.name);
        writeln!(
            out,
            "{share:>6.1} % {:>16} {:>12}  {name}",
            function.gas, function.calls
        )?;
    }
    Ok(())
}

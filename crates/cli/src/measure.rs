//! `pvf measure`: times the steps of compiling and executing one module, in this process.

use crate::Verdict;
use crate::args::MeasureArgs;
use crate::clock::{Took, peak_rss_kib, timed};
use crate::engine::{Compiled, For, Stop, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::input;
use crate::network::{Parameters, ParametersJson};
use crate::outcome;
use crate::output::{Output, duration, hex, size};
use crate::perf;
use crate::plain::{NoInstance, Plain};
use crate::progress::Progress;
use crate::run::find_function;
use crate::validate::host_parameters;
use pvf_executor::{
    Artifact, CompileOptions, Execution, ExecutionParameters, Module, Outcome, Profile, RuleId,
    Value,
};
use pvf_validation::Pvf;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// What is printed. Times in nanoseconds; those that end in `cpu_ns` of all processors.
#[derive(Default, Serialize)]
struct MeasureJson {
    /// From the module's bytes to executable code.
    compile_ns: u64,
    compile_cpu_ns: u64,
    instantiate_ns: Vec<u64>,
    /// The calls alone.
    exec_ns: Vec<u64>,
    /// The calls; with a candidate, with the instance made for each.
    exec_cpu_ns: Vec<u64>,
    code_size: u64,
    artifact_size: u64,
    result: Option<i64>,
    outcome_digest: Option<String>,
    peak_rss_kib: u64,
    outcome: Option<&'static str>,
    reason: Option<String>,
    rule: Option<RuleId>,
    parameters: Option<ParametersJson>,
}

/// Measures and prints.
pub fn measure(args: &MeasureArgs, output: &Output) -> Result<Verdict, Failure> {
    let profile = match args.params {
        Some(_) => Profile::Polkadot,
        None => Profile::Wasm,
    };
    let (options, parameters) = args.judging.resolve(profile)?;
    let paths = std::iter::once(&args.code).chain(&args.params);
    input::at_most_one_stdin(&paths.map(AsRef::as_ref).collect::<Vec<_>>())?;
    let candidate = match &args.params {
        Some(path) => Some(input::read_candidate(path, &args.judging.candidate)?),
        None => None,
    };
    let progress = Progress::start(&format!("measuring {}", input::name(&args.code)));
    let mut json = MeasureJson {
        parameters: Some(parameters.json()),
        ..MeasureJson::default()
    };
    let candidate = candidate.as_deref();
    let verdict = match compile(args, &options, &mut json) {
        Ok(subject) => execute(args, &subject, &parameters, candidate, &mut json)?,
        Err(Stop::Rejected(rejection, _)) => json.note(&Execution::rejected(rejection)),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    json.peak_rss_kib = peak_rss_kib()?;
    drop(progress);
    output.result(&json, |out| {
        text(out, &json)?;
        writeln!(out, "parameters   {}", parameters.words())
    })?;
    Ok(verdict)
}

/// A module, and what it was made from.
struct Subject {
    artifact: Artifact,
    module: Module,
}

fn compile(
    args: &MeasureArgs,
    options: &CompileOptions,
    json: &mut MeasureJson,
) -> Result<Subject, Stop> {
    let blob = read_blob_file(&args.code)?;
    let what_for = match args.params {
        Some(_) => For::Candidates,
        None => For::Calls,
    };
    let (compiled, took) =
        timed(|| prepare_blob(&blob.bytes, options, what_for, args.judging.verification()))?;
    json.compile_ns = took.wall_ns;
    json.compile_cpu_ns = took.cpu_ns;
    let Compiled { artifact, wasm, .. } = compiled?;
    json.code_size = artifact.code.len() as u64;
    json.artifact_size = artifact.to_bytes().len() as u64;
    let copy = artifact.clone();
    let (module, took) = timed(|| Module::new(copy))?;
    json.compile_ns += took.wall_ns;
    json.compile_cpu_ns += took.cpu_ns;
    let module = module.map_err(|error| Failure::Host(error.to_string()))?;
    if let Some(kind) = args.perf.perf {
        perf::tell(kind, &module, Some(&wasm))?;
    }
    Ok(Subject { artifact, module })
}

fn execute(
    args: &MeasureArgs,
    Subject { artifact, module }: &Subject,
    parameters: &Parameters,
    candidate: Option<&[u8]>,
    json: &mut MeasureJson,
) -> Result<Verdict, Failure> {
    let mut instance = None;
    for _ in 0..args.instantiations {
        // The one before is gone before the next is made, and not within the time.
        drop(instance.take());
        // A module keeps the address space of its dropped instances for the next one: with a module
        // of its own, each instance is made from nothing.
        let module = Module::new(artifact.clone());
        let module = module.map_err(|error| Failure::Host(error.to_string()))?;
        let (made, took) = args.judging.timeout.bound(|| {
            let (made, took) = timed(|| Plain::new(&module, &parameters.execution))?;
            match made {
                Err(NoInstance::Failed(failure)) => Err(failure),
                Err(NoInstance::Rejected(rejection)) => Ok((Err(rejection), took)),
                Ok(made) => Ok((Ok(made), took)),
            }
        })?;
        json.instantiate_ns.push(took.wall_ns);
        match made {
            Ok(made) => instance = Some(made),
            Err(rejection) if candidate.is_none() => {
                return Ok(json.note(&Execution::rejected(rejection)));
            }
            // The environment of a PVF may judge differently.
            Err(_) => break,
        }
    }
    match candidate {
        Some(candidate) => {
            drop(instance);
            let host = host_parameters(&args.judging.host, parameters);
            execute_candidate(args, &Pvf::new(module.clone(), host), candidate, json)
        }
        None => execute_exports(args, module, instance, &parameters.execution, json),
    }
}

fn execute_candidate(
    args: &MeasureArgs,
    pvf: &Pvf,
    candidate: &[u8],
    json: &mut MeasureJson,
) -> Result<Verdict, Failure> {
    let mut verdict = Verdict::Fine;
    for _ in 0..args.runs {
        let (run, took) = args.judging.timeout.bound(|| {
            let (run, took) = timed(|| pvf.run(candidate))?;
            Ok((run?, took))
        })?;
        json.exec_ns.push(run.timings.execute_ns);
        json.exec_cpu_ns.push(took.cpu_ns);
        verdict = json.note(&run.execution);
    }
    Ok(verdict)
}

fn execute_exports(
    args: &MeasureArgs,
    module: &Module,
    instance: Option<Plain>,
    parameters: &ExecutionParameters,
    json: &mut MeasureJson,
) -> Result<Verdict, Failure> {
    let mut instance = match instance {
        Some(instance) => instance,
        None => {
            let made = args
                .judging
                .timeout
                .bound(|| match Plain::new(module, parameters) {
                    Err(NoInstance::Failed(failure)) => Err(failure),
                    Err(NoInstance::Rejected(rejection)) => Ok(Err(rejection)),
                    Ok(instance) => Ok(Ok(instance)),
                })?;
            match made {
                Ok(instance) => instance,
                Err(rejection) => return Ok(json.note(&Execution::rejected(rejection))),
            }
        }
    };
    let info = module.info();
    if info.export("initialize").is_some() {
        let initialize = find_function(info, "initialize")?;
        let (execution, _) = args
            .judging
            .timeout
            .bound(|| instance.call(initialize, &[]))?;
        if let Verdict::NotFine = outcome::verdict(&execution) {
            return Ok(json.note(&execution));
        }
    }
    if info.export("run").is_none() {
        return Ok(Verdict::Fine);
    }
    let run = find_function(info, "run")?;
    let mut verdict = Verdict::Fine;
    for number in 0..args.runs {
        let ((execution, values), Took { wall_ns, cpu_ns }) = args.judging.timeout.bound(|| {
            let (called, took) = timed(|| instance.call(run, &[]))?;
            Ok((called?, took))
        })?;
        json.exec_ns.push(wall_ns);
        json.exec_cpu_ns.push(cpu_ns);
        if number == 0 {
            json.result = values.and_then(|values| integer(values.first()?));
        }
        verdict = json.note(&execution);
        if let Verdict::NotFine = verdict {
            break;
        }
    }
    Ok(verdict)
}

fn integer(value: &Value) -> Option<i64> {
    match *value {
        Value::I32(value) => Some(value.into()),
        Value::I64(value) => Some(value),
        Value::F32(_) | Value::F64(_) => None,
    }
}

impl MeasureJson {
    /// Takes over an outcome; the digest of the first one stays.
    fn note(&mut self, execution: &Execution) -> Verdict {
        self.outcome = Some(outcome::name(&execution.outcome));
        self.reason = outcome::reason(&execution.outcome).map(Cow::into_owned);
        self.rule = outcome::rule(&execution.outcome);
        if !matches!(execution.outcome, Outcome::Rejected(_)) {
            self.outcome_digest
                .get_or_insert_with(|| hex(&execution.digest()));
        }
        outcome::verdict(execution)
    }
}

fn text(out: &mut dyn Write, json: &MeasureJson) -> io::Result<()> {
    writeln!(
        out,
        "compile      {} ({} of processor time)",
        duration(json.compile_ns),
        duration(json.compile_cpu_ns)
    )?;
    writeln!(
        out,
        "size         {} of code, {} of artifact",
        size(json.code_size),
        size(json.artifact_size)
    )?;
    writeln!(out, "instantiate  {}", spread(&json.instantiate_ns))?;
    writeln!(out, "execute      {}", spread(&json.exec_ns))?;
    if let Some(outcome) = json.outcome {
        writeln!(out, "outcome      {outcome}")?;
    }
    if let Some(reason) = &json.reason {
        writeln!(out, "reason       {}", outcome::printable(reason))?;
    }
    if let Some(rule) = json.rule {
        writeln!(out, "rule         {rule}")?;
    }
    if let Some(result) = json.result {
        writeln!(out, "result       {result}")?;
    }
    if let Some(digest) = &json.outcome_digest {
        writeln!(out, "digest       {digest}")?;
    }
    writeln!(out, "peak memory  {}", size(json.peak_rss_kib * 1024))
}

/// Median and minimum of times.
fn spread(times: &[u64]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.first()) {
        (Some(&median), Some(&least)) => format!(
            "median {}, least {}, {} times",
            duration(median),
            duration(least),
            sorted.len()
        ),
        _ => "not done".to_owned(),
    }
}

//! `--target polkavm`: the commands that execute, on PolkaVM.

use crate::Verdict;
use crate::args::{ExecuteArgs, RunArgs, ValidateArgs};
use crate::clock::timed;
use crate::engine::{Compiled, For, Stop, not_loaded, prepare_file};
use crate::execute::{check_meters, parameters};
use crate::failure::Failure;
use crate::input::{self, CandidateFile};
use crate::names::Names;
use crate::network::Parameters;
use crate::outcome::{self, Measured};
use crate::output::Output;
use crate::plain::outcome_of;
use crate::progress::Progress;
use crate::run::{find_function, parse_arguments};
use crate::timeout::TimeoutArgs;
use crate::validate::host_parameters;
use crate::verdict::{self, Details, Lines, Told};
use pvf_executor::{
    Artifact, CallError, CompileOptions, Execution, LoadError, ModuleInfo, Outcome, Profile,
    StackPeaks, Target, Value,
};
use pvf_polkavm::{Engine, Imports, Instance, Module};
use pvf_validation::PolkaVmPvf;
use pvf_wast::show_value;
use std::path::Path;

/// Compiles a file for PolkaVM.
fn compile(
    path: &Path,
    options: &CompileOptions,
    what_for: For,
) -> Result<(Artifact, Vec<u8>, Measured), Stop> {
    // There is no verifier for this target.
    let verification = crate::engine::Verification::Off;
    let Compiled {
        artifact,
        wasm,
        measured,
    } = prepare_file(path, options, what_for, verification)?;
    Ok((artifact, wasm, measured))
}

fn host(error: LoadError) -> Failure {
    Failure::Host(error.to_string())
}

/// `pvf run`.
pub fn run(args: &RunArgs, engine: Engine, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args.executor.resolve(Profile::Wasm, Target::PolkaVm)?;
    let (artifact, _, mut measured) = match compile(&args.code, &options, For::Calls) {
        Ok(loaded) => loaded,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Rejected(rejection, measured)) => {
            let rejected = Execution::rejected(rejection);
            return outcome::report(output, &rejected, &measured, &parameters, None);
        }
    };
    let module = Module::new(artifact, engine).map_err(host)?;
    let function = find_function(module.info(), &args.invoke)?;
    let arguments = parse_arguments(module.info(), function, &args.invoke, &args.args)?;
    let progress = Progress::start(&format!("running {}", args.invoke));
    let (execution, values) = args.timeout.bound(|| {
        let (instance, took) = timed(|| {
            let imports = plain_imports(module.info())?;
            Ok::<_, Failure>(Instance::new(&module, imports, &parameters.execution, ()))
        })?;
        measured.instantiate_ns = took.wall_ns;
        let mut instance = match instance? {
            Ok(instance) => instance,
            Err(error) => {
                return Ok((Execution::rejected(error.rejection()?), None));
            }
        };
        let (called, took) = timed(|| instance.call(function, &arguments))?;
        measured.execute_ns = took.wall_ns;
        finished(called, &mut instance)
    })?;
    drop(progress);
    let shown = values.map(|values| values.into_iter().map(show_value).collect());
    outcome::report(output, &execution, &measured, &parameters, shown)
}

/// Own memory, no host functions: as on this machine, imported functions trap when they are called, and globals and tables
/// cannot be imported.
fn plain_imports(info: &ModuleInfo) -> Result<Imports<()>, Failure> {
    use pvf_executor::artifact::ImportKind;
    let mut imports = Imports::none(info);
    for import in &info.imports {
        match import.kind {
            ImportKind::Function(_) => imports.functions.push(None),
            ImportKind::Memory(ty) => imports.memory = Some(ty),
            ImportKind::Global(_) | ImportKind::Table(_) => {
                return Err(Failure::Host(
                    "not supported by this target: imported globals and tables in pvf run".into(),
                ));
            }
        }
    }
    Ok(imports)
}

fn finished(
    called: Result<Vec<Value>, CallError>,
    instance: &mut Instance<()>,
) -> Result<(Execution, Option<Vec<Value>>), Failure> {
    let (outcome, values) = outcome_of(called)?;
    let execution = Execution {
        outcome,
        gas_used: instance.gas_used()?,
        stack: StackPeaks {
            native: instance.stack_native_peak(),
            logical: instance.stack_logical_peak(),
        },
        memory_pages_peak: instance.memory_pages(),
    };
    Ok((execution, values))
}

/// `pvf validate`.
pub fn validate(args: &ValidateArgs, engine: Engine, output: &Output) -> Result<Verdict, Failure> {
    let judging = &args.judging;
    let (options, parameters) = judging
        .executor
        .resolve(Profile::Polkadot, Target::PolkaVm)?;
    let parameters = parameters.with_functions(&judging.host.functions);
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate_file(&args.params, &judging.candidate)?;
    match compile(&args.code, &options, For::Candidates) {
        Ok((artifact, wasm, measured)) => {
            let host_parameters = host_parameters(&judging.host, &parameters);
            let pvf = PolkaVmPvf::new(artifact, engine, host_parameters).map_err(host)?;
            Judged {
                parameters: &parameters,
                measured,
                timeout: judging.timeout,
                wasm: Some(&wasm),
            }
            .judge(&pvf, &candidate, output)
        }
        Err(Stop::Rejected(rejection, measured)) => {
            let rejected = Execution::rejected(rejection);
            outcome::report(output, &rejected, &measured, &parameters, None)
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// `pvf execute`.
pub fn execute(args: &ExecuteArgs, engine: Engine, output: &Output) -> Result<Verdict, Failure> {
    input::at_most_one_stdin(&[&args.artifact, &args.params])?;
    let candidate = input::read_candidate_file(&args.params, &args.candidate)?;
    let (artifact, took) = timed(|| read_artifact(&args.artifact))?;
    let artifact = artifact?;
    let measured = Measured {
        wasm_bytes: u64::from(artifact.module.wasm_bytes),
        code_bytes: artifact.code.len() as u64,
        target: artifact.module.target.name(),
        prepare_ns: took.wall_ns,
        ..Measured::default()
    };
    check_meters(args, &artifact.module.meters)?;
    let parameters = parameters(args, &artifact.module.meters)?;
    let pvf = PolkaVmPvf::new(artifact, engine, host_parameters(&args.host, &parameters));
    let pvf = pvf.map_err(|error| not_loaded(&args.artifact, &error))?;
    Judged {
        parameters: &parameters,
        measured,
        timeout: args.timeout,
        wasm: None,
    }
    .judge(&pvf, &candidate, output)
}

#[allow(
    unsafe_code,
    reason = "the command executes what its user says is an artifact"
)]
fn read_artifact(path: &Path) -> Result<Artifact, Failure> {
    let bytes = input::read(path)?;
    // SAFETY: the user vouches for the artifact; the command's help says what that means. PolkaVM confines its code.
    let artifact = unsafe { Artifact::from_bytes(&bytes) };
    artifact.map_err(|error| Failure::Input {
        name: input::name(path),
        reason: error.to_string(),
    })
}

/// A judgement to be made.
struct Judged<'a> {
    parameters: &'a Parameters,
    measured: Measured,
    timeout: TimeoutArgs,
    /// What the module was made of, if it is known.
    wasm: Option<&'a [u8]>,
}

impl Judged<'_> {
    fn judge(
        mut self,
        pvf: &PolkaVmPvf,
        candidate: &CandidateFile,
        output: &Output,
    ) -> Result<Verdict, Failure> {
        if let Some(warning) = verdict::warning(candidate) {
            output.warn(warning);
        }
        let progress = Progress::start("executing");
        let (run, took) = self.timeout.bound(|| {
            let (run, took) = timed(|| pvf.run(&candidate.params))?;
            Ok((run?, took))
        })?;
        self.measured.instantiate_ns = run.timings.instantiate_ns;
        self.measured.execute_ns = run.timings.execute_ns;
        drop(progress);
        let execution = &run.execution;
        let (function_name, backtrace) = match &execution.outcome {
            Outcome::Rejected(_) => {
                return outcome::report(output, execution, &self.measured, self.parameters, None);
            }
            Outcome::Invalid {
                trap: Some(trap), ..
            } => {
                let names = Names::of(pvf.module().info(), self.wasm);
                let name = trap.function.and_then(|function| names.get(function));
                let none = "there are no backtraces for this target".to_owned();
                (name.map(str::to_owned), Some(Err(none)))
            }
            _ => (None, None),
        };
        let details = Details::new(Told {
            execution,
            heap: run.heap,
            execute_cpu_ns: took.cpu_ns,
            candidate,
            parameters: self.parameters,
            lines: &Lines::default(),
            function_name,
            backtrace,
        });
        outcome::report_candidate(output, execution, &self.measured, self.parameters, &details)
    }
}

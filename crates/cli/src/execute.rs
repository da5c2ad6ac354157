//! `pvf execute`: judges a candidate with a prepared artifact.

use crate::Verdict;
use crate::args::ExecuteArgs;
use crate::clock::timed;
use crate::engine::not_loaded;
use crate::failure::Failure;
use crate::input;
use crate::kind::Kind;
use crate::network::Parameters;
use crate::outcome::Measured;
use crate::output::Output;
use crate::parameters::LogicalLimit;
use crate::perf::{self, PerfKind};
use crate::validate::Judged;
use pvf_executor::artifact::Meters;
use pvf_executor::{
    Artifact, Module, OpenModuleError, Profile, ReadArtifactError, open_module, schedule_hash,
};

/// Loads the artifact, executes, prints the outcome.
pub fn execute(args: &ExecuteArgs, output: &Output) -> Result<Verdict, Failure> {
    #[cfg(feature = "polkavm")]
    if let Some(engine) = args.machine.engine()? {
        return crate::polkavm::execute(args, engine, output);
    }
    input::at_most_one_stdin(&[&args.artifact, &args.params])?;
    let candidate = input::read_candidate_file(&args.params, &args.candidate)?;
    let (module, took) = timed(|| {
        let module = load(args)?;
        let measured = Measured {
            wasm_bytes: u64::from(module.info().wasm_bytes),
            code_bytes: module.code_bytes() as u64,
            target: module.info().target.name(),
            ..Measured::default()
        };
        Ok::<_, Failure>((module, measured))
    })?;
    let (module, measured) = module?;
    if let Some(kind) = args.perf.perf {
        perf::tell(kind, &module, None)?;
    }
    let measured = Measured {
        prepare_ns: took.wall_ns,
        ..measured
    };
    check_meters(args, &module.info().meters)?;
    let parameters = parameters(args, &module.info().meters)?;
    let judged = Judged {
        log: args.host.log,
        parameters: &parameters,
        measured,
        timeout: args.timeout,
        source: None,
    };
    judged.judge(module, &candidate, output)
}

/// What the artifact is executed with.
pub(crate) fn parameters(args: &ExecuteArgs, meters: &Meters) -> Result<Parameters, Failure> {
    let parameters = args.limits.parameters(Profile::Polkadot)?;
    let mut parameters = parameters.with_functions(&args.host.functions);
    if args.limits.meters.stack_logical_max.is_none() && !meters.logical_stack {
        // Not asked for, and the artifact was prepared to run without.
        parameters.execution.stack_logical_max = None;
    }
    Ok(parameters)
}

/// What is to be counted, and at which prices, was settled when the artifact was prepared.
pub(crate) fn check_meters(args: &ExecuteArgs, meters: &Meters) -> Result<(), Failure> {
    let wanted = &args.limits.meters;
    let differs = |what: &str| Err(Failure::Usage(format!("the artifact was prepared {what}")));
    if matches!(wanted.stack_logical_max, Some(LogicalLimit::Units(_))) && !meters.logical_stack {
        return differs("without --stack-logical-max, it cannot have a limit now");
    }
    let costs = wanted.schedule.costs()?;
    if (wanted.gas.is_some() || costs.is_some()) && !meters.gas {
        return differs("without --gas, it does not count");
    }
    match costs {
        Some(costs) if schedule_hash(&costs) != meters.schedule => {
            differs("with another --metering-schedule")
        }
        _ => Ok(()),
    }
}

#[allow(
    unsafe_code,
    reason = "the command executes what its user says is an artifact"
)]
fn load(args: &ExecuteArgs) -> Result<Module, Failure> {
    let path = &args.artifact;
    let unreadable = |reason: String| Failure::Input {
        name: input::name(path),
        reason,
    };
    // Where code lies in a file, perf looks for its names in that file and not in its map.
    if path.as_os_str() == "-" || args.perf.perf == Some(PerfKind::Map) {
        let bytes = input::read(path)?;
        // SAFETY: the user vouches for the artifact; the command's help says what that means.
        let artifact = unsafe { Artifact::from_bytes(&bytes) };
        let artifact = artifact.map_err(|error| unreadable(error.to_string()))?;
        return Module::new(artifact).map_err(|error| not_loaded(path, &error));
    }
    // SAFETY: as above.
    unsafe { open_module(path) }.map_err(|error| match error {
        OpenModuleError::Read(ReadArtifactError::Io { source, .. }) => {
            unreadable(format!("cannot read: {source}"))
        }
        OpenModuleError::Read(ReadArtifactError::Artifact { source, .. }) => {
            let hint = match input::read(path).map(|bytes| Kind::of(&bytes)) {
                Ok(kind @ (Kind::Module | Kind::Compressed | Kind::Markup)) => {
                    format!(": this is {kind}. `pvf prepare` makes an artifact of it")
                }
                Ok(kind @ (Kind::Candidate | Kind::Pov)) => {
                    format!(": this is {kind}. The artifact comes first")
                }
                _ => String::new(),
            };
            unreadable(format!("{source}{hint}"))
        }
        OpenModuleError::Load { source, .. } => not_loaded(path, &source),
    })
}

//! `pvf run`: calls an exported function of any module.

use crate::Verdict;
use crate::args::RunArgs;
use crate::clock::timed;
use crate::engine::{For, Loaded, Stop, load_file};
use crate::failure::Failure;
use crate::outcome;
use crate::output::Output;
use crate::plain::{NoInstance, Plain};
use crate::progress::Progress;
use pvf_executor::artifact::ExportKind;
use pvf_executor::{Execution, ModuleInfo, Profile, Target, Value};
use pvf_wast::{parse_value, show_value, type_name};

/// Calls the function and prints the outcome.
pub fn run(args: &RunArgs, output: &Output) -> Result<Verdict, Failure> {
    #[cfg(feature = "polkavm")]
    if let Some(engine) = args.machine.engine()? {
        return crate::polkavm::run(args, engine, output);
    }
    let (options, parameters) = args.executor.resolve(Profile::Wasm, Target::HOST)?;
    let loaded = load_file(
        &args.code,
        &options,
        For::Calls,
        args.executor.compile.verification(),
        args.perf.perf,
    );
    let Loaded {
        module,
        mut measured,
        ..
    } = match loaded {
        Ok(loaded) => loaded,
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Rejected(rejection, measured)) => {
            let rejected = Execution::rejected(rejection);
            return outcome::report(output, &rejected, &measured, &parameters, None);
        }
    };
    let function = find_function(module.info(), &args.invoke)?;
    let arguments = parse_arguments(module.info(), function, &args.invoke, &args.args)?;

    let progress = Progress::start(&format!("running {}", args.invoke));
    // The start function and the call.
    let (execution, values) = args.timeout.bound(|| {
        let (instance, took) = timed(|| Plain::new(&module, &parameters.execution))?;
        measured.instantiate_ns = took.wall_ns;
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(NoInstance::Failed(failure)) => return Err(failure),
            Err(NoInstance::Rejected(rejection)) => {
                return Ok((Execution::rejected(rejection), None));
            }
        };
        let (called, took) = timed(|| instance.call(function, &arguments))?;
        measured.execute_ns = took.wall_ns;
        called
    })?;
    drop(progress);
    let shown = values.map(|values| values.into_iter().map(show_value).collect());
    outcome::report(output, &execution, &measured, &parameters, shown)
}

/// The function that is exported under a name.
pub fn find_function(module: &ModuleInfo, name: &str) -> Result<u32, Failure> {
    match module.export(name) {
        Some(ExportKind::Function(function)) => Ok(function),
        Some(_) => Err(Failure::Usage(format!(
            "the export {name:?} is not a function"
        ))),
        None => Err(Failure::Usage(format!("there is no export {name:?}"))),
    }
}

/// The arguments of a call of the function that is exported under a name.
pub fn parse_arguments(
    module: &ModuleInfo,
    function: u32,
    name: &str,
    given: &[String],
) -> Result<Vec<Value>, Failure> {
    let params = module
        .function_type(function)
        .map_or(&[][..], |ty| &ty.params);
    if params.len() != given.len() {
        let types: Vec<&str> = params.iter().copied().map(type_name).collect();
        return Err(Failure::Usage(format!(
            "{:?} takes {} arguments [{}], {} given",
            name,
            params.len(),
            types.join(" "),
            given.len()
        )));
    }
    let pairs = params.iter().zip(given);
    pairs
        .map(|(&ty, text)| {
            parse_value(ty, text).map_err(|error| Failure::Usage(format!("argument {error}")))
        })
        .collect()
}

//! This repository's engine, as the benchmarks use it.

use pvf_compiler::{Artifact, CompileOptions, Metering};
use pvf_host::{HostParameters, Module, Outcome, Pvf};
use pvf_peer::Ended;
use pvf_spec::Features;

/// Compiles in the calling thread, with or without counting the logical stack.
pub fn compile(wasm: &[u8], features: Features, logical_stack: bool) -> Result<Artifact, String> {
    let metering = Metering {
        logical_stack,
        gas: None,
    };
    compile_metered(wasm, features, metering)
}

/// Compiles in the calling thread with these meters.
pub fn compile_metered(
    wasm: &[u8],
    features: Features,
    metering: Metering,
) -> Result<Artifact, String> {
    let options = CompileOptions {
        metering,
        ..CompileOptions::new(features)
    };
    pvf_compiler::compile(wasm, &options).map_err(|error| error.to_string())
}

/// Places an artifact in memory.
pub fn load(artifact: Artifact) -> Result<Module, String> {
    Module::new(artifact).map_err(|error| error.to_string())
}

/// A validation function with its host functions.
pub fn prepare(wasm: &[u8], logical_stack: bool) -> Result<Pvf, String> {
    let artifact = compile(wasm, Features::POLKADOT, logical_stack)?;
    prepared(artifact)
}

/// A validation function from its artifact: the logical stack has Polkadot's limit if the code counts it.
pub fn prepared(artifact: Artifact) -> Result<Pvf, String> {
    let logical_stack = artifact.module.meters.logical_stack;
    let module = load(artifact)?;
    let mut parameters = HostParameters::default();
    if !logical_stack {
        parameters.execution.stack_logical_max = None;
    }
    Ok(Pvf::new(module, parameters))
}

/// Executes a candidate in a fresh instance.
pub fn execute(pvf: &Pvf, parameters: &[u8]) -> Result<Ended, String> {
    let run = pvf.run(parameters).map_err(|error| error.to_string())?;
    match run.execution.outcome {
        Outcome::Valid(result) => Ok(Ended::Returned(result)),
        Outcome::Invalid {
            trap: Some(trap), ..
        } => Ok(Ended::Trapped(trap.kind)),
        other => Err(format!("{other:?}")),
    }
}

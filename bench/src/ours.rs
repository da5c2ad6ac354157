//! This repository's engine, as the benchmarks use it.

use pvf_compiler::{Artifact, CompileOptions};
use pvf_host::{HostParameters, Module, Outcome, Pvf};
use pvf_peer::Ended;
use pvf_spec::Features;

/// Compiles in the calling thread.
pub fn compile(wasm: &[u8], features: Features) -> Result<Artifact, String> {
    pvf_compiler::compile(wasm, &CompileOptions::new(features)).map_err(|error| error.to_string())
}

/// Places an artifact in memory.
pub fn load(artifact: Artifact) -> Result<Module, String> {
    Module::new(artifact).map_err(|error| error.to_string())
}

/// A validation function with its host functions.
pub fn prepare(wasm: &[u8]) -> Result<Pvf, String> {
    let module = load(compile(wasm, Features::POLKADOT)?)?;
    Ok(Pvf::new(module, HostParameters::default()))
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

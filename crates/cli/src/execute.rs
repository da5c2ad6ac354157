//! `pvf execute`: judges a candidate with a prepared artifact.

use crate::Verdict;
use crate::args::ExecuteArgs;
use crate::clock::timed;
use crate::engine::load_artifact;
use crate::failure::Failure;
use crate::input;
use crate::outcome::Measured;
use crate::output::Output;
use crate::perf;
use crate::validate::{host_parameters, judge};
use pvf_executor::{Artifact, Profile, ReadArtifactError, read_artifact};
use std::path::Path;

/// Loads the artifact, executes, prints the outcome.
pub fn execute(args: &ExecuteArgs, output: &Output) -> Result<Verdict, Failure> {
    input::at_most_one_stdin(&[&args.artifact, &args.params])?;
    let candidate = input::read_candidate(&args.params)?;
    let (module, took) = timed(|| {
        let artifact = read(&args.artifact)?;
        let measured = Measured {
            wasm_bytes: u64::from(artifact.module.wasm_bytes),
            code_bytes: artifact.code.len() as u64,
            target: artifact.module.target.name(),
            ..Measured::default()
        };
        Ok((load_artifact(&args.artifact, artifact)?, measured))
    })?;
    let (module, measured) = module?;
    if let Some(kind) = args.perf.perf {
        perf::tell(kind, &module, None)?;
    }
    let measured = Measured {
        prepare_ns: took.wall_ns,
        ..measured
    };
    let mut parameters = args.limits.parameters(Profile::Polkadot);
    if args.limits.stack_logical_max.is_none() && !module.info().meters.logical_stack {
        // Not asked for, and the artifact was prepared to run without.
        parameters.stack_logical_max = None;
    }
    let host = host_parameters(&args.host, parameters);
    judge(module, host, &candidate, measured, output)
}

fn read(path: &Path) -> Result<Artifact, Failure> {
    let unreadable = |reason: String| Failure::Input {
        name: input::name(path),
        reason,
    };
    if path.as_os_str() == "-" {
        let bytes = input::read(path)?;
        return Artifact::from_bytes(&bytes).map_err(|error| unreadable(error.to_string()));
    }
    read_artifact(path).map_err(|error| match error {
        ReadArtifactError::Io { source, .. } => unreadable(format!("cannot read: {source}")),
        ReadArtifactError::Artifact { source, .. } => unreadable(source.to_string()),
    })
}

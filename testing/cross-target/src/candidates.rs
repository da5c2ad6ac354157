//! Validation functions with their candidates, from folders such as `fixtures` (see `pvf-corpus`).

use crate::artifacts::prepare_blob;
use crate::line::{Digest, Line};
use clap::Args;
use pvf_corpus::Chain;
use pvf_executor::{
    Artifact, Costs, Metering, Module, Outcome, Profile, Purpose, Rules, read_blob,
};
use pvf_generators::observe::hash_memory;
use pvf_rules::ExecutionParameters;
use pvf_validation::{HostParameters, Pvf, candidate};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Selects the candidates.
#[derive(Args)]
pub struct Options {
    /// Folders that hold one folder for each chain.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The maximum number of candidates of each chain.
    #[arg(long)]
    most: Option<usize>,
    /// Only the chain of this name.
    #[arg(long)]
    chain: Option<String>,
}

/// Validates the candidates with both meters.
pub fn run(options: &Options, out: &mut impl Write) -> Result<(), String> {
    for folder in &options.folders {
        for chain in chains(folder, options.chain.as_deref())? {
            judge_chain(&chain, options.most, out)
                .map_err(|error| format!("{}: {error}", chain.folder.display()))?;
        }
    }
    Ok(())
}

fn chains(folder: &Path, name: Option<&str>) -> Result<Vec<Chain>, String> {
    let mut chains = pvf_corpus::chains(folder, "").map_err(|error| error.to_string())?;
    chains.retain(|chain| name.is_none_or(|name| chain.name == name));
    match chains.is_empty() {
        true => Err(format!("{}: no chains", folder.display())),
        false => Ok(chains),
    }
}

fn judge_chain(chain: &Chain, most: Option<usize>, out: &mut impl Write) -> Result<(), String> {
    let name = &chain.name;
    let code = pvf_corpus::code(&chain.code).map_err(|error| error.to_string())?;
    let blob = read_blob(&code).map_err(|error| error.to_string())?;
    let mut options = Profile::Polkadot.compile_options();
    options.metering = Metering {
        logical_stack: true,
        gas: Some(Arc::new(Costs::default())),
    };
    let mut digest = Digest::default();
    let functions = pvf_validation::function_types(false);
    let rules = Rules::new(options, Purpose::Precheck(&functions));
    let artifact = prepare_blob(&blob.bytes, &rules, &mut digest)?;
    let artifact = artifact.map_err(|rejection| rejection.to_string())?;
    Line {
        key: format!("artifacts/{name}"),
        summary: "prepared".to_owned(),
        digest: digest.finish(),
    }
    .print(out)?;
    // SAFETY: the compiler returned these bytes above.
    #[allow(unsafe_code, reason = "artifacts are read back on purpose")]
    let artifact = unsafe { Artifact::from_bytes(&artifact) }.map_err(|error| error.to_string())?;
    let module = Module::new(artifact).map_err(|error| error.to_string())?;
    let parameters = HostParameters {
        execution: ExecutionParameters {
            gas_limit: Some(u64::MAX),
            ..Profile::Polkadot.parameters()
        },
        log: Some(Arc::new(|_| {})),
        ..HostParameters::default()
    };
    let pvf = Pvf::new(module, parameters);
    for case in chain.cases.iter().take(most.unwrap_or(usize::MAX)) {
        let file = case.file().map_err(|error| error.to_string())?;
        let candidate = candidate::read(&file).map_err(|error| error.to_string())?;
        let key = format!("candidate/{name}/{}", case.name);
        judge(&pvf, &candidate, key)?.print(out)?;
        out.flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn judge(pvf: &Pvf, candidate: &[u8], key: String) -> Result<Line, String> {
    let mut memory = 0;
    let run = pvf
        .run_inspected(candidate, |bytes| memory = hash_memory(bytes))
        .map_err(|failure| failure.to_string())?;
    let execution = &run.execution;
    let mut digest = Digest::default();
    digest.add(&hex::encode(execution.digest()));
    digest.add(&(run.memory_pages, memory));
    digest.add(&execution.outcome);
    let outcome = match &execution.outcome {
        Outcome::Valid(_) => "valid",
        Outcome::Invalid { trap, .. } => trap.as_ref().map_or("invalid", |trap| trap.kind.name()),
        Outcome::Rejected(_) => "rejected",
    };
    Ok(Line {
        key,
        summary: format!(
            "{outcome}, gas {}, native stack {}, logical stack {}",
            execution.gas_used.unwrap_or(0),
            execution.stack.native,
            execution.stack.logical.unwrap_or(0)
        ),
        digest: digest.finish(),
    })
}

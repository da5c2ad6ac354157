//! `pvf workers test`: tries installed workers without a node.

use super::{Barriers, barriers_text};
use crate::Verdict;
use crate::failure::Failure;
use crate::network::NetworkArgs;
use crate::output::Output;
use clap::Args;
use pvf_executor::Profile;
use pvf_worker_client::install::{self, InstallError};
use pvf_worker_client::smoke::{self, Tried};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Largest size of the code for the test.
const CODE_BYTES: usize = 1 << 20;

/// Arguments of `workers test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Directory of the workers: a node's --workers-path.
    #[arg(value_name = "DIR", default_value = "/opt/pvf-workers")]
    directory: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Serialize)]
struct TestJson<'a> {
    directory: &'a Path,
    /// The node's version; null if `pvf workers install` did not install these workers.
    version: Option<String>,
    barriers: Barriers,
    steps: Vec<StepJson>,
    fine: bool,
}

#[derive(Serialize)]
struct StepJson {
    name: &'static str,
    ms: f64,
    /// Why the step failed; null if it succeeded.
    failure: Option<String>,
}

/// Runs `workers test`.
pub fn test(args: &TestArgs, output: &Output) -> Result<Verdict, Failure> {
    let directory = &args.directory;
    let version = match install::check(directory) {
        Ok(receipt) => Some(receipt.version),
        Err(InstallError::Nothing { .. }) => None,
        Err(error) => return Err(super::failed(error)),
    };
    let code = pvf_executor::read_code(smoke::CODE.as_bytes(), CODE_BYTES);
    let code = code.map_err(|error| Failure::Host(format!("the code for the test: {error}")))?;
    let set = args.network.set(Profile::Polkadot)?;
    let params = set.executor_params().unwrap_or_default();
    // The workers' programs run in other directories.
    let absolute = directory
        .canonicalize()
        .map_err(|error| Failure::Usage(format!("{}: {error}", directory.display())))?;
    let tried = smoke::try_workers(&absolute, &code.wasm, &params)
        .map_err(|error| Failure::Host(format!("{}: {error}", directory.display())))?;
    let json = json(directory, version, &tried);
    output.result(&json, |out| text(out, &json))?;
    match json.fine {
        true => Ok(Verdict::Fine),
        false => Ok(Verdict::NotFine),
    }
}

fn json<'a>(directory: &'a Path, version: Option<String>, tried: &Tried) -> TestJson<'a> {
    let steps = tried.steps.iter().map(|step| StepJson {
        name: step.name,
        ms: step.duration.as_secs_f64() * 1e3,
        failure: step.result.as_ref().err().cloned(),
    });
    TestJson {
        directory,
        version,
        barriers: tried.security.into(),
        steps: steps.collect(),
        fine: tried.is_fine(),
    }
}

fn text(out: &mut dyn Write, json: &TestJson<'_>) -> io::Result<()> {
    let directory = json.directory.display();
    match &json.version {
        Some(version) => writeln!(out, "{directory}: workers for node {version}")?,
        None => writeln!(
            out,
            "{directory}: workers that `pvf workers install` did not install"
        )?,
    }
    barriers_text(out, json.barriers)?;
    for step in &json.steps {
        let word = if step.failure.is_none() { "yes" } else { "NO" };
        writeln!(out, "  {word:<3} {} ({:.1} ms)", step.name, step.ms)?;
        if let Some(failure) = &step.failure {
            writeln!(out, "      {failure}")?;
        }
    }
    Ok(())
}

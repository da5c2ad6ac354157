//! `pvf prepare`: compiles a PVF to an artifact.

use crate::Verdict;
use crate::args::PrepareArgs;
use crate::clock::peak_rss_kib;
use crate::engine::{Compiled, For, Stop, prepare_file};
use crate::failure::Failure;
use crate::network::ParametersJson;
use crate::outcome::{self, Measured, RejectionJson};
use crate::output::{Output, duration, hex, size};
use pvf_executor::{Artifact, Profile, artifact_digest};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct PrepareJson {
    artifact: Option<String>,
    artifact_digest: Option<String>,
    wasm_bytes: u64,
    code_bytes: u64,
    functions: usize,
    prepare_ns: u64,
    peak_rss_bytes: u64,
    threads: usize,
    target: &'static str,
    parameters: ParametersJson,
    #[serde(flatten)]
    rejection: RejectionJson,
}

/// Compiles, writes the artifact, prints what it is.
pub fn prepare(args: &PrepareArgs, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args
        .executor
        .resolve(Profile::Polkadot, args.target.resolve()?)?;
    let parameters = parameters.with_functions(&args.functions);
    let what_for = match args.precheck {
        true => For::Precheck {
            ecc_rfc163: parameters.ecc_rfc163,
        },
        false => For::Candidates,
    };
    let json = |measured: Measured| -> Result<PrepareJson, Failure> {
        Ok(PrepareJson {
            artifact: None,
            artifact_digest: None,
            wasm_bytes: measured.wasm_bytes,
            code_bytes: measured.code_bytes,
            functions: 0,
            prepare_ns: measured.prepare_ns,
            peak_rss_bytes: peak_rss_kib()? * 1024,
            threads: options.threads.get(),
            target: measured.target,
            parameters: parameters.json(),
            rejection: RejectionJson::default(),
        })
    };
    match prepare_file(
        &args.code,
        &options,
        what_for,
        args.executor.compile.verification(),
    ) {
        Ok(Compiled {
            artifact, measured, ..
        }) => {
            let json = PrepareJson {
                functions: artifact.module.functions.len(),
                artifact_digest: Some(write(args, &artifact, output)?),
                artifact: Some(args.output.display().to_string()),
                ..json(measured)?
            };
            output.result(&json, |out| {
                text(out, &json)?;
                writeln!(out, "  parameters {}", parameters.words())
            })?;
            Ok(Verdict::Fine)
        }
        Err(Stop::Rejected(rejection, measured)) => {
            let json = PrepareJson {
                rejection: RejectionJson::new(&rejection),
                ..json(measured)?
            };
            output.result(&json, |out| {
                outcome::rejected(out, &rejection)?;
                writeln!(out, "  parameters {}", parameters.words())
            })?;
            Ok(Verdict::NotFine)
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn text(out: &mut dyn Write, json: &PrepareJson) -> io::Result<()> {
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    writeln!(out, "{}", shown(&json.artifact))?;
    writeln!(out, "  digest     {}", shown(&json.artifact_digest))?;
    writeln!(out, "  functions  {}", json.functions)?;
    writeln!(
        out,
        "  size       {} of Wasm, {} of {} code",
        size(json.wasm_bytes),
        size(json.code_bytes),
        json.target
    )?;
    writeln!(
        out,
        "  time       {} with {} threads, peak memory {}",
        duration(json.prepare_ns),
        json.threads,
        size(json.peak_rss_bytes)
    )
}

fn write(args: &PrepareArgs, artifact: &Artifact, output: &Output) -> Result<String, Failure> {
    let bytes = artifact.to_bytes();
    output.file(&args.output, &bytes)?;
    Ok(hex(&artifact_digest(&bytes)))
}

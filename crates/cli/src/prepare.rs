//! `pvf prepare`: compiles a PVF to an artifact.

use crate::Verdict;
use crate::args::PrepareArgs;
use crate::clock::peak_rss_kib;
use crate::engine::compile_file;
use crate::failure::Failure;
use crate::outcome::printable;
use crate::output::{Output, duration, hex, size};
use pvf_executor::{Artifact, Profile, write_artifact};
use serde::Serialize;

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
    outcome: Option<&'static str>,
    reason: Option<String>,
}

/// Compiles, writes the artifact, prints what it is.
pub fn prepare(args: &PrepareArgs, output: &Output) -> Result<Verdict, Failure> {
    let (compilation, _) = args
        .executor
        .resolve(Profile::Polkadot, args.target.resolve()?)?;
    let compiled = compile_file(&args.code, &compilation)?;
    let measured = compiled.measured;
    let mut json = PrepareJson {
        artifact: None,
        artifact_digest: None,
        wasm_bytes: measured.wasm_bytes,
        code_bytes: measured.code_bytes,
        functions: 0,
        prepare_ns: measured.prepare_ns,
        peak_rss_bytes: peak_rss_kib()? * 1024,
        threads: compilation.threads.get(),
        target: measured.target,
        outcome: None,
        reason: None,
    };
    match compiled.artifact {
        Ok(artifact) => {
            json.functions = artifact.module.functions.len();
            json.artifact_digest = Some(write(args, &artifact)?);
            json.artifact = Some(args.output.display().to_string());
            output.result(&json, |out| {
                let digest = json.artifact_digest.as_deref().unwrap_or_default();
                writeln!(out, "{}", args.output.display())?;
                writeln!(out, "  digest     {digest}")?;
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
            })?;
            Ok(Verdict::Fine)
        }
        Err(reason) => {
            json.outcome = Some("rejected");
            output.result(
                &PrepareJson {
                    reason: Some(reason.clone()),
                    ..json
                },
                |out| writeln!(out, "rejected: {}", printable(&reason)),
            )?;
            Ok(Verdict::NotFine)
        }
    }
}

fn write(args: &PrepareArgs, artifact: &Artifact) -> Result<String, Failure> {
    match write_artifact(artifact, &args.output) {
        Ok(digest) => Ok(hex(&digest)),
        Err(source) => Err(Failure::Output {
            name: args.output.display().to_string(),
            source,
        }),
    }
}

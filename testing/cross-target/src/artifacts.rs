//! Compares artifacts for both targets: cross-preparation on one machine must give the bytes that the target machine
//! prepares itself.

use crate::line::Digest;
use pvf_compiler::{Artifact, CompileError, CompileOptions, Refusal, Target, compile};
use pvf_executor::{NotPrepared, Rejection, Rules, prepare};
use std::fmt::Display;

/// The bytes of a plain module's artifact for this machine, or the reason why the compiler refuses the module. The
/// artifacts or refusals of all targets go into the digest.
///
/// # Errors
/// The compiler failed.
pub fn compile_module(
    wasm: &[u8],
    options: &CompileOptions,
    digest: &mut Digest,
) -> Result<Result<Vec<u8>, Refusal>, String> {
    for_all_targets(digest, |target| {
        let options = CompileOptions {
            target,
            ..options.clone()
        };
        match compile(wasm, &options) {
            Ok(artifact) => Ok(Ok(artifact)),
            Err(CompileError::Refused(refusal)) => Ok(Err(refusal)),
            Err(CompileError::Failed(failure)) => Err(failure.to_string()),
        }
    })
}

/// As [`compile_module`], for a blob, by the rules for validation functions.
///
/// # Errors
/// This machine or the compiler failed.
pub fn prepare_blob(
    blob: &[u8],
    rules: &Rules<'_>,
    digest: &mut Digest,
) -> Result<Result<Vec<u8>, Rejection>, String> {
    for_all_targets(digest, |target| {
        let mut rules = rules.clone();
        rules.compile.target = target;
        match prepare(blob, &rules) {
            Ok(prepared) => Ok(Ok(prepared.artifact)),
            Err(NotPrepared::Rejected(rejection)) => Ok(Err(rejection)),
            Err(NotPrepared::Failed(failure)) => Err(failure.to_string()),
        }
    })
}

fn for_all_targets<R: Display>(
    digest: &mut Digest,
    mut make: impl FnMut(Target) -> Result<Result<Artifact, R>, String>,
) -> Result<Result<Vec<u8>, R>, String> {
    let mut make_one = |target| {
        let made = make(target).map_err(|failure| format!("{target}: {failure}"))?;
        let bytes = made.map(|artifact| artifact.to_bytes());
        match &bytes {
            Ok(bytes) => digest.add_bytes(bytes),
            Err(refusal) => digest.add(&refusal.to_string()),
        }
        Ok::<_, String>(bytes)
    };
    let mut own = make_one(Target::ALL[0])?;
    for &target in &Target::ALL[1..] {
        let made = make_one(target)?;
        if target == Target::HOST {
            own = made;
        }
    }
    Ok(own)
}

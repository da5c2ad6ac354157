//! Artifacts for both targets: what a machine prepares for another one is what that one prepares itself.

use crate::line::Digest;
use pvf_compiler::{CompileError, CompileOptions, Refusal, Target, compile};

/// The bytes of the artifact for this machine. All targets' artifacts go into the digest, refusals as well. A failure of the
/// compiler is an error.
pub fn prepare(
    wasm: &[u8],
    options: &CompileOptions,
    digest: &mut Digest,
) -> Result<Result<Vec<u8>, Refusal>, String> {
    let mut prepare_for = |target| {
        let options = CompileOptions {
            target,
            ..options.clone()
        };
        let artifact = match compile(wasm, &options) {
            Ok(artifact) => Ok(artifact.to_bytes()),
            Err(CompileError::Refused(refusal)) => Err(refusal),
            Err(CompileError::Failed(failure)) => return Err(format!("{target}: {failure}")),
        };
        match &artifact {
            Ok(bytes) => digest.add_bytes(bytes),
            Err(refusal) => digest.add(&refusal.to_string()),
        }
        Ok(artifact)
    };
    let mut own = prepare_for(Target::ALL[0])?;
    for &target in &Target::ALL[1..] {
        let artifact = prepare_for(target)?;
        if target == Target::HOST {
            own = artifact;
        }
    }
    Ok(own)
}

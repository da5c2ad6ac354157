//! Artifacts for both targets: what a machine prepares for another one is what that one prepares itself.

use crate::line::Digest;
use pvf_compiler::{Artifact, CompileError, CompileOptions, Target, compile};

/// The bytes of the artifact for this machine. All targets' artifacts go into the digest, refusals as well.
pub fn prepare(
    wasm: &[u8],
    options: &CompileOptions,
    digest: &mut Digest,
) -> Result<Vec<u8>, CompileError> {
    let mut prepare_for = |target| {
        let options = CompileOptions {
            target,
            ..options.clone()
        };
        let artifact = compile(wasm, &options).map(|artifact: Artifact| artifact.to_bytes());
        match &artifact {
            Ok(bytes) => digest.add_bytes(bytes),
            Err(error) => digest.add(&error.to_string()),
        }
        artifact
    };
    let mut own = prepare_for(Target::ALL[0]);
    for &target in &Target::ALL[1..] {
        let artifact = prepare_for(target);
        if target == Target::HOST {
            own = artifact;
        }
    }
    own
}

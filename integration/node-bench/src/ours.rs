//! The same with this repository's executor.

use crate::stock::Judged;
use pvf_executor::{
    Outcome, Profile, prepare as compile, read_artifact, read_code, write_artifact,
};
use pvf_host::{HostParameters, Module, Pvf};
use std::path::Path;

/// Prepares a blob and returns the artifact's bytes, which is what a worker hands on.
pub fn prepare(code: &[u8]) -> Result<pvf_executor::Artifact, String> {
    let profile = Profile::Polkadot;
    let code = read_code(code, profile.limits().module_bytes as usize);
    let code = code.map_err(|error| error.to_string())?;
    let artifact = compile(&code.wasm, &profile.prepare_options());
    artifact.map_err(|error| error.to_string())
}

/// Writes an artifact.
pub fn write(artifact: &pvf_executor::Artifact, path: &Path) -> Result<(), String> {
    let written = write_artifact(artifact, path);
    written.map(|_| ()).map_err(|error| error.to_string())
}

/// Reads an artifact (its checksum is checked), executes a candidate.
pub fn load_and_execute(artifact: &Path, candidate: &[u8]) -> Result<Judged, String> {
    let artifact = read_artifact(artifact).map_err(|error| error.to_string())?;
    Loaded::new(artifact)?.execute(candidate)
}

/// An artifact in memory that is not loaded anew.
pub struct Loaded(Pvf);

impl Loaded {
    /// Loads an artifact.
    pub fn new(artifact: pvf_executor::Artifact) -> Result<Self, String> {
        let module = Module::new(artifact).map_err(|error| error.to_string())?;
        Ok(Self(Pvf::new(module, HostParameters::default())))
    }

    /// Executes a candidate in a fresh instance.
    pub fn execute(&self, candidate: &[u8]) -> Result<Judged, String> {
        let execution = self.0.validate(candidate);
        match execution.map_err(|error| error.to_string())?.outcome {
            Outcome::Valid(result) => Ok(Some(result)),
            Outcome::Invalid { .. } => Ok(None),
            Outcome::Rejected { reason, .. } => Err(reason),
        }
    }
}

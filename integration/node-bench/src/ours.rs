//! Preparation and execution by this repository's executor.

use crate::stock::Judged;
use pvf_executor::{
    NotPrepared, Outcome, Profile, Purpose, Rules, open_module, prepare as prepare_blob,
};
use pvf_validation::{HostParameters, Pvf};
use std::path::Path;

/// Prepares a blob and returns the artifact's bytes.
pub fn prepare(code: &[u8]) -> Result<Vec<u8>, String> {
    let rules = Rules::new(Profile::Polkadot.compile_options(), Purpose::Execution);
    match prepare_blob(code, &rules) {
        Ok(prepared) => Ok(prepared.artifact.to_bytes()),
        Err(NotPrepared::Rejected(rejection)) => Err(rejection.to_string()),
        Err(NotPrepared::Failed(failure)) => Err(failure.to_string()),
    }
}

/// Opens an artifact (by mapping and checksum) and executes a candidate.
pub fn load_and_execute(artifact: &Path, candidate: &[u8]) -> Result<Judged, String> {
    Loaded::new(artifact)?.execute(candidate)
}

/// An artifact that stays loaded.
pub struct Loaded(Pvf);

impl Loaded {
    /// Loads an artifact from its file.
    pub fn new(artifact: &Path) -> Result<Self, String> {
        // SAFETY: the benchmark wrote the file from a prepared artifact, and does not change it.
        let module = unsafe { open_module(artifact) }.map_err(|error| error.to_string())?;
        Ok(Self(Pvf::new(module, HostParameters::default())))
    }

    /// Executes a candidate in a fresh instance.
    pub fn execute(&self, candidate: &[u8]) -> Result<Judged, String> {
        let execution = self.0.validate(candidate);
        match execution.map_err(|error| error.to_string())?.outcome {
            Outcome::Valid(result) => Ok(Some(result)),
            Outcome::Invalid { .. } => Ok(None),
            Outcome::Rejected(rejection) => Err(rejection.to_string()),
        }
    }
}

//! What workers observe beside their answers: the settings of shadow mode and of recording.
//!
//! A file [`OBSERVE_FILE`] beside the workers' programs holds an [`Observation`] as JSON. `pvf workers install` writes
//! it; the workers read it when they start. What they write is in a [`Store`], which a
//! [service](crate::service) can write too.

mod counters;
mod record;
mod store;

pub use counters::{Counters, OUTCOMES};
pub use record::{
    KeptCandidate, blake2_256, executor_params_text, keep_candidate, keep_code, named,
};
pub use store::{Kind, Store};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Name of the file in a directory of workers that holds the [`Observation`].
pub const OBSERVE_FILE: &str = "polkadot-worker.observe";

/// What workers observe, and where they write it.
///
/// ```
/// use pvf_worker_client::observation::Observation;
///
/// let text = r#"{"directory": "/var/lib/pvf", "shadow": {"sample": 0.1}}"#;
/// let observation = Observation::from_json(text.as_bytes()).unwrap();
/// assert_eq!(observation.max_bytes, 10 << 30);
/// assert_eq!(observation.shadow.unwrap().cpu_share, 0.25);
/// assert!(!observation.record);
/// assert!(Observation::from_json(br#"{"directory": "var/lib/pvf", "record": true}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Absolute path of the directory for lines, counters and everything that is kept. The node's user must be able to
    /// create it or to write to it.
    pub directory: PathBuf,
    /// Largest sum of the sizes of all files in the directory, in bytes. When it is reached, nothing more is kept;
    /// the lines continue in a file that replaces an older one.
    #[serde(default = "default_max_bytes")]
    pub max_bytes: u64,
    /// Keep every candidate with the code that judged it.
    #[serde(default)]
    pub record: bool,
    /// Execute candidates a second time, with our engine, after the primary engine's answer has been sent. Needs a
    /// primary engine.
    #[serde(default)]
    pub shadow: Option<Shadow>,
}

/// How much of the machine the shadow may use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// Share of the candidates that are executed again, from 0 to 1. Which ones is random.
    #[serde(default = "default_sample")]
    pub sample: f64,
    /// Largest share of one processor that a worker's shadow uses on average, from 0 to 1. Candidates beyond it are
    /// skipped.
    #[serde(default = "default_cpu_share")]
    pub cpu_share: f64,
}

impl Default for Shadow {
    fn default() -> Self {
        Self {
            sample: default_sample(),
            cpu_share: default_cpu_share(),
        }
    }
}

fn default_max_bytes() -> u64 {
    10 << 30
}

fn default_sample() -> f64 {
    1.0
}

fn default_cpu_share() -> f64 {
    0.25
}

/// Why a text is not an [`Observation`].
#[derive(Debug, thiserror::Error)]
pub enum ObservationError {
    /// The text is not JSON with these settings.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The directory is relative. It would depend on the worker's working directory.
    #[error("the directory {0:?} is not an absolute path")]
    Relative(PathBuf),
    /// A share is below 0 or above 1.
    #[error("{name} is {value}, which is not between 0 and 1")]
    Share {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// The settings ask for nothing.
    #[error("the settings ask neither for recording nor for a shadow")]
    Nothing,
}

impl Observation {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`ObservationError`].
    pub fn from_json(json: &[u8]) -> Result<Self, ObservationError> {
        let observation: Self = serde_json::from_slice(json)?;
        observation.check()?;
        Ok(observation)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`ObservationError`], other than `Json`.
    pub fn check(&self) -> Result<(), ObservationError> {
        if !self.directory.is_absolute() {
            return Err(ObservationError::Relative(self.directory.clone()));
        }
        if let Some(shadow) = self.shadow {
            for (name, value) in [("sample", shadow.sample), ("cpu_share", shadow.cpu_share)] {
                if !(0.0..=1.0).contains(&value) {
                    return Err(ObservationError::Share { name, value });
                }
            }
        }
        match self.record || self.shadow.is_some() {
            true => Ok(()),
            false => Err(ObservationError::Nothing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_json_and_wrong_ones_are_errors() {
        let all = Observation {
            directory: "/d".into(),
            max_bytes: 7,
            record: true,
            shadow: Some(Shadow {
                sample: 0.5,
                cpu_share: 1.0,
            }),
        };
        let json = serde_json::to_vec(&all).unwrap();
        assert_eq!(Observation::from_json(&json).unwrap(), all);
        for (wrong, part) in [
            (r#"{"directory": "/d"}"#, "neither"),
            (r#"{"directory": "/d", "recrod": true}"#, "recrod"),
            (
                r#"{"directory": "/d", "shadow": {"sample": 1.5}}"#,
                "sample",
            ),
            (
                r#"{"directory": "/d", "shadow": {"cpu_share": -1}}"#,
                "cpu_share",
            ),
            (r#"{"record": true}"#, "directory"),
            ("record", "expected"),
            ("", "EOF"),
        ] {
            let error = Observation::from_json(wrong.as_bytes())
                .expect_err(wrong)
                .to_string();
            assert!(error.contains(part), "{wrong}: {error}");
        }
    }
}

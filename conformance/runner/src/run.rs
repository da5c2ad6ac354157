//! Runs every case on an engine.

use crate::compare::{Difference, difference};
use crate::report::{EngineReport, Verdict};
use crate::{Case, Engine, ReadError};
use std::path::Path;
use std::time::Duration;

/// How the cases are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The time limit of an adapter for a case.
    pub limit: Duration,
    /// Run only cases whose id contains this.
    pub filter: Option<String>,
}

impl Default for Options {
    /// All cases, with a time limit of one minute each.
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(60),
            filter: None,
        }
    }
}

/// Runs the cases. Compressed modules are unpacked into the folder `scratch`. `progress` is called after every case
/// with the number of finished cases.
///
/// # Errors
/// A module of the suite cannot be read.
pub fn run(
    suite: &Path,
    cases: &[Case],
    engine: &mut Engine,
    scratch: &Path,
    options: &Options,
    mut progress: impl FnMut(usize),
) -> Result<EngineReport, ReadError> {
    let mut verdicts = Vec::with_capacity(cases.len());
    for (index, case) in cases.iter().enumerate() {
        let wanted = options
            .filter
            .as_ref()
            .is_none_or(|filter| case.id.contains(filter.as_str()));
        let missing = case
            .needs
            .iter()
            .find(|need| !engine.hello.features.contains(need));
        verdicts.push(match (wanted, missing) {
            (false, _) => Verdict::Skipped("not asked for".to_owned()),
            (_, Some(need)) => Verdict::Skipped(format!("needs {need}")),
            (true, None) => {
                let request = case.request(suite, scratch)?;
                match engine.ask(&request, options.limit) {
                    Ok(answer) => {
                        difference(&case.expect, &answer).map_or(Verdict::Passed, Verdict::Differs)
                    }
                    Err(error) => Verdict::Differs(Difference::no_answer(&case.expect, error)),
                }
            }
        });
        progress(index + 1);
    }
    Ok(EngineReport {
        hello: engine.hello.clone(),
        verdicts,
    })
}

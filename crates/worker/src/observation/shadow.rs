//! Executes a job again with our engine, and compares.

use super::comparison::{class, difference};
use super::figures::Figures;
use super::line::{Answer, Line, milliseconds, now};
use super::{Executed, difference_folder};
use crate::job;
use crate::second_opinion::{Engine, execute_with};
use parity_scale_codec::Encode;
use pvf_node_protocol::{ExecuteResponse, WorkerError};
use pvf_worker_client::ProcessError;
use pvf_worker_client::observation::{
    self, Counters, KeptCandidate, Kind, Store, blake2_256, named,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::time::{Duration, Instant};

/// CPU time that the shadow may use at once, before its share of the time since its start counts: two executions that
/// take as long as an approval allows.
const BURST: Duration = Duration::from_secs(30);

/// Largest message with measurements, in bytes.
const FIGURES_BYTES: usize = 64;

/// The shadow of an execute worker.
pub struct Shadow {
    engine: Engine,
    settings: observation::Shadow,
    /// The node's executor parameters, in hexadecimal.
    params: String,
    random: RandomState,
    jobs: u64,
    started: Instant,
    used: Duration,
}

/// What reproduces a difference, beside the candidate: the file `difference.json`.
#[derive(Serialize)]
struct Reproduction<'a> {
    #[serde(flatten)]
    line: &'a Line,
    /// The executor parameters, SCALE-encoded, in hexadecimal: the value of the option `--executor-params`.
    executor_params: &'a str,
}

impl Shadow {
    /// A shadow with this engine, which is started with the first job. `params` are the node's executor parameters, in
    /// hexadecimal.
    pub fn new(engine: Engine, settings: observation::Shadow, params: String) -> Self {
        Self {
            engine,
            settings,
            params,
            random: RandomState::new(),
            jobs: 0,
            started: Instant::now(),
            used: Duration::ZERO,
        }
    }

    /// Executes a job again, unless the settings say to skip it, and writes what came of it.
    ///
    /// # Errors
    /// The system refuses an operation on the store.
    pub fn follow(&mut self, store: &Store, executed: &Executed) -> io::Result<()> {
        self.jobs += 1;
        if !self.is_sampled() {
            return store.report(None, &skipped("sample", 1));
        }
        if is_over_budget(self.used, self.started.elapsed(), self.settings.cpu_share) {
            return store.report(None, &skipped("budget", 1));
        }
        let asked = Instant::now();
        let answer = self.execute(executed);
        let wall_time = asked.elapsed();
        self.used += match &answer {
            Ok((Ok(response), _)) => response.duration,
            // An answer without a job's CPU time used at most the time that passed.
            _ => wall_time,
        };
        self.report(store, executed, answer, wall_time)
    }

    fn is_sampled(&self) -> bool {
        let drawn = self.random.hash_one(self.jobs) as f64 / u64::MAX as f64;
        drawn < self.settings.sample || self.settings.sample >= 1.0
    }

    fn execute(
        &mut self,
        executed: &Executed,
    ) -> Result<(ExecuteResponse, Option<Figures>), String> {
        let Some(artifact) = &executed.artifact else {
            return Err("it rejected the code".to_owned());
        };
        let text = |error: ProcessError| error.to_string();
        let mut request = executed.request.clone();
        let until = Instant::now() + job::patience_with_others(request.execution_timeout);
        let response = execute_with(&mut self.engine, artifact, &mut request, until);
        let response = response.map_err(text)?;
        let left = until.saturating_duration_since(Instant::now());
        let figures = self.engine.hear(FIGURES_BYTES, left).map_err(text)?;
        Ok((response, figures))
    }

    fn report(
        &self,
        store: &Store,
        executed: &Executed,
        answer: Result<(ExecuteResponse, Option<Figures>), String>,
        wall_time: Duration,
    ) -> io::Result<()> {
        let primary = &executed.response;
        let (shadow, figures, mut unanswered) = match answer {
            Ok((response, figures)) => (Some(response), figures, None),
            Err(why) => (None, None, Some(why)),
        };
        // A failure of the machine says nothing about the candidate. The shadow has the least priority, so a busy
        // machine may well stall it.
        for (engine, response) in [
            ("the primary engine", Some(primary)),
            ("the shadow", shadow.as_ref()),
        ] {
            if let Some(Err(WorkerError::InternalError(error))) = response {
                unanswered.get_or_insert_with(|| format!("{engine}: {error}"));
            }
        }
        let difference = match &unanswered {
            Some(_) => None,
            None => shadow.as_ref().and_then(|it| difference(primary, it)),
        };
        let candidate = executed.candidate();
        let mut line = Line {
            time: now(),
            candidate: candidate.map(|it| it.id.clone()),
            code: named(&executed.code),
            timeout_ms: milliseconds(executed.request.execution_timeout),
            difference,
            unanswered,
            primary: Answer::new(primary, executed.wall_time, None),
            shadow: shadow
                .as_ref()
                .map(|it| Answer::new(it, wall_time, figures)),
            kept: None,
        };
        let outcome = match (&line.unanswered, difference) {
            (Some(_), _) => "unanswered".to_owned(),
            (None, None) => "agreed".to_owned(),
            (None, Some(difference)) => serde_json::to_value(difference)?
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        };
        let mut counters = Counters {
            compared: BTreeMap::from([(outcome, 1)]),
            ..Counters::default()
        };
        for (engine, response) in [("primary", Some(primary)), ("shadow", shadow.as_ref())] {
            let Some(response) = response else { continue };
            let key = format!("{engine}/{}", class(response));
            counters.answers.insert(key, 1);
            if let Ok(response) = response {
                let seconds = response.duration.as_secs_f64();
                counters.cpu_seconds.insert(engine.to_owned(), seconds);
            }
        }
        if let Some(why) = &line.unanswered {
            log::warn!("the engines cannot be compared: {why}");
        }
        if difference.is_some() {
            log::error!(
                "the shadow differs from the primary engine on candidate {}: {}",
                line.candidate.as_deref().unwrap_or("?"),
                serde_json::to_string(&line)?
            );
            line.kept = self.keep(store, &line, candidate, executed)?;
        }
        store.report(Some(&serde_json::to_string(&line)?), &counters)
    }

    /// Keeps what reproduces a difference. Returns the name of its directory; `None` if the store is full.
    fn keep(
        &self,
        store: &Store,
        line: &Line,
        candidate: Option<&KeptCandidate>,
        executed: &Executed,
    ) -> io::Result<Option<String>> {
        let request = executed.request.encode();
        let id = match candidate {
            Some(candidate) => candidate.id.clone(),
            None => hex::encode(blake2_256(&request)),
        };
        let folder = difference_folder(&executed.code, &id);
        let params = folder.join("candidate.params.zst");
        let all = match candidate {
            Some(candidate) => store.keep(Kind::Difference, &params, || candidate.compressed())?,
            // What does not decompress is kept as the host sent it.
            None => store.keep(Kind::Difference, &folder.join("request.scale"), || {
                Ok(request)
            })?,
        };
        let reproduction = Reproduction {
            line,
            executor_params: &self.params,
        };
        let json = serde_json::to_vec_pretty(&reproduction)?;
        let described = store.keep(Kind::Difference, &folder.join("difference.json"), || {
            Ok(json)
        })?;
        Ok((all && described).then(|| folder.display().to_string()))
    }
}

/// Whether the shadow has used more CPU time than its share of the time that passed, and more than [`BURST`] beyond.
fn is_over_budget(used: Duration, passed: Duration, share: f64) -> bool {
    share < 1.0 && used > passed.mul_f64(share) + BURST
}

/// The count of jobs that were skipped.
pub fn skipped(reason: &str, count: u64) -> Counters {
    Counters {
        skipped: BTreeMap::from([(reason.to_owned(), count)]),
        ..Counters::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_cpu_time_holds_on_average() {
        let seconds = Duration::from_secs;
        assert!(!is_over_budget(seconds(29), seconds(0), 0.0));
        assert!(is_over_budget(seconds(31), seconds(1_000), 0.0));
        assert!(!is_over_budget(seconds(270), seconds(1_000), 0.25));
        assert!(is_over_budget(seconds(290), seconds(1_000), 0.25));
        assert!(!is_over_budget(seconds(10_000), seconds(1_000), 1.0));
    }
}

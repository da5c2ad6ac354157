//! Counters of what the workers of a node observed, and their Prometheus text.

use prometheus::{
    CounterVec, Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    core::Collector,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every outcome of a comparison. Each has a series from the start: an alert on an increase would miss the first count of
/// a series that did not exist before.
pub const OUTCOMES: [&str; 5] = ["agreed", "vote", "result", "class", "unanswered"];

/// Counters of all workers that share a directory. The keys are the values of a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Candidates by what came of the comparison, one of [`OUTCOMES`].
    pub compared: BTreeMap<String, u64>,
    /// Candidates that were not executed again, by the reason.
    pub skipped: BTreeMap<String, u64>,
    /// Answers by engine (`primary`, `shadow`) and class, as `engine/class`.
    pub answers: BTreeMap<String, u64>,
    /// CPU time of jobs in seconds, by engine.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// Files kept, by kind: `code`, `candidate`, `difference`.
    pub kept: BTreeMap<String, u64>,
    /// Files not kept because the directory is full, by kind.
    pub not_kept: BTreeMap<String, u64>,
    /// Failed operations of the observer. None of them changed an answer.
    pub failed: u64,
    /// Bytes of all kept files.
    pub kept_bytes: u64,
}

impl Counters {
    /// Adds other counters, and takes the greater [`kept_bytes`](Self::kept_bytes).
    pub fn add(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.compared, &other.compared),
            (&mut self.skipped, &other.skipped),
            (&mut self.answers, &other.answers),
            (&mut self.kept, &other.kept),
            (&mut self.not_kept, &other.not_kept),
        ] {
            for (key, count) in from {
                *to.entry(key.clone()).or_default() += count;
            }
        }
        for (key, seconds) in &other.cpu_seconds {
            *self.cpu_seconds.entry(key.clone()).or_default() += seconds;
        }
        self.failed += other.failed;
        self.kept_bytes = self.kept_bytes.max(other.kept_bytes);
    }

    /// The counters in Prometheus' text format.
    ///
    /// # Errors
    /// The library refuses a name or a label, which the tests exclude.
    pub fn to_prometheus(&self) -> Result<Vec<u8>, prometheus::Error> {
        let registry = Registry::new();
        let integers = |name, help, label, counts: &BTreeMap<String, u64>| {
            let vector = register(
                &registry,
                IntCounterVec::new(Opts::new(name, help), &[label])?,
            )?;
            for (key, count) in counts {
                vector.with_label_values(&[key]).inc_by(*count);
            }
            Ok::<_, prometheus::Error>(())
        };
        let mut compared: BTreeMap<_, _> = OUTCOMES.map(|it| (it.to_owned(), 0)).into();
        compared.extend(self.compared.clone());
        integers(
            "pvf_shadow_compared_total",
            "Candidates that were executed a second time, by how the answers differ",
            "outcome",
            &compared,
        )?;
        integers(
            "pvf_shadow_skipped_total",
            "Candidates that were not executed a second time",
            "reason",
            &self.skipped,
        )?;
        integers("pvf_kept_total", "Files that were kept", "kind", &self.kept)?;
        integers(
            "pvf_not_kept_total",
            "Files that were not kept, because the directory is full",
            "kind",
            &self.not_kept,
        )?;
        let failed = Opts::new(
            "pvf_observation_failures_total",
            "Failed operations of the observer, none of which changed an answer",
        );
        register(&registry, IntCounter::with_opts(failed)?)?.inc_by(self.failed);
        let answers = Opts::new("pvf_answers_total", "Answers, by engine and class");
        let answers = register(
            &registry,
            IntCounterVec::new(answers, &["engine", "class"])?,
        )?;
        for (key, count) in &self.answers {
            let (engine, class) = key.split_once('/').unwrap_or((key, ""));
            answers.with_label_values(&[engine, class]).inc_by(*count);
        }
        let seconds = Opts::new("pvf_cpu_seconds_total", "CPU time of jobs, by engine");
        let seconds = register(&registry, CounterVec::new(seconds, &["engine"])?)?;
        for (engine, count) in &self.cpu_seconds {
            seconds.with_label_values(&[engine]).inc_by(*count);
        }
        let bytes = Opts::new("pvf_kept_bytes", "Bytes of all kept files");
        let kept = i64::try_from(self.kept_bytes).unwrap_or(i64::MAX);
        register(&registry, IntGauge::with_opts(bytes)?)?.set(kept);
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn register<T: Collector + Clone + 'static>(
    registry: &Registry,
    collector: T,
) -> Result<T, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_counter_and_sums_add_up() {
        let one = |key: &str| BTreeMap::from([(key.to_owned(), 1)]);
        let mut counters = Counters {
            compared: one("agreed"),
            skipped: one("busy"),
            answers: one("primary/valid"),
            cpu_seconds: BTreeMap::from([("shadow".to_owned(), 0.5)]),
            kept: one("code"),
            not_kept: one("candidate"),
            failed: 1,
            kept_bytes: 10,
        };
        let other = Counters {
            compared: one("vote"),
            kept_bytes: 7,
            ..counters.clone()
        };
        counters.add(&other);
        let text = String::from_utf8(counters.to_prometheus().unwrap()).unwrap();
        for line in [
            r#"pvf_shadow_compared_total{outcome="agreed"} 1"#,
            r#"pvf_shadow_compared_total{outcome="vote"} 1"#,
            r#"pvf_shadow_compared_total{outcome="result"} 0"#,
            r#"pvf_shadow_skipped_total{reason="busy"} 2"#,
            r#"pvf_answers_total{class="valid",engine="primary"} 2"#,
            r#"pvf_cpu_seconds_total{engine="shadow"} 1"#,
            r#"pvf_kept_total{kind="code"} 2"#,
            r#"pvf_not_kept_total{kind="candidate"} 2"#,
            "pvf_observation_failures_total 2",
            "pvf_kept_bytes 10",
            "# TYPE pvf_shadow_compared_total counter",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
    }
}

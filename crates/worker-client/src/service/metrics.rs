//! Counters of a service.

use super::validate::{Judgement, ServiceError};
use prometheus::{
    Counter, Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry,
};
use pvf_node_protocol::PrepareError;

/// Upper ends of the histograms' buckets in seconds, up to the time that a node allows an approval.
const SECONDS: [f64; 13] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 6.0, 15.0,
];

/// What a [`Service`](super::Service) counts. All clones share their values.
///
/// | series | content |
/// | --- | --- |
/// | `pvf_service_judged_total{verdict}` | candidates: `valid`, `invalid`, or `none` if the machine or the preparation failed |
/// | `pvf_service_retried_total` | second attempts |
/// | `pvf_service_prepared_total{outcome}` | preparations: `accepted`, `refused` (by every attempt), `failed` |
/// | `pvf_service_worker_starts_total{kind}` | started workers: `prepare`, `execute` |
/// | `pvf_service_execute_seconds`, `pvf_service_prepare_seconds` | from a worker's request to its answer |
/// | `pvf_service_execute_cpu_seconds_total` | CPU time of jobs |
/// | `pvf_service_not_recorded_total` | candidates that the recorder was too busy for, and failures of the recorder |
#[derive(Clone, Debug)]
pub struct Metrics {
    judged: IntCounterVec,
    retried: IntCounter,
    prepared: IntCounterVec,
    worker_starts: IntCounterVec,
    pub(super) execute_seconds: Histogram,
    pub(super) prepare_seconds: Histogram,
    pub(super) execute_cpu_seconds: Counter,
    pub(super) not_recorded: IntCounter,
}

impl Metrics {
    /// # Errors
    /// The library refuses a name, which the tests exclude.
    pub(super) fn new() -> Result<Self, Error> {
        let vector = |name, help, label, values: &[&str]| {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            // Each series exists from the start: an alert on an increase would miss the first count of a new one.
            for value in values {
                vector.with_label_values(&[*value]);
            }
            Ok::<_, Error>(vector)
        };
        let histogram = |name, help| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))
        };
        Ok(Self {
            judged: vector(
                "pvf_service_judged_total",
                "Candidates, by verdict",
                "verdict",
                &["valid", "invalid", "none"],
            )?,
            retried: IntCounter::new(
                "pvf_service_retried_total",
                "Candidates that were executed a second time",
            )?,
            prepared: vector(
                "pvf_service_prepared_total",
                "Preparations, by outcome",
                "outcome",
                &["accepted", "refused", "failed"],
            )?,
            worker_starts: vector(
                "pvf_service_worker_starts_total",
                "Started workers, by kind",
                "kind",
                &["prepare", "execute"],
            )?,
            execute_seconds: histogram(
                "pvf_service_execute_seconds",
                "Time from a request to an execute worker to its answer",
            )?,
            prepare_seconds: histogram(
                "pvf_service_prepare_seconds",
                "Time from a request to a prepare worker to its answer",
            )?,
            execute_cpu_seconds: Counter::new(
                "pvf_service_execute_cpu_seconds_total",
                "CPU time of jobs that executed candidates",
            )?,
            not_recorded: IntCounter::new(
                "pvf_service_not_recorded_total",
                "Candidates that were not recorded: the recorder was busy or failed",
            )?,
        })
    }

    /// Adds the series to a registry.
    ///
    /// # Errors
    /// The registry has one of these names already, as that of another service in this process.
    pub fn register(&self, registry: &Registry) -> Result<(), Error> {
        registry.register(Box::new(self.judged.clone()))?;
        registry.register(Box::new(self.retried.clone()))?;
        registry.register(Box::new(self.prepared.clone()))?;
        registry.register(Box::new(self.worker_starts.clone()))?;
        registry.register(Box::new(self.execute_seconds.clone()))?;
        registry.register(Box::new(self.prepare_seconds.clone()))?;
        registry.register(Box::new(self.execute_cpu_seconds.clone()))?;
        registry.register(Box::new(self.not_recorded.clone()))
    }

    pub(super) fn judged(&self, judged: &Result<Judgement, ServiceError>) {
        let verdict = match judged {
            Ok(Judgement::Valid(_)) => "valid",
            Ok(Judgement::Invalid(_)) => "invalid",
            Err(_) => "none",
        };
        self.judged.with_label_values(&[verdict]).inc();
    }

    pub(super) fn retried(&self) {
        self.retried.inc();
    }

    pub(super) fn prepared(&self, error: Option<&PrepareError>) {
        let outcome = match error {
            None => "accepted",
            Some(error) if error.is_deterministic() => "refused",
            Some(_) => "failed",
        };
        self.prepared.with_label_values(&[outcome]).inc();
    }

    pub(super) fn worker_started(&self, kind: &str) {
        self.worker_starts.with_label_values(&[kind]).inc();
    }
}

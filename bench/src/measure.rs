//! CPU times of repeated work, and statistics of them.

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// CPU times of the same work, repeated.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

/// Statistics of [`Samples`], in nanoseconds of CPU time: the least, which a busy machine disturbs least, and the
/// median with the quartiles as its spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The least.
    pub least_ns: u64,
    /// The first quartile.
    pub quarter_ns: u64,
    /// The median.
    pub median_ns: u64,
    /// The third quartile.
    pub three_quarters_ns: u64,
    /// The number of samples.
    pub samples: u32,
}

impl Samples {
    /// No samples.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The statistics; all zeros if there are no samples.
    pub fn times(&self) -> Times {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = |index: usize| sorted.get(index).map_or(0, |d| d.as_nanos() as u64);
        Times {
            least_ns: at(0),
            quarter_ns: at(sorted.len() / 4),
            median_ns: at(sorted.len() / 2),
            three_quarters_ns: at(sorted.len() * 3 / 4),
            samples: sorted.len() as u32,
        }
    }
}

impl Times {
    /// The least in milliseconds.
    pub fn least_ms(&self) -> f64 {
        self.least_ns as f64 / 1e6
    }

    /// The median in milliseconds, with half the interquartile range.
    pub fn spread_text(&self) -> String {
        let half = (self.three_quarters_ns - self.quarter_ns) as f64 / 2e6;
        format!("{:.3} ±{half:.3}", self.median_ns as f64 / 1e6)
    }

    /// These times minus the times of another piece of work.
    pub fn without(&self, other: &Self) -> Self {
        Self {
            least_ns: self.least_ns.saturating_sub(other.least_ns),
            quarter_ns: self.quarter_ns.saturating_sub(other.quarter_ns),
            median_ns: self.median_ns.saturating_sub(other.median_ns),
            three_quarters_ns: self
                .three_quarters_ns
                .saturating_sub(other.three_quarters_ns),
            samples: self.samples,
        }
    }

    /// The ratio of the medians.
    pub fn median_ratio(&self, other: &Self) -> f64 {
        self.median_ns as f64 / other.median_ns.max(1) as f64
    }

    /// The ratio of the least times.
    pub fn ratio(&self, other: &Self) -> f64 {
        self.least_ns as f64 / other.least_ns.max(1) as f64
    }
}

/// The result of some work with its CPU time. The time includes all threads of this process, because some peers compile
/// in a thread of their own.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = ProcessTime::now();
    let result = work();
    (result, start.elapsed())
}

/// Geometric mean; `None` without values.
pub fn geometric_mean(ratios: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = ratios.into_iter().fold((0.0, 0), |(sum, count), ratio| {
        (sum + ratio.ln(), count + 1)
    });
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_the_least_the_quartiles_and_the_median() {
        let mut samples = Samples::default();
        for ns in [5, 1, 9, 7, 3] {
            samples.push(Duration::from_nanos(ns));
        }
        let expected = Times {
            least_ns: 1,
            quarter_ns: 3,
            median_ns: 5,
            three_quarters_ns: 7,
            samples: 5,
        };
        assert_eq!(samples.times(), expected);
        assert_eq!(Samples::default().times(), Times::default());
        assert_eq!(
            expected.median_ratio(&Times {
                median_ns: 2,
                ..expected
            }),
            2.5
        );
        let rest = expected.without(&Times {
            least_ns: 2,
            ..expected
        });
        assert_eq!(
            rest,
            Times {
                samples: 5,
                ..Times::default()
            }
        );
    }

    #[test]
    fn geometric_mean_of_reciprocals_is_one() {
        assert!((geometric_mean([4.0, 0.25]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean([]), None);
    }
}

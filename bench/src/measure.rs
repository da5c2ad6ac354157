//! CPU times of repetitions and what is said about them.

use cpu_time::ThreadTime;
use serde::Serialize;
use std::time::Duration;

/// CPU times of the same work, repeated.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Duration>);

/// What is reported of [`Samples`]: the least, which a busy machine disturbs least,
/// and the median beside it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Nanoseconds of CPU time.
    pub least_ns: u64,
    /// Nanoseconds of CPU time.
    pub median_ns: u64,
}

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// Least and median; zeros if there are none.
    pub fn figures(&self) -> Figures {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = |index: usize| sorted.get(index).map_or(0, |d| d.as_nanos() as u64);
        Figures {
            least_ns: at(0),
            median_ns: at(sorted.len() / 2),
        }
    }
}

impl Figures {
    /// Milliseconds, least.
    pub fn least_ms(&self) -> f64 {
        self.least_ns as f64 / 1e6
    }
}

/// The result of some work with its CPU time in this thread.
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let start = ThreadTime::now();
    let result = work();
    (result, start.elapsed())
}

/// Geometric mean; 1 of nothing.
pub fn geometric_mean(ratios: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = ratios.into_iter().fold((0.0, 0), |(sum, count), ratio| {
        (sum + ratio.ln(), count + 1)
    });
    if count == 0 {
        1.0
    } else {
        (sum / f64::from(count)).exp()
    }
}

/// Largest resident set of this process so far, in bytes (Linux).
pub fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_and_median() {
        let mut samples = Samples::default();
        for ns in [5, 1, 9, 7, 3] {
            samples.push(Duration::from_nanos(ns));
        }
        let figures = samples.figures();
        assert_eq!((figures.least_ns, figures.median_ns), (1, 5));
    }

    #[test]
    fn geometric_mean_of_reciprocals_is_one() {
        assert!((geometric_mean([4.0, 0.25]) - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean([]), 1.0);
    }
}

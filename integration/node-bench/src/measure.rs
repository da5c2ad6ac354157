//! Interleaved runs of both executors, measured in CPU time of the thread.

use cpu_time::ThreadTime;
use serde::Serialize;
use std::time::Duration;

/// Times in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples(Vec<u64>);

/// Statistics of samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// The least time, which noise of the machine distorts least.
    pub least_ns: u64,
    /// The median.
    pub median_ns: u64,
    /// Number of samples.
    pub runs: usize,
}

/// Figures of the node's functions and of ours.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// The node's figures.
    pub stock: Figures,
    /// Our figures.
    pub ours: Figures,
}

impl Pair {
    /// Our least time divided by the node's.
    pub fn ratio(&self) -> f64 {
        self.ours.least_ns as f64 / self.stock.least_ns as f64
    }
}

impl Samples {
    /// Runs `work` and adds its time.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = ThreadTime::now();
        let done = work();
        self.0.push(start.elapsed().as_nanos() as u64);
        done
    }

    fn total(&self) -> Duration {
        Duration::from_nanos(self.0.iter().sum())
    }

    fn figures(&self) -> Figures {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        Figures {
            least_ns: sorted.first().copied().unwrap_or_default(),
            median_ns: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            runs: sorted.len(),
        }
    }
}

/// Runs both alternately, at least `runs` times. Short runs are repeated until both have run for
/// `LEAST_TOTAL` or `MOST_RUNS` times.
pub fn interleaved<T>(
    runs: u32,
    mut stock: impl FnMut() -> Result<T, String>,
    mut ours: impl FnMut() -> Result<T, String>,
    mut check: impl FnMut(T, T) -> Result<(), String>,
) -> Result<Pair, String> {
    const LEAST_TOTAL: Duration = Duration::from_millis(30);
    const MOST_RUNS: u32 = 100;
    let (mut of_stock, mut of_ours) = (Samples::default(), Samples::default());
    let mut done = 0;
    while done < runs || (done < MOST_RUNS && of_stock.total().min(of_ours.total()) < LEAST_TOTAL) {
        // The order alternates, since the second run finds warm caches.
        let (one, other);
        if done % 2 == 0 {
            one = of_stock.time(&mut stock)?;
            other = of_ours.time(&mut ours)?;
        } else {
            other = of_ours.time(&mut ours)?;
            one = of_stock.time(&mut stock)?;
        }
        check(one, other)?;
        done += 1;
    }
    Ok(Pair {
        stock: of_stock.figures(),
        ours: of_ours.figures(),
    })
}

/// The geometric mean.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), value| {
        (sum + value.ln(), count + 1)
    });
    (sum / f64::from(count.max(1))).exp()
}

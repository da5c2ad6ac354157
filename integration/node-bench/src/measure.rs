//! Interleaved runs of both executors, in CPU time of the thread.

use cpu_time::ThreadTime;
use serde::Serialize;
use std::time::Duration;

/// Times in nanoseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples(Vec<u64>);

/// What is told of some samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// The least: what the machine's noise adds to.
    pub least_ns: u64,
    /// The median.
    pub median_ns: u64,
    /// How many.
    pub runs: usize,
}

/// Stock and ours.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// The node's.
    pub stock: Figures,
    /// Ours.
    pub ours: Figures,
}

impl Pair {
    /// Ours by the node's, of the least times.
    pub fn ratio(&self) -> f64 {
        self.ours.least_ns as f64 / self.stock.least_ns as f64
    }
}

impl Samples {
    /// Adds the time of some work.
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

/// Runs both in turns: at least so often, and short ones more often, until both have run for a while.
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
        // Who is first changes: caches are warm for the second.
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

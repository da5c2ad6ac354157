//! Times through the node's host: to the first result, and for many candidates.

use crate::Places;
use crate::cases::{self, Case, Chain};
use crate::host::{AMPLE, Host};
use crate::processes;
use polkadot_primitives::ExecutorParams;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Number of execute workers, a node's default.
const WORKERS: usize = 4;

/// Measures and prints. An error if a result is wrong.
pub async fn run(places: &Places, candidates: u32, starts: u32) -> Result<bool, Box<dyn Error>> {
    let stock = places.stock()?;
    let chains = match cases::read(&places.corpus) {
        Ok(chains) => chains,
        Err(error) => {
            println!("with the fixtures: {error}");
            cases::read(&places.fixtures)?
        }
    };
    let chains = Arc::new(chains);
    first_result(&places.ours, &stock, &chains, starts).await?;
    throughput(&places.ours, &stock, &chains, candidates).await?;
    Ok(true)
}

/// Measures from the start of a host to its first result, with the largest code.
async fn first_result(
    ours: &Path,
    stock: &Path,
    chains: &[Chain],
    starts: u32,
) -> Result<(), Box<dyn Error>> {
    let with_valid = |chain: &&Chain| chain.cases.iter().any(|case| case.result.is_some());
    let bytes = |chain: &&Chain| {
        let code = sp_maybe_compressed_blob::decompress(&chain.code, 1 << 30);
        code.map_or(0, |code| code.len())
    };
    let largest = chains.iter().filter(with_valid).max_by_key(bytes);
    let chain = largest.ok_or("there is no validation function")?;
    let case = chain.cases.iter().find(|case| case.result.is_some());
    let case = case.ok_or("there is no valid candidate")?;
    println!(
        "first result of {}, {} bytes of code",
        case.name,
        bytes(&chain)
    );
    let mut least = [Duration::MAX; 2];
    for _ in 0..starts {
        for (least, workers) in least.iter_mut().zip([ours, stock]) {
            let start = Instant::now();
            let host = Host::start(workers, WORKERS).await?;
            let params = ExecutorParams::default();
            let said = host
                .validate(&chain.code, &case.candidate, &params, AMPLE)
                .await;
            *least = start.elapsed().min(*least);
            if said.result != case.result {
                return Err(format!("{}: {said:?}", case.name).into());
            }
        }
    }
    let [ours, stock] = least.map(|time| time.as_secs_f64() * 1000.0);
    println!(
        "  ours {ours:.0} ms, stock {stock:.0} ms, {:.1} times",
        stock / ours
    );
    Ok(())
}

/// Number of slices into which the candidates are divided. Our workers and the stock workers
/// alternate by slice, since other load on the machine varies.
const SLICES: u32 = 20;

/// Measures the throughput of both pairs of workers, with the valid candidates of all chains in
/// rotation.
async fn throughput(
    ours: &Path,
    stock: &Path,
    chains: &Arc<Vec<Chain>>,
    candidates: u32,
) -> Result<(), Box<dyn Error>> {
    let mut sides = [
        Side::new("ours", ours, chains).await?,
        Side::new("stock", stock, chains).await?,
    ];
    for slice in 0..SLICES {
        let start = candidates * slice / SLICES;
        let end = candidates * (slice + 1) / SLICES;
        for side in &mut sides {
            side.run(start, end, chains).await?;
        }
    }
    for side in &sides {
        side.report(candidates);
    }
    let [ours, stock] = sides.map(|side| side.took.as_secs_f64());
    println!("  ours {:.2} times the throughput of stock", stock / ours);
    Ok(())
}

/// A host with one pair of workers.
struct Side {
    name: &'static str,
    host: Arc<Host>,
    took: Duration,
    /// Resident KiB of the largest worker after each slice.
    memory: Vec<u64>,
}

impl Side {
    async fn new(
        name: &'static str,
        workers: &Path,
        chains: &[Chain],
    ) -> Result<Self, Box<dyn Error>> {
        let host = Host::start(workers, WORKERS).await?;
        // Prepared before the measurement.
        for chain in chains {
            let params = ExecutorParams::default();
            host.precheck(&chain.code, &params, AMPLE).await;
        }
        Ok(Self {
            name,
            host: Arc::new(host),
            took: Duration::ZERO,
            memory: Vec::new(),
        })
    }

    /// Executes the candidates of a range of numbers, as many concurrently as there are workers.
    async fn run(
        &mut self,
        start: u32,
        end: u32,
        chains: &Arc<Vec<Chain>>,
    ) -> Result<(), Box<dyn Error>> {
        let next = Arc::new(AtomicU32::new(start));
        let clock = Instant::now();
        let tasks: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (host, chains, next) = (self.host.clone(), chains.clone(), next.clone());
                tokio::spawn(async move {
                    let params = ExecutorParams::default();
                    let mut wrong = 0;
                    let valid = valid_cases(&chains);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= end {
                            return wrong;
                        }
                        let (chain, case) = valid[number as usize % valid.len()];
                        let said = host.validate(&chain.code, &case.candidate, &params, AMPLE);
                        wrong += u32::from(said.await.result != case.result);
                    }
                })
            })
            .collect();
        let mut wrong = 0;
        for task in tasks {
            wrong += task.await?;
        }
        self.took += clock.elapsed();
        self.memory.push(largest_worker(&self.host));
        match wrong {
            0 => Ok(()),
            wrong => Err(format!("{}: {wrong} wrong results", self.name).into()),
        }
    }

    fn report(&self, candidates: u32) {
        let seconds = self.took.as_secs_f64();
        let after = |part: usize| self.memory.get(part).copied().unwrap_or(0);
        println!(
            "{}: {candidates} candidates in {seconds:.1} s, {:.0} a second; largest worker {} KiB after a quarter, {} KiB at the end",
            self.name,
            f64::from(candidates) / seconds,
            after(self.memory.len() / 4),
            after(self.memory.len().saturating_sub(1)),
        );
    }
}

/// The valid candidates.
fn valid_cases(chains: &[Chain]) -> Vec<(&Chain, &Case)> {
    let mut valid = Vec::new();
    for chain in chains {
        let cases = chain.cases.iter().filter(|case| case.result.is_some());
        valid.extend(cases.map(|case| (chain, case)));
    }
    valid
}

/// Resident KiB of the largest execute worker of a host.
fn largest_worker(host: &Host) -> u64 {
    let processes = processes::below_this_one().into_iter();
    let workers = processes.filter(|process| {
        !process.is_job && process.name.contains("exec") && process.belongs_to(host.cache())
    });
    workers
        .map(|process| process.resident_kib)
        .max()
        .unwrap_or(0)
}

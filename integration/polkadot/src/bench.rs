//! How long it takes, with the node's host in between: to the first result, and for many candidates.

use crate::Places;
use crate::cases::{self, Chain};
use crate::host::{AMPLE, Host};
use crate::processes;
use polkadot_primitives::ExecutorParams;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Workers that execute, as a node has by default.
const WORKERS: usize = 4;

/// Measures. Always fine, unless a result is wrong.
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
    for (name, workers) in [("ours", &places.ours), ("stock", &stock)] {
        throughput(name, workers, &chains, candidates).await?;
    }
    Ok(true)
}

/// From the start of a host to its first result, of the largest code.
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

/// Valid candidates of all chains in turn.
async fn throughput(
    name: &str,
    workers: &Path,
    chains: &Arc<Vec<Chain>>,
    candidates: u32,
) -> Result<(), Box<dyn Error>> {
    let host = Arc::new(Host::start(workers, WORKERS).await?);
    let params = ExecutorParams::default();
    let valid: Vec<(usize, usize)> = chains
        .iter()
        .enumerate()
        .flat_map(|(chain, it)| {
            let cases = it.cases.iter().enumerate();
            cases
                .filter(|(_, case)| case.result.is_some())
                .map(move |(case, _)| (chain, case))
        })
        .collect();
    // Prepared before the clock starts.
    for chain in chains.iter() {
        host.precheck(&chain.code, &params, AMPLE).await;
    }
    let next = Arc::new(AtomicU32::new(0));
    let start = Instant::now();
    let mut memory = Vec::new();
    let tasks: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (host, chains, valid) = (host.clone(), chains.clone(), valid.clone());
            let (next, params) = (next.clone(), params.clone());
            tokio::spawn(async move {
                let mut wrong = 0;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= candidates {
                        return wrong;
                    }
                    let (chain, case) = valid[number as usize % valid.len()];
                    let (chain, case) = (&chains[chain], &chains[chain].cases[case]);
                    let said = host
                        .validate(&chain.code, &case.candidate, &params, AMPLE)
                        .await;
                    wrong += u32::from(said.result != case.result);
                }
            })
        })
        .collect();
    while next.load(Ordering::Relaxed) < candidates {
        tokio::time::sleep(Duration::from_millis(200)).await;
        memory.push(largest_worker());
    }
    let mut wrong = 0;
    for task in tasks {
        wrong += task.await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let early = memory.get(memory.len() / 4).copied().unwrap_or(0);
    println!(
        "{name}: {candidates} candidates in {seconds:.1} s, {:.0} a second, {wrong} wrong; largest worker {} KiB after a quarter, {} KiB at the end",
        f64::from(candidates) / seconds,
        early,
        memory.last().copied().unwrap_or(0),
    );
    match wrong {
        0 => Ok(()),
        wrong => Err(format!("{wrong} wrong results").into()),
    }
}

/// KiB of the largest worker that executes.
fn largest_worker() -> u64 {
    let processes = processes::below_this_one().into_iter();
    let workers = processes.filter(|process| !process.is_job && process.name.contains("exec"));
    workers
        .map(|process| process.resident_kib)
        .max()
        .unwrap_or(0)
}

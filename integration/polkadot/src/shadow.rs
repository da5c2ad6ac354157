//! Shadow mode under the node's host: what it changes in the answers (nothing) and in the time of an answer.
//!
//! The stock workers are the primary engine, ours the shadow behind them. Four hosts take the same candidates in turn:
//! two with the stock workers alone, one with ours in front of the stock workers and no candidate followed, one with
//! every candidate followed. The two equal hosts say how much two measurements of the same thing differ.

use crate::Places;
use crate::cases::{self, Case, Chain};
use crate::disk::{Full, SmallDisk};
use crate::host::{AMPLE, Candidate, Host};
use crate::lie::LIE;
use crate::outcome::Said;
use crate::processes::{self, Process};
use crate::table;
use polkadot_primitives::ExecutorParams;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Candidates that one host takes before the next host's turn.
const BLOCK: usize = 50;

/// Candidates that a disturbance of the shadow lasts for.
const LASTING: usize = 10;

/// Size of the disk for what is observed: a few seconds of lines fill it.
const DISK_BYTES: u64 = 256 << 10;

/// Runs the measurement, the faults and the planted difference. Returns whether no answer was influenced and the
/// difference was found.
pub async fn run(places: &Places, jobs: usize, one_in: usize) -> Result<bool, Box<dyn Error>> {
    let chains = cases::read(&places.fixtures)?;
    let installed = Installed::new(places, &places.stock()?)?;
    let mut influenced = latency(places, &installed, &chains, jobs).await?;
    influenced += faults(places, &installed, &chains, jobs, one_in).await?;
    println!("{influenced} answers influenced");
    let found = planted(places, &chains).await?;
    Ok(influenced == 0 && found)
}

/// All candidates, with their chains.
fn all(chains: &[Chain]) -> Vec<(&Chain, &Case)> {
    let cases = chains.iter();
    cases
        .flat_map(|chain| chain.cases.iter().map(move |case| (chain, case)))
        .collect()
}

/// Our workers in a directory of their own, with a primary engine and settings of what is observed.
struct Installed {
    directory: TempDir,
}

impl Installed {
    fn new(places: &Places, primary: &Path) -> Result<Self, Box<dyn Error>> {
        let directory = TempDir::new()?;
        for kind in ["shadow", "passing"] {
            let own = directory.path().join(kind);
            fs::create_dir(&own)?;
            for name in ["polkadot-prepare-worker", "polkadot-execute-worker"] {
                fs::copy(places.ours.join(name), own.join(name))?;
            }
            let primary = primary.canonicalize()?;
            fs::write(
                own.join("polkadot-worker.primary"),
                format!("{}\n", primary.display()),
            )?;
        }
        Ok(Self { directory })
    }

    /// The directory of workers that follow this share of the candidates and write to `observed`.
    fn following(&self, sample: f64, observed: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let own = self.directory.path().join(match sample {
            0.0 => "passing",
            _ => "shadow",
        });
        let settings = json!({
            "directory": observed,
            "max_bytes": 1 << 20,
            "shadow": { "sample": sample, "cpu_share": 1.0 },
        });
        fs::write(own.join("polkadot-worker.observe"), settings.to_string())?;
        Ok(own)
    }
}

/// One of the hosts that are compared.
struct Side {
    name: &'static str,
    host: Host,
    /// Milliseconds of each candidate, by its number.
    times: Vec<f64>,
    answers: Vec<Said>,
}

/// Measures the time of answers. Returns the number of answers that differ from those of the stock workers.
async fn latency(
    places: &Places,
    installed: &Installed,
    chains: &[Chain],
    jobs: usize,
) -> Result<usize, Box<dyn Error>> {
    let observed = [0, 1].map(|number| {
        installed
            .directory
            .path()
            .join(format!("observed-{number}"))
    });
    let passing = installed.following(0.0, &observed[0])?;
    let shadow = installed.following(1.0, &observed[1])?;
    let stock = places.stock()?;
    let mut sides = Vec::new();
    for (name, workers) in [
        ("stock", &stock),
        ("stock again", &stock),
        ("ours in front, nothing followed", &passing),
        ("ours in front, all followed", &shadow),
    ] {
        let host = Host::start(workers, 1).await?;
        for chain in chains {
            host.precheck(&chain.code, &ExecutorParams::default(), AMPLE)
                .await;
        }
        sides.push(Side {
            name,
            host,
            times: Vec::new(),
            answers: Vec::new(),
        });
    }
    let all = all(chains);
    let count = sides.len();
    for (block, start) in (0..jobs).step_by(BLOCK).enumerate() {
        let end = jobs.min(start + BLOCK);
        for turn in 0..count {
            // The order changes, so that no side always follows the same one.
            let side = &mut sides[(block + turn) % count];
            until_no_shadow_works().await;
            // The first candidate of a turn finds cold caches on every side and is not counted.
            let (chain, case) = all[start % all.len()];
            ask(&side.host, chain, case).await;
            for number in start..end {
                let (chain, case) = all[number % all.len()];
                let asked = Instant::now();
                let said = ask(&side.host, chain, case).await;
                side.times.push(asked.elapsed().as_secs_f64() * 1e3);
                side.answers.push(said);
            }
        }
    }
    println!("{jobs} candidates by each host, milliseconds");
    println!(
        "{:34} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>8}",
        "", "median", "99 %", "worst", "added", "99 %", "worst"
    );
    let base = sides[0].times.clone();
    for side in &sides {
        let added: Vec<f64> = side
            .times
            .iter()
            .zip(&base)
            .map(|(it, base)| it - base)
            .collect();
        let [median, most, worst] = quantiles(&side.times);
        let [more, most_more, worst_more] = quantiles(&added);
        println!(
            "{:34} {median:>8.2} {most:>8.2} {worst:>8.2}   {more:>8.2} {most_more:>8.2} {worst_more:>8.2}",
            side.name
        );
    }
    let mut differ = 0;
    for side in &sides {
        for (number, (said, expected)) in side.answers.iter().zip(&sides[0].answers).enumerate() {
            let (_, case) = all[number % all.len()];
            let as_recorded = said.result == case.result;
            if !said.agrees_with(expected) || !as_recorded {
                differ += 1;
                println!("{}, {}: {said:?}", side.name, case.name);
            }
        }
    }
    until_no_shadow_works().await;
    let counters = counters(&observed[1]);
    println!("followed: {}", counters["compared"]);
    println!("skipped:  {}", counters["skipped"]);
    Ok(differ)
}

async fn ask(host: &Host, chain: &Chain, case: &Case) -> Said {
    let params = ExecutorParams::default();
    host.validate(&chain.code, &case.candidate, &params, AMPLE)
        .await
}

/// Median, 99th percentile and maximum.
fn quantiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted.get((sorted.len() as f64 * part) as usize).copied();
    let last = sorted.last().copied();
    [at(0.5), at(0.99), last].map(|it| it.unwrap_or(f64::NAN))
}

fn counters(observed: &Path) -> Value {
    let text = fs::read(observed.join("counters.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The workers and jobs of shadows, but those that only wait for work.
fn shadows() -> impl Iterator<Item = Process> {
    processes::below_this_one()
        .into_iter()
        .filter(|process| process.is_of_second_engine())
}

/// Waits until no shadow executes anything, so that its work is not measured with the next host.
async fn until_no_shadow_works() {
    let mut quiet = 0;
    while quiet < 3 {
        quiet = match shadows().any(|it| it.is_job) {
            true => 0,
            false => quiet + 1,
        };
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What happens to a shadow, or to the worker in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Disturbance {
    /// The shadow's worker and its job are killed.
    KillShadow,
    /// The shadow's processes stand still.
    StopShadow,
    /// The disk for what is observed is full.
    FillDisk,
    /// Another process holds the lock of what is observed.
    Lock,
    /// What is observed is removed.
    Remove,
    /// The worker that the host started is killed, and with it the shadow.
    KillWorker,
}

const DISTURBANCES: [Disturbance; 6] = [
    Disturbance::KillShadow,
    Disturbance::StopShadow,
    Disturbance::FillDisk,
    Disturbance::Lock,
    Disturbance::Remove,
    Disturbance::KillWorker,
];

/// A disturbance that lasts until this is dropped.
enum Lasting {
    Full { _disk: Full },
    Locked { _lock: File },
    Stopped(Vec<u32>),
}

impl Drop for Lasting {
    fn drop(&mut self) {
        if let Self::Stopped(processes) = self {
            for process in processes {
                processes::signal(*process, "CONT");
            }
        }
    }
}

/// Disturbs the shadow. Returns the number of answers that are not those of the stock workers.
async fn faults(
    places: &Places,
    installed: &Installed,
    chains: &[Chain],
    jobs: usize,
    one_in: usize,
) -> Result<usize, Box<dyn Error>> {
    let disk = SmallDisk::mount("observed", DISK_BYTES)?;
    let observed = disk.path().join("observed");
    let workers = installed.following(1.0, &observed)?;
    let all = all(chains);
    let stock = Host::start(&places.stock()?, 1).await?;
    let mut expected = Vec::new();
    for (chain, case) in &all {
        expected.push(ask(&stock, chain, case).await);
    }
    drop(stock);
    let host = Arc::new(Host::start(&workers, 2).await?);
    for chain in chains {
        host.precheck(&chain.code, &ExecutorParams::default(), AMPLE)
            .await;
    }
    let (mut wrong, mut done, mut turns) = (0, 0, 0);
    let mut happened: BTreeMap<Disturbance, usize> = BTreeMap::new();
    let mut lasting: Option<(Lasting, usize)> = None;
    // Candidates whose worker may have been killed.
    let mut excused = 0;
    while done < jobs {
        if done / one_in >= turns {
            let kind = DISTURBANCES[turns % DISTURBANCES.len()];
            turns += 1;
            drop(lasting.take());
            let (for_a_time, hit) = disturb(kind, &disk, &observed);
            lasting = for_a_time.map(|it| (it, done + LASTING));
            *happened.entry(kind).or_default() += usize::from(hit);
            if kind == Disturbance::KillWorker {
                excused = 2;
            }
        }
        // Two at a time, as a node has several workers.
        let mut answers = Vec::new();
        let pair = [done, done + 1].map(|number| number % all.len());
        let [first, second] = pair.map(|index| ask(&host, all[index].0, all[index].1));
        let (first, second) = futures::join!(first, second);
        answers.extend(pair.into_iter().zip([first, second]));
        for (index, said) in answers {
            // The host abstains or retries if it finds a dead worker.
            let excusable = said.class.starts_with("possibly invalid: worker")
                || said.class.starts_with("internal");
            if !said.agrees_with(&expected[index]) && !(excused > 0 && excusable) {
                wrong += 1;
                println!("{}: {said:?}", all[index].1.name);
            }
        }
        done += pair.len();
        excused = usize::saturating_sub(excused, 1);
        if lasting.as_ref().is_some_and(|(_, until)| done >= *until) {
            lasting = None;
        }
    }
    drop(lasting);
    println!("{done} candidates with a disturbed shadow: {happened:?}");
    let counters = counters(&observed);
    println!("since the directory was last removed: {counters}");
    drop(host);
    for _ in 0..100 {
        if processes::below_this_one().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let left = processes::below_this_one().len() + usize::from(!disk.unmount().await?);
    println!("{left} processes and mounts left over");
    Ok(wrong + left)
}

/// Applies a disturbance. Returns what ends it, if it lasts, and whether there was a target for it.
fn disturb(kind: Disturbance, disk: &SmallDisk, observed: &Path) -> (Option<Lasting>, bool) {
    match kind {
        Disturbance::KillShadow => {
            let victims: Vec<_> = shadows().collect();
            for victim in &victims {
                processes::kill(victim.pid);
            }
            (None, !victims.is_empty())
        }
        Disturbance::StopShadow => {
            let victims: Vec<u32> = shadows().map(|it| it.pid).collect();
            for victim in &victims {
                processes::signal(*victim, "STOP");
            }
            let hit = !victims.is_empty();
            (Some(Lasting::Stopped(victims)), hit)
        }
        Disturbance::FillDisk => {
            let full = disk.fill().ok().map(|disk| Lasting::Full { _disk: disk });
            let hit = full.is_some();
            (full, hit)
        }
        Disturbance::Lock => {
            let lock = OpenOptions::new().write(true).open(observed.join("lock"));
            let lock = lock.ok().filter(|lock| {
                let how = FlockOperation::NonBlockingLockExclusive;
                (0..1000).any(|_| {
                    std::thread::sleep(Duration::from_millis(1));
                    flock(lock, how).is_ok()
                })
            });
            let hit = lock.is_some();
            (lock.map(|lock| Lasting::Locked { _lock: lock }), hit)
        }
        Disturbance::Remove => (None, fs::remove_dir_all(observed).is_ok()),
        Disturbance::KillWorker => {
            let workers = processes::below_this_one().into_iter();
            let worker = workers
                .filter(|it| it.is_worker_of_host() && it.name.contains("exec"))
                .last();
            if let Some(worker) = &worker {
                processes::kill(worker.pid);
            }
            (None, worker.is_some())
        }
    }
}

/// Plants one wrong answer of the primary engine, and looks for it among what is observed.
async fn planted(places: &Places, chains: &[Chain]) -> Result<bool, Box<dyn Error>> {
    let primary = TempDir::new()?;
    let stock = places.stock()?.canonicalize()?;
    let own = std::env::current_exe()?;
    let liar = own.with_file_name("lying-execute-worker");
    fs::copy(liar, primary.path().join("polkadot-execute-worker"))?;
    let name = "polkadot-prepare-worker";
    fs::copy(stock.join(name), primary.path().join(name))?;
    fs::write(
        primary.path().join("honest-workers"),
        stock.display().to_string(),
    )?;
    let installed = Installed::new(places, primary.path())?;
    let observed = installed.directory.path().join("observed");
    let host = Host::start(&installed.following(1.0, &observed)?, 1).await?;
    let honest = table::doing("", "", "");
    let candidate = Candidate::of(LIE.to_vec());
    let mut expected = 0;
    for (number, (chain, case)) in all(chains).into_iter().enumerate() {
        ask(&host, chain, case).await;
        if number == 3 {
            let params = ExecutorParams::default();
            let said = host.validate(&honest, &candidate, &params, AMPLE).await;
            if said.class != "invalid" {
                println!("the planted answer did not stand: {said:?}");
                return Ok(false);
            }
            expected += 1;
        }
        // A busy shadow would skip candidates.
        until_no_shadow_works().await;
    }
    // The last line may still be written.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lines = fs::read_to_string(observed.join("jobs.jsonl"))?;
    let lines: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    let lines = lines?;
    let differing: Vec<&Value> = lines
        .iter()
        .filter(|line| !line["difference"].is_null())
        .collect();
    for line in &differing {
        println!("found: {line}");
    }
    let kept = differing.iter().all(|line| {
        let folder = line["kept"].as_str().map(|folder| observed.join(folder));
        folder.is_some_and(|it| it.join("candidate.params.zst").is_file())
    });
    println!(
        "{expected} difference planted in {} candidates, {} found",
        lines.len(),
        differing.len()
    );
    Ok(differing.len() == expected && kept)
}

//! Executions while workers and jobs are killed and artifacts are corrupted. No vote has a wrong
//! class, no execution hangs, no process or file remains.

use crate::Places;
use crate::cases;
use crate::disk::SmallDisk;
use crate::host::{AMPLE, Candidate, Host};
use crate::outcome::Said;
use crate::processes;
use crate::table;
use polkadot_primitives::ExecutorParams;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Number of concurrent executions.
const AT_ONCE: usize = 4;

/// Size of the disk: the artifacts of the fixtures, by either compiler, and of the code that
/// disturbances add.
const DISK_BYTES: u64 = 256 << 20;

/// Maximum time of one execution, including retries by the host. A longer one counts as hanging.
const HANG: Duration = Duration::from_secs(60);

/// Provokes faults one after another with both pairs of workers. Returns for each fault its name
/// and what either host reported.
pub async fn scripted(places: &Places) -> Result<Vec<(&'static str, Said, Said)>, Box<dyn Error>> {
    let ours = script(&places.ours).await?;
    let stock = script(&places.stock()?).await?;
    let both = ours.into_iter().zip(stock);
    Ok(both
        .map(|((name, ours), (_, stock))| (name, ours, stock))
        .collect())
}

async fn script(workers: &Path) -> Result<Vec<(&'static str, Said)>, Box<dyn Error>> {
    let host = Arc::new(Host::start(workers, 1).await?);
    let params = ExecutorParams::default();
    let good = table::doing("", "", "");
    let endless = table::doing("", "(loop (br 0))", "");
    let candidate = Candidate::of(Vec::new());
    let mut said = Vec::new();

    let mut execute = async |name, code: &[u8]| {
        said.push((name, host.validate(code, &candidate, &params, AMPLE).await));
    };
    execute("before any fault", &good).await;
    for artifact in artifacts(host.cache()) {
        corrupt(&artifact, &mut Numbers(1))?;
    }
    execute("an artifact is corrupted", &good).await;
    execute("after an artifact was corrupted", &good).await;
    for artifact in artifacts(host.cache()) {
        fs::write(artifact, b"")?;
    }
    execute("an artifact is emptied", &good).await;
    execute("after an artifact was emptied", &good).await;
    for artifact in artifacts(host.cache()) {
        fs::remove_file(artifact)?;
    }
    execute("an artifact is gone", &good).await;

    for (name, is_job) in [("a job is killed", true), ("a worker is killed", false)] {
        let killed = tokio::spawn({
            let (host, endless, candidate) = (host.clone(), endless.clone(), candidate.clone());
            let params = params.clone();
            async move { host.validate(&endless, &candidate, &params, AMPLE).await }
        });
        // Waits for the job, since the worker's process exists long before it executes. The job has
        // to be seen twice, since a worker that starts another one looks like a worker with a job
        // for a moment.
        let mut seen = None;
        let job = loop {
            let executing = |it: &&processes::Process| it.is_job && it.name.contains("exec");
            let processes = processes::below_this_one();
            let job = processes.iter().find(executing);
            if let Some(job) = job.filter(|job| seen == Some(job.pid)) {
                break if is_job { job.pid } else { job.worker };
            }
            seen = job.map(|job| job.pid);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        processes::kill(job);
        said.push((name, killed.await?));
    }
    let after = host.validate(&good, &candidate, &params, AMPLE).await;
    said.push(("after all that", after));
    drop(host);
    said.push(("the disk is full", on_a_full_disk(workers, &good).await?));
    Ok(said)
}

/// Prepares with a cache on a file system of one page.
async fn on_a_full_disk(workers: &Path, code: &[u8]) -> Result<Said, Box<dyn Error>> {
    let disk = SmallDisk::mount("full", 4096)?;
    let host = Host::start_in(disk.path().to_owned(), workers, 1).await?;
    let said = host.precheck(code, &ExecutorParams::default(), AMPLE).await;
    drop(host);
    match disk.unmount().await? {
        true => Ok(said),
        false => Err("a disk is still in use after its host has gone".into()),
    }
}

/// A disturbance of an execution.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// A job is killed.
    KillJob,
    /// A worker is killed.
    KillWorker,
    /// An artifact is changed on disk.
    Corrupt,
    /// The disk is filled, and new code is executed.
    FillDisk,
}

/// A generator of pseudo-random numbers, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Executes and disturbs. Returns whether no answer was wrong and nothing was left over.
pub async fn run(
    places: &Places,
    executions: u32,
    one_in: u32,
    stock: bool,
) -> Result<bool, Box<dyn Error>> {
    let workers = if stock {
        places.stock()?
    } else {
        places.ours.clone()
    };
    let mounts_before = mounts();
    let disk = SmallDisk::mount("cache", DISK_BYTES)?;
    let host = Host::start_in(disk.path().to_owned(), &workers, AT_ONCE).await?;
    let host = Arc::new(host);
    let chains = Arc::new(cases::read(&places.fixtures)?);
    let all: Vec<(usize, usize)> = chains
        .iter()
        .enumerate()
        .flat_map(|(chain, it)| (0..it.cases.len()).map(move |case| (chain, case)))
        .collect();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut classes, mut wrong, mut done) = (BTreeMap::new(), 0, 0);
    let mut disturbances = [0; 4];
    // Number of executions still to be run one at a time. If two concurrent executions find the
    // same artifact corrupted, the host itself panics ("an unknown artifact was prepared").
    let mut alone = 0_usize;
    while done < executions {
        let at_once = if alone > 0 { 1 } else { AT_ONCE as u32 };
        alone = alone.saturating_sub(1);
        let batch = (executions - done).min(at_once);
        let mut answers = Vec::new();
        let mut running: Vec<_> = (0..batch)
            .map(|offset| {
                let (host, chains) = (host.clone(), chains.clone());
                let (chain, case) = all[(done + offset) as usize % all.len()];
                tokio::spawn(async move {
                    let (chain, case) = (&chains[chain], &chains[chain].cases[case]);
                    let params = ExecutorParams::default();
                    let said = host.validate(&chain.code, &case.candidate, &params, AMPLE);
                    let said = tokio::time::timeout(HANG, said).await;
                    (case.name.clone(), case.result.clone(), said)
                })
            })
            .collect();
        done += batch;
        if alone == 0 && numbers.below(u64::from(one_in)) < u64::from(batch) {
            let kind = [
                Disturbance::KillJob,
                Disturbance::KillWorker,
                Disturbance::Corrupt,
                Disturbance::FillDisk,
            ][numbers.below(4) as usize];
            if let Disturbance::Corrupt = kind {
                for execution in running.drain(..) {
                    answers.push(execution.await?);
                }
                alone = all.len();
            }
            disturbances[kind as usize] +=
                u32::from(disturb(kind, &mut numbers, &host, &disk).await);
        }
        for execution in running {
            answers.push(execution.await?);
        }
        for (name, recorded, said) in answers {
            let Ok(said) = said else {
                println!("{name}: no answer after {HANG:?}");
                return Ok(false);
            };
            // The host retries a disturbed execution, or the validator abstains; neither is a wrong
            // vote. The host abstains if it finds that an idle worker has died.
            let fine = match said.class {
                "valid" => recorded.is_some() && said.result == recorded,
                "invalid" => recorded.is_none(),
                class => class.starts_with("internal") || class.starts_with("possibly invalid"),
            };
            if !fine {
                wrong += 1;
                println!("{name}: {said:?}");
            }
            if said.class == "possibly invalid: corrupted" {
                alone = 0;
            }
            *classes.entry(said.class).or_insert(0) += 1;
        }
    }
    for (class, count) in &classes {
        println!("{count:>8} {class}");
    }
    let [jobs, killed, corrupted, filled] = disturbances;
    println!(
        "{jobs} jobs and {killed} workers killed, {corrupted} artifacts corrupted, the disk filled {filled} times"
    );
    let left = leftovers(host, disk, &mounts_before).await?;
    println!("{left} processes, files and mounts left over");
    println!("{executions} executions, {wrong} wrong");
    Ok(wrong == 0 && left == 0)
}

/// Applies a disturbance. Returns whether there was a target for it.
async fn disturb(
    kind: Disturbance,
    numbers: &mut Numbers,
    host: &Arc<Host>,
    disk: &SmallDisk,
) -> bool {
    match kind {
        Disturbance::KillJob => kill_jobs(host).await,
        Disturbance::KillWorker => {
            // Prepare workers are spared: after the death of one, the host does not prepare its
            // code again for 15 minutes.
            let executing = |it: &processes::Process| !it.is_job && it.name.contains("exec");
            let mut processes = processes::below_this_one();
            processes.retain(executing);
            if processes.is_empty() {
                return false;
            }
            let victim = numbers.below(processes.len() as u64) as usize;
            processes::kill(processes[victim].pid);
            true
        }
        Disturbance::Corrupt => {
            let artifacts: Vec<_> = artifacts(host.cache());
            if artifacts.is_empty() {
                return false;
            }
            let victim = &artifacts[numbers.below(artifacts.len() as u64) as usize];
            corrupt(victim, numbers).is_ok()
        }
        Disturbance::FillDisk => fill_disk(numbers, host, disk).await,
    }
}

/// Fills the disk and executes new code, whose artifact does not fit. The validator has to abstain.
async fn fill_disk(numbers: &mut Numbers, host: &Host, disk: &SmallDisk) -> bool {
    let Ok(_full) = disk.fill() else {
        return false;
    };
    // A new number each time, so that the hash differs.
    let number = format!("(drop (i64.const {}))", numbers.below(1 << 62));
    let code = table::doing("", &number, "");
    let (candidate, params) = (Candidate::of(Vec::new()), ExecutorParams::default());
    let said = host.validate(&code, &candidate, &params, AMPLE).await;
    match said.class {
        class if class.starts_with("internal") => true,
        _ => {
            println!("on a full disk: {said:?}");
            false
        }
    }
}

/// Kills all jobs until a job that would never end is hit.
async fn kill_jobs(host: &Arc<Host>) -> bool {
    let endless = tokio::spawn({
        let host = host.clone();
        let code = table::doing("", "(loop (br 0))", "");
        let (candidate, params) = (Candidate::of(Vec::new()), ExecutorParams::default());
        async move { host.validate(&code, &candidate, &params, AMPLE).await }
    });
    while !endless.is_finished() {
        for process in processes::below_this_one() {
            if process.is_job && process.name.contains("exec") {
                processes::kill(process.pid);
            }
        }
        tokio::task::yield_now().await;
    }
    matches!(endless.await, Ok(said) if said.class == "possibly invalid: job died")
}

fn artifacts(cache: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "pvf"))
        .collect()
}

/// Changes some bytes of a file in place.
fn corrupt(path: &Path, numbers: &mut Numbers) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let bytes = file.metadata()?.len().max(1);
    file.seek(SeekFrom::Start(numbers.below(bytes)))?;
    file.write_all(b"corrupted")
}

fn mounts() -> usize {
    fs::read_to_string("/proc/self/mounts").map_or(0, |mounts| mounts.lines().count())
}

/// Stops the host and counts what it leaves behind.
async fn leftovers(
    host: Arc<Host>,
    disk: SmallDisk,
    mounts_before: &usize,
) -> Result<usize, Box<dyn Error>> {
    drop(host);
    // Workers die by a signal, which takes a moment.
    for _ in 0..100 {
        if processes::below_this_one().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let processes = processes::below_this_one().len();
    // `unmount` fails while a process has a file on the disk open.
    let in_use = !disk.unmount().await?;
    let sockets = fs::read_dir(std::env::temp_dir())?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("pvf-host-"))
        .count();
    let mounts = mounts().saturating_sub(*mounts_before);
    Ok(processes + usize::from(in_use) + mounts + sockets)
}

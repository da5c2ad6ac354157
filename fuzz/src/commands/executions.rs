//! `pvf-fuzz executions`: very many calls, over many runs of the program.

use pvf_fuzz::differential::{Counts, Oracle, Verdict, without_digits};
use pvf_fuzz::{Generator, Mode, in_threads};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The seeds between two records of the state.
const BATCH: u64 = 200;

/// Name of the file that holds the state.
const STATE: &str = "executions.txt";

#[derive(clap::Args)]
pub struct Options {
    /// Stop at this number of executions, those of earlier runs included.
    #[arg(long, default_value_t = 100_000_000)]
    executions: u64,
    /// Stop after this number of seconds.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// The folder that holds the count. A run goes on where the one before ended.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Seed of the first module of all, if the folder is new.
    #[arg(long, default_value_t = 2_000_000_000)]
    seed: u64,
    /// Where modules come from.
    #[arg(long, value_enum, default_value = "all")]
    mode: Mode,
    /// Instances for each exported function.
    #[arg(long, default_value_t = 8)]
    instances: usize,
    /// Calls in each instance.
    #[arg(long, default_value_t = 32)]
    calls: usize,
    /// Modules tried at a time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
}

/// The sums over all runs, in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    numbers: BTreeMap<String, u64>,
}

impl State {
    fn read(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join(STATE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let mut numbers = BTreeMap::new();
        for line in text.lines() {
            let entry = line.split_once('\t');
            let entry = entry.and_then(|(number, key)| Some((key, number.parse().ok()?)));
            let (key, number) =
                entry.ok_or_else(|| format!("{}: no count: {line:?}", path.display()))?;
            numbers.insert(key.to_owned(), number);
        }
        Ok(Some(Self { numbers }))
    }

    /// Replaces the file in one step, so that a run that is killed leaves a whole one.
    fn write(&self, folder: &Path) -> Result<(), String> {
        let lines = self
            .numbers
            .iter()
            .map(|(key, number)| format!("{number}\t{key}\n"));
        let new = folder.join("executions.new");
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&new, lines.collect::<String>()))
            .and_then(|()| fs::rename(&new, folder.join(STATE)));
        written.map_err(|error| format!("{}: {error}", folder.display()))
    }

    fn get(&self, key: &str) -> u64 {
        self.numbers.get(key).copied().unwrap_or_default()
    }

    fn add(&mut self, key: &str, count: u64) {
        *self.numbers.entry(key.to_owned()).or_default() += count;
    }

    fn count(&mut self, counts: &Counts) {
        self.add("modules compared", 1);
        for (ending, count) in &counts.endings {
            self.add("executions", *count);
            self.add(&format!("ending: {ending}"), *count);
        }
        for (oracle, count) in &counts.oracles {
            self.add(&format!("confirmed by {oracle}"), *count);
        }
        for (oracle, count) in &counts.native_stack {
            self.add(&format!("own stack ended: {oracle}"), *count);
        }
    }
}

/// Returns whether no difference has been found, in all runs together.
pub fn run(options: &Options) -> Result<bool, String> {
    let start = Instant::now();
    let mut state = match State::read(&options.state)? {
        Some(state) => state,
        None => State {
            numbers: BTreeMap::from([("next seed".to_owned(), options.seed)]),
        },
    };
    let oracle = Oracle::new()?;
    let generator = Generator::new()?;
    let deadline = options
        .time_limit
        .map(|seconds| start + Duration::from_secs(seconds));
    while state.get("executions") < options.executions
        && deadline.is_none_or(|deadline| Instant::now() < deadline)
    {
        let began = Instant::now();
        batch(options, &oracle, &generator, &mut state)?;
        state.add("next seed", BATCH);
        state.add("milliseconds", began.elapsed().as_millis() as u64);
        state.write(&options.state)?;
    }
    for (key, number) in &state.numbers {
        println!("{number:>14}  {key}");
    }
    let seconds = state.get("milliseconds") as f64 / 1_000.0;
    let rate = state.get("executions") as f64 / seconds.max(0.001);
    println!("{rate:>14.0}  executions in a second");
    Ok(state.get("differences") == 0)
}

/// Tries the seeds of one batch, in any order, and adds what they gave.
fn batch(
    options: &Options,
    oracle: &Oracle,
    generator: &Generator,
    state: &mut State,
) -> Result<(), String> {
    let first = state.get("next seed");
    let next = AtomicU64::new(0);
    let shared = Mutex::new(state);
    in_threads(options.threads.max(1), &|| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= BATCH {
                return;
            }
            let seed = first.wrapping_add(index);
            let verdict = match generator.generate(seed, options.mode) {
                Ok(subject) => oracle.try_many(subject, options.instances, options.calls),
                Err(reason) => Verdict::Skipped(reason),
            };
            let mut state = shared
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            match verdict {
                Verdict::Same(counts) => state.count(&counts),
                Verdict::Skipped(reason) => {
                    state.add(&format!("left out: {}", without_digits(&reason)), 1);
                }
                Verdict::Different(difference) => {
                    state.add("differences", 1);
                    eprintln!("DIFFERENT: seed {seed}\n{}", difference.what);
                    let module = options.state.join(format!("{seed}.wasm"));
                    if let Err(error) = fs::write(&module, &difference.subject.wasm) {
                        eprintln!("{}: {error}", module.display());
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_read_is_the_one_that_was_written() {
        let folder = std::env::temp_dir().join(format!("pvf-executions-{}", std::process::id()));
        assert_eq!(State::read(&folder), Ok(None));
        let mut state = State::default();
        state.add("next seed", 7);
        state.add("left out: a reason, with a tab", 2);
        state.add("next seed", 3);
        state.write(&folder).unwrap();
        let read = State::read(&folder).unwrap().unwrap();
        assert_eq!(read, state);
        assert_eq!(read.get("next seed"), 10);
        fs::write(folder.join(STATE), "seven\tnext seed\n").unwrap();
        assert!(State::read(&folder).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}

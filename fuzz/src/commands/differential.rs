//! `pvf-fuzz differential`.

use pvf_fuzz::differential::{Counts, Difference, Oracle, Verdict, without_digits};
use pvf_fuzz::{Generator, Mode, in_threads};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// How many modules to compare; modules that cannot be compared are not counted.
    #[arg(long, default_value_t = 10_000)]
    modules: u64,
    /// Seed of the first module; the others follow it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only the module of this seed.
    #[arg(long)]
    only: Option<u64>,
    /// Only these modules (.wasm or .wat), called with arguments of `--seed`.
    #[arg(long)]
    file: Vec<PathBuf>,
    /// Make the modules of `--file` smaller while they still differ, into `--artifacts`.
    #[arg(long, requires = "file", requires = "artifacts")]
    shrink: bool,
    /// Where modules come from.
    #[arg(long, value_enum, default_value = "all")]
    mode: Mode,
    /// Stop after this number of seconds.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<u64>,
    /// Modules tried at a time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Stop after this number of differences.
    #[arg(long, default_value_t = 20)]
    stop_after: usize,
    /// Folder for modules that differ, as .wasm and .wat.
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Write the module of `--only` to `--artifacts` whether it differs or not.
    #[arg(long, requires = "only", requires = "artifacts")]
    keep: bool,
    /// Print each seed before its module runs: to find one that crashes the process.
    #[arg(long)]
    verbose: bool,
}

#[derive(Default)]
struct Summary {
    same: u64,
    counts: Counts,
    skipped: BTreeMap<String, u64>,
    differences: Vec<Difference>,
}

/// Returns whether no difference was found.
pub fn run(options: &Options) -> Result<bool, String> {
    let oracle = Oracle::new()?;
    let generator = Generator::new()?;
    if !options.file.is_empty() {
        return files(options, &oracle);
    }
    let (first, count) = match options.only {
        Some(seed) => (seed, 1),
        None => (options.seed, options.modules),
    };
    if options.keep {
        let subject = generator.generate(first, options.mode)?;
        write_module(options.artifacts.as_deref(), &subject.wasm, first)?;
    }
    let start = Instant::now();
    let deadline = options
        .time_limit
        .map(|seconds| start + Duration::from_secs(seconds));
    // With `--only` there is a single try.
    let most_tries = match options.only {
        Some(_) => 1,
        None => u64::MAX,
    };
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    let work = || {
        let mut told = 0;
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= most_tries || deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return;
            }
            let seed = first.wrapping_add(index);
            if options.verbose {
                eprintln!("seed {seed}");
            }
            let verdict = oracle.try_seed(&generator, seed, options.mode);
            if options.verbose
                && let Verdict::Skipped(reason) = &verdict
            {
                eprintln!("seed {seed} is skipped: {reason}");
            }
            let mut summary = summary
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            summary.add(verdict, options);
            let compared = summary.same + summary.differences.len() as u64;
            if compared >= count || summary.differences.len() >= options.stop_after {
                stop.store(true, Ordering::Relaxed);
            }
            if compared.is_multiple_of(1000) && compared != told {
                told = compared;
                eprintln!(
                    "{compared} modules, {} differences, {} s",
                    summary.differences.len(),
                    start.elapsed().as_secs()
                );
            }
        }
    };
    in_threads(options.threads.max(1), &work)?;
    let summary = summary
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    summary.print(start.elapsed());
    Ok(summary.differences.is_empty())
}

fn files(options: &Options, oracle: &Oracle) -> Result<bool, String> {
    let summary = Mutex::new(Summary::default());
    let failed = Mutex::new(None);
    in_threads(1, &|| {
        for path in &options.file {
            match wat::parse_file(path) {
                Ok(mut wasm) => {
                    if options.shrink {
                        wasm = pvf_fuzz::shrink(&wasm, |wasm| {
                            let verdict = oracle.try_module(wasm, options.seed);
                            matches!(verdict, Verdict::Different(_))
                        });
                    }
                    let verdict = oracle.try_module(&wasm, options.seed);
                    let mut summary = summary
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                    summary.add(verdict, options);
                }
                Err(error) => {
                    *failed
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner()) =
                        Some(format!("{}: {error}", path.display()));
                }
            }
        }
    })?;
    if let Some(message) = failed
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
    {
        return Err(message);
    }
    let summary = summary
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    summary.print(Duration::ZERO);
    Ok(summary.differences.is_empty())
}

impl Summary {
    fn add(&mut self, verdict: Verdict, options: &Options) {
        match verdict {
            Verdict::Same(counts) => {
                self.same += 1;
                self.counts.add(counts);
            }
            Verdict::Skipped(reason) => {
                let reason = without_digits(&reason);
                *self.skipped.entry(reason).or_default() += 1;
            }
            Verdict::Different(difference) => {
                let seed = difference.subject.seed;
                eprintln!(
                    "DIFFERENT: seed {seed} (features {}), again with --mode {:?} --only {seed}\n{}",
                    if difference.subject.features == pvf_rules::Features::ALL {
                        "all"
                    } else {
                        "none"
                    },
                    options.mode,
                    difference.what
                );
                if let Err(error) =
                    write_module(options.artifacts.as_deref(), &difference.subject.wasm, seed)
                {
                    eprintln!("{error}");
                }
                self.differences.push(*difference);
            }
        }
    }

    fn done(&self) -> u64 {
        self.same + self.skipped.values().sum::<u64>() + self.differences.len() as u64
    }

    fn print(&self, elapsed: Duration) {
        println!("modules tried        {}", self.done());
        println!("same                 {}", self.same);
        println!("different            {}", self.differences.len());
        println!(
            "skipped              {}",
            self.skipped.values().sum::<u64>()
        );
        for (reason, count) in &self.skipped {
            println!("  {count:>8}  {reason}");
        }
        super::counts::print(&self.counts);
        println!("seconds              {}", elapsed.as_secs());
    }
}

/// Writes a module as .wasm and .wat, if there is a folder for it.
fn write_module(folder: Option<&Path>, wasm: &[u8], seed: u64) -> Result<(), String> {
    let Some(folder) = folder else { return Ok(()) };
    let write = || {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{seed}.wasm")), wasm)?;
        let text = wasmprinter::print_bytes(wasm).unwrap_or_else(|error| format!(";; {error}"));
        std::fs::write(folder.join(format!("{seed}.wat")), text)
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", folder.display()))
}

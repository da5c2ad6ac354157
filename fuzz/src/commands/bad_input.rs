//! `pvf-fuzz bad-input`.

use clap::ValueEnum;
use pvf_fuzz::bad_input::{Fixture, Inputs, Kind};
use pvf_fuzz::folder::{entries, read};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// How many inputs of each kind.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Seed of the first input; the others follow it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only inputs of this kind.
    #[arg(long)]
    only: Option<Kind>,
    /// Folder of folders with `code.wasm` and `*.params`.
    #[arg(long, value_name = "DIR", default_value_os_t = default_fixtures())]
    fixtures: PathBuf,
    /// Seconds after which an input counts as a hang.
    #[arg(long, default_value_t = 60)]
    hang_after: u64,
}

fn default_fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// The input that is being tested, and when its test started.
type Watched = Arc<Mutex<Option<(Kind, u64, Instant)>>>;

/// Returns whether nothing was found.
pub fn run(options: &Options) -> Result<bool, String> {
    // Wasmtime needs a thread with a large stack.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(pvf_wasmtime::THREAD_STACK_BYTES)
            .spawn_scoped(scope, || feed(options))
            .map_err(|error| error.to_string())?;
        thread.join().map_err(|_| "panicked".to_owned())?
    })
}

fn feed(options: &Options) -> Result<bool, String> {
    let inputs = Inputs::new(fixtures(&options.fixtures)?)?;
    // Panics are findings, or expected in host functions. They are counted and not printed.
    std::panic::set_hook(Box::new(|_| {}));
    let watched = watch(Duration::from_secs(options.hang_after));
    let mut clean = true;
    for &kind in Kind::value_variants() {
        if options.only.is_some_and(|only| only != kind) {
            continue;
        }
        let start = Instant::now();
        let mut classes: BTreeMap<String, u64> = BTreeMap::new();
        let mut findings = 0;
        for seed in options.seed..options.seed.saturating_add(options.count) {
            set(&watched, Some((kind, seed, Instant::now())));
            match inputs.try_seed(kind, seed) {
                Ok(class) => *classes.entry(class).or_default() += 1,
                Err(what) => {
                    findings += 1;
                    println!("FOUND {kind:?} seed {seed}: {what}");
                }
            }
        }
        set(&watched, None);
        println!(
            "{kind:?}: {} inputs, {findings} findings, {} s",
            options.count,
            start.elapsed().as_secs()
        );
        for (class, count) in classes {
            println!("  {count:>8}  {class}");
        }
        clean &= findings == 0;
    }
    Ok(clean)
}

fn set(watched: &Watched, value: Option<(Kind, u64, Instant)>) {
    *watched.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

/// Ends the process if one input takes longer than the limit.
fn watch(limit: Duration) -> Watched {
    let watched = Watched::default();
    let seen = watched.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let current = *seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((kind, seed, since)) = current
                && since.elapsed() > limit
            {
                println!("FOUND {kind:?} seed {seed}: hangs");
                std::process::exit(1);
            }
        }
    });
    watched
}

fn fixtures(folder: &Path) -> Result<Vec<Fixture>, String> {
    let mut fixtures = Vec::new();
    for path in entries(folder)? {
        for code in ["code.wasm", "code.compressed.wasm"] {
            let code = path.join(code);
            if code.is_file() {
                let mut candidates = Vec::new();
                for file in entries(&path)? {
                    if file
                        .extension()
                        .is_some_and(|extension| extension == "params")
                    {
                        candidates.push(read(&file)?);
                    }
                }
                fixtures.push(Fixture {
                    code: read(&code)?,
                    candidates,
                });
            }
        }
    }
    if fixtures.is_empty() {
        return Err(format!("no fixtures in {}", folder.display()));
    }
    Ok(fixtures)
}

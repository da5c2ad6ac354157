//! `pvf-fuzz worst-case`.

use clap::ValueEnum;
use pvf_compiler::{CompileOptions, Metering, Target, compile};
use pvf_fuzz_subjects::worst_case::{Found, search};
use pvf_spec::Features;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// What is to become large, for each byte of Wasm.
    #[arg(long, value_enum, default_value = "code")]
    measure: Measure,
    /// The instruction set: `x86_64` or `aarch64`.
    #[arg(long, default_value_t = Target::HOST, value_parser = target)]
    target: Target,
    /// How long to search.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Seed of the search. With the same seed it makes the same modules as long as what they cost is the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Bytes of the modules it tries.
    #[arg(long, default_value_t = 8_000)]
    bytes: usize,
    /// Something found that costs more than this is a failure.
    #[arg(long)]
    most: Option<f64>,
    /// Where the dearest module goes, with 100,000 bytes.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile this file and do nothing else: how memory is measured.
    #[arg(long, hide = true)]
    one: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Bytes of code.
    Code,
    /// Nanoseconds of the least of three compilations.
    Time,
    /// Bytes by which a process grows.
    Memory,
}

fn target(name: &str) -> Result<Target, String> {
    Target::from_name(name).ok_or_else(|| format!("no instruction set {name}"))
}

pub fn run(options: &Options) -> Result<bool, String> {
    if let Some(file) = &options.one {
        return grown(file, options).map(|()| true);
    }
    let end = Instant::now() + Duration::from_secs_f64(options.minutes * 60.0);
    let cost = |wasm: &[u8]| cost(wasm, options);
    let tell = |found: &Found| eprintln!("{:.2} {:?}", found.cost, found.genome);
    let (found, rounds) = search(
        options.seed,
        options.bytes,
        || Instant::now() < end,
        cost,
        tell,
    )?;
    let found = found.ok_or("there was no time for a module")?;
    println!(
        "{rounds} modules, the dearest costs {:.2} a byte",
        found.cost
    );
    if let Some(file) = &options.output {
        std::fs::write(file, found.genome.module(100_000))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(options.most.is_none_or(|most| found.cost <= most))
}

fn compile_options(options: &Options) -> CompileOptions {
    CompileOptions {
        target: options.target,
        metering: Metering {
            logical_stack: true,
            gas: None,
        },
        ..CompileOptions::new(Features::ALL)
    }
}

fn cost(wasm: &[u8], options: &Options) -> Result<f64, String> {
    let compiled = || compile(wasm, &compile_options(options)).map_err(|error| error.to_string());
    let whole = match options.measure {
        Measure::Code => compiled()?.code.len() as f64,
        Measure::Time => {
            let mut least = Duration::MAX;
            for _ in 0..3 {
                let start = Instant::now();
                compiled()?;
                least = least.min(start.elapsed());
            }
            least.as_nanos() as f64
        }
        Measure::Memory => growth(wasm, options)?,
    };
    Ok(whole / wasm.len() as f64)
}

/// Compiles in a process of its own; by how many bytes that has grown.
fn growth(wasm: &[u8], options: &Options) -> Result<f64, String> {
    let file = std::env::temp_dir().join(format!("pvf-worst-case-{}.wasm", std::process::id()));
    std::fs::write(&file, wasm).map_err(|error| format!("{}: {error}", file.display()))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["worst-case", "--target", options.target.name(), "--one"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
    }
    child.wait().map_err(|error| error.to_string())?;
    text.trim()
        .parse()
        .map_err(|_| format!("a process that compiles says {text:?}"))
}

/// In that process: prints by how many bytes it grows.
fn grown(file: &Path, options: &Options) -> Result<(), String> {
    let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let before = status("VmRSS:")?;
    compile(&wasm, &compile_options(options)).map_err(|error| error.to_string())?;
    println!("{}", status("VmHWM:")?.saturating_sub(before) * 1024);
    Ok(())
}

/// A line of the kernel's about this process, in KiB.
fn status(name: &str) -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("the system does not say {name}"))
}

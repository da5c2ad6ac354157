//! `pvf-fuzz worst-case`.

use clap::ValueEnum;
use cpu_time::ThreadTime;
use pvf_compiler::{CompileOptions, Costs, Metering, Target, compile};
use pvf_generators::worst_case::{Found, Genome, search};
use pvf_rules::Features;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, clap::Args)]
pub struct Options {
    /// What to maximise, per byte of Wasm.
    #[arg(long, value_enum, default_value = "code")]
    measure: Measure,
    /// The instruction set: `x86_64` or `aarch64`.
    #[arg(long, default_value_t = Target::HOST, value_parser = target)]
    target: Target,
    /// How long to search.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Seed of the search. Equal seeds give equal modules as long as the modules' costs are equal.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Size in bytes of the modules to try.
    #[arg(long, default_value_t = 8_000)]
    bytes: usize,
    /// Count gas too.
    #[arg(long)]
    gas: bool,
    /// Accept every language switch instead of the profile polkadot.
    #[arg(long)]
    wide: bool,
    /// Print the cost of this file and do nothing else.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the module of a find, in the form that the search prints, to the output and do nothing else.
    #[arg(long, value_name = "FIND", requires = "output")]
    find: Option<Genome>,
    /// Fail if a module is found that costs more than this.
    #[arg(long)]
    most: Option<f64>,
    /// Write the most expensive module, made ten times as large, to this file.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Compile this file and do nothing else: used to measure memory.
    #[arg(long, hide = true)]
    one: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Bytes of code.
    Code,
    /// Nanoseconds of CPU time, the least of three compilations.
    Time,
    /// Instructions, counted by valgrind's callgrind: slow, to confirm what was found.
    Instructions,
    /// Bytes by which the process grows.
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
    if let Some(file) = &options.file {
        let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let options = Options {
            bytes: wasm.len(),
            ..options.clone()
        };
        let cost = self::cost(&wasm, &options)?;
        println!("{cost:.2} a byte of {}", wasm.len());
        return Ok(options.most.is_none_or(|most| cost <= most));
    }
    if let (Some(find), Some(file)) = (&options.find, &options.output) {
        return write(file, &find.module(options.bytes)).map(|()| true);
    }
    let tell = |found: &Found| eprintln!("{:.2} {}", found.cost, found.genome);
    let (found, rounds) = search(
        options.seed,
        options.bytes,
        || Instant::now() < end,
        cost,
        tell,
    )?;
    let found = found.ok_or("there was no time for a module")?;
    println!(
        "{rounds} modules, the most expensive costs {:.2} a byte",
        found.cost
    );
    println!("{}", found.genome);
    if let Some(file) = &options.output {
        write(file, &found.genome.module(10 * options.bytes))?;
    }
    Ok(options.most.is_none_or(|most| found.cost <= most))
}

fn write(file: &Path, wasm: &[u8]) -> Result<(), String> {
    std::fs::write(file, wasm).map_err(|error| format!("{}: {error}", file.display()))
}

fn compile_options(options: &Options) -> CompileOptions {
    let features = match options.wide {
        true => Features::ALL,
        false => Features::POLKADOT,
    };
    CompileOptions {
        target: options.target,
        metering: Metering {
            logical_stack: true,
            gas: options.gas.then(|| Arc::new(Costs::default())),
        },
        ..CompileOptions::new(features)
    }
}

fn cost(wasm: &[u8], options: &Options) -> Result<f64, String> {
    let compiled = || compile(wasm, &compile_options(options)).map_err(|error| error.to_string());
    let whole = match options.measure {
        Measure::Code => compiled()?.code.len() as f64,
        Measure::Time => {
            let mut least = Duration::MAX;
            for _ in 0..3 {
                let start = ThreadTime::now();
                compiled()?;
                least = least.min(start.elapsed());
            }
            least.as_nanos() as f64
        }
        Measure::Instructions => {
            let empty = b"\0asm\x01\0\0\0";
            instructions(wasm, options)? - instructions(empty, options)?
        }
        Measure::Memory => (growth(wasm, options)? - FREE_BYTES).max(0.0),
    };
    // Every module has a fixed cost. Without a lower bound of the size it would dominate in very small modules.
    Ok(whole / wasm.len().max(options.bytes / 2) as f64)
}

/// The number of instructions of a process that compiles.
fn instructions(wasm: &[u8], options: &Options) -> Result<f64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(this_program()?);
    let output = in_process(valgrind, wasm, options)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let counted = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok());
    counted.ok_or_else(|| format!("valgrind says {text:?}"))
}

/// Memory that a module of any size may take, because allocators request it in large pieces.
const FREE_BYTES: f64 = 1_048_576.0;

/// Compiles in a process of its own and returns the number of bytes by which that process grew.
fn growth(wasm: &[u8], options: &Options) -> Result<f64, String> {
    let output = in_process(Command::new(this_program()?), wasm, options)?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| format!("a process that compiles says {text:?}"))
}

fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| error.to_string())
}

/// Compiles in the process that the command starts.
fn in_process(mut command: Command, wasm: &[u8], options: &Options) -> Result<Output, String> {
    let file = std::env::temp_dir().join(format!("pvf-worst-case-{}.wasm", std::process::id()));
    write(&file, wasm)?;
    command.args(["worst-case", "--target", options.target.name(), "--one"]);
    command.arg(&file);
    if options.gas {
        command.arg("--gas");
    }
    if options.wide {
        command.arg("--wide");
    }
    let output = command.output().map_err(|error| error.to_string());
    // An error leaves a temporary file behind, which does no harm.
    let _ = std::fs::remove_file(&file);
    output
}

/// Runs in the process of `growth`: compiles and prints the number of bytes by which the process grows.
fn grown(file: &Path, options: &Options) -> Result<(), String> {
    let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let before = status("VmRSS:")?;
    compile(&wasm, &compile_options(options)).map_err(|error| error.to_string())?;
    println!("{}", status("VmHWM:")?.saturating_sub(before) * 1024);
    Ok(())
}

/// A field of `/proc/self/status`, in KiB.
fn status(name: &str) -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("the system does not say {name}"))
}

//! The speed of compilation for aarch64 and for x86-64, interleaved.

use crate::Options;
use crate::engines::ours;
use crate::inputs::{self, Input};
use crate::measure::{Samples, Times, timed};
use pvf_compiler::Target;
use serde::Serialize;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The hidden command that compiles a file in a process of its own, for callgrind.
pub const COMMAND: &str = "compile-file";

/// The measurements of a module.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `guests`, `fixtures` or `PVFs`.
    pub group: String,
    /// Name of the module in its group.
    pub name: String,
    /// Size of the Wasm in bytes.
    pub wasm_bytes: usize,
    /// Compilation for aarch64.
    pub aarch64: Compilation,
    /// Compilation for x86-64.
    pub x86_64: Compilation,
}

/// The cost of one compilation.
#[derive(Debug, Serialize)]
pub struct Compilation {
    /// CPU time.
    pub time: Times,
    /// Number of instructions, if callgrind is installed.
    pub instructions: Option<u64>,
}

impl Row {
    /// The time for aarch64 relative to that for x86-64, each the least.
    pub fn time_ratio(&self) -> f64 {
        self.aarch64.time.ratio(&self.x86_64.time)
    }

    /// As [`Self::time_ratio`], for instructions.
    pub fn instruction_ratio(&self) -> Option<f64> {
        Some(self.aarch64.instructions? as f64 / self.x86_64.instructions? as f64)
    }
}

/// Small modules are compiled repeatedly until the total time reaches this duration.
const LEAST_TOTAL: Duration = Duration::from_millis(20);
const MOST_RUNS: u32 = 200;

const TARGETS: [Target; 2] = [Target::Aarch64, Target::X86_64];

/// Compiles every module for both targets.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let callgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !callgrind {
        eprintln!("speed: no valgrind, so no instructions");
    }
    let mut rows = Vec::new();
    for input in inputs::all(options)? {
        eprintln!("speed: {} {} ...", input.group, input.name);
        let row = row(&input, options.runs, callgrind);
        rows.push(row.map_err(|error| format!("{}: {error}", input.name))?);
    }
    Ok(rows)
}

fn row(input: &Input, runs: u32, callgrind: bool) -> Result<Row, String> {
    let mut samples = [Samples::new(), Samples::new()];
    let (mut total, mut round) = (Duration::ZERO, 0);
    while round < runs.max(1) || (total < LEAST_TOTAL && round < MOST_RUNS) {
        for (target, samples) in TARGETS.into_iter().zip(&mut samples) {
            let (compiled, time) = timed(|| ours(&input.wasm, target));
            compiled?;
            samples.push(time);
            total += time;
        }
        round += 1;
    }
    let instructions = match callgrind {
        true => TARGETS.map(|target| instructions(&input.wasm, target).map(Some)),
        false => [Ok(None), Ok(None)],
    };
    let [aarch64, x86_64] = instructions;
    Ok(Row {
        group: input.group.to_owned(),
        name: input.name.clone(),
        wasm_bytes: input.wasm.len(),
        aarch64: Compilation {
            time: samples[0].times(),
            instructions: aarch64?,
        },
        x86_64: Compilation {
            time: samples[1].times(),
            instructions: x86_64?,
        },
    })
}

/// The instructions of the second of two compilations in a process.
fn instructions(wasm: &[u8], target: Target) -> Result<u64, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    std::fs::write(&file, wasm).map_err(|error| error.to_string())?;
    let [once, twice] = [1, 2].map(|times| collected(target, file.path(), times));
    Ok(twice?.saturating_sub(once?))
}

/// The instructions of a process that compiles this number of times.
fn collected(target: Target, file: &Path, times: u32) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args([COMMAND, target.name()])
        .arg(file)
        .arg(times.to_string())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| {
        let (_, count) = line.split_once("Collected : ")?;
        count.trim().parse().ok()
    });
    count.ok_or_else(|| format!("valgrind: {}: {said}", output.status))
}

/// Compiles a module this number of times.
pub fn repeat(target: Target, file: &Path, times: u32) -> Result<(), String> {
    let wasm = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    for _ in 0..times {
        std::hint::black_box(ours(&wasm, target)?);
    }
    Ok(())
}

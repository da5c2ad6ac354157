//! Counts the instructions that programs execute.

use crate::Options;
use crate::engines::{Wasmtime, ours};
use crate::guests::{self, Guest};
use pvf_compiler::Target;
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// The counts of a program.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Name of the program.
    pub name: String,
    /// The kind of work it stands for.
    pub work: String,
    /// Whether it is a hand-written loop.
    pub is_loop: bool,
    /// Instructions of one run in this executor.
    pub ours: u64,
    /// Instructions of one run in Wasmtime.
    pub wasmtime: u64,
    /// Results that differ from the known result.
    pub wrong: Vec<String>,
}

impl Row {
    /// This executor's count relative to Wasmtime's.
    pub fn ratio(&self) -> f64 {
        self.ours as f64 / self.wasmtime as f64
    }
}

/// Runs every program in both engines.
pub fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let wasmtime = Wasmtime::new()?;
    let mut rows = Vec::new();
    for guest in guests::matching(&options.filter) {
        eprintln!("instructions: {} ...", guest.name);
        let row = row(guest, options, folder.path(), &wasmtime);
        rows.push(row.map_err(|error| format!("{}: {error}", guest.name))?);
    }
    Ok(rows)
}

fn row(
    guest: &Guest,
    options: &Options,
    folder: &Path,
    wasmtime: &Wasmtime,
) -> Result<Row, String> {
    let wasm = guest.wasm()?;
    let files = [folder.join("ours"), folder.join("wasmtime")];
    let artifact = ours(&wasm, Target::Aarch64)?;
    pvf_executor::write_artifact(&artifact, &files[0]).map_err(|error| error.to_string())?;
    wasmtime.compile(&wasm)?.write(&files[1])?;
    let mut wrong = Vec::new();
    let mut counts = [0; 2];
    for ((engine, file), count) in ["ours", "wasmtime"].iter().zip(&files).zip(&mut counts) {
        let (instructions, result) = run(options, folder, engine, file)?;
        *count = instructions;
        if result != format!("{:#x}", guest.result) {
            wrong.push(format!("{engine}: {result}"));
        }
    }
    Ok(Row {
        name: guest.name.to_owned(),
        work: guest.work.to_owned(),
        is_loop: guest.is_loop(),
        ours: counts[0],
        wasmtime: counts[1],
        wrong,
    })
}

/// The instructions of the second run, and the result of the first run.
fn run(
    options: &Options,
    folder: &Path,
    engine: &str,
    file: &Path,
) -> Result<(u64, String), String> {
    let counts = folder.join("counts");
    let plugin = format!(
        "file={},out={}",
        options.counter.display(),
        counts.display()
    );
    let mut command = Command::new(&options.emulator);
    command.arg("-plugin").arg(plugin);
    command.arg(&options.runner).arg(engine).arg(file);
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", options.emulator.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{engine}: {}: {said}", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let result = said.lines().next().unwrap_or_default().to_owned();
    let counts = std::fs::read_to_string(&counts).map_err(|error| error.to_string())?;
    let counts = counts
        .lines()
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>();
    match counts.map_err(|error| error.to_string())?[..] {
        // Between the first two lines only a line is written.
        [warm, begin, end] if warm <= begin && begin <= end => {
            Ok(((end - begin).saturating_sub(begin - warm), result))
        }
        ref other => Err(format!("{engine}: counted {other:?}, not at three lines")),
    }
}

//! Peak memory of a compilation: the maximum resident set of a fresh process that does nothing else.

use crate::corpus;
use crate::engines::EngineName;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// The resident memory of a fresh process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Peak {
    /// The total maximum: the executable, the module, the compilation.
    pub total_bytes: u64,
    /// The growth by the compilation.
    pub growth_bytes: u64,
}

/// Name of the hidden command that [`of`] starts.
pub const COMMAND: &str = "peak-memory";

/// Starts a process that compiles a file with an engine; `None` if that fails.
pub fn of(engine: EngineName, code: &Path) -> Option<Peak> {
    let output = Command::new(std::env::current_exe().ok()?)
        .args([COMMAND, engine.text()])
        .arg(code)
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// Runs in the process of [`of`]: compiles and prints the figures.
pub fn print(name: EngineName, code: &Path) -> Result<bool, String> {
    let wasm = corpus::wasm(code)?;
    let engine = name.open()?;
    let wasm = engine.adapt(&wasm)?;
    let before = resident()?;
    let compiled = engine.compile(&wasm)?;
    let total_bytes = most_resident()?;
    drop(compiled);
    let peak = Peak {
        total_bytes,
        growth_bytes: total_bytes.saturating_sub(before),
    };
    println!(
        "{}",
        serde_json::to_string(&peak).map_err(|error| error.to_string())?
    );
    Ok(true)
}

/// Resident bytes of this process.
pub fn resident() -> Result<u64, String> {
    status("VmRSS:")
}

/// The maximum of resident bytes of this process.
pub fn most_resident() -> Result<u64, String> {
    status("VmHWM:")
}

/// A field of `/proc/self/status`, in bytes.
fn status(field: &str) -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let kib = status.lines().find_map(|line| {
        let value = line.strip_prefix(field)?.trim().strip_suffix(" kB")?;
        value.trim().parse::<u64>().ok()
    });
    Ok(kib.ok_or_else(|| format!("this system does not tell {field}"))? * 1024)
}

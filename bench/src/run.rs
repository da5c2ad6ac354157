//! The figures of a run, as stored in JSON.

use crate::measures::{
    boundary, cold, compile, execute, instantiate, linear, meters, programs, public, wasm_opt,
};
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The figures of a run; a measure that was not made is empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Day of the measurement, in UTC: `2026-11-25`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// Processor, as the system names it, with the number of cores.
    pub processor: String,
    /// Version of the operating system's kernel.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// The compiler and the engines with their versions: `Wasmtime 48.0.8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Compilation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compile: Vec<compile::Row>,
    /// Instantiation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instantiate: Vec<instantiate::Row>,
    /// Guests and loops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<programs::Row>,
    /// Programs that others published.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<public::Row>,
    /// Candidates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub execute: Vec<execute::Row>,
    /// Everything once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cold: Vec<cold::Row>,
    /// Host calls, files, linking.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boundary: Vec<boundary::Row>,
    /// What meters cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meters: Vec<meters::Row>,
    /// Shapes of modules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub linear: Vec<linear::Row>,
    /// Binaryen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wasm_opt: Vec<wasm_opt::Row>,
}

impl Run {
    /// A run on this machine, without figures.
    pub fn here() -> Self {
        Self {
            date: time::OffsetDateTime::now_utc().date().to_string(),
            processor: processor().unwrap_or_else(|| "unknown".to_owned()),
            kernel: kernel().unwrap_or_default(),
            versions: versions(),
            ..Self::default()
        }
    }

    /// When, where and with which versions the figures were measured. Older runs lack some of these fields.
    pub fn provenance(&self) -> String {
        let mut text = "Measured".to_owned();
        if !self.date.is_empty() {
            text += &format!(" on {}", self.date);
        }
        let facts = [&self.processor, &self.kernel]
            .into_iter()
            .chain(&self.versions);
        let facts: Vec<&str> = facts
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        format!("{text}: {}.", facts.join(", "))
    }

    /// Reads a run from a file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Writes the run; `-` is the standard output.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        if file.as_os_str() == "-" {
            print!("{text}");
            return Ok(());
        }
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Combines several runs. If several runs have a measure, the first one counts.
    pub fn merged(runs: impl IntoIterator<Item = Self>) -> Self {
        runs.into_iter().fold(Self::default(), |mut all, run| {
            all.merge(run);
            all
        })
    }

    /// Adds the measures that another run has and this one lacks.
    fn merge(&mut self, other: Self) {
        fn take<T>(mine: &mut Vec<T>, other: Vec<T>) {
            if mine.is_empty() {
                *mine = other;
            }
        }
        if self.processor.is_empty() {
            self.date = other.date;
            self.processor = other.processor;
            self.kernel = other.kernel;
            self.versions = other.versions;
        }
        take(&mut self.compile, other.compile);
        take(&mut self.instantiate, other.instantiate);
        take(&mut self.programs, other.programs);
        take(&mut self.public, other.public);
        take(&mut self.execute, other.execute);
        take(&mut self.cold, other.cold);
        take(&mut self.boundary, other.boundary);
        take(&mut self.meters, other.meters);
        take(&mut self.linear, other.linear);
        take(&mut self.wasm_opt, other.wasm_opt);
    }

    /// All tables that have rows.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = compile::tables(&self.compile);
        tables.extend(instantiate::tables(&self.instantiate));
        tables.extend(programs::tables(&self.programs));
        tables.extend(public::tables(&self.public));
        tables.extend(execute::tables(&self.execute));
        tables.extend(cold::tables(&self.cold));
        tables.extend(boundary::tables(&self.boundary));
        tables.extend(meters::tables(&self.meters));
        tables.extend(linear::tables(&self.linear));
        tables.extend(wasm_opt::tables(&self.wasm_opt));
        tables.retain(|table| !table.is_empty());
        tables
    }

    /// Whether all outcomes were the expected ones and all shapes are within bounds.
    pub fn all_right(&self) -> bool {
        programs::all_right(&self.programs)
            && public::all_right(&self.public)
            && execute::all_right(&self.execute)
            && meters::all_right(&self.meters)
            && wasm_opt::all_right(&self.wasm_opt)
            && self.linear.iter().all(linear::Row::fine)
    }
}

fn kernel() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(format!("Linux {}", release.trim()))
}

/// The versions that `build.rs` recorded; those of engines only if the engines are built in.
fn versions() -> Vec<String> {
    let engines = [
        (
            "Wasmtime",
            env!("PVF_BENCH_WASMTIME"),
            cfg!(feature = "wasmtime"),
        ),
        (
            "Wasmer",
            env!("PVF_BENCH_WASMER"),
            cfg!(feature = "singlepass"),
        ),
        ("wasmi", env!("PVF_BENCH_WASMI"), cfg!(feature = "wasmi")),
    ];
    let built = engines
        .into_iter()
        .filter(|&(_, version, built)| built && !version.is_empty());
    let engines = built.map(|(name, version, _)| format!("{name} {version}"));
    [env!("PVF_BENCH_RUSTC").to_owned()]
        .into_iter()
        .chain(engines)
        .collect()
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let count = text
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    Some(format!("{} ({count} cores)", field("model name")?))
}

//! One run's figures, as JSON keeps them.

use crate::measures::{
    boundary, cold, compile, execute, instantiate, linear, meters, programs, wasm_opt,
};
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that one run measured; what it did not measure is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Run {
    /// Processor, as the system names it.
    pub processor: String,
    /// Compilation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compile: Vec<compile::Row>,
    /// Instantiation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instantiate: Vec<instantiate::Row>,
    /// Guests and loops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<programs::Row>,
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
    /// Without figures.
    pub fn here() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| "unknown".to_owned()),
            ..Self::default()
        }
    }

    /// Reads one back.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Writes it; `-` is the standard output.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        if file.as_os_str() == "-" {
            print!("{text}");
            return Ok(());
        }
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Takes over what another one measured and this one did not.
    pub fn merge(&mut self, other: Self) {
        fn take<T>(mine: &mut Vec<T>, other: Vec<T>) {
            if mine.is_empty() {
                *mine = other;
            }
        }
        if self.processor.is_empty() {
            self.processor = other.processor;
        }
        take(&mut self.compile, other.compile);
        take(&mut self.instantiate, other.instantiate);
        take(&mut self.programs, other.programs);
        take(&mut self.execute, other.execute);
        take(&mut self.cold, other.cold);
        take(&mut self.boundary, other.boundary);
        take(&mut self.meters, other.meters);
        take(&mut self.linear, other.linear);
        take(&mut self.wasm_opt, other.wasm_opt);
    }

    /// All tables, those without rows left out.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = compile::tables(&self.compile);
        tables.extend(instantiate::tables(&self.instantiate));
        tables.extend(programs::tables(&self.programs));
        tables.extend(execute::tables(&self.execute));
        tables.extend(cold::tables(&self.cold));
        tables.extend(boundary::tables(&self.boundary));
        tables.extend(meters::tables(&self.meters));
        tables.extend(linear::tables(&self.linear));
        tables.extend(wasm_opt::tables(&self.wasm_opt));
        tables.retain(|table| !table.is_empty());
        tables
    }

    /// Whether all that was executed came out as known, and all shapes are within bounds.
    pub fn all_right(&self) -> bool {
        programs::all_right(&self.programs)
            && execute::all_right(&self.execute)
            && meters::all_right(&self.meters)
            && wasm_opt::all_right(&self.wasm_opt)
            && self.linear.iter().all(linear::Row::fine)
    }
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

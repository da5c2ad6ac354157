//! One run's figures, as JSON keeps them.

use crate::measures::programs;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that one run measured; what it did not measure is empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Processor, as the system names it.
    #[serde(default)]
    pub processor: String,
    /// Guests and loops.
    #[serde(default)]
    pub programs: Vec<programs::Row>,
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

    /// All tables.
    pub fn tables(&self) -> Vec<crate::table::Table> {
        programs::tables(&self.programs)
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

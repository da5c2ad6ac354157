//! The perf map file: one line for each piece of code.

use super::{create, one_line, symbols};
use crate::Module;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the perf map of this process.
#[derive(Debug)]
pub struct PerfMap {
    file: File,
    path: PathBuf,
}

impl PerfMap {
    /// Creates `/tmp/perf-PID.map`, where `perf` looks for it.
    ///
    /// # Errors
    /// The file cannot be written, or belongs to another user.
    pub fn new() -> io::Result<Self> {
        let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        Ok(Self {
            file: create(&path)?,
            path,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a module's code. `name` returns the name of a defined function by its index.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, module: &Module, name: &dyn Fn(u32) -> String) -> io::Result<()> {
        let mut out = BufWriter::new(&self.file);
        for symbol in symbols(module, name) {
            let (address, name) = (symbol.address, one_line(&symbol.name));
            writeln!(out, "{address:x} {:x} {name}", symbol.code.len())?;
        }
        out.flush()
    }
}

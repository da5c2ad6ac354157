//! `--perf`: tells Linux's `perf` what the code of a command's module is called.

use crate::failure::Failure;
use crate::names::Names;
use clap::ValueEnum;
use pvf_executor::Module;
use pvf_executor::perf::{JitDump, PerfMap};
use std::io;
use std::path::Path;

/// The way in which `perf` learns the names of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PerfKind {
    /// Names, in /tmp/perf-PID.map.
    Map,
    /// Names and code, in jit-PID.dump in the current folder.
    Jitdump,
}

/// Writes the names of a module's functions where `perf` finds them.
pub fn tell(kind: PerfKind, module: &Module, wasm: Option<&[u8]>) -> Result<(), Failure> {
    let names = Names::of(module.info(), wasm);
    let name = |function| names.label(function);
    let failed = |what: &str| {
        let name = what.to_owned();
        move |source: io::Error| Failure::Output { name, source }
    };
    match kind {
        PerfKind::Map => PerfMap::new()
            .and_then(|mut map| map.add(module, &name))
            .map_err(failed("the perf map")),
        PerfKind::Jitdump => JitDump::new(Path::new("."))
            .and_then(|mut dump| dump.add(module, &name))
            .map_err(failed("the jitdump")),
    }
}

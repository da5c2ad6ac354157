//! `pvf bench`: starts `pvf-bench`, the executable that holds the benchmarks. It is built in another workspace (`bench/`), so that
//! `pvf` builds without other engines.

use crate::Verdict;
use crate::args::BenchArgs;
use crate::companion;
use crate::failure::Failure;
use crate::output::Output;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Names the executable.
const VARIABLE: &str = "PVF_BENCH";

/// Becomes `pvf-bench`; returns only if that fails.
pub fn bench(args: &BenchArgs, output: &Output) -> Result<Verdict, Failure> {
    let program = find()?;
    let mut command = Command::new(&program);
    command.args(&args.args);
    if output.is_json() {
        command.arg("--json");
    }
    let error = command.exec();
    Err(Failure::Benchmarks(format!(
        "cannot start {}: {error}",
        program.display()
    )))
}

/// The executable.
fn find() -> Result<PathBuf, Failure> {
    companion::find("pvf-bench", VARIABLE)
        .map_err(Failure::Benchmarks)?
        .ok_or_else(|| {
            Failure::Benchmarks(format!(
                "there is no pvf-bench beside pvf or in the checkout. Build it in the repository's folder bench/ with\n  \
                 cargo build --release -p pvf-bench\n\
                 (Wasmtime's Cranelift and ours; `--features peers` adds Winch, singlepass and wasmi, \
                 `--no-default-features` leaves ours alone),\n\
                 or let {VARIABLE} name the executable"
            ))
        })
}

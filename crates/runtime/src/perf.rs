//! Names of generated code for Linux's `perf`.
//!
//! The input is modules placed in memory and names of their functions. The output is files that
//! `perf` reads.
//!
//! - [`PerfMap`] writes `/tmp/perf-PID.map` with names only. `perf record` and `perf report` read
//!   it without further options.
//! - [`JitDump`] writes `jit-PID.dump` with names and code, so that `perf annotate` shows
//!   instructions: `perf record -k mono`, `perf inject --jit -i perf.data -o jitted.data`, `perf
//!   report -i jitted.data`.
//!
//! The runtime never reads these files, and no outcome depends on them. They stay when the process
//! ends, because `perf` reads them afterwards.

mod jitdump;
mod map;

pub use jitdump::JitDump;
pub use map::PerfMap;

use crate::Module;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A named piece of generated code.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Symbol {
    address: u64,
    code: std::ops::Range<usize>,
    name: String,
}

/// The code of a module as symbols, in order of address: its functions, the code behind them (the
/// stubs that call the host, and block operations), the entry stubs.
fn symbols(module: &Module, name: &dyn Fn(u32) -> String) -> Vec<Symbol> {
    let info = module.info();
    let code_bytes = module.code_bytes();
    let base = module.code().base() as u64;
    let symbol = |start: usize, end: usize, name: String| Symbol {
        address: base + start as u64,
        code: start..end,
        name,
    };
    let mut all: Vec<Symbol> = (0..)
        .zip(&info.functions)
        .skip(info.imported_functions as usize)
        .map(|(index, function)| {
            let start = function.code_offset as usize;
            symbol(start, start + function.code_bytes as usize, name(index))
        })
        .collect();
    all.sort_by_key(|symbol| symbol.address);
    let stubs = all.last().map_or(0, |last| last.code.end);
    let entries = info.entry_stubs.iter().flatten().min();
    let entries = entries.map_or(code_bytes, |&offset| offset as usize);
    all.push(symbol(
        stubs,
        entries,
        "[calls of the host, copies, fills, comparisons]".to_owned(),
    ));
    all.push(symbol(
        entries,
        code_bytes,
        "[entry from the host]".to_owned(),
    ));
    all.retain(|symbol| !symbol.code.is_empty());
    all
}

/// The name with control characters replaced, so that it fits on one line.
fn one_line(name: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(shown).collect()
}

/// Opens an empty file for writing. The file name is predictable and the folder may be writable by
/// everyone, so an existing link, pipe, or file of another user is refused.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).read(true).mode(0o600);
    let file = match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // An earlier process with the same id may have left the file.
            options
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path)?
        }
        opened => opened?,
    };
    let found = file.metadata()?;
    // SAFETY: geteuid has no preconditions.
    let own = found.uid() == unsafe { libc::geteuid() };
    if !(found.is_file() && own && found.nlink() == 1) {
        let message = "the path exists and is not a regular file of this user with one link";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    file.set_len(0)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_own_plain_files_are_written_to() {
        let folder = std::env::temp_dir().join(format!("pvf-perf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link, pair) = (
            folder.join("file"),
            folder.join("link"),
            folder.join("pair"),
        );
        std::fs::write(&file, "old").unwrap();
        assert_eq!(create(&file).unwrap().metadata().unwrap().len(), 0);
        symlink(&file, &link).unwrap();
        create(&link).unwrap_err();
        std::fs::hard_link(&file, &pair).unwrap();
        std::fs::write(&file, "kept").unwrap();
        create(&pair).unwrap_err();
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        create(&folder).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

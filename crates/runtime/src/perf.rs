//! Telling `perf` what generated code is called.
//!
//! In: modules placed in memory and names for their functions. Out: files that Linux's `perf` reads.
//!
//! - [`PerfMap`] writes `/tmp/perf-PID.map`: names only. `perf record` then `perf report` is all it takes.
//! - [`JitDump`] writes `jit-PID.dump`: names and the code itself, so that `perf annotate` shows
//!   instructions: `perf record -k mono`, `perf inject --jit -i perf.data -o jitted.data`, `perf report -i jitted.data`.
//!
//! Nothing is read back and no outcome depends on it. The files stay when the process ends: that is
//! when they are read.

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

/// The code of a module in pieces, in order: its functions, what leads from them to the host and back.
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
    all.push(symbol(stubs, entries, "[call of the host]".to_owned()));
    all.push(symbol(
        entries,
        code_bytes,
        "[entry from the host]".to_owned(),
    ));
    all.retain(|symbol| !symbol.code.is_empty());
    all
}

/// A name on one line.
fn one_line(name: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(shown).collect()
}

/// Opens an empty file to write. The name can be guessed and the folder may be everybody's: what
/// somebody else put there (a link, a pipe, a file of theirs) is not written to.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).read(true).mode(0o600);
    let file = match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Left by a process that had this number before, if it is ours.
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
        let message = "there is something of this name that this process did not make";
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

//! The directory of a [`Store`].

use super::counters::Counters;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Size of `jobs.jsonl` in bytes from which on it becomes `jobs.1.jsonl`.
const LINES_BYTES: u64 = 64 << 20;

const LINES: &str = "jobs.jsonl";
const EARLIER_LINES: &str = "jobs.1.jsonl";
const COUNTERS: &str = "counters.json";
const METRICS: &str = "pvf_workers.prom";
const LOCK: &str = "lock";

/// The kinds of files that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The code of a PVF.
    Code,
    /// A candidate.
    Candidate,
    /// A file about a difference.
    Difference,
}

impl Kind {
    /// The name in counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Candidate => "candidate",
            Self::Difference => "difference",
        }
    }
}

/// The bounded directory that the workers of a node share: lines, counters, and what is kept.
///
/// | path | content |
/// | --- | --- |
/// | `jobs.jsonl` | one line of JSON for each observed job |
/// | `jobs.1.jsonl` | earlier lines |
/// | `counters.json`, `pvf_workers.prom` | [`Counters`] |
/// | `code/0xHASH` | code, as the node has it; the name is its hash |
/// | `candidates/0xHASH/ID.params.zst`, `ID.json` | candidates of that code, and what is known of each |
/// | `differences/0xHASH/ID/` | what reproduces a difference |
///
/// `pvf replay` reads `code` and `candidates`.
///
/// Several processes write at a time, and a node kills workers at any time. So every change is made under a lock of
/// the file `lock`, and a file appears whole by a rename. The directory holds candidates and code that others may not
/// have published, so only its owner may read it.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    max_bytes: u64,
}

impl Store {
    /// The store in the directory `root`, whose kept files have at most `max_bytes` bytes together. Does not touch the
    /// directory, which is created when something is written.
    pub fn new(root: PathBuf, max_bytes: u64) -> Self {
        Self { root, max_bytes }
    }

    /// Keeps a file unless a file of this name is there. `bytes` is not called if it is. Returns whether the file is
    /// there now: it is not if the directory is full.
    ///
    /// # Errors
    /// The system refuses; nothing is kept then.
    pub fn keep(
        &self,
        kind: Kind,
        name: &Path,
        bytes: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<bool> {
        let path = self.root.join(name);
        if path.try_exists()? {
            return Ok(true);
        }
        let bytes = bytes()?;
        let _lock = self.lock()?;
        if path.try_exists()? {
            return Ok(true);
        }
        let mut counters = self.counters()?;
        let size = bytes.len() as u64;
        let fits = counters.kept_bytes.saturating_add(size) <= self.max_bytes;
        let count = match fits {
            true => &mut counters.kept,
            false => &mut counters.not_kept,
        };
        *count.entry(kind.name().to_owned()).or_default() += 1;
        if fits {
            self.write(&path, &bytes)?;
            counters.kept_bytes += size;
        }
        self.write_counters(&counters)?;
        Ok(fits)
    }

    /// Appends a line, and adds to the counters.
    ///
    /// # Errors
    /// The system refuses.
    pub fn report(&self, line: Option<&str>, more: &Counters) -> io::Result<()> {
        let _lock = self.lock()?;
        if let Some(line) = line {
            let path = self.root.join(LINES);
            let mut file = private().append(true).create(true).open(&path)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            if file.metadata()?.len() >= LINES_BYTES {
                fs::rename(&path, self.root.join(EARLIER_LINES))?;
            }
        }
        let mut counters = self.counters()?;
        counters.add(more);
        self.write_counters(&counters)
    }

    /// Locks the directory, and creates it if it does not exist. The lock ends when the file is closed.
    fn lock(&self) -> io::Result<File> {
        create_directory(&self.root)?;
        let path = self.root.join(LOCK);
        let file = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        file.lock()?;
        Ok(file)
    }

    /// The counters so far. Counters that do not decode begin anew, with the bytes that are there.
    fn counters(&self) -> io::Result<Counters> {
        let read = match fs::read(self.root.join(COUNTERS)) {
            Ok(json) => serde_json::from_slice(&json).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match read {
            Some(counters) => Ok(counters),
            None => Ok(Counters {
                kept_bytes: kept_bytes(&self.root)?,
                ..Counters::default()
            }),
        }
    }

    fn write_counters(&self, counters: &Counters) -> io::Result<()> {
        let json = serde_json::to_vec(counters)?;
        self.write(&self.root.join(COUNTERS), &json)?;
        let text = counters.to_prometheus().map_err(io::Error::other)?;
        self.write(&self.root.join(METRICS), &text)
    }

    /// Writes a file under a temporary name, then renames it. A file that another process left under the temporary
    /// name is overwritten.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            create_directory(directory)?;
        }
        let temporary = self.root.join("unfinished");
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)?;
        let written = file.write_all(bytes);
        let placed = written.and_then(|()| fs::rename(&temporary, path));
        if placed.is_err() {
            // A disk that is full has room for other programs again.
            let _ = fs::remove_file(&temporary);
        }
        placed
    }
}

/// Options for files that only their owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The sum of the sizes of all kept files.
fn kept_bytes(root: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders: Vec<PathBuf> = ["code", "candidates", "differences"]
        .map(|name| root.join(name))
        .into();
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => folders.push(entry.path()),
                false => bytes += entry.metadata()?.len(),
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    fn bytes(root: &Path, name: &str) -> Option<Vec<u8>> {
        fs::read(root.join(name)).ok()
    }

    #[test]
    fn files_are_kept_once_and_up_to_the_limit() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a/b");
        let store = Store::new(root.clone(), 10);
        let keep = |name: &str, size: usize| {
            store
                .keep(Kind::Code, Path::new(name), || Ok(vec![1; size]))
                .unwrap()
        };
        assert!(keep("code/one", 6));
        let again = store.keep(Kind::Code, Path::new("code/one"), || panic!("read again"));
        assert!(again.unwrap());
        assert!(!keep("code/two", 5));
        assert!(keep("candidates/x/three", 4));
        assert_eq!(bytes(&root, "code/one").unwrap(), [1; 6]);
        assert_eq!(bytes(&root, "code/two"), None);
        let read: Counters = serde_json::from_slice(&bytes(&root, COUNTERS).unwrap()).unwrap();
        assert_eq!(read.kept_bytes, 10);
        assert_eq!(read.kept["code"], 2);
        assert_eq!(read.not_kept["code"], 1);
        assert_eq!(bytes(&root, "unfinished"), None);
        let mode = |name: &str| fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
        for folder in ["", "code", "candidates/x"] {
            assert_eq!(mode(folder), 0o700, "{folder}");
        }
        for file in ["code/one", COUNTERS, METRICS, LOCK] {
            assert_eq!(mode(file), 0o600, "{file}");
        }

        // Damaged counters begin anew, and the limit still holds.
        fs::write(root.join(COUNTERS), "{").unwrap();
        assert!(!keep("code/four", 1));
        fs::remove_file(root.join("code/one")).unwrap();
        fs::remove_file(root.join(COUNTERS)).unwrap();
        assert!(keep("code/four", 1));
    }

    #[test]
    fn lines_and_counters_of_several_threads_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let more = Counters {
            compared: BTreeMap::from([("agreed".to_owned(), 1)]),
            ..Counters::default()
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (root, more) = (directory.path().to_owned(), &more);
                scope.spawn(move || {
                    let store = Store::new(root, 0);
                    for number in 0..50 {
                        let line = format!("{{\"line\": \"{thread}.{number}\"}}");
                        store.report(Some(&line), more).unwrap();
                    }
                });
            }
        });
        let lines = String::from_utf8(bytes(directory.path(), LINES).unwrap()).unwrap();
        assert_eq!(lines.lines().count(), 200);
        for line in lines.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        let json = bytes(directory.path(), COUNTERS).unwrap();
        let counters: Counters = serde_json::from_slice(&json).unwrap();
        assert_eq!(counters.compared["agreed"], 200);
    }

    #[test]
    fn old_lines_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let lines = File::create(directory.path().join(LINES)).unwrap();
        lines.set_len(LINES_BYTES - 1).unwrap();
        let store = Store::new(directory.path().to_owned(), 0);
        store.report(Some("{}"), &Counters::default()).unwrap();
        store.report(Some("{}"), &Counters::default()).unwrap();
        assert_eq!(bytes(directory.path(), LINES).unwrap(), b"{}\n");
        let earlier = fs::metadata(directory.path().join(EARLIER_LINES)).unwrap();
        assert_eq!(earlier.len(), LINES_BYTES + 2);
    }
}

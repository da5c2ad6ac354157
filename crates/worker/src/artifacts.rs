//! A cache of loaded artifacts, within a bound of memory.
//!
//! A worker executes the same few PVFs again and again. It reads and checks an artifact once and
//! keeps the loaded form. An entry is used only for the same file, identified by device, inode,
//! size and modification time. A checksum does not identify an artifact: it detects accidental
//! damage only, and the author of a module can make two artifacts with one checksum.

use pvf_node_protocol::ArtifactChecksum;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Largest number of artifacts that a worker keeps between two candidates.
const MOST: usize = 32;

/// Largest sum of [`Kept::bytes`] that a worker keeps between two candidates.
pub const MOST_BYTES: u64 = 128 << 20;

/// Largest file of an artifact in bytes; a prepare worker makes none so large.
pub const MOST_FILE_BYTES: u64 = 2 << 30;

/// Why an artifact cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactFailure<E> {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is larger than any artifact.
    #[error("a file of {0} bytes")]
    TooLarge(u64),
    /// Loading the artifact failed.
    #[error("{0}")]
    Use(E),
}

/// The loaded form of an artifact.
pub trait Kept {
    /// Bytes of memory that it takes.
    fn bytes(&self) -> u64;
}

/// The loaded artifacts, the most recently used one last.
pub struct Artifacts<T> {
    known: Vec<Known<T>>,
}

struct Known<T> {
    checksum: ArtifactChecksum,
    file: FileState,
    made: T,
}

/// Identity and state of a file. If it is equal, the file is the same and has not changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// Opens the file of an artifact.
///
/// # Errors
/// The path cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    regular(options.open(path)?)
}

/// Returns `file` if it is a regular file.
///
/// # Errors
/// The file is something else, such as a directory or a pipe.
pub fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the artifact is not a regular file",
        )),
    }
}

impl FileState {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl<T: Kept> Artifacts<T> {
    /// An empty cache.
    pub fn new() -> Self {
        Self { known: Vec::new() }
    }

    /// The loaded form of the artifact in a file. If it is not in the cache, `make` loads it from
    /// the file and the file's length; `make` must compare the checksum. When memory or descriptors
    /// run out, `make` may call its third argument, [`forget_one`](Self::forget_one), and try
    /// again.
    ///
    /// # Errors
    /// [`ArtifactFailure`].
    pub fn get<E>(
        &mut self,
        file: File,
        checksum: ArtifactChecksum,
        make: impl FnOnce(File, u64, &mut dyn FnMut() -> bool) -> Result<T, E>,
    ) -> Result<&T, ArtifactFailure<E>> {
        let state = FileState::of(&file)?;
        let is_it = |known: &Known<T>| known.checksum == checksum && known.file == state;
        let known = match self.known.iter().position(is_it) {
            Some(index) => self.known.remove(index),
            None => {
                if state.bytes > MOST_FILE_BYTES {
                    return Err(ArtifactFailure::TooLarge(state.bytes));
                }
                // If the host copies the file for each job, the earlier copy is not used again.
                self.known.retain(|known| known.checksum != checksum);
                let made = make(file, state.bytes, &mut || self.forget_one());
                Known {
                    checksum,
                    file: state,
                    made: made.map_err(ArtifactFailure::Use)?,
                }
            }
        };
        let index = self.known.len();
        self.known.push(known);
        Ok(&self.known[index].made)
    }

    /// Drops the least recently used artifact. Returns false if there is none.
    pub fn forget_one(&mut self) -> bool {
        let any = !self.known.is_empty();
        if any {
            self.known.remove(0);
        }
        any
    }

    /// Drops the least recently used artifacts until [`MOST`] and [`MOST_BYTES`] hold.
    pub fn trim(&mut self) {
        let bytes = |known: &[Known<T>]| known.iter().map(|it| it.made.bytes()).sum::<u64>();
        while self.known.len() > MOST || bytes(&self.known) > MOST_BYTES {
            self.known.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::fs;

    /// A loaded form of this many bytes.
    struct Size(u64);

    impl Kept for Size {
        fn bytes(&self) -> u64 {
            self.0
        }
    }

    struct Files(std::path::PathBuf, Cell<u32>);

    impl Files {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("pvf-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path, Cell::new(0))
        }

        fn file(&self, name: &str, text: &str) -> File {
            fs::write(self.0.join(name), text).unwrap();
            self.open(name)
        }

        fn open(&self, name: &str) -> File {
            open(&self.0.join(name)).unwrap()
        }

        /// Gets the artifact of a file and returns whether it was loaded again.
        fn get(&self, artifacts: &mut Artifacts<Size>, file: File, sum: u8, size: u64) -> bool {
            let before = self.1.get();
            let made = artifacts.get(file, ArtifactChecksum([sum; 32]), |_, _, _| {
                self.1.set(before + 1);
                Ok::<_, io::Error>(Size(size))
            });
            assert_eq!(made.unwrap().0, size);
            self.1.get() > before
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_entry_is_used_only_for_the_same_unchanged_file() {
        let files = Files::new("identity");
        let mut artifacts = Artifacts::new();
        let file = files.file("a", "a file");
        assert!(files.get(&mut artifacts, file, 1, 1));
        // The same file under another name, as a host links it.
        fs::hard_link(files.0.join("a"), files.0.join("link")).unwrap();
        assert!(!files.get(&mut artifacts, files.open("link"), 1, 1));
        assert!(!files.get(&mut artifacts, files.open("a"), 1, 1));
        // Another file of the same length, with the same checksum according to the host.
        let other = files.file("b", "b file");
        assert!(files.get(&mut artifacts, other, 1, 2));
        assert!(files.get(&mut artifacts, files.open("a"), 1, 3));
        // The same file under another checksum.
        assert!(files.get(&mut artifacts, files.open("a"), 2, 4));
        assert!(!files.get(&mut artifacts, files.open("a"), 1, 3));
        // The file is overwritten in place.
        let again = files.file("a", "a life");
        assert!(files.get(&mut artifacts, again, 1, 5));
    }

    #[test]
    fn trim_keeps_the_limits_of_number_and_bytes() {
        let files = Files::new("bounds");
        let mut artifacts = Artifacts::new();
        for number in 0..100_u8 {
            let file = files.file(&number.to_string(), "x");
            files.get(&mut artifacts, file, number, MOST_BYTES / 8);
            artifacts.trim();
            let kept: u64 = artifacts.known.iter().map(|it| it.made.0).sum();
            assert!(kept <= MOST_BYTES);
        }
        assert_eq!(artifacts.known.len(), 8);
        // An artifact above the limit of bytes is dropped as well.
        let file = files.file("large", "x");
        files.get(&mut artifacts, file, 200, MOST_BYTES + 1);
        artifacts.trim();
        assert!(artifacts.known.is_empty());
        for number in 0..100_u8 {
            let file = files.file(&number.to_string(), "y");
            files.get(&mut artifacts, file, number, 0);
            artifacts.trim();
            assert!(artifacts.known.len() <= MOST);
        }
    }

    #[test]
    fn directories_pipes_and_huge_files_are_refused() {
        let files = Files::new("kinds");
        assert!(open(&files.0).is_err());
        assert!(open(&files.0.join("nothing")).is_err());
        let pipe = files.0.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&pipe).is_err(), "and `open` did not wait for a writer");
        let sparse = File::create(files.0.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let mut artifacts = Artifacts::<Size>::new();
        let sum = ArtifactChecksum::default();
        let got = artifacts.get(files.open("sparse"), sum, |_, _, _| Err(()));
        assert!(matches!(got, Err(ArtifactFailure::TooLarge(_))));
    }
}

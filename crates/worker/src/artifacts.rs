//! Artifacts that a worker has made something of.
//!
//! A worker executes the same few PVFs again and again. An artifact is read and checked once, and what was made of it is kept, within a bound
//! of memory. It is used for the same file alone, by the kernel's bookkeeping: another file is another artifact, whatever its checksum. The
//! checksum tells accidents, and who writes a module can make two artifacts that share it. No hash decides which code runs.

use pvf_node_protocol::ArtifactChecksum;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Most artifacts that are kept.
const MOST: usize = 32;

/// Most bytes that a worker keeps between two candidates.
pub const MOST_BYTES: u64 = 128 << 20;

/// Most bytes of an artifact's file; more than a prepare worker makes.
pub const MOST_FILE_BYTES: u64 = 2 << 30;

/// Why there is nothing to execute.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactFailure<E> {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is larger than any artifact.
    #[error("a file of {0} bytes")]
    TooLarge(u64),
    /// Nothing can be made of it.
    #[error("{0}")]
    Use(E),
}

/// What is kept takes memory.
pub trait Kept {
    /// How much.
    fn bytes(&self) -> u64;
}

/// What was made of artifacts, the one used last at the end.
pub struct Artifacts<T> {
    known: Vec<Known<T>>,
}

struct Known<T> {
    checksum: ArtifactChecksum,
    file: FileState,
    made: T,
}

/// By what a file is known not to have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// The file of an artifact, which is one: not a directory, nor a pipe that never ends.
///
/// # Errors
/// It cannot be read.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    regular(options.open(path)?)
}

/// The file, if it is one.
///
/// # Errors
/// It is something else.
pub fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the artifact is no file",
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
    /// None yet.
    pub fn new() -> Self {
        Self { known: Vec::new() }
    }

    /// What was made of the artifact in a file, which has to have this checksum; `make` makes it of the file and its length, after it
    /// has compared the checksum. Where `make` lacks room it asks for less to be kept, and tries again.
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
                // A host that does not link its files but copies them has no use for the copy before.
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

    /// Forgets the one used longest ago. False if there is none.
    pub fn forget_one(&mut self) -> bool {
        let any = !self.known.is_empty();
        if any {
            self.known.remove(0);
        }
        any
    }

    /// Keeps no more than a worker keeps while it waits.
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

    /// So many bytes, said of bytes of a file.
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

        /// What is known of a file after it was asked for; and whether it was made anew.
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
    fn a_file_is_known_and_a_checksum_is_not() {
        let files = Files::new("identity");
        let mut artifacts = Artifacts::new();
        let file = files.file("a", "a file");
        assert!(files.get(&mut artifacts, file, 1, 1));
        // By another name, as a host links it.
        fs::hard_link(files.0.join("a"), files.0.join("link")).unwrap();
        assert!(!files.get(&mut artifacts, files.open("link"), 1, 1));
        assert!(!files.get(&mut artifacts, files.open("a"), 1, 1));
        // Another one of the same length and, as the host says, the same checksum.
        let other = files.file("b", "b file");
        assert!(files.get(&mut artifacts, other, 1, 2));
        assert!(files.get(&mut artifacts, files.open("a"), 1, 3));
        // The same file under another checksum.
        assert!(files.get(&mut artifacts, files.open("a"), 2, 4));
        assert!(!files.get(&mut artifacts, files.open("a"), 1, 3));
        // Written again in place.
        let again = files.file("a", "a life");
        assert!(files.get(&mut artifacts, again, 1, 5));
    }

    #[test]
    fn what_is_kept_is_bounded() {
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
        // One that is too large by itself goes as well.
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
    fn what_is_no_file_is_not_opened() {
        let files = Files::new("kinds");
        assert!(open(&files.0).is_err());
        assert!(open(&files.0.join("nothing")).is_err());
        let pipe = files.0.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&pipe).is_err(), "and nobody waited for a writer");
        let sparse = File::create(files.0.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let mut artifacts = Artifacts::<Size>::new();
        let sum = ArtifactChecksum::default();
        let got = artifacts.get(files.open("sparse"), sum, |_, _, _| Err(()));
        assert!(matches!(got, Err(ArtifactFailure::TooLarge(_))));
    }
}

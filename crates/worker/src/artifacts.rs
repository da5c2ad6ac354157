//! Artifacts that an execute worker has read.
//!
//! A worker executes the same few PVFs again and again. It reads and checks an artifact once and keeps what it made of it. What it
//! made is used for the same file alone, by the kernel's bookkeeping. Another file is another artifact, whatever its checksum: the
//! checksum tells accidents, and who writes a module can make two artifacts that share it. No hash decides which code runs.

use pvf_wire::ArtifactChecksum;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

/// Most artifacts that are kept.
const MOST: usize = 32;

/// Most bytes of artifacts that are kept, beside the last one.
const MOST_BYTES: u64 = 128 << 20;

/// Why there is nothing to execute.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactFailure<E> {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file's bytes are not those that the host asks for.
    #[error("its checksum is another")]
    Checksum,
    /// The bytes are those the host asks for, but nothing that can be made use of.
    #[error("{0}")]
    Use(E),
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

impl<T> Artifacts<T> {
    /// None yet.
    pub fn new() -> Self {
        Self { known: Vec::new() }
    }

    /// What was made of the artifact in a file, which has to have this checksum; `make` makes it of the bytes.
    ///
    /// # Errors
    /// [`ArtifactFailure`].
    pub fn get<E>(
        &mut self,
        mut file: File,
        checksum: ArtifactChecksum,
        make: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<&T, ArtifactFailure<E>> {
        let state = FileState::of(&file)?;
        let is_it = |known: &Known<T>| known.checksum == checksum && known.file == state;
        let known = match self.known.iter().position(is_it) {
            Some(index) => self.known.remove(index),
            None => {
                // A host that does not link its files but copies them has no use for the copy before.
                self.known.retain(|known| known.checksum != checksum);
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                if ArtifactChecksum::of(&bytes) != checksum {
                    return Err(ArtifactFailure::Checksum);
                }
                Known {
                    checksum,
                    file: state,
                    made: make(&bytes).map_err(ArtifactFailure::Use)?,
                }
            }
        };
        self.known.push(known);
        self.forget_some();
        self.known
            .last()
            .map(|known| &known.made)
            .ok_or(ArtifactFailure::Checksum)
    }

    /// Those used longest ago.
    fn forget_some(&mut self) {
        let bytes = |known: &[Known<T>]| known.iter().map(|it| it.file.bytes).sum::<u64>();
        while self.known.len() > MOST || (self.known.len() > 1 && bytes(&self.known) > MOST_BYTES) {
            self.known.remove(0);
        }
    }
}

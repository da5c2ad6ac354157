//! From an artifact to what an execute job maps.
//!
//! What an artifact holds is chosen by whoever wrote the code, down to the counts in it. So a job reads it, compares its checksum and takes it apart, behind
//! all barriers and with limits of time and memory; it writes what execute jobs need into two [files in memory](pvf_validation::placed). The worker
//! seals these and holds them, as so many bytes, and reads nothing.

use crate::artifacts::Kept;
use crate::files;
use crate::job::{Panicked, STACK_BYTES};
use crate::security::limits::{JobLimits, MemoryLimit};
use parity_scale_codec::{Decode, Encode};
use pvf_executor::{Artifact, LoadError, artifact};
use pvf_node_protocol::ArtifactChecksum;
use pvf_validation::placed;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// CPU time of a load, a hundred times what the largest runtimes take.
const CPU_TIME: Duration = Duration::from_secs(30);

/// How many times an artifact's bytes a load may take as memory, and how much in any case: metadata of very many very small things take the
/// most. The stack counts as it is reserved.
const MEMORY_TIMES: u64 = 16;
const MEMORY_MORE: u64 = (256 << 20) + STACK_BYTES as u64;

/// The most that a load may take, whatever the artifact.
const MEMORY_MOST: u64 = 8 << 30;

/// A module in memory, to be mapped by jobs.
#[derive(Debug)]
pub struct InMemory {
    /// The code, to the end of a page.
    pub code: File,
    /// All the rest.
    pub rest: File,
    bytes: u64,
}

impl Kept for InMemory {
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl InMemory {
    /// With nothing in it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            code: files::in_memory("pvf-code")?,
            rest: files::in_memory("pvf-module")?,
            bytes: 0,
        })
    }

    /// After a load: nothing in it changes any more.
    ///
    /// # Errors
    /// The system refuses.
    pub fn seal(mut self) -> io::Result<Self> {
        for file in [&self.code, &self.rest] {
            files::seal(file)?;
            // Whole lengths: what is not written takes memory as soon as a job reads it.
            self.bytes += file.metadata()?.len();
        }
        Ok(self)
    }
}

/// Why an artifact is not in memory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum LoadFailure {
    /// Its bytes are not those that the host asks for, or no artifact.
    #[error("{0}")]
    Corrupted(String),
    /// The machine cannot do its part, whatever the artifact: to read a file, to execute what its own prepare worker made.
    #[error("{0}")]
    Machine(String),
    /// The system refused something of which the artifact says how much it takes.
    #[error("{0}")]
    Refused(String),
    /// The job failed outside of its work.
    #[error("{0}")]
    Job(String),
}

impl From<Panicked> for LoadFailure {
    fn from(Panicked(message): Panicked) -> Self {
        Self::Job(message)
    }
}

impl From<LoadError> for LoadFailure {
    fn from(error: LoadError) -> Self {
        let text = error.to_string();
        match error {
            LoadError::Processor(_) => Self::Machine(text),
            LoadError::Failure(_) => Self::Refused(text),
            _ => Self::Corrupted(text),
        }
    }
}

/// The limits of a load of so many bytes.
pub fn limits(artifact_bytes: u64) -> JobLimits {
    let memory = artifact_bytes.saturating_mul(MEMORY_TIMES) + MEMORY_MORE + STACK_BYTES as u64;
    JobLimits {
        cpu_time: CPU_TIME,
        memory: MemoryLimit::Data(memory.min(MEMORY_MOST)),
        // An image has twice the bytes of the data and a MiB at most, and what is written beside it no more than the artifact.
        file_bytes: 4 * artifact_bytes + (8 << 20),
    }
}

/// In a load job: reads an artifact of so many bytes and this checksum, and writes what there is to map.
///
/// # Errors
/// [`LoadFailure`].
pub fn load(
    file: &File,
    bytes: u64,
    checksum: ArtifactChecksum,
    limit_pages: u32,
    [code, rest]: [&File; 2],
) -> Result<(), LoadFailure> {
    let unreadable = |error: io::Error| LoadFailure::Machine(format!("the artifact: {error}"));
    let mut head = vec![0; artifact::HEAD_BYTES];
    let read = read_at(file, &mut head, 0).map_err(unreadable)?;
    head.truncate(read);
    let expected = Artifact::expected_bytes(&head);
    let expected = expected.map_err(|error| LoadFailure::Corrupted(error.to_string()))?;
    if expected != bytes {
        let text = format!("{bytes} bytes, by its own account {expected}");
        return Err(LoadFailure::Corrupted(text));
    }
    let mut artifact = Vec::new();
    let room = artifact.try_reserve_exact(bytes as usize);
    room.map_err(|error| LoadFailure::Refused(error.to_string()))?;
    artifact.resize(bytes as usize, 0);
    let read = read_at(file, &mut artifact, 0).map_err(unreadable)?;
    artifact.truncate(read);
    if ArtifactChecksum::of(&artifact) != checksum {
        let text = "its checksum is another".to_owned();
        return Err(LoadFailure::Corrupted(text));
    }
    Ok(placed::place(&artifact, limit_pages, code, rest)?)
}

/// Reads what there is from an offset on. The descriptor is the worker's too: where it stands is nobody's business.
fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

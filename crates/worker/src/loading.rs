//! Loads an artifact into files in memory, which execute jobs map.
//!
//! The author of the code controls the content of an artifact, including the counts in it. So a
//! job, behind all barriers and with limits of time and memory, reads the artifact, compares its
//! checksum and decodes it. The job writes the code and the rest of the module into two [files in
//! memory](pvf_validation::placed). The worker seals and keeps these files, and does not read them.

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

/// CPU time that a load may take: a hundred times the load of the largest runtimes.
const CPU_TIME: Duration = Duration::from_secs(30);

/// Bytes of memory that a load may take per byte of the artifact. Modules of very many tiny
/// functions or segments need the most.
const MEMORY_TIMES: u64 = 16;

/// Bytes of memory that a load may take in addition. The reserved stack counts in full.
const MEMORY_MORE: u64 = (256 << 20) + STACK_BYTES as u64;

/// Largest memory limit of a load in bytes, for any artifact.
const MEMORY_MOST: u64 = 8 << 30;

/// A module in memory, which jobs map.
#[derive(Debug)]
pub struct InMemory {
    /// The machine code, padded to whole pages.
    pub code: File,
    /// All other parts of the module.
    pub rest: File,
    bytes: u64,
}

impl Kept for InMemory {
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl InMemory {
    /// Creates two empty files.
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

    /// Seals both files after a load.
    ///
    /// # Errors
    /// The system refuses.
    pub fn seal(mut self) -> io::Result<Self> {
        for file in [&self.code, &self.rest] {
            files::seal(file)?;
            // The full length counts: a hole in the file takes memory as soon as a job reads it.
            self.bytes += file.metadata()?.len();
        }
        Ok(self)
    }
}

/// Why an artifact could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum LoadFailure {
    /// The bytes do not have the host's checksum, or are not an artifact.
    #[error("{0}")]
    Corrupted(String),
    /// The machine failed, independently of the artifact: the file cannot be read, or the processor
    /// lacks a feature that the code needs.
    #[error("{0}")]
    Machine(String),
    /// The system refused a resource whose size the artifact determines.
    #[error("{0}")]
    Refused(String),
    /// The job panicked.
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

/// The limits of a job that loads an artifact of this size.
pub fn limits(artifact_bytes: u64) -> JobLimits {
    let memory = artifact_bytes
        .saturating_mul(MEMORY_TIMES)
        .saturating_add(MEMORY_MORE);
    JobLimits {
        cpu_time: CPU_TIME,
        memory: MemoryLimit::Data(memory.min(MEMORY_MOST)),
        // The image of the initial memory has at most twice the data's bytes and 1 MiB; all other
        // parts together have at most the bytes of the artifact.
        file_bytes: 4 * artifact_bytes + (8 << 20),
    }
}

/// In a load job: reads an artifact of `bytes` bytes and writes the module in memory to `code` and
/// `rest`. With `verify`, machine code that the verifier refuses is a corrupted artifact.
///
/// # Errors
/// [`LoadFailure`].
pub fn load(
    file: &File,
    bytes: u64,
    checksum: ArtifactChecksum,
    limit_pages: u32,
    verify: bool,
    [code, rest]: [&File; 2],
) -> Result<(), LoadFailure> {
    let unreadable = |error: io::Error| LoadFailure::Machine(format!("the artifact: {error}"));
    let mut head = vec![0; artifact::HEAD_BYTES];
    let read = read_at(file, &mut head, 0).map_err(unreadable)?;
    head.truncate(read);
    let expected = Artifact::expected_bytes(&head);
    let expected = expected.map_err(|error| LoadFailure::Corrupted(error.to_string()))?;
    if expected != bytes {
        let text = format!("the file has {bytes} bytes, the artifact's head says {expected}");
        return Err(LoadFailure::Corrupted(text));
    }
    let mut artifact = Vec::new();
    let room = artifact.try_reserve_exact(bytes as usize);
    room.map_err(|error| LoadFailure::Refused(error.to_string()))?;
    artifact.resize(bytes as usize, 0);
    let read = read_at(file, &mut artifact, 0).map_err(unreadable)?;
    artifact.truncate(read);
    if ArtifactChecksum::of(&artifact) != checksum {
        let text = "the checksum differs".to_owned();
        return Err(LoadFailure::Corrupted(text));
    }
    if verify && let Err(error) = pvf_executor::verify_artifact(&artifact) {
        return Err(LoadFailure::Corrupted(error.to_string()));
    }
    Ok(placed::place(&artifact, limit_pages, code, rest)?)
}

/// Reads from an offset until `into` is full or the file ends. It does not use the file's position,
/// which this process shares with the worker.
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

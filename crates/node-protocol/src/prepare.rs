//! Preparation: code in, an artifact's checksum out.

use crate::ArtifactChecksum;
use parity_scale_codec::{Decode, Encode};
use pvf_primitives::{ExecutorParams, Hash};
use std::time::Duration;

/// What a prepare worker is asked. It answers a [`PrepareResponse`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PrepareRequest {
    /// The code as it is on chain, compressed or not.
    pub maybe_compressed_code: Vec<u8>,
    /// Largest size that compressed code may have, decompressed.
    pub validation_code_bomb_limit: u32,
    /// BLAKE2b-256 of `maybe_compressed_code`.
    pub code_hash: Hash,
    /// The rules.
    pub executor_params: ExecutorParams,
    /// CPU time that the job may take.
    pub prep_timeout: Duration,
    /// What it is for.
    pub prep_kind: PrepareJobKind,
}

/// What a preparation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PrepareJobKind {
    /// To execute candidates.
    #[codec(index = 0)]
    Compilation,
    /// To vote on new code: it is also found out whether its imports can be satisfied.
    #[codec(index = 1)]
    Prechecking,
}

/// What a prepare worker answers. The artifact itself is in the file `tmp-artifact` of its directory.
pub type PrepareResponse = Result<PrepareWorkerSuccess, PrepareError>;

/// A preparation that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareWorkerSuccess {
    /// Of the artifact.
    pub checksum: ArtifactChecksum,
    /// What it took.
    pub stats: PrepareStats,
}

/// What a preparation took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareStats {
    /// CPU time of the job.
    pub cpu_time_elapsed: Duration,
    /// Memory of the job.
    pub memory_stats: MemoryStats,
    /// Bytes of the code, decompressed.
    pub observed_wasm_code_len: u32,
}

/// Memory of a preparation. The fields are those of a node on Linux.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryStats {
    /// What the allocator says, if it was asked.
    pub memory_tracker_stats: Option<MemoryAllocationStats>,
    /// Largest resident set in KiB.
    pub max_rss: Option<i64>,
    /// Largest sum of live allocations in bytes.
    pub peak_tracked_alloc: u64,
}

/// An allocator's own statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryAllocationStats {
    /// Bytes of its pages in memory.
    pub resident: u64,
    /// Bytes allocated.
    pub allocated: u64,
}

/// Why there is no artifact. Those marked with a star depend on the code alone: the others the host tries again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum PrepareError {
    /// * The code does not parse as a module of the accepted language.
    #[codec(index = 0)]
    #[error("prevalidation: {0}")]
    Prevalidation(String),
    /// * The module is not valid or cannot be compiled.
    #[codec(index = 1)]
    #[error("preparation: {0}")]
    Preparation(String),
    /// The imports of the module cannot be satisfied.
    #[codec(index = 2)]
    #[error("runtime construction: {0}")]
    RuntimeConstruction(String),
    /// * The job failed in a way that nobody foresaw.
    #[codec(index = 3)]
    #[error("the job failed: {0}")]
    JobError(String),
    /// It took too long.
    #[codec(index = 4)]
    #[error("time is up")]
    TimedOut,
    /// Reading or writing failed.
    #[codec(index = 5)]
    #[error("input or output: {0}")]
    IoErr(String),
    /// The host could not make the temporary file.
    #[codec(index = 6)]
    #[error("cannot make the temporary file: {0}")]
    CreateTmpFile(String),
    /// The host could not give the artifact its name.
    #[codec(index = 7)]
    #[error("cannot rename {src:?} to {dest:?}: {err}")]
    RenameTmpFile {
        /// What the system says.
        err: String,
        /// The temporary file.
        src: Option<String>,
        /// Its name to be.
        dest: Option<String>,
    },
    /// * It took more memory than allowed.
    #[codec(index = 8)]
    #[error("out of memory")]
    OutOfMemory,
    /// The host could not clear the worker's directory.
    #[codec(index = 9)]
    #[error("cannot clear the worker's directory: {0}")]
    ClearWorkerDir(String),
    /// The job was killed.
    #[codec(index = 10)]
    #[error("the job (process {job_pid}) died: {err}")]
    JobDied {
        /// How.
        err: String,
        /// Which process.
        job_pid: i32,
    },
    /// The system refused something.
    #[codec(index = 11)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// * The compressed code is damaged or too large.
    #[codec(index = 12)]
    #[error("cannot decompress the code: {0}")]
    CouldNotDecompressCodeBlob(String),
}

impl PrepareError {
    /// Whether the host takes it for a property of the code, so that trying again is of no use.
    pub fn is_deterministic(&self) -> bool {
        matches!(
            self,
            Self::Prevalidation(_)
                | Self::Preparation(_)
                | Self::JobError(_)
                | Self::OutOfMemory
                | Self::CouldNotDecompressCodeBlob(_)
        )
    }
}

//! Messages of preparation: a request with code, a response with the checksum of the artifact.

use crate::ArtifactChecksum;
use parity_scale_codec::{Decode, Encode};
use pvf_primitives::{ExecutorParams, Hash};
use std::time::Duration;

/// A request to a prepare worker, which answers with a [`PrepareResponse`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PrepareRequest {
    /// The code as stored on chain, compressed or not.
    pub maybe_compressed_code: Vec<u8>,
    /// Largest size of compressed code after decompression, in bytes.
    pub validation_code_bomb_limit: u32,
    /// BLAKE2b-256 of `maybe_compressed_code`.
    pub code_hash: Hash,
    /// The executor parameters of the session.
    pub executor_params: ExecutorParams,
    /// CPU time that the job may take.
    pub prep_timeout: Duration,
    /// The purpose of the preparation.
    pub prep_kind: PrepareJobKind,
}

/// The purpose of a preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PrepareJobKind {
    /// Execution of candidates.
    #[codec(index = 0)]
    Compilation,
    /// Pre-checking of new code: the worker also checks that the imports can be satisfied.
    #[codec(index = 1)]
    Prechecking,
}

/// The response of a prepare worker. The artifact itself is in the file `tmp-artifact` of the
/// worker's directory.
pub type PrepareResponse = Result<PrepareWorkerSuccess, PrepareError>;

/// The result of a preparation that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareWorkerSuccess {
    /// Checksum of the artifact.
    pub checksum: ArtifactChecksum,
    /// Time and memory of the preparation.
    pub stats: PrepareStats,
}

/// Time and memory of a preparation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PrepareStats {
    /// CPU time of the job.
    pub cpu_time_elapsed: Duration,
    /// Memory that the job used.
    pub memory_stats: MemoryStats,
    /// Bytes of the code after decompression.
    pub observed_wasm_code_len: u32,
}

/// Memory of a preparation. The fields are those of a node built for Linux.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryStats {
    /// The allocator's statistics, if the worker collected them.
    pub memory_tracker_stats: Option<MemoryAllocationStats>,
    /// Largest resident set in KiB.
    pub max_rss: Option<i64>,
    /// Largest sum of live allocations in bytes.
    pub peak_tracked_alloc: u64,
}

/// An allocator's own statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MemoryAllocationStats {
    /// Bytes of the allocator's resident pages.
    pub resident: u64,
    /// Bytes allocated.
    pub allocated: u64,
}

/// Why a preparation made no artifact. Variants marked with a star depend on the code alone; the
/// host retries the others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum PrepareError {
    /// * The code does not parse as a module of the accepted language.
    #[codec(index = 0)]
    #[error("prevalidation: {0}")]
    Prevalidation(String),
    /// * The module is invalid or cannot be compiled.
    #[codec(index = 1)]
    #[error("preparation: {0}")]
    Preparation(String),
    /// The imports of the module cannot be satisfied.
    #[codec(index = 2)]
    #[error("runtime construction: {0}")]
    RuntimeConstruction(String),
    /// * The job panicked, or broke the protocol between job and worker.
    #[codec(index = 3)]
    #[error("the job failed: {0}")]
    JobError(String),
    /// The preparation took too long.
    #[codec(index = 4)]
    #[error("time is up")]
    TimedOut,
    /// Reading or writing failed.
    #[codec(index = 5)]
    #[error("I/O error: {0}")]
    IoErr(String),
    /// The host could not create the temporary file.
    #[codec(index = 6)]
    #[error("cannot create the temporary file: {0}")]
    CreateTmpFile(String),
    /// The host could not rename the temporary file.
    #[codec(index = 7)]
    #[error("cannot rename {src:?} to {dest:?}: {err}")]
    RenameTmpFile {
        /// The system's error.
        err: String,
        /// Path of the temporary file.
        src: Option<String>,
        /// The new path.
        dest: Option<String>,
    },
    /// * The job allocated more memory than allowed.
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
        /// How the process ended.
        err: String,
        /// The process number.
        job_pid: i32,
    },
    /// A system call of the worker failed.
    #[codec(index = 11)]
    #[error("the system refused: {0}")]
    Kernel(String),
    /// * The compressed code is damaged or too large.
    #[codec(index = 12)]
    #[error("cannot decompress the code: {0}")]
    CouldNotDecompressCodeBlob(String),
}

impl PrepareError {
    /// Whether the host treats the error as a property of the code and does not retry.
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

//! Resource limits of a job, enforced by the kernel as a backstop. Where the network's rules limit
//! the same resource, a job reaches the network's limit first.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Seconds by which the kernel's limit of CPU time exceeds the job's limit, which the worker
/// enforces.
const CPU_GRACE: u64 = 2;

/// Limit of a job's descriptor numbers. A job opens no new descriptors.
const DESCRIPTORS: u64 = 16;

/// Limits of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobLimits {
    /// CPU time after which the worker kills the job.
    pub cpu_time: Duration,
    /// Limit of memory.
    pub memory: MemoryLimit,
    /// Largest file that the job may write, in bytes.
    pub file_bytes: u64,
}

/// A limit of memory.
#[derive(Clone, Copy, Debug)]
pub enum MemoryLimit {
    /// Bytes of address space.
    AddressSpace(u64),
    /// Bytes of private writable memory (`RLIMIT_DATA`). Inaccessible reservations, such as those
    /// of Wasm memories, do not count.
    Data(u64),
}

impl JobLimits {
    /// Sets the limits of this process.
    ///
    /// # Errors
    /// The system refused.
    pub fn apply(&self) -> nix::Result<()> {
        // With equal soft and hard limits, the kernel sends SIGKILL at once, and no SIGXCPU before.
        let seconds = self.cpu_time.as_secs().saturating_add(1 + CPU_GRACE);
        limit(Resource::RLIMIT_CPU, seconds)?;
        match self.memory {
            MemoryLimit::AddressSpace(bytes) => limit(Resource::RLIMIT_AS, bytes)?,
            MemoryLimit::Data(bytes) => limit(Resource::RLIMIT_DATA, bytes)?,
        }
        limit(Resource::RLIMIT_NOFILE, DESCRIPTORS)?;
        limit(Resource::RLIMIT_FSIZE, self.file_bytes)?;
        for nothing in [
            Resource::RLIMIT_CORE,
            Resource::RLIMIT_MEMLOCK,
            Resource::RLIMIT_MSGQUEUE,
            Resource::RLIMIT_NPROC,
        ] {
            limit(nothing, 0)?;
        }
        Ok(())
    }
}

/// Sets the soft and the hard limit of a resource, at most to the current hard limit.
fn limit(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let value = value.min(hard);
    setrlimit(resource, value, value)
}

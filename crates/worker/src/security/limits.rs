//! What the kernel counts for a job, as a backstop: where the rules of the network have a limit, it is reached first.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::time::Duration;

/// Seconds of CPU time beyond the job's own limit, which the worker looks after.
const CPU_GRACE: u64 = 2;

/// Descriptors that a job may have open; it has no use for new ones.
const DESCRIPTORS: u64 = 16;

/// Limits of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobLimits {
    /// CPU time after which the worker ends the job.
    pub cpu_time: Duration,
    /// Where memory ends.
    pub memory: MemoryLimit,
    /// Largest file that may be written, in bytes.
    pub file_bytes: u64,
}

/// A limit of memory.
#[derive(Clone, Copy, Debug)]
pub enum MemoryLimit {
    /// Bytes of address space.
    AddressSpace(u64),
    /// Bytes of memory that can be written: what is only reserved, as Wasm's memories are, does not count.
    Data(u64),
}

impl JobLimits {
    /// Sets the limits of this process.
    ///
    /// # Errors
    /// The system refused.
    pub fn apply(&self) -> nix::Result<()> {
        // With both limits the same, the kernel kills at once and does not ask first.
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

/// Sets both limits of a resource, never above what they are.
fn limit(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let value = value.min(hard);
    setrlimit(resource, value, value)
}

//! Wall-clock time, processor time and peak memory of this process.
//!
//! Asked through `nix`, which has both questions in safe form; `cpu-time` has only the one,
//! `rustix` not the other.

use crate::failure::Failure;
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// How long something took, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// On the wall.
    pub wall_ns: u64,
    /// Of all processors, all threads of this process counted.
    pub cpu_ns: u64,
}

/// Does something and says how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> Result<(T, Took), Failure> {
    let cpu = cpu_ns()?;
    let wall = Instant::now();
    let result = work();
    let wall_ns = wall.elapsed().as_nanos() as u64;
    let cpu_ns = cpu_ns()?.saturating_sub(cpu);
    Ok((result, Took { wall_ns, cpu_ns }))
}

fn cpu_ns() -> Result<u64, Failure> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_err(|error| Failure::Host(format!("cannot read the processor time: {error}")))?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// The largest size of this process in memory so far, in KiB.
pub fn peak_rss_kib() -> Result<u64, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|error| Failure::Host(format!("cannot read the resource usage: {error}")))?;
    Ok(usage.max_rss() as u64)
}

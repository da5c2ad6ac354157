//! Seccomp: lists of the allowed system calls. Any other call kills the process, instead of failing
//! with an error: our code makes no other call, so one comes from hijacked code, which must not get
//! a second attempt.
//!
//! The worker's list has the calls to read or write an artifact, to start a job, and to set up the
//! job's barriers. It has no calls that create sockets, execute programs or trace processes, and
//! none that signals any process but the worker's jobs (see [`worker_list`]). The job's list
//! ([`job::CALLS`]) has the calls for computing: memory, signals of traps, clocks, one pipe, and
//! the exit. No memory becomes executable behind a job's list: an execute job maps its machine code
//! before, and a prepare job executes none. A job is subject to both lists.

pub mod job;

use super::Role;
pub use job::JobList;
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch,
};
use std::collections::BTreeMap;

/// Why a list could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The list cannot be compiled to a filter.
    #[error(transparent)]
    Backend(#[from] seccompiler::BackendError),
    /// The kernel refused the filter.
    #[error(transparent)]
    Refused(#[from] seccompiler::Error),
}

type Rules = BTreeMap<i64, Vec<Rule>>;

/// Calls of a worker beyond those of its jobs: for its own work and to set up a job's barriers.
const WORKING: &[c_long] = &[
    libc::SYS_capset,
    libc::SYS_clock_getres,
    libc::SYS_exit,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_lseek,
    MSEAL,
    libc::SYS_memfd_create,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_seccomp,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_statx,
    libc::SYS_wait4,
];

/// `mseal`, which has the same number on all architectures.
const MSEAL: c_long = 462;

/// Calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_getrlimit, libc::SYS_poll, libc::SYS_setrlimit];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// The commands of `fcntl` that a worker uses. Others make the kernel send signals to a chosen
/// process.
const ASKED: &[c_int] = &[
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETPIPE_SZ,
    libc::F_ADD_SEALS,
    libc::F_GET_SEALS,
];

/// The list of a worker.
///
/// The node runs as the same user in the same PID namespace, so without the list the kernel would
/// let a worker signal the node or limit its resources. So the list has no `kill`: a worker kills a
/// job through the pidfd from its creation, and no call returns a pidfd of another process.
/// `prlimit64` applies to the worker itself only, `fcntl` cannot set the owner of a descriptor, and
/// `clone` creates no siblings.
///
/// # Errors
/// The list cannot be compiled.
pub fn worker_list() -> Result<Vec<BpfProgram>, SeccompError> {
    // No threads, and no processes that share memory with the worker or are its siblings.
    list(libc::CLONE_VM | libc::CLONE_PARENT)
}

/// The list of a launcher: that of a worker, plus `CLONE_PARENT`, because the
/// jobs are children of the worker.
///
/// # Errors
/// The list cannot be compiled.
pub fn launcher_list() -> Result<Vec<BpfProgram>, SeccompError> {
    list(libc::CLONE_VM)
}

/// A list that allows `clone` without these flags.
fn list(not_cloned_with: c_int) -> Result<Vec<BpfProgram>, SeccompError> {
    let mut rules = job::numbers();
    rules.extend(always(WORKING.iter().chain(OLDER)));
    let one = |condition| Ok::<_, SeccompError>(vec![Rule::new(vec![condition])?]);
    let itself = Condition::new(0, Width::Dword, Compare::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, one(itself)?);
    let asked = |&what: &c_int| {
        let what = Condition::new(1, Width::Dword, Compare::Eq, what as u64)?;
        Ok::<_, SeccompError>(Rule::new(vec![what])?)
    };
    let asked = ASKED.iter().map(asked).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_fcntl, asked);
    let others = not_cloned_with as u64;
    let separate = Condition::new(0, Width::Qword, Compare::MaskedEq(others), 0)?;
    rules.insert(libc::SYS_clone, one(separate)?);
    Ok(vec![
        // `abort` calls `tgkill`, and continues if the call fails.
        refuse(libc::SYS_tgkill, Vec::new(), libc::EPERM)?,
        translate(rules, SeccompAction::KillProcess, SeccompAction::Allow)?,
    ])
}

fn always<'a>(calls: impl Iterator<Item = &'a c_long>) -> Rules {
    calls.map(|&call| (call, Vec::new())).collect()
}

/// A filter that fails a call with `error` if one of these rules matches, or always if there are
/// none.
fn refuse(call: c_long, rules: Vec<Rule>, error: c_int) -> Result<BpfProgram, SeccompError> {
    let answer = SeccompAction::Errno(error as u32);
    translate([(call, rules)].into(), SeccompAction::Allow, answer)
}

/// A filter with the action `named` for calls that match the rules, and `others` for all other
/// calls.
fn translate(
    rules: Rules,
    others: SeccompAction,
    named: SeccompAction,
) -> Result<BpfProgram, SeccompError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, others, named, architecture)?.try_into()?)
}

/// Installs filters in this process; its children inherit them.
///
/// # Errors
/// The kernel refused a filter.
pub fn apply(filters: &[BpfProgram]) -> Result<(), SeccompError> {
    Ok(filters
        .iter()
        .try_for_each(|filter| seccompiler::apply_filter(filter))?)
}

/// Checks whether the lists of workers and jobs can be installed, by installing them.
///
/// # Errors
/// A list cannot be installed.
pub fn check() -> Result<(), SeccompError> {
    let job = JobList {
        pipe: 0,
        role: Role::Prepare,
    };
    let job = job.for_this_process()?;
    apply(&worker_list()?)?;
    apply(&job)
}

//! Seccomp: the system calls that there are. Any other ends the process, rather than with an error: nothing in a worker
//! tries a call in vain, so that one from outside of the list comes from hijacked code, which shall not get a second try.
//!
//! Both lists name what is allowed. The worker's has what it takes to read an artifact or write one, to start a job and to put up
//! the job's barriers; no sockets are made, nothing is executed, nobody is traced, and no signal reaches anybody but its jobs (see
//! [`worker_list`]). The job's has what computing takes ([`job::CALLS`]):
//! memory, signals that end a trap, clocks, one pipe and the exit. Memory cannot become executable in a job: an execute worker
//! places machine code before it forks, a prepare job executes none. A job is subject to both lists.

pub mod job;

use super::Role;
pub use job::JobList;
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch,
};
use std::collections::BTreeMap;

/// Why a list is not in force.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// It cannot be translated.
    #[error(transparent)]
    Backend(#[from] seccompiler::BackendError),
    /// The kernel refused it.
    #[error(transparent)]
    Refused(#[from] seccompiler::Error),
}

type Rules = BTreeMap<i64, Vec<Rule>>;

/// What a worker does beyond what its jobs do, until the end of its life and to put up the barriers of a job.
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

/// `mseal`, which has the same number on all instruction sets.
const MSEAL: c_long = 462;

/// Calls that only older instruction sets have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_getrlimit, libc::SYS_poll, libc::SYS_setrlimit];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// What a worker asks of descriptors. Others of `fcntl` make the kernel send signals, to anybody that is named.
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
/// The node runs as the same user, in the same PID namespace, so that the kernel itself would let a worker signal it, limit it or
/// have it signalled. So there is no `kill`: a job is ended by the descriptor that came with it, and there is no way to get
/// one of another process. Nor are there limits of others, owners of descriptors, or children of others.
///
/// # Errors
/// It cannot be translated.
pub fn worker_list() -> Result<Vec<BpfProgram>, SeccompError> {
    // New processes, but none that shares memory with this one (no threads) or is the child of another.
    list(libc::CLONE_VM | libc::CLONE_PARENT)
}

/// The list of a [launcher](crate::launcher): that of its worker, whose children the jobs are.
///
/// # Errors
/// It cannot be translated.
pub fn launcher_list() -> Result<Vec<BpfProgram>, SeccompError> {
    list(libc::CLONE_VM)
}

/// A list with new processes, but not with these flags.
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
        // Whoever aborts tries this, and goes on without.
        refuse(libc::SYS_tgkill, Vec::new(), libc::EPERM)?,
        translate(rules, SeccompAction::KillProcess, SeccompAction::Allow)?,
    ])
}

fn always<'a>(calls: impl Iterator<Item = &'a c_long>) -> Rules {
    calls.map(|&call| (call, Vec::new())).collect()
}

/// A filter that answers a call with an error, under these rules (none: always).
fn refuse(call: c_long, rules: Vec<Rule>, error: c_int) -> Result<BpfProgram, SeccompError> {
    let answer = SeccompAction::Errno(error as u32);
    translate([(call, rules)].into(), SeccompAction::Allow, answer)
}

/// A filter: what it does with calls that its rules name, and with others.
fn translate(
    rules: Rules,
    others: SeccompAction,
    named: SeccompAction,
) -> Result<BpfProgram, SeccompError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, others, named, architecture)?.try_into()?)
}

/// Puts filters in force, for the rest of this process's life and for its children.
///
/// # Errors
/// The kernel refused one.
pub fn apply(filters: &[BpfProgram]) -> Result<(), SeccompError> {
    Ok(filters
        .iter()
        .try_for_each(|filter| seccompiler::apply_filter(filter))?)
}

/// Finds out whether all lists can be put in force, and does so.
///
/// # Errors
/// One cannot.
pub fn check() -> Result<(), SeccompError> {
    let job = JobList {
        pipe: 0,
        role: Role::Prepare,
    };
    let job = job.for_this_process()?;
    apply(&worker_list()?)?;
    apply(&job)
}

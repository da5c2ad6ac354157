//! Seccomp: the system calls that there are. Any other ends the process, rather than with an error: nothing in a worker
//! tries a call in vain, so that one from outside of the list comes from hijacked code, which shall not get a second try.
//!
//! Both lists name what is allowed. The worker's has what it takes to read an artifact or write one, to start a job and to put up
//! the job's barriers; no sockets are made, nothing is executed, nobody is traced. The job's has what computing takes:
//! memory, signals that end a trap, clocks, one pipe and the exit. Memory cannot become executable in a job: an execute worker
//! places machine code before it forks, a prepare job executes none. A job is subject to both lists.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompFilter, SeccompRule as Rule, TargetArch,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;

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

/// What computing takes, whoever computes.
const COMPUTING: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

/// What a worker does beyond that, until the end of its life and to put up the barriers of a job.
const WORKING: &[c_long] = &[
    libc::SYS_capset,
    libc::SYS_clock_getres,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_kill,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_lseek,
    MSEAL,
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pidfd_open,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_prlimit64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_seccomp,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_statx,
    libc::SYS_tgkill,
    libc::SYS_wait4,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What a job does beyond computing that [loads](crate::loading) an artifact: it reads a file and writes others, all of them open before.
pub const LOADING: &[c_long] = &[
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_statx,
];

/// `mseal`, which has the same number on all instruction sets.
const MSEAL: c_long = 462;

/// Calls that only older instruction sets have.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[libc::SYS_getrlimit, libc::SYS_poll, libc::SYS_setrlimit];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// The list of a worker.
///
/// # Errors
/// It cannot be translated.
pub fn worker_list() -> Result<BpfProgram, SeccompError> {
    let mut rules = always(COMPUTING.iter().chain(WORKING).chain(OLDER));
    // New processes, but none that shares memory with this one: no threads.
    let shares = libc::CLONE_VM as u64;
    let separate = Condition::new(0, Width::Qword, Compare::MaskedEq(shares), 0)?;
    rules.insert(libc::SYS_clone, vec![Rule::new(vec![separate])?]);
    translate(rules)
}

/// The list of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobList {
    /// Where the job may write beside the standard error stream.
    pub pipe: RawFd,
    /// What it may call beyond what every job may.
    pub more: &'static [c_long],
}

impl JobList {
    /// For the job that calls it.
    pub(super) fn for_this_process(self) -> Result<BpfProgram, SeccompError> {
        let mut rules = always(COMPUTING.iter().chain(self.more));
        let own = u64::from(std::process::id());
        let signal_itself = Condition::new(0, Width::Dword, Compare::Eq, own)?;
        rules.insert(libc::SYS_tgkill, vec![Rule::new(vec![signal_itself])?]);
        // Rust's library, compiled for development, asks whether a descriptor is open before it closes it.
        let is_open = libc::F_GETFD as u64;
        let ask = Condition::new(1, Width::Dword, Compare::Eq, is_open)?;
        rules.insert(libc::SYS_fcntl, vec![Rule::new(vec![ask])?]);
        let executable = libc::PROT_EXEC as u64;
        for call in [libc::SYS_mmap, libc::SYS_mprotect] {
            let data = Condition::new(2, Width::Qword, Compare::MaskedEq(executable), 0)?;
            rules.insert(call, vec![Rule::new(vec![data])?]);
        }
        for call in [libc::SYS_write, libc::SYS_writev] {
            let to = |descriptor: RawFd| {
                Condition::new(0, Width::Dword, Compare::Eq, descriptor as u64)
                    .and_then(|condition| Rule::new(vec![condition]))
            };
            rules.insert(call, vec![to(self.pipe)?, to(libc::STDERR_FILENO)?]);
        }
        translate(rules)
    }
}

fn always<'a>(calls: impl Iterator<Item = &'a c_long>) -> Rules {
    calls.map(|&call| (call, Vec::new())).collect()
}

fn translate(rules: Rules) -> Result<BpfProgram, SeccompError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        architecture,
    )?;
    Ok(filter.try_into()?)
}

/// Puts a list in force, for the rest of this process's life and for its children.
///
/// # Errors
/// The kernel refused it.
pub fn apply(list: &BpfProgram) -> Result<(), SeccompError> {
    Ok(seccompiler::apply_filter(list)?)
}

/// Finds out whether both lists can be put in force, and does so.
///
/// # Errors
/// One cannot.
pub fn check() -> Result<(), SeccompError> {
    let job = JobList { pipe: 0, more: &[] };
    let job = job.for_this_process()?;
    apply(&worker_list()?)?;
    apply(&job)
}

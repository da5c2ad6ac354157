//! The table of the system calls of jobs. The filter is made from it, `docs/sandbox.md` repeats it,
//! and tests try all other call numbers.

use super::{Rules, SeccompError, always, refuse, translate};
use crate::security::Role;
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompRule as Rule,
};
use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::os::fd::RawFd;
use std::sync::OnceLock;

/// A system call of jobs.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The call's number on this machine.
    pub number: c_long,
    /// The call's name.
    pub name: &'static str,
    /// The allowed arguments.
    pub when: When,
    /// The only kind of job that may make the call; `None`: all kinds.
    pub role: Option<Role>,
    /// Why jobs need the call.
    pub purpose: &'static str,
}

/// The arguments with which a call is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// All arguments.
    Always,
    /// Writes to the job's pipe.
    ToPipe,
    /// The filter fails the call with this error, and the caller continues without it.
    Refused(c_int),
    /// As [`Refused`](Self::Refused), for the standard error stream. For any other descriptor, the
    /// call kills the job.
    RefusedToError,
    /// Memory that is readable and writable at most.
    Data,
    /// Private memory that is readable and writable at most. The limits of the process count it.
    PrivateData,
    /// These advices of `madvise`.
    Advice(&'static [c_int]),
    /// These signals.
    Signals(&'static [c_int]),
    /// `FUTEX_WAKE`, which does not wait.
    ToWake,
    /// `F_GETFD`, with which the standard library checks whether a descriptor is open.
    IsOpen,
}

macro_rules! calls {
    ($($call:ident $name:literal $when:expr, $role:expr, $purpose:literal;)*) => {
        &[$(Call { number: libc::$call, name: $name, when: $when, role: $role, purpose: $purpose },)*]
    };
}

use When::*;

/// All system calls of jobs.
pub const CALLS: &[Call] = calls! {
    SYS_brk "brk" Always, None, "memory";
    SYS_mmap "mmap" PrivateData, None, "memory, tables, the image of a linear memory";
    SYS_mprotect "mprotect" Data, None, "growing linear memories, guard pages of stacks";
    SYS_munmap "munmap" Always, None, "memory";
    SYS_madvise "madvise" Advice(ADVICES), None, "populating large allocations, returning pages";
    SYS_mremap "mremap" Refused(libc::ENOMEM), None, "the C library copies the memory instead";
    SYS_getrandom "getrandom" Always, None, "keys of hash tables, batch verification of signatures";
    SYS_clock_gettime "clock_gettime" Always, None, "time, where the vDSO does not provide it";
    SYS_getrusage "getrusage" Always, Some(Role::Prepare), "memory of a preparation, for its statistics";
    SYS_write "write" ToPipe, None, "log lines and the answer";
    SYS_close "close" Always, None, "closing descriptors that are no longer needed";
    SYS_exit_group "exit_group" Always, None, "exiting";
    SYS_sigaltstack "sigaltstack" Always, None, "traps";
    SYS_rt_sigreturn "rt_sigreturn" Always, None, "traps";
    SYS_rt_sigaction "rt_sigaction" Signals(FATAL), None, "faults that are not traps, aborting";
    SYS_rt_sigprocmask "rt_sigprocmask" Always, None, "aborting";
    SYS_getpid "getpid" Always, None, "aborting";
    SYS_gettid "gettid" Always, None, "aborting";
    SYS_tgkill "tgkill" Refused(libc::EPERM), None, "aborting, which continues without the signal";
    SYS_pread64 "pread64" Always, Some(Role::Load), "the artifact";
    SYS_pwrite64 "pwrite64" Always, Some(Role::Load), "the module in memory";
    SYS_ftruncate "ftruncate" Always, Some(Role::Load), "the module in memory";
    SYS_futex "futex" ToWake, None, "the C library, at the end of an initialisation; no thread waits";
    SYS_write "write" RefusedToError, None, "messages of the C library; the stream is closed";
    SYS_writev "writev" RefusedToError, None, "messages of the C library; the stream is closed";
    SYS_fcntl "fcntl" IsOpen, None, "checks of the standard library in debug builds";
};

/// The advices that the runtime and the C library use.
const ADVICES: &[c_int] = &[
    libc::MADV_DONTNEED,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_POPULATE_WRITE,
];

/// Signals whose handlers change while a process aborts or dies of a fault.
const FATAL: &[c_int] = &[
    libc::SIGABRT,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
];

/// Allowed flags of `mmap`. Others create memory that no limit counts (shared, growing), or lock
/// it.
const MAPPING: c_int = libc::MAP_PRIVATE
    | libc::MAP_ANONYMOUS
    | libc::MAP_FIXED
    | libc::MAP_NORESERVE
    | libc::MAP_POPULATE
    | libc::MAP_STACK;

const READ_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;

impl Call {
    /// Whether a job of this kind may make the call in this build.
    pub fn is_of(&self, role: Role) -> bool {
        let built = self.when != IsOpen || cfg!(debug_assertions);
        built && self.role.is_none_or(|only| only == role)
    }

    /// Whether the call reaches the kernel.
    pub fn is_reached(&self) -> bool {
        !matches!(self.when, Refused(_) | RefusedToError)
    }

    /// The allowed arguments, as text for the manual.
    pub fn condition(&self) -> String {
        match self.when {
            Always => "any".to_owned(),
            ToPipe => "the job's pipe".to_owned(),
            Refused(error) => format!("never: {}", nix::errno::Errno::from_raw(error)),
            RefusedToError => "the standard error stream, never: EBADF".to_owned(),
            Data => "at most readable and writable".to_owned(),
            PrivateData => "private, at most readable and writable".to_owned(),
            Advice(_) => {
                "`MADV_DONTNEED`, `MADV_HUGEPAGE`, `MADV_NOHUGEPAGE`, `MADV_POPULATE_WRITE`"
                    .to_owned()
            }
            Signals(_) => "`SIGABRT`, `SIGSEGV`, `SIGBUS`, `SIGFPE`, `SIGILL`".to_owned(),
            ToWake => "`FUTEX_WAKE`".to_owned(),
            IsOpen => "`F_GETFD`".to_owned(),
        }
    }

    /// The rules under which the filter matches the call. An empty list matches all arguments.
    fn rules(&self, list: &JobList) -> Result<Vec<Rule>, SeccompError> {
        let equals =
            |argument, value: u64| Condition::new(argument, Width::Dword, Compare::Eq, value);
        let only = |argument, allowed: c_int, needed: c_int| {
            let forbidden = !(allowed as u64) | needed as u64;
            Condition::new(
                argument,
                Width::Qword,
                Compare::MaskedEq(forbidden),
                needed as u64,
            )
        };
        let rule = |conditions| Rule::new(conditions);
        let error_stream = libc::STDERR_FILENO as u64;
        Ok(match self.when {
            Always | Refused(_) => Vec::new(),
            ToPipe => vec![rule(vec![equals(0, list.pipe as u64)?])?],
            RefusedToError => vec![rule(vec![equals(0, error_stream)?])?],
            Data => vec![rule(vec![only(2, READ_WRITE, 0)?])?],
            PrivateData => {
                let flags = only(3, MAPPING, libc::MAP_PRIVATE)?;
                vec![rule(vec![only(2, READ_WRITE, 0)?, flags])?]
            }
            Advice(advices) => {
                let one = |&advice: &c_int| rule(vec![equals(2, advice as u64)?]);
                advices.iter().map(one).collect::<Result<_, _>>()?
            }
            Signals(signals) => {
                let one = |&signal: &c_int| rule(vec![equals(0, signal as u64)?]);
                signals.iter().map(one).collect::<Result<_, _>>()?
            }
            ToWake => {
                let operation = !(libc::FUTEX_PRIVATE_FLAG as u64);
                let wake = libc::FUTEX_WAKE as u64;
                let wake = Condition::new(1, Width::Dword, Compare::MaskedEq(operation), wake)?;
                vec![rule(vec![wake])?]
            }
            IsOpen => vec![rule(vec![equals(1, libc::F_GETFD as u64)?])?],
        })
    }
}

/// Lists that this process, or the one that forked it, compiled ahead of their use.
static AHEAD: OnceLock<Vec<(JobList, Vec<BpfProgram>)>> = OnceLock::new();

/// Compiles the lists of jobs of these kinds that write to this descriptor, for the processes that this one forks. Does
/// nothing the second time.
///
/// # Errors
/// A list cannot be compiled.
pub fn compile_ahead(pipe: RawFd, roles: &[Role]) -> Result<(), SeccompError> {
    let lists = roles.iter().map(|&role| JobList { pipe, role });
    let compiled = lists.map(|list| Ok((list, list.compile()?)));
    let compiled = compiled.collect::<Result<_, SeccompError>>()?;
    AHEAD.get_or_init(|| compiled);
    Ok(())
}

/// The list of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobList {
    /// The only descriptor to which the job may write.
    pub pipe: RawFd,
    /// The kind of job.
    pub role: Role,
}

impl JobList {
    /// The filters of the job that calls this function. All of them must be installed, in this
    /// order.
    pub(in crate::security) fn for_this_process(
        self,
    ) -> Result<Cow<'static, [BpfProgram]>, SeccompError> {
        let mut ahead = AHEAD.get().into_iter().flatten();
        match ahead.find(|(list, _)| *list == self) {
            Some((_, compiled)) => Ok(Cow::Borrowed(compiled)),
            None => Ok(Cow::Owned(self.compile()?)),
        }
    }

    fn compile(self) -> Result<Vec<BpfProgram>, SeccompError> {
        let calls = || CALLS.iter().filter(|call| call.is_of(self.role));
        let mut allowed = Rules::new();
        for call in calls() {
            let rules = call.rules(&self)?;
            match allowed.entry(call.number) {
                Entry::Vacant(entry) => {
                    entry.insert(rules);
                }
                // A call with two rows is allowed if it matches either.
                Entry::Occupied(mut entry) => entry.get_mut().extend(rules),
            }
        }
        // Refused calls are on the list as well. Of the results of several filters, the kernel uses
        // the strictest: the error here, instead of the list's permission.
        let mut filters = Vec::new();
        for call in calls() {
            let error = match call.when {
                Refused(error) => error,
                RefusedToError => libc::EBADF,
                _ => continue,
            };
            filters.push(refuse(call.number, call.rules(&self)?, error)?);
        }
        // The list comes last, because it forbids to install further filters.
        filters.push(translate(
            allowed,
            SeccompAction::KillProcess,
            SeccompAction::Allow,
        )?);
        Ok(filters)
    }
}

/// The numbers of all [`CALLS`]. A worker's list includes them, because jobs are subject to it too.
pub(super) fn numbers() -> Rules {
    always(CALLS.iter().map(|call| &call.number))
}

//! What a job may ask of the kernel, as a table: the filter is made from it, the manual repeats it, and the tests try every other number.

use super::{Rules, SeccompError, always, refuse, translate};
use crate::security::Role;
use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare,
    SeccompCondition as Condition, SeccompRule as Rule,
};
use std::collections::btree_map::Entry;
use std::os::fd::RawFd;

/// A system call of jobs.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number on this machine.
    pub number: c_long,
    /// Its name.
    pub name: &'static str,
    /// With which arguments.
    pub when: When,
    /// The kind of job that has it; both, if none is named.
    pub role: Option<Role>,
    /// What it is for.
    pub purpose: &'static str,
}

/// With which arguments a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With any.
    Always,
    /// To the job's pipe.
    ToPipe,
    /// Never by the kernel: the filter answers with this error, since the caller goes on without.
    Refused(c_int),
    /// As for [`Refused`](Self::Refused), for the standard error stream; with any other descriptor the job ends.
    RefusedToError,
    /// For memory to be read and written.
    Data,
    /// For private memory to be read and written, which limits count.
    PrivateData,
    /// With these advices.
    Advice(&'static [c_int]),
    /// For these signals.
    Signals(&'static [c_int]),
    /// To wake, never to wait.
    ToWake,
    /// To ask whether a descriptor is open.
    IsOpen,
}

macro_rules! calls {
    ($($call:ident $name:literal $when:expr, $role:expr, $purpose:literal;)*) => {
        &[$(Call { number: libc::$call, name: $name, when: $when, role: $role, purpose: $purpose },)*]
    };
}

use When::*;

/// Every call of jobs.
pub const CALLS: &[Call] = calls! {
    SYS_brk "brk" Always, None, "memory";
    SYS_mmap "mmap" PrivateData, None, "memory, tables, the image of a memory";
    SYS_mprotect "mprotect" Data, None, "growing memories, guards of stacks";
    SYS_munmap "munmap" Always, None, "memory";
    SYS_madvise "madvise" Advice(ADVICES), None, "pages of large allocations at once, giving pages back";
    SYS_mremap "mremap" Refused(libc::ENOMEM), None, "the C library moves memory by hand then";
    SYS_getrandom "getrandom" Always, None, "keys of hash tables, checks of signatures in batches";
    SYS_clock_gettime "clock_gettime" Always, None, "time, where the kernel does not show it in memory";
    SYS_getrusage "getrusage" Always, Some(Role::Prepare), "how much memory a preparation took";
    SYS_write "write" ToPipe, None, "lines and the answer";
    SYS_close "close" Always, None, "descriptors that are done with";
    SYS_exit_group "exit_group" Always, None, "the end";
    SYS_sigaltstack "sigaltstack" Always, None, "traps";
    SYS_rt_sigreturn "rt_sigreturn" Always, None, "traps";
    SYS_rt_sigaction "rt_sigaction" Signals(FATAL), None, "a fault that is no trap, aborting";
    SYS_rt_sigprocmask "rt_sigprocmask" Always, None, "aborting";
    SYS_getpid "getpid" Always, None, "aborting";
    SYS_gettid "gettid" Always, None, "aborting";
    SYS_tgkill "tgkill" Refused(libc::EPERM), None, "aborting, which goes on without the signal";
    SYS_pread64 "pread64" Always, Some(Role::Load), "the artifact";
    SYS_pwrite64 "pwrite64" Always, Some(Role::Load), "the module in memory";
    SYS_ftruncate "ftruncate" Always, Some(Role::Load), "the module in memory";
    SYS_futex "futex" ToWake, None, "the C library, at the end of an initialisation; nobody waits";
    SYS_write "write" RefusedToError, None, "last words of the C library; the stream is closed";
    SYS_writev "writev" RefusedToError, None, "last words of the C library; the stream is closed";
    SYS_fcntl "fcntl" IsOpen, None, "builds for development";
};

/// What the runtime and the C library advise.
const ADVICES: &[c_int] = &[
    libc::MADV_DONTNEED,
    libc::MADV_HUGEPAGE,
    libc::MADV_NOHUGEPAGE,
    libc::MADV_POPULATE_WRITE,
];

/// Signals whose handling changes on the way to the end of the process.
const FATAL: &[c_int] = &[
    libc::SIGABRT,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
];

/// Flags of mappings that a job makes. Others make memory that no limit counts (shared, growing by itself), or pin it.
const MAPPING: c_int = libc::MAP_PRIVATE
    | libc::MAP_ANONYMOUS
    | libc::MAP_FIXED
    | libc::MAP_NORESERVE
    | libc::MAP_POPULATE
    | libc::MAP_STACK;

const READ_WRITE: c_int = libc::PROT_READ | libc::PROT_WRITE;

impl Call {
    /// Whether a job of this kind has it in this build.
    pub fn is_of(&self, role: Role) -> bool {
        let built = self.when != IsOpen || cfg!(debug_assertions);
        built && self.role.is_none_or(|only| only == role)
    }

    /// Whether the kernel ever sees it.
    pub fn is_reached(&self) -> bool {
        !matches!(self.when, Refused(_) | RefusedToError)
    }

    /// With which arguments, in words.
    pub fn condition(&self) -> String {
        match self.when {
            Always => "any".to_owned(),
            ToPipe => "to the job's pipe".to_owned(),
            Refused(error) => format!("never: {}", nix::errno::Errno::from_raw(error)),
            RefusedToError => "to the standard error stream: EBADF".to_owned(),
            Data => "to be read and written only".to_owned(),
            PrivateData => "private, to be read and written only".to_owned(),
            Advice(_) => "don't need, huge pages, no huge pages, populate to be written".to_owned(),
            Signals(_) => "of faults and of aborting".to_owned(),
            ToWake => "to wake".to_owned(),
            IsOpen => "to ask whether a descriptor is open".to_owned(),
        }
    }

    /// Under which conditions the filter lets it pass; none means all.
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

/// The list of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobList {
    /// Where the job may write.
    pub pipe: RawFd,
    /// What it does.
    pub role: Role,
}

impl JobList {
    /// For the job that calls it: filters that are all in force.
    pub(in crate::security) fn for_this_process(self) -> Result<Vec<BpfProgram>, SeccompError> {
        let calls = || CALLS.iter().filter(|call| call.is_of(self.role));
        let mut allowed = Rules::new();
        for call in calls() {
            let rules = call.rules(&self)?;
            match allowed.entry(call.number) {
                Entry::Vacant(entry) => {
                    entry.insert(rules);
                }
                // Of two lines about one call, each adds to the other.
                Entry::Occupied(mut entry) => entry.get_mut().extend(rules),
            }
        }
        // What is refused passes the list as well; of two filters' verdicts the kernel takes the stricter.
        let mut filters = Vec::new();
        for call in calls() {
            let error = match call.when {
                Refused(error) => error,
                RefusedToError => libc::EBADF,
                _ => continue,
            };
            filters.push(refuse(call.number, call.rules(&self)?, error)?);
        }
        // The last one forbids to put up more.
        filters.push(translate(
            allowed,
            SeccompAction::KillProcess,
            SeccompAction::Allow,
        )?);
        Ok(filters)
    }
}

/// The numbers of [`CALLS`], for the list of workers, to which their jobs are subject too.
pub(super) fn numbers() -> Rules {
    always(CALLS.iter().map(|call| &call.number))
}

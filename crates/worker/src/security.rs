//! The barriers around code that nobody trusts.
//!
//! A worker isolates itself before it reads its first request ([`isolate_worker`]), a job once more before it touches what it was
//! forked for ([`isolate_job`]):
//!
//! | barrier | worker | job |
//! | --- | --- | --- |
//! | user namespace, mount namespace | new, no user mapped | |
//! | root directory | the worker's directory; for execution it cannot be written | the same |
//! | cgroup, IPC, mount, process, UTS namespaces | | new for each job |
//! | network namespace | | new: prepare for each job, execute for all jobs of a worker |
//! | Landlock | prepare: writing, execute: reading of files in the directory | nothing at all |
//! | seccomp | [a list](seccomp) of what a worker needs | of what computing needs: no files, no processes, nothing new executable |
//! | limits | no core dumps | CPU time, memory, no processes, no files, no locked memory |
//! | capabilities, new privileges | none to be gained | none left, where the machine lets a process give them up |
//! | parent | | when the worker dies, so does the job |
//!
//! The node's own workers have the same namespaces, root directory and Landlock rules; their seccomp forbids sockets and io_uring
//! and allows all else, and their jobs have no barriers of their own.

pub mod landlock;
pub mod limits;
pub mod root;
pub mod seccomp;

use crate::process::{self, SingleThreaded};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use pvf_node_protocol::SecurityStatus;
use rustix::thread::{
    CapabilitySet, CapabilitySets, SecureComputingMode, secure_computing_mode, set_capabilities,
};
use std::ffi::OsString;
use std::path::Path;

/// What a worker and its jobs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Compiles.
    Prepare,
    /// Executes.
    Execute,
    /// Loads an artifact: a job of the worker that executes.
    Load,
}

/// What a barrier could not be put up for.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// The root directory.
    #[error("changing root: {0}")]
    Root(#[from] root::RootError),
    /// Landlock.
    #[error("Landlock: {0}")]
    Landlock(#[from] landlock::LandlockError),
    /// Seccomp.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccomp::SeccompError),
    /// Something else that the system refused.
    #[error("{action}: {errno}")]
    System {
        /// What was asked for.
        action: &'static str,
        /// The system's answer.
        errno: nix::errno::Errno,
    },
}

/// What a process can rely on to isolate a job.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Which barriers the host found possible.
    pub status: SecurityStatus,
    /// The process may be forked.
    pub one: SingleThreaded,
    /// Whether capabilities can be given up. Under a filter of system calls that forbids it, as that of the node's own systemd unit,
    /// whoever tries is killed. A job's list has nothing on it for which it would take a capability.
    pub drops_capabilities: bool,
}

impl Machine {
    /// Finds out what the host has not.
    ///
    /// # Errors
    /// No process can be started.
    pub fn examine(status: SecurityStatus, one: SingleThreaded) -> Result<Self, SecurityError> {
        let unfiltered = matches!(secure_computing_mode(), Ok(SecureComputingMode::Disabled));
        Ok(Self {
            status,
            one,
            drops_capabilities: unfiltered || survives_dropping_capabilities(one)?,
        })
    }
}

/// Has another process try.
fn survives_dropping_capabilities(one: SingleThreaded) -> Result<bool, SecurityError> {
    match process::fork(one, CloneFlags::empty()).map_err(system("fork"))? {
        None => std::process::exit(i32::from(drop_capabilities().is_err())),
        Some(child) => {
            let (ended, _) = child.wait().map_err(system("wait4"))?;
            Ok(matches!(ended, WaitStatus::Exited(_, 0)))
        }
    }
}

fn system(action: &'static str) -> impl Fn(nix::errno::Errno) -> SecurityError {
    move |errno| SecurityError::System { action, errno }
}

/// Names of environment variables that the host should have cleared: all but `RUST_LOG`.
pub fn leftover_environment() -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name != "RUST_LOG").collect()
}

/// A worker behind its barriers.
#[derive(Debug)]
pub struct IsolatedWorker<'a> {
    /// Where its directory is now.
    pub directory: &'a Path,
    /// What could not be put up although the host found it possible.
    pub missing: Vec<SecurityError>,
}

/// Puts up the barriers of a worker whose directory is `directory`, as far as the host found them possible. What `start` starts
/// has all but the last of them, the list of system calls, and puts up a list of its own.
///
/// # Errors
/// The root directory could not be changed: it may have been in part, so that the worker must end.
pub fn isolate_worker<T>(
    role: Role,
    directory: &Path,
    status: SecurityStatus,
    start: impl FnOnce() -> T,
) -> Result<(IsolatedWorker<'_>, T), root::RootError> {
    let mut worker = IsolatedWorker {
        directory,
        missing: Vec::new(),
    };
    let mut put_up = |barrier: Result<(), SecurityError>| worker.missing.extend(barrier.err());
    put_up(prctl::set_dumpable(false).map_err(system("making the process private")));
    if status.can_unshare_user_namespace_and_change_root {
        root::change(role, directory)?;
        worker.directory = Path::new("/");
    }
    if status.can_enable_landlock {
        put_up(landlock::restrict_worker(role, worker.directory).map_err(SecurityError::from));
    }
    let started = start();
    if status.can_enable_seccomp {
        let list = seccomp::worker_list();
        put_up(
            list.and_then(|list| seccomp::apply(&list))
                .map_err(SecurityError::from),
        );
    }
    Ok((worker, started))
}

/// The barriers of a launcher beyond those that its worker had when it forked it, as far as the host found them possible.
///
/// # Errors
/// One could not be put up.
pub fn isolate_launcher(status: SecurityStatus) -> Result<(), SecurityError> {
    prctl::set_dumpable(false).map_err(system("making the process private"))?;
    if status.can_enable_landlock {
        prctl::set_no_new_privs().map_err(system("forbidding new privileges"))?;
        landlock::restrict_job()?;
    }
    if status.can_enable_seccomp {
        seccomp::apply(&seccomp::launcher_list()?)?;
    }
    Ok(())
}

/// Kinds of namespaces that a job gets new.
pub fn job_namespaces(status: SecurityStatus) -> CloneFlags {
    if !status.can_do_secure_clone {
        return CloneFlags::empty();
    }
    let flags = CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS;
    match status.can_unshare_user_namespace_and_change_root {
        // The worker has one, in which it may make the others.
        true => flags,
        false => flags | CloneFlags::CLONE_NEWUSER,
    }
}

/// Kinds of namespaces that the [launcher](crate::launcher) gets new, once for all jobs that it forks: what is there for an empty network takes
/// the kernel a fifth of the time of a short job, and no job can leave anything in it. The other kinds are new for each job.
pub fn launcher_namespaces(status: SecurityStatus) -> CloneFlags {
    match status.can_do_secure_clone && status.can_unshare_user_namespace_and_change_root {
        true => CloneFlags::CLONE_NEWNET,
        false => CloneFlags::empty(),
    }
}

/// In a job: its first barrier, before anything else.
///
/// # Errors
/// The system refused.
pub fn die_with_worker() -> Result<(), SecurityError> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("dying with the worker"))
}

/// In a job: puts up its barriers, as far as the host found them possible.
///
/// # Errors
/// One of them could not be put up: nothing must be executed.
pub fn isolate_job(
    limits: &limits::JobLimits,
    list: &seccomp::JobList,
    machine: &Machine,
) -> Result<(), SecurityError> {
    prctl::set_dumpable(false).map_err(system("making the process private"))?;
    limits.apply().map_err(system("limiting the process"))?;
    if machine.drops_capabilities {
        drop_capabilities().map_err(system("dropping capabilities"))?;
    }
    prctl::set_no_new_privs().map_err(system("forbidding new privileges"))?;
    if machine.status.can_enable_landlock {
        landlock::restrict_job()?;
    }
    if machine.status.can_enable_seccomp {
        seccomp::apply(&list.for_this_process()?)?;
    }
    Ok(())
}

/// Nothing in this process shall be privileged any more, not even in its own namespaces.
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error()))
}

/// Finds out whether jobs can be started in new namespaces.
///
/// # Errors
/// They cannot.
pub fn check_clone() -> Result<(), SecurityError> {
    let one = SingleThreaded::check().map_err(|_| SecurityError::System {
        action: "counting threads",
        errno: nix::errno::Errno::EBUSY,
    })?;
    let status = SecurityStatus {
        can_unshare_user_namespace_and_change_root: false,
        ..SecurityStatus::ALL
    };
    match process::fork(one, job_namespaces(status)).map_err(system("clone"))? {
        None => std::process::exit(0),
        Some(child) => match child.wait().map_err(system("wait4"))? {
            (WaitStatus::Exited(_, 0), _) => Ok(()),
            _ => Err(system("running in new namespaces")(
                nix::errno::Errno::ECHILD,
            )),
        },
    }
}

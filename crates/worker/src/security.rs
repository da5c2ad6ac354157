//! The isolation barriers around untrusted code.
//!
//! A worker isolates itself before it reads its first request ([`isolate_worker`]). A job isolates
//! itself further before it reads its input ([`isolate_job`]):
//!
//! | barrier | worker | job |
//! | --- | --- | --- |
//! | user namespace, mount namespace | new, no user mapped | |
//! | root directory | the worker's directory, read-only for execution | the same |
//! | cgroup, IPC, mount, PID, UTS namespaces | | new for each job |
//! | network namespace | | new: for each prepare job; once for all execute jobs of a worker |
//! | Landlock | write (prepare) or read (execute) files in the directory | no file access |
//! | seccomp | [a list](seccomp) of the calls that a worker needs | a list for computing: no files, no processes, no new executable memory |
//! | limits | no core dumps | CPU time, memory, no processes, no files, no locked memory |
//! | capabilities, new privileges | no new privileges | no capabilities, where the machine lets a process drop them |
//! | parent | | killed when the worker dies |
//!
//! The node's own workers have the same namespaces, root directory and Landlock rules. Their
//! seccomp filter forbids sockets and io_uring and allows all other calls. Their jobs have no
//! further barriers.

pub mod landlock;
pub mod limits;
pub mod placement;
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

/// The kind of a worker or job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A prepare worker, or its job that compiles.
    Prepare,
    /// An execute worker, or its job that executes.
    Execute,
    /// A job of an execute worker that loads an artifact.
    Load,
}

/// Why a barrier could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// The root directory could not be changed.
    #[error("changing root: {0}")]
    Root(#[from] root::RootError),
    /// Landlock could not be enforced.
    #[error("Landlock: {0}")]
    Landlock(#[from] landlock::LandlockError),
    /// A seccomp filter could not be installed.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccomp::SeccompError),
    /// Another system call failed.
    #[error("{action}: {errno}")]
    System {
        /// What the process tried.
        action: &'static str,
        /// The system's error.
        errno: nix::errno::Errno,
    },
}

/// The means of isolating a job on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// The barriers that the host found possible.
    pub status: SecurityStatus,
    /// Proof that this process may be forked.
    pub one: SingleThreaded,
    /// Whether a process can drop its capabilities. A seccomp filter of the operator may kill a
    /// process that tries, as the filter of the node's own systemd unit does. A job that keeps them
    /// cannot use them: no call on its list needs a capability.
    pub drops_capabilities: bool,
}

impl Machine {
    /// Determines the properties that the host has not checked.
    ///
    /// # Errors
    /// The system refuses to fork.
    pub fn examine(status: SecurityStatus, one: SingleThreaded) -> Result<Self, SecurityError> {
        let unfiltered = matches!(secure_computing_mode(), Ok(SecureComputingMode::Disabled));
        Ok(Self {
            status,
            one,
            drops_capabilities: unfiltered || survives_dropping_capabilities(one)?,
        })
    }
}

/// Tries to drop capabilities in a forked process, because the attempt may be fatal.
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

/// Names of all environment variables except `RUST_LOG`: the host should have cleared them.
pub fn leftover_environment() -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name != "RUST_LOG").collect()
}

/// A worker behind its barriers.
#[derive(Debug)]
pub struct IsolatedWorker<'a> {
    /// Path of the worker's directory after the change of the root directory.
    pub directory: &'a Path,
    /// Errors of the barriers that the host found possible and that could not be set up.
    pub missing: Vec<SecurityError>,
}

/// Sets up the barriers of a worker with this directory, as far as the host found them possible. A
/// process that `start` forks inherits all of them but the last, the seccomp list, and sets up its
/// own list.
///
/// # Errors
/// The root directory could not be changed. It may be changed in part, so the worker must exit.
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

/// Sets up the barriers of a launcher beyond those that it inherits from its worker, as far as the
/// host found them possible.
///
/// # Errors
/// A barrier could not be set up.
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

/// The kinds of namespaces that are new for each prepare job. Execute jobs share those of
/// [`launcher_namespaces`].
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
        // The worker has a user namespace, in which it may create the others.
        true => flags,
        false => flags | CloneFlags::CLONE_NEWUSER,
    }
}

/// The kinds of namespaces that are new for the launcher and shared by its jobs.
/// A new network namespace costs a fifth of the time of a short job, and no job can leave state in
/// it. The other kinds are new for each job.
pub fn launcher_namespaces(status: SecurityStatus) -> CloneFlags {
    match status.can_do_secure_clone && status.can_unshare_user_namespace_and_change_root {
        true => CloneFlags::CLONE_NEWNET,
        false => CloneFlags::empty(),
    }
}

/// In a job or launcher: asks the kernel to kill this process when its parent dies. This is the
/// first barrier.
///
/// # Errors
/// The system refused.
pub fn die_with_worker() -> Result<(), SecurityError> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("dying with the worker"))
}

/// In a job: sets up its barriers, as far as the host found them possible.
///
/// # Errors
/// A barrier could not be set up: the job must not execute anything.
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

/// Drops all capabilities of this process, those in its own user namespace too.
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|error| nix::errno::Errno::from_raw(error.raw_os_error()))
}

/// Checks whether jobs can be started in new namespaces.
///
/// # Errors
/// The system refuses the namespaces, or the process in them fails.
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

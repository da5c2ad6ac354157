//! A process that goes takes along whatever it started, directly or not.
//!
//! The workers behind this one are others' programs too, and their jobs outlive them: when a node kills the process in the middle, they would go on.
//! So the middle is in a PID namespace, all of whose processes the kernel ends with the first:
//!
//! ```text
//! the process that the node started: waits
//!   └── first of the namespace, dies with it: collects what others leave
//!         └── the process in the middle, which goes on
//!               └── workers, jobs
//! ```

use crate::process::{self, SingleThreaded};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};
use std::os::fd::AsFd;

/// Goes on in a new process. Those above it wait for it, and end as it does: they never return.
///
/// # Errors
/// The system refused.
pub fn go_on(one: SingleThreaded) -> nix::Result<()> {
    let (ours, shepherds) = pipe2(OFlag::O_CLOEXEC)?;
    if let Some(first) = process::fork(one, CloneFlags::CLONE_NEWPID)? {
        drop(ours);
        std::process::exit(end_of(first.pid));
    }
    drop(shepherds);
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // It may have died before this process asked to die with it.
    let mut pipe = [PollFd::new(ours.as_fd(), PollFlags::empty())];
    if poll(&mut pipe, PollTimeout::ZERO)? > 0 {
        return Err(Errno::ESRCH);
    }
    match process::fork(one, CloneFlags::empty())? {
        None => Ok(()),
        Some(middle) => std::process::exit(end_of(middle.pid)),
    }
}

/// Waits for all children until this one has ended: its exit status.
fn end_of(child: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(ended, status)) if ended == child => return status,
            Ok(WaitStatus::Signaled(ended, ..)) if ended == child => return 1,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

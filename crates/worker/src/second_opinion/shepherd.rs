//! Ends all descendants of this worker when the node kills it.
//!
//! One of the two workers may be another project's program, whose jobs outlive it. They would
//! continue when the node kills this worker. So this worker continues in a new PID namespace; the
//! kernel kills all processes of a PID namespace when its first process ends:
//!
//! ```text
//! the process that the node started: waits
//!   └── first process of the namespace, killed with its parent: reaps orphans
//!         └── the middle process, which continues as this worker
//!               └── the two workers and their jobs
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

/// Continues in a new process, in a new PID namespace. The processes above it wait for it and exit
/// with its exit status; they never return from this function.
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
    // The parent may have died before `set_pdeathsig`: then the pipe has no other end.
    let mut pipe = [PollFd::new(ours.as_fd(), PollFlags::empty())];
    if poll(&mut pipe, PollTimeout::ZERO)? > 0 {
        return Err(Errno::ESRCH);
    }
    match process::fork(one, CloneFlags::empty())? {
        None => Ok(()),
        Some(middle) => std::process::exit(end_of(middle.pid)),
    }
}

/// Reaps children until `child` has ended, and returns its exit status.
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

//! A process that goes takes along whatever it started, directly or not.
//!
//! The workers behind this one are others' programs too, and their jobs outlive them: when a node kills the process in the middle, they would go on.
//! So the middle is the first process of a PID namespace, which the kernel ends with it, and dies with the process that the node
//! started, which does nothing but wait.

use crate::process::{self, Child, SingleThreaded};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::pipe2;
use std::os::fd::AsFd;

/// Goes on in a new process. The one that was there before waits for it, and ends as it does: it never returns.
///
/// # Errors
/// The system refused, and nothing has changed.
pub fn go_on(one: SingleThreaded) -> nix::Result<()> {
    let (ours, shepherds) = pipe2(OFlag::O_CLOEXEC)?;
    match process::fork(one, CloneFlags::CLONE_NEWPID)? {
        None => {
            drop(shepherds);
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // It may have died before this process asked to die with it.
            let mut pipe = [PollFd::new(ours.as_fd(), PollFlags::empty())];
            match poll(&mut pipe, PollTimeout::ZERO)? {
                0 => Ok(()),
                _ => Err(Errno::ESRCH),
            }
        }
        Some(child) => {
            drop(ours);
            std::process::exit(end(child));
        }
    }
}

fn end(child: Child) -> i32 {
    match child.wait() {
        Ok((WaitStatus::Exited(_, status), _)) => status,
        _ => 1,
    }
}

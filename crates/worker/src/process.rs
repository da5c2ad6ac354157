//! Fork, with namespaces.
//!
//! glibc's `fork` knows no namespaces, and its `clone` wants a stack of the caller's making, whose end nobody guards.
//! The system call itself without a stack does what `fork` does, and the child goes on on the stack that it knows.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{Signal, pidfd_send_signal};
use std::fs;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Says that this process has one thread, and so may be forked without a thought for locks that another holds.
#[derive(Clone, Copy, Debug)]
pub struct SingleThreaded(());

impl SingleThreaded {
    /// Counts the threads of this process. Nothing in this crate starts one later.
    pub fn check() -> io::Result<Self> {
        match fs::read_dir("/proc/self/task")?.count() {
            1 => Ok(Self(())),
            threads => Err(io::Error::other(format!(
                "this process has {threads} threads"
            ))),
        }
    }
}

/// A child of this process.
#[derive(Debug)]
pub struct Child {
    /// Its number here.
    pub pid: Pid,
    /// What stands for it, and for no other: a number could be another's one day, and a worker behind its barriers has no way to signal numbers.
    pub descriptor: OwnedFd,
}

impl Child {
    /// Whether it ends within so many milliseconds.
    pub fn has_ended_within(&self, milliseconds: u16) -> bool {
        let mut process = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        poll(&mut process, PollTimeout::from(milliseconds)).is_ok_and(|ready| ready > 0)
    }

    /// Waits for its end: how it ended, and the CPU time it took.
    ///
    /// # Errors
    /// The system refused.
    pub fn wait(self) -> nix::Result<(WaitStatus, Duration)> {
        loop {
            if let Some(ended) = self.wait_with(0)? {
                return Ok(ended);
            }
        }
    }

    fn wait_with(&self, flags: libc::c_int) -> nix::Result<Option<(WaitStatus, Duration)>> {
        let mut status = 0;
        // SAFETY: zeros are a value of this type, which is numbers alone.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both places are ours and of the types that the call writes.
        let ended = unsafe { libc::wait4(self.pid.as_raw(), &mut status, flags, &mut usage) };
        match Errno::result(ended) {
            Ok(0) | Err(Errno::EINTR) => Ok(None),
            Ok(_) => {
                let status = WaitStatus::from_raw(self.pid, status)?;
                Ok(Some((status, time(usage.ru_utime) + time(usage.ru_stime))))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Ends it. One that has ended already is no error.
    ///
    /// # Errors
    /// The system refused.
    pub fn kill(&self) -> nix::Result<()> {
        match pidfd_send_signal(&self.descriptor, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Errno::from_raw(error.raw_os_error())),
        }
    }
}

fn time(value: libc::timeval) -> Duration {
    let (seconds, microseconds) = (value.tv_sec as u64, value.tv_usec as u64);
    Duration::from_secs(seconds) + Duration::from_micros(microseconds)
}

/// Lets go of children that were killed and not waited for, as far as they have ended by now.
pub fn reap() {
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
        waitpid(None, Some(WaitPidFlag::WNOHANG))
    {}
}

/// Makes a copy of this process, in new namespaces of these kinds. Returns twice: the child in this process,
/// `None` in the child.
pub fn fork(_: SingleThreaded, namespaces: CloneFlags) -> nix::Result<Option<Child>> {
    assert!(
        !namespaces
            .intersects(CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_THREAD),
        "a job shares no memory"
    );
    let flags = i64::from(namespaces.bits() | libc::SIGCHLD | libc::CLONE_PIDFD);
    let mut descriptor: RawFd = -1;
    let place = &raw mut descriptor;
    // SAFETY: without CLONE_VM and with no stack given, the child is a copy of this process that goes on with a copy of its memory;
    // there is no other thread whose locks the copy would keep shut. The kernel writes the descriptor to its place before it returns here. The
    // arguments that the flags do not ask for are not looked at.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, place, 0, 0) };
    match Errno::result(pid)? {
        0 => Ok(None),
        pid => Ok(Some(Child {
            pid: Pid::from_raw(pid as i32),
            // SAFETY: the kernel has made it for this call, and nothing else knows its number.
            descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) },
        })),
    }
}

/// In a job: closes descriptors of the worker that the job must not have.
pub fn close_inherited(descriptors: &[RawFd]) {
    for &descriptor in descriptors {
        // SAFETY: a job leaves by `exit` and never runs code of the worker that owns or uses these descriptors.
        unsafe { libc::close(descriptor) };
    }
}

/// At the start of a worker: closes descriptors that whoever started it forgot to keep for himself.
pub fn close_forgotten() {
    const FIRST: u32 = 3;
    // SAFETY: nothing in this process has opened a descriptor of its own yet. A kernel that does not know the call leaves them open.
    unsafe { libc::close_range(FIRST, u32::MAX, 0) };
}

/// At the start of a worker: signals that come when something is written are ignored, so that the write says what is wrong. A file that is
/// as large as files may be and a terminal that belongs to somebody else shall not end a process whose answer counts. Jobs inherit it.
pub fn ignore_signals_of_writing() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTOU] {
        // SAFETY: to ignore a signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

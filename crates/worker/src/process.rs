//! Fork with new namespaces, and child processes.
//!
//! glibc's `fork` cannot create namespaces, and its `clone` needs a stack from the caller, which
//! has no guard page. The system call `clone` without a stack behaves like `fork`: the child
//! continues on its copy of the current stack.

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

/// Proof that this process has one thread. A fork of it cannot copy a lock held by another thread.
#[derive(Clone, Copy, Debug)]
pub struct SingleThreaded(());

impl SingleThreaded {
    /// Counts the threads of this process. This crate never starts a thread, so the proof stays
    /// valid.
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
    /// The child's process number in this process's PID namespace.
    pub pid: Pid,
    /// The child's pidfd. It never refers to another process, as a reused number may. A worker
    /// behind its barriers can send signals only through it.
    pub descriptor: OwnedFd,
}

impl Child {
    /// Waits at most this long for the child's end, and returns whether it ended.
    pub fn has_ended_within(&self, milliseconds: u16) -> bool {
        let mut process = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
        poll(&mut process, PollTimeout::from(milliseconds)).is_ok_and(|ready| ready > 0)
    }

    /// Waits for the child's end. Returns its exit status and its CPU time.
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
        // SAFETY: `rusage` has only integers, so zeros are a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to local variables of the types that the call writes.
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

    /// Kills the child. It is no error if the child has ended already.
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

/// Reaps children that were killed earlier and have ended by now.
pub fn reap() {
    while let Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) =
        waitpid(None, Some(WaitPidFlag::WNOHANG))
    {}
}

/// Forks this process into new namespaces of these kinds. Returns twice: the child in this process,
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
    // SAFETY: without CLONE_VM and without a stack, the child continues with a copy of this
    // process's memory. No other thread exists, so no copied lock stays locked. `place` is valid
    // for the write of the pidfd, which happens before the call returns. The flags make the kernel
    // ignore the other arguments.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, place, 0, 0) };
    match Errno::result(pid)? {
        0 => Ok(None),
        pid => Ok(Some(Child {
            pid: Pid::from_raw(pid as i32),
            // SAFETY: the kernel created this descriptor for the call, so nothing else owns it.
            descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) },
        })),
    }
}

/// In a job: closes descriptors of the worker that the job must not have.
pub fn close_inherited(descriptors: &[RawFd]) {
    for &descriptor in descriptors {
        // SAFETY: a job never runs the worker's code that owns or uses these descriptors, and
        // leaves by `exit`, which runs no destructor of their owners.
        unsafe { libc::close(descriptor) };
    }
}

/// Reserves address space of `bytes` bytes that nothing can use, until the process ends. It costs no memory. Returns the
/// address; `None` if the system refuses.
pub fn reserve(bytes: usize) -> Option<usize> {
    // SAFETY: the kernel chooses a free range, and nothing ever refers to it.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    (at != libc::MAP_FAILED).then_some(at as usize)
}

/// At the start of a worker: closes file descriptors leaked by the parent process.
pub fn close_forgotten() {
    const FIRST: u32 = 3;
    // SAFETY: this process has not opened a descriptor yet. A kernel without the call leaves them
    // open.
    unsafe { libc::close_range(FIRST, u32::MAX, 0) };
}

/// At the start of a worker: ignores the signals that a failing write causes, so that the write
/// returns an error instead. A file at its size limit (`SIGXFSZ`), a pipe without a reader
/// (`SIGPIPE`) or a terminal of another session (`SIGTTOU`) must not end the process. Jobs inherit
/// this.
pub fn ignore_signals_of_writing() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTOU] {
        // SAFETY: an ignored signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

//! Fork, with namespaces.
//!
//! glibc's `fork` knows no namespaces, and its `clone` wants a stack of the caller's making, whose end nobody guards.
//! The system call itself without a stack does what `fork` does, and the child goes on on the stack that it knows.

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::os::fd::RawFd;

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

/// Makes a copy of this process, in new namespaces of these kinds. Returns twice: the child's process number in this process,
/// `None` in the child.
pub fn fork(_: SingleThreaded, namespaces: CloneFlags) -> nix::Result<Option<Pid>> {
    assert!(
        !namespaces
            .intersects(CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK | CloneFlags::CLONE_THREAD),
        "a job shares no memory"
    );
    let flags = i64::from(namespaces.bits() | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack given, the child is a copy of this process that goes on with a copy of its memory;
    // there is no other thread whose locks the copy would keep shut. The arguments that the flags do not ask for are not looked at.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match Errno::result(pid)? {
        0 => Ok(None),
        pid => Ok(Some(Pid::from_raw(pid as i32))),
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

//! System calls by name, and the errors that each of them can plausibly have.

use libc::*;

/// In place of a call's number: an allocation of memory by a program with the allocator
/// [`Marked`](crate::Marked).
pub const ALLOCATION: i64 = -1;

/// Calls that take effect even if they report an error, as the kernel's `close` does.
pub(crate) const TAKE_EFFECT: &[i64] = &[SYS_close];

#[cfg(target_arch = "x86_64")]
macro_rules! calls {
    ($($call:ident: $($error:ident)*;)*) => {
        &[$(($call, stringify!($call), &[$($error),*]),)*]
    };
}

/// Number, name and errors. Calls without errors cannot fail when they are used rightly, or do not
/// return. Errors that only wrong use of a call has are left out.
#[cfg(target_arch = "x86_64")]
const CALLS: &[(i64, &str, &[i32])] = calls! {
    SYS_accept4: EINTR EMFILE;
    SYS_arch_prctl:;
    SYS_bind: ENOSPC;
    SYS_brk:;
    SYS_capset: EPERM;
    SYS_chdir: EACCES;
    SYS_chmod: EIO;
    SYS_clock_getres: EINVAL;
    SYS_clock_gettime:;
    SYS_clock_nanosleep: EINTR;
    SYS_clone: EAGAIN ENOMEM;
    SYS_clone3: EAGAIN ENOMEM;
    SYS_close: EINTR EIO;
    SYS_close_range:;
    SYS_connect: EINTR EAGAIN;
    SYS_copy_file_range: EIO ENOSPC;
    SYS_dup2: EMFILE;
    SYS_dup3: EMFILE;
    SYS_execve: ENOMEM EMFILE;
    SYS_exit:;
    SYS_exit_group:;
    SYS_fchmod: EIO;
    SYS_fcntl: EMFILE ENOMEM;
    SYS_flock: EINTR ENOLCK;
    SYS_fork: EAGAIN ENOMEM;
    SYS_fstat: EIO ENOMEM;
    SYS_fsync: EIO;
    SYS_ftruncate: EINTR EIO ENOSPC;
    SYS_futex: EINTR;
    SYS_getcwd: ENOMEM;
    SYS_getdents64: EIO ENOMEM;
    SYS_getegid:;
    SYS_geteuid:;
    SYS_getgid:;
    SYS_getpid:;
    SYS_getppid:;
    SYS_getrandom: EINTR;
    SYS_getrlimit:;
    SYS_getrusage:;
    SYS_gettid:;
    SYS_getuid:;
    SYS_ioctl: EIO;
    SYS_kill: EPERM;
    SYS_landlock_add_rule: ENOMEM;
    SYS_landlock_create_ruleset: ENOMEM EMFILE;
    SYS_landlock_restrict_self: ENOMEM EPERM;
    SYS_lseek: EIO;
    SYS_lstat: EIO ENOMEM;
    SYS_linkat: EIO ENOSPC EMLINK;
    SYS_listen: ENOMEM;
    SYS_madvise: ENOMEM EAGAIN;
    SYS_memfd_create: EMFILE ENOMEM;
    SYS_mkdir: EIO ENOSPC;
    SYS_mmap: ENOMEM EAGAIN;
    SYS_mount: ENOMEM EPERM;
    SYS_mprotect: ENOMEM;
    SYS_mremap: ENOMEM;
    SYS_munmap: ENOMEM;
    SYS_newfstatat: EIO ENOMEM;
    SYS_open: EMFILE ENFILE EIO;
    SYS_openat: EMFILE ENFILE EIO;
    SYS_pidfd_send_signal: EPERM;
    SYS_pipe2: EMFILE ENFILE;
    SYS_pivot_root: EPERM;
    SYS_poll: EINTR ENOMEM;
    SYS_ppoll: EINTR ENOMEM;
    SYS_prctl: EPERM ENOMEM;
    SYS_pread64: EINTR EIO;
    SYS_prlimit64: EPERM;
    SYS_pwrite64: EINTR EIO ENOSPC;
    SYS_read: EINTR EIO;
    SYS_readlink: EIO ENOMEM;
    SYS_readv: EINTR EIO;
    SYS_recvfrom: EINTR ENOMEM;
    SYS_recvmsg: EINTR ENOMEM;
    SYS_rename: EIO ENOSPC;
    SYS_renameat2: EIO ENOSPC;
    SYS_restart_syscall:;
    SYS_rmdir: EIO EBUSY;
    SYS_rseq:;
    SYS_rt_sigaction:;
    SYS_rt_sigprocmask:;
    SYS_rt_sigreturn:;
    SYS_sched_getaffinity: EPERM;
    SYS_sched_yield:;
    SYS_seccomp: ENOMEM EPERM;
    SYS_sendfile: EIO EAGAIN;
    SYS_sendmsg: EINTR ENOMEM;
    SYS_sendto: EINTR ENOMEM;
    SYS_set_robust_list:;
    SYS_set_tid_address:;
    SYS_setrlimit: EPERM;
    SYS_setsockopt: ENOMEM;
    SYS_sigaltstack: ENOMEM;
    SYS_socket: EMFILE ENOMEM;
    SYS_socketpair: EMFILE ENOMEM;
    SYS_splice: EIO;
    SYS_stat: EIO ENOMEM;
    SYS_statx: EIO ENOMEM;
    SYS_tgkill:;
    SYS_umount2: EPERM;
    SYS_uname:;
    SYS_unlink: EIO EBUSY;
    SYS_unlinkat: EIO EBUSY;
    SYS_unshare: EPERM ENOSPC;
    SYS_utimensat: EIO;
    SYS_vfork: EAGAIN ENOMEM;
    SYS_wait4: EINTR;
    SYS_waitid: EINTR;
    SYS_write: EINTR EIO ENOSPC;
    SYS_writev: EINTR EIO ENOSPC;
};

/// No process is traced there.
#[cfg(not(target_arch = "x86_64"))]
const CALLS: &[(i64, &str, &[i32])] = &[];

/// `mseal`, which kernels before 6.10 do not have.
const MSEAL: i64 = 462;

/// Calls whose third argument is a count of bytes that the kernel may fall short of.
pub(crate) const COUNTED: &[i64] = &[
    SYS_read,
    SYS_write,
    SYS_pread64,
    SYS_pwrite64,
    SYS_recvfrom,
    SYS_sendto,
];

/// The errors to try for a call. An unknown call gets the two most common ones.
pub fn errors(call: i64) -> &'static [i32] {
    match call {
        ALLOCATION => &[ENOMEM],
        MSEAL => &[ENOSYS, EPERM],
        call => match CALLS.iter().find(|(number, ..)| *number == call) {
            Some((_, _, errors)) => errors,
            None => &[EPERM, ENOMEM],
        },
    }
}

/// The name of a call, for messages.
pub fn name(call: i64) -> String {
    match call {
        ALLOCATION => "an allocation".to_owned(),
        MSEAL => "mseal".to_owned(),
        call => match CALLS.iter().find(|(number, ..)| *number == call) {
            Some((_, name, _)) => name.trim_start_matches("SYS_").to_owned(),
            None => format!("call {call}"),
        },
    }
}

//! Changes the root directory to the worker's own, in a mount namespace with no other mounts.

use super::Role;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::pivot_root;
use std::io;
use std::path::Path;

/// Why the root directory was not changed. It may have been changed in part.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The system refused a step.
    #[error("{step}: {errno}")]
    Step {
        /// The step that failed.
        step: &'static str,
        /// The system's error.
        errno: Errno,
    },
    /// The working directory cannot be read or changed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// All steps succeeded, but the process can leave the new root.
    #[error("the working directory is not the root after all")]
    NotTheRoot,
}

const NOTHING: Option<&str> = None;

/// Makes `directory` the root of this process, which must have one thread. The new root is
/// read-only for an execute worker.
///
/// # Errors
/// [`RootError`]. The process must end.
pub fn change(role: Role, directory: &Path) -> Result<(), RootError> {
    let step = |step| move |errno| RootError::Step { step, errno };
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(step("new user and mount namespaces"))?;
    // Mounts must not propagate to or from the parent namespace.
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )
    .map_err(step("making mounts private"))?;
    // A root has to be a mount point.
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(directory), directory, NOTHING, bind, NOTHING)
        .map_err(step("mounting the directory on itself"))?;
    std::env::set_current_dir(directory)?;
    pivot_root(".", ".").map_err(step("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(step("unmounting the old root"))?;
    restrict_mount(role);
    check()
}

/// Remounts the root with restrictive flags: the kernel ignores such flags on the first bind mount.
/// Some file systems refuse them; then Landlock and seccomp protect the directory.
fn restrict_mount(role: Role) {
    let mut flags = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | MsFlags::MS_NOEXEC;
    if role == Role::Execute {
        flags |= MsFlags::MS_RDONLY;
    }
    if let Err(errno) = mount(NOTHING, "/", NOTHING, flags, NOTHING) {
        log::warn!("the worker's directory cannot be mounted with all restrictions: {errno}");
    }
}

fn check() -> Result<(), RootError> {
    for way in [".", ".."] {
        std::env::set_current_dir(way)?;
        if std::env::current_dir()? != Path::new("/") {
            return Err(RootError::NotTheRoot);
        }
    }
    Ok(())
}

//! A private file system for the directories of two workers.
//!
//! A host gives a worker one directory and clears it after each job. The two workers of this
//! process need directories that are not cleared, and that vanish when the host kills this process.
//! So this process, in a mount namespace of its own, mounts a tmpfs over the directory. The
//! processes that it starts see the tmpfs, and it vanishes with the last of them (module
//! `shepherd`). This process reaches the host's files in the original directory through a
//! descriptor.

use super::shepherd;
use crate::security::{Machine, drop_capabilities};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::{getegid, geteuid};
use rustix::fs::{Mode, OFlags, open, openat};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Size limit of the file system in bytes: kept artifacts, both engines' current artifacts, and a
/// reserve.
const BYTES: u64 = 4 << 30;

/// Why the file system could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("a file system for the workers of two engines: {step}: {source}")]
pub struct PlaceError {
    /// The step that failed.
    step: &'static str,
    /// The system's error.
    source: io::Error,
}

/// The private file system and the host's directory under it.
pub struct Place {
    /// A descriptor of the directory that the host sees.
    outside: OwnedFd,
    /// The path of that directory, at which this process sees the private file system.
    inside: PathBuf,
}

impl Place {
    /// Moves this process into new user and mount namespaces, then forks into a new PID namespace.
    /// Only the forked process returns from this function.
    ///
    /// # Errors
    /// The system refused a step. The process must end.
    pub fn new(directory: &Path, machine: &Machine) -> Result<Self, PlaceError> {
        let failed = |step| move |source| PlaceError { step, source };
        let refused = |step| move |errno: Errno| failed(step)(errno.into());
        let inside = directory
            .canonicalize()
            .map_err(failed("the worker's directory"))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let outside = open(&inside, flags, Mode::empty())
            .map_err(|errno| failed("opening the worker's directory")(errno.into()))?;
        let (user, group) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
            .map_err(refused("new user and mount namespaces"))?;
        // The workers create namespaces, which needs a user that is mapped in this one.
        let own = |id: u32| format!("{id} {id} 1");
        fs::write("/proc/self/uid_map", own(user.as_raw())).map_err(failed("mapping the user"))?;
        fs::write("/proc/self/setgroups", "deny").map_err(failed("mapping the group"))?;
        fs::write("/proc/self/gid_map", own(group.as_raw()))
            .map_err(failed("mapping the group"))?;
        const NOTHING: Option<&str> = None;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(NOTHING, "/", NOTHING, private, NOTHING).map_err(refused("making mounts private"))?;
        let restricted = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let options = format!("mode=0700,size={BYTES}");
        mount(
            Some("tmpfs"),
            &inside,
            Some("tmpfs"),
            restricted,
            Some(&*options),
        )
        .map_err(refused("mounting a file system in memory"))?;
        shepherd::go_on(machine.one).map_err(refused("a new PID namespace"))?;
        // The workers run as the same user and must not inspect this process.
        prctl::set_dumpable(false).map_err(refused("making the process private"))?;
        if machine.drops_capabilities {
            drop_capabilities().map_err(refused("dropping capabilities"))?;
        }
        Ok(Self { outside, inside })
    }

    /// A path in the private file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.inside.join(name)
    }

    /// Opens a file in the host's directory for reading.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn read_from_host(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.outside, name, flags, Mode::empty())?.into())
    }

    /// Opens an existing file in the host's directory for writing, and truncates it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn write_for_host(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.outside, name, flags, Mode::empty())?.into())
    }
}

//! A place for the directories of two workers.
//!
//! A host gives a worker one directory and clears it after each job, with all that is beneath. The workers behind this one need
//! directories of their own that stay, and that are gone when the host kills this process, which then can do nothing any more. So this
//! process, in a mount namespace of its own, mounts a file system in memory over the directory: processes that it
//! starts see that one, and it vanishes with the last of them, which is at once ([`shepherd`]). What the host puts in the directory is reached through a descriptor.

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

/// Most bytes of the file system: the artifacts that are kept, both engines' one in use, and room.
const BYTES: u64 = 4 << 30;

/// Why there is no place.
#[derive(Debug, thiserror::Error)]
#[error("a place for the workers of two engines: {step}: {source}")]
pub struct PlaceError {
    /// What was tried.
    step: &'static str,
    /// What the system says.
    source: io::Error,
}

/// The place.
pub struct Place {
    /// The directory as the host sees it.
    outside: OwnedFd,
    /// The same path, where a file system of our own is.
    inside: PathBuf,
}

impl Place {
    /// Moves this process into new user and mount namespaces, for good, and goes on in another in a new PID namespace.
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
        // Processes without a user in their namespace could make no further ones, as the workers do.
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
        // The workers are processes of the same user.
        prctl::set_dumpable(false).map_err(refused("making the process private"))?;
        if machine.drops_capabilities {
            drop_capabilities().map_err(refused("dropping capabilities"))?;
        }
        Ok(Self { outside, inside })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.inside.join(name)
    }

    /// Opens a file that the host made, for reading.
    ///
    /// # Errors
    /// The system's.
    pub fn read_from_host(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.outside, name, flags, Mode::empty())?.into())
    }

    /// Opens a file that the host made, for writing it anew.
    ///
    /// # Errors
    /// The system's.
    pub fn write_for_host(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.outside, name, flags, Mode::empty())?.into())
    }
}

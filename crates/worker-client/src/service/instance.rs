//! A service's own directory within a directory that several services share.
//!
//! The directory `ID` has a lock file `ID.lock` beside it, which is locked as long as the service
//! lives. A directory whose lock is free belonged to a process that died; the next service that
//! starts removes it.

use super::ServiceError;
use super::private;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The directory of one service. Dropping it removes the directory.
pub(crate) struct Instance {
    directory: PathBuf,
    lock_path: PathBuf,
    _lock: File,
    next: AtomicU64,
}

impl Instance {
    /// Removes the directories of dead services in `parent`, and creates a new one.
    pub(crate) fn new(parent: &Path) -> Result<Self, ServiceError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        private::directory(parent)?;
        bury_dead(parent)?;
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let id = format!("{}-{number}", std::process::id());
            let lock_path = parent.join(format!("{id}.lock"));
            let lock = match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&lock_path)
            {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            lock.lock()?;
            // Between the two calls, another service may have removed the file as that of a dead
            // one.
            let still_there = fs::metadata(&lock_path).map(|it| it.ino()).ok();
            if still_there != Some(lock.metadata()?.ino()) {
                continue;
            }
            let directory = parent.join(id);
            DirBuilder::new().mode(0o700).create(&directory)?;
            return Ok(Self {
                directory,
                lock_path,
                _lock: lock,
                next: AtomicU64::new(0),
            });
        }
    }

    /// A path in the directory that this service has not used yet.
    pub(crate) fn fresh_path(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.directory.join(number.to_string())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        bury(&self.directory, &self.lock_path);
    }
}

/// Removes the directory of a service, then its lock file. A directory that cannot be removed keeps
/// the file, by which the next service finds it.
fn bury(directory: &Path, lock: &Path) {
    let removed = match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    // The next service removes what remains.
    let _ = removed.and_then(|()| fs::remove_file(lock));
}

fn bury_dead(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.extension() != Some(OsStr::new("lock")) {
            continue;
        }
        // Another service has removed the file meanwhile.
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                bury(&path.with_extension(""), &path);
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_dead_services_are_removed_and_those_of_living_ones_stay() {
        let parent = std::env::temp_dir().join(format!("pvf-instances-{}", std::process::id()));
        fs::create_dir_all(parent.join("dead/worker")).unwrap();
        fs::write(parent.join("dead/worker/artifact"), b"").unwrap();
        fs::write(parent.join("dead.lock"), b"").unwrap();
        let living = Instance::new(&parent).unwrap();
        fs::create_dir(living.fresh_path()).unwrap();
        assert!(!parent.join("dead").exists());
        assert!(!parent.join("dead.lock").exists());
        let other = Instance::new(&parent).unwrap();
        assert!(living.directory.join("0").exists());
        assert_ne!(living.directory, other.directory);
        drop((living, other));
        assert_eq!(fs::read_dir(&parent).unwrap().count(), 0);
        fs::remove_dir(&parent).unwrap();
    }
}

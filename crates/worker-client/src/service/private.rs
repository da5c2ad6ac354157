//! Directories and files that only the process's own user can change: a user who can write an
//! artifact decides which code the machine executes.

use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a directory is refused: other users could change its content.
#[derive(Debug, thiserror::Error)]
pub enum NotPrivate {
    /// The directory belongs to another user.
    #[error("{} belongs to user {owner}, not to {user}", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Owner of the directory.
        owner: u32,
        /// The user of this process.
        user: u32,
    },
    /// Other users may write in the directory, or in a parent directory without a sticky bit.
    #[error("other users may write in {} (mode {mode:04o})", path.display())]
    Writable {
        /// The directory that others may write in.
        path: PathBuf,
        /// Permission bits of the directory.
        mode: u32,
    },
    /// The path is not a directory.
    #[error("{} is not a directory", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The directory cannot be created or inspected.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Permission to write, for the group and for others.
const WRITE_OF_OTHERS: u32 = 0o022;

/// Creates a directory with mode 0700, and missing parents, unless it exists. Checks that only this
/// user can change it.
pub(crate) fn directory(path: &Path) -> Result<(), NotPrivate> {
    let failed = |source| NotPrivate::Io {
        path: path.to_owned(),
        source,
    };
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed)?;
    let path = path.canonicalize().map_err(failed)?;
    let metadata = fs::metadata(&path).map_err(failed)?;
    if !metadata.is_dir() {
        return Err(NotPrivate::NoDirectory { path });
    }
    let (owner, user) = (metadata.uid(), geteuid().as_raw());
    if owner != user {
        return Err(NotPrivate::Owner { path, owner, user });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & WRITE_OF_OTHERS != 0 {
        return Err(NotPrivate::Writable { path, mode });
    }
    for above in path.ancestors().skip(1) {
        let mode = fs::metadata(above).map_err(failed)?.mode() & 0o7777;
        // A user who may rename the directory can replace it.
        if mode & 0o1002 == 0o002 {
            let path = above.to_owned();
            return Err(NotPrivate::Writable { path, mode });
        }
    }
    Ok(())
}

/// The metadata of a regular file that only this user may write. Removes anything else at this
/// path: a symbolic link, a directory, a file that other users own or may write.
pub(crate) fn file(path: &Path) -> io::Result<Option<Metadata>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    let others = metadata.mode() & WRITE_OF_OTHERS != 0;
    if metadata.is_file() && metadata.uid() == geteuid().as_raw() && !others {
        return Ok(Some(metadata));
    }
    remove(path, &metadata)?;
    Ok(None)
}

fn remove(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let removed = match metadata.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Opens a lock file that only this user may write, and creates it if it does not exist.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    file(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(nix::libc::O_NOFOLLOW).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn directories_that_other_users_can_change_are_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let own = scratch.path().join("deep/own");
        directory(&own).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        for mode in [0o755, 0o500, 0o711] {
            set_mode(&own, mode);
            directory(&own).unwrap();
        }
        for mode in [0o777, 0o770, 0o1777, 0o702] {
            set_mode(&own, mode);
            let refused = directory(&own);
            assert!(
                matches!(refused, Err(NotPrivate::Writable { mode: found, .. }) if found == mode),
                "{mode:o}: {refused:?}"
            );
        }
        set_mode(&own, 0o700);
        // Other users may rename the directory.
        set_mode(&scratch.path().join("deep"), 0o777);
        assert!(matches!(directory(&own), Err(NotPrivate::Writable { .. })));
        set_mode(&scratch.path().join("deep"), 0o1777);
        directory(&own).unwrap();

        let link = scratch.path().join("link");
        symlink(&own, &link).unwrap();
        directory(&link).unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(directory(&file).is_err());
        // Only root can give the directory to another user.
        if geteuid().is_root() {
            std::os::unix::fs::chown(&own, Some(65_534), None).unwrap();
            let refused = directory(&own);
            assert!(
                matches!(refused, Err(NotPrivate::Owner { owner: 65_534, .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn anything_but_a_file_that_only_this_user_may_write_is_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        assert!(file(&path).unwrap().is_none());
        fs::write(&path, b"12").unwrap();
        set_mode(&path, 0o644);
        assert_eq!(file(&path).unwrap().unwrap().len(), 2);
        let target = scratch.path().join("target");
        fs::write(&target, b"").unwrap();
        let made: [&dyn Fn(); 5] = [
            &|| {
                fs::write(&path, b"").unwrap();
                set_mode(&path, 0o666);
            },
            &|| symlink(&target, &path).unwrap(),
            &|| symlink(scratch.path().join("nothing"), &path).unwrap(),
            &|| {
                fs::create_dir(&path).unwrap();
                fs::write(path.join("in it"), b"").unwrap();
            },
            &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        ];
        for make in made {
            fs::remove_file(&path).ok();
            make();
            assert!(file(&path).unwrap().is_none());
            assert!(fs::symlink_metadata(&path).is_err());
            make();
            lock_file(&path).unwrap().lock().unwrap();
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
        }
        assert!(target.exists() && !scratch.path().join("nothing").exists());
    }
}

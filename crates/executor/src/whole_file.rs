//! Files that are written whole or not at all.
//!
//! The temporary file is `tempfile`'s: it is gone whatever happens, and can have permissions of its own from the start. `atomicwrites` was the
//! other: it is made of `tempfile`, replaces symbolic links and devices as well, and gives the new file the permissions of a secret.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Symbolic links that are followed one after the other, as by the system.
const MOST_LINKS: usize = 40;

/// Writes a file: readers see the old content or the new one, never a part.
///
/// Links are followed. A file that is there keeps its mode and, where the system lets it, its owner. What is there and is no regular file (a
/// device, a pipe) is written to and stays what it is.
///
/// # Errors
/// The file system's. What was there is still there then, and nothing else.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = target(path)?;
    match fs::metadata(&path) {
        Ok(there) if there.is_file() => replace(&path, bytes, Some(&there)),
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            file.write_all(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(&path, bytes, None),
        Err(error) => Err(error),
    }
}

/// Where links lead, whether or not there is something.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => {
                let leads = fs::read_link(&path)?;
                path = folder(&path).join(leads);
            }
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Puts a new file in the place of a regular one, or of none.
fn replace(path: &Path, bytes: &[u8], there: Option<&Metadata>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        // As usual for new files: less what the process's mask takes away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder(path))?;
    temporary.write_all(bytes)?;
    if let Some(there) = there {
        keep(temporary.as_file(), there)?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a file the owner and the mode of another.
fn keep(file: &File, there: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (there.uid(), there.gid()) {
        // Only some may, and the content is what was asked for.
        let _ = fchown(file, Some(there.uid()), Some(there.gid()));
    }
    // Last, since a change of the owner can take bits away.
    file.set_permissions(there.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it can be read");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        let there = fs::metadata(path).expect("it is there");
        there.permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_that_is_there_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        for kept in [0o600, 0o644, 0o755, 0o640] {
            fs::write(&path, "old").expect("it can be written");
            fs::set_permissions(&path, Permissions::from_mode(kept)).expect("it is ours");
            write_file(&path, b"new").expect("it can be replaced");
            assert_eq!(fs::read(&path).expect("it is there"), b"new");
            assert_eq!(mode(&path), kept);
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_new_file_has_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        fs::write(&other, "").expect("it can be written");
        write_file(&ours, b"new").expect("it can be written");
        assert_eq!(mode(&ours), mode(&other));
        assert_eq!(names(folder.path()), ["other", "ours"]);
    }

    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let link = |name: &str, to: &str| {
            let path = folder.path().join(name);
            symlink(to, &path).expect("a link");
            path
        };
        // To a file, to a link, to nothing yet.
        fs::write(inner.join("file"), "old").expect("it can be written");
        let links = [
            link("one", "inner/file"),
            link("two", "one"),
            link("three", "inner/new"),
        ];
        for path in &links {
            write_file(path, path.as_os_str().as_encoded_bytes()).expect("it can be written");
            assert!(path.is_symlink());
            let read = fs::read(path).expect("it leads somewhere");
            assert_eq!(read, path.as_os_str().as_encoded_bytes());
        }
        assert_eq!(names(&inner), ["file", "new"]);
        let around = link("around", "around");
        assert!(write_file(&around, b"").is_err());
        assert!(around.is_symlink());
    }

    #[test]
    fn what_is_no_regular_file_stays_what_it_is() {
        write_file(Path::new("/dev/null"), b"gone").expect("it takes everything");
        let null = fs::metadata("/dev/null").expect("it is there");
        assert!(null.file_type().is_char_device());
        let error = write_file(Path::new("/dev/full"), b"more").expect_err("it takes nothing");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let full = fs::metadata("/dev/full").expect("it is there");
        assert!(full.file_type().is_char_device());
        let folder = tempfile::tempdir().expect("a folder");
        let error = write_file(folder.path(), b"").expect_err("it is a folder");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert!(write_file(&folder.path().join("no/such"), b"").is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_pipe_gets_the_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("coreutils").success());
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || fs::read(path).expect("somebody writes"))
        };
        write_file(&path, b"through the pipe").expect("somebody reads");
        assert_eq!(reader.join().expect("it read"), b"through the pipe");
        let there = fs::metadata(&path).expect("it is there");
        assert!(there.file_type().is_fifo());
    }
}

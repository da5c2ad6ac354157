//! Files that are written completely or not at all.
//!
//! The temporary file is made by `tempfile`: it is removed on every error, and has the right
//! permissions from the start. The alternative is `atomicwrites`, which uses `tempfile` itself. It
//! replaces symbolic links and devices, and makes the new file readable only by its owner.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Maximum length of a chain of symbolic links, as in Linux.
const MOST_LINKS: usize = 40;

/// Writes a file: readers see the old content or the new content, never a part.
///
/// Symbolic links are followed. An existing file keeps its mode and, if the system permits, its
/// owner. An existing file that is not regular (a device, a pipe) is written to and not replaced.
///
/// # Errors
/// An error of the file system. A regular file then keeps its old content, and no other file is
/// left.
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

/// The path to which symbolic links lead, whether or not it exists.
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

/// The folder that contains a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Replaces a regular file, or creates a new file.
fn replace(path: &Path, bytes: &[u8], there: Option<&Metadata>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        // As for any new file: the process's umask applies.
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

/// Gives a file the owner and the mode of an existing file.
fn keep(file: &File, there: &Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (there.uid(), there.gid()) {
        // Ignored: most processes may not change the owner, and the content is written in any case.
        let _ = fchown(file, Some(there.uid()), Some(there.gid()));
    }
    // After the owner, since changing the owner can clear mode bits.
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
    fn an_existing_file_keeps_its_mode() {
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
    fn a_new_file_has_the_default_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
        fs::write(&other, "").expect("it can be written");
        write_file(&ours, b"new").expect("it can be written");
        assert_eq!(mode(&ours), mode(&other));
        assert_eq!(names(folder.path()), ["other", "ours"]);
    }

    #[test]
    fn symbolic_links_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let link = |name: &str, to: &str| {
            let path = folder.path().join(name);
            symlink(to, &path).expect("a link");
            path
        };
        // To a file, to a link, to a path that does not exist yet.
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
    fn devices_and_folders_are_not_replaced() {
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
    fn a_pipe_is_written_to_and_not_replaced() {
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

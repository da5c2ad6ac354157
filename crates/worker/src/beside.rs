//! Reads the files that an operator puts beside the worker's program.
//!
//! A file that does not exist has a meaning of its own. So a file that exists and cannot be read is an error, never
//! the same as none: the worker could belong to another node, forget its primary engine, or verify less than it should.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file in bytes. All of them hold a line or a few settings.
const MAX_BYTES: u64 = 64 << 10;

/// Why a file beside the program cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// The path of this program is unknown, and so is the file beside it.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The file exists and cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// A file beside the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Path of the file.
    pub path: PathBuf,
    /// The file's bytes. They need not be UTF-8.
    pub bytes: Vec<u8>,
}

impl Beside {
    /// The file's text without white space around it. Bytes that are not UTF-8 become U+FFFD, which no valid content
    /// has.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim().to_owned()
    }
}

/// The directory of this program.
///
/// # Errors
/// [`BesideError::Own`].
pub fn own_directory() -> Result<PathBuf, BesideError> {
    let own = std::env::current_exe().map_err(BesideError::Own)?;
    match own.parent() {
        Some(directory) => Ok(directory.to_owned()),
        None => Err(BesideError::Own(io::ErrorKind::NotFound.into())),
    }
}

/// The file `name` of a directory; `None` if it does not exist.
///
/// # Errors
/// [`BesideError::Unreadable`].
pub fn read(directory: &Path, name: &str) -> Result<Option<Beside>, BesideError> {
    let path = directory.join(name);
    match read_bounded(&path) {
        Ok(bytes) => Ok(Some(Beside { path, bytes })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BesideError::Unreadable { path, source }),
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::metadata(path)?.len();
    match bytes <= MAX_BYTES {
        true => fs::read(path),
        false => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{bytes} bytes, at most {MAX_BYTES} are read"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_does_not_exist_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let read = |name| read(directory.path(), name);
        assert_eq!(read("none").unwrap(), None);
        fs::write(directory.path().join("file"), b" a\xff \n").unwrap();
        assert_eq!(read("file").unwrap().unwrap().text(), "a\u{fffd}");
        fs::create_dir(directory.path().join("directory")).unwrap();
        let large = fs::File::create(directory.path().join("large")).unwrap();
        large.set_len(MAX_BYTES + 1).unwrap();
        for name in ["directory", "large", "file/below"] {
            let error = read(name).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}

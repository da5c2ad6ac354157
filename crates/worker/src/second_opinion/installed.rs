//! Finds the installed primary engine.

use pvf_node_protocol::PRIMARY_FILE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why the installed primary engine is unusable.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// The path of this program is unknown, and so is the file beside it.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The file [`PRIMARY_FILE`] cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file does not name an absolute path. A relative one would depend on the worker's working
    /// directory.
    #[error("{} names {directory:?}, which is not an absolute path", path.display())]
    Relative {
        /// Path of the file.
        path: PathBuf,
        /// The path in the file.
        directory: String,
    },
    /// The program of the primary worker does not exist.
    #[error("{} names {}: {source}", path.display(), program.display())]
    Missing {
        /// Path of the file.
        path: PathBuf,
        /// Path of the program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The primary workers have a primary engine too: workers would start workers without end.
    #[error("{} names {}, whose workers have a primary engine themselves", path.display(), directory.display())]
    Circle {
        /// Path of the file.
        path: PathBuf,
        /// The directory in the file.
        directory: PathBuf,
    },
}

/// The program of the primary worker for a command (`prepare-worker`, `execute-worker`), if one is
/// installed.
///
/// # Errors
/// [`InstalledError`].
pub fn primary(command: &str) -> Result<Option<PathBuf>, InstalledError> {
    // A worker that took this for "none" would execute alone, without the primary engine.
    let own = std::env::current_exe().map_err(InstalledError::Own)?;
    match own.parent() {
        Some(directory) => installed_in(directory, command),
        None => Ok(None),
    }
}

fn installed_in(own: &Path, command: &str) -> Result<Option<PathBuf>, InstalledError> {
    let path = own.join(PRIMARY_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(InstalledError::File { path, source }),
    };
    let directory = PathBuf::from(text.trim());
    if !directory.is_absolute() {
        let directory = text.trim().to_owned();
        return Err(InstalledError::Relative { path, directory });
    }
    if directory.join(PRIMARY_FILE).exists() {
        return Err(InstalledError::Circle { path, directory });
    }
    let program = directory.join(format!("polkadot-{command}"));
    match fs::metadata(&program) {
        Ok(_) => Ok(Some(program)),
        Err(source) => Err(InstalledError::Missing {
            path,
            program,
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_must_name_the_absolute_path_of_other_workers() {
        let scratch = std::env::temp_dir().join(format!("pvf-primary-{}", std::process::id()));
        let (own, other) = (scratch.join("own"), scratch.join("other"));
        fs::create_dir_all(&own).unwrap();
        fs::create_dir_all(&other).unwrap();
        let installed = || installed_in(&own, "execute-worker");
        assert_eq!(installed().unwrap(), None);

        let name = |directory: &Path| {
            fs::write(own.join(PRIMARY_FILE), format!("{}\n", directory.display())).unwrap();
        };
        name(&other);
        assert!(matches!(installed(), Err(InstalledError::Missing { .. })));
        let program = other.join("polkadot-execute-worker");
        fs::write(&program, "").unwrap();
        assert_eq!(installed().unwrap(), Some(program));
        name(Path::new("other"));
        assert!(matches!(installed(), Err(InstalledError::Relative { .. })));
        name(Path::new(""));
        assert!(matches!(installed(), Err(InstalledError::Relative { .. })));
        name(&own);
        assert!(matches!(installed(), Err(InstalledError::Circle { .. })));
        fs::remove_dir_all(&scratch).unwrap();
    }
}

//! Finds the installed primary engine.

use crate::beside::{self, BesideError};
use pvf_node_protocol::PRIMARY_FILE;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why the installed primary engine is unusable.
#[derive(Debug, thiserror::Error)]
pub enum InstalledError {
    /// The file [`PRIMARY_FILE`] cannot be looked for or read. A worker that took this for "none" would execute alone,
    /// without the primary engine.
    #[error(transparent)]
    File(#[from] BesideError),
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
    installed_in(&beside::own_directory()?, command)
}

fn installed_in(own: &Path, command: &str) -> Result<Option<PathBuf>, InstalledError> {
    let Some(file) = beside::read(own, PRIMARY_FILE)? else {
        return Ok(None);
    };
    let (path, text) = (file.path.clone(), file.text());
    let directory = PathBuf::from(&text);
    if !directory.is_absolute() {
        return Err(InstalledError::Relative {
            path,
            directory: text,
        });
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

//! When this worker verifies machine code: by its options, and by the file beside the program.

use pvf_node_protocol::{UnknownWord, VERIFY_FILE, Verification};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why it is unknown when to verify. The worker must not start, because it might verify less than its operator asked for.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The path of this program is unknown, and so is the file beside it.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has another word.
    #[error("{}: {source}", path.display())]
    Word {
        /// Path of the file.
        path: PathBuf,
        /// The word.
        source: UnknownWord,
    },
}

/// What the options and the file beside the program say together.
///
/// # Errors
/// [`VerificationError`].
pub fn combined(options: Verification) -> Result<Verification, VerificationError> {
    let own = std::env::current_exe().map_err(VerificationError::Own)?;
    let installed = match own.parent() {
        Some(directory) => installed_in(directory)?,
        None => Verification::default(),
    };
    Ok(Verification {
        when_preparing: options.when_preparing && installed.when_preparing,
        at_load: options.at_load || installed.at_load,
    })
}

fn installed_in(directory: &Path) -> Result<Verification, VerificationError> {
    let path = directory.join(VERIFY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => text
            .parse()
            .map_err(|source| VerificationError::Word { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Verification::default()),
        Err(source) => Err(VerificationError::Unreadable { path, source }),
    }
}

//! When this worker verifies machine code: by its options, and by the file beside the program.

use crate::beside::{self, BesideError};
use pvf_node_protocol::{UnknownWord, VERIFY_FILE, Verification};
use std::path::PathBuf;

/// Why it is unknown when to verify. The worker must not start, because it might verify less than its operator asked for.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The file cannot be looked for or read.
    #[error(transparent)]
    File(#[from] BesideError),
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
    let installed = match beside::read(&beside::own_directory()?, VERIFY_FILE)? {
        Some(file) => {
            let word = |source| VerificationError::Word {
                path: file.path.clone(),
                source,
            };
            file.text().parse().map_err(word)?
        }
        None => Verification::default(),
    };
    Ok(Verification {
        when_preparing: options.when_preparing && installed.when_preparing,
        at_load: options.at_load || installed.at_load,
    })
}

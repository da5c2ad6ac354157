//! The version of the node that a worker belongs to. A node refuses workers of another version.
//!
//! The workers implement the protocol of nodes 1.22.0 to 1.25.1
//! ([`pvf_node_protocol::NODE_RELEASES`]). The version is in the file `polkadot-worker.version`
//! beside the binary, which `pvf workers install` writes. Without the file, it is the value of the
//! environment variable `PVF_NODE_VERSION` at build time, or else the newest of these versions.

use crate::beside::{self, BesideError};
use pvf_node_protocol::VERSION_FILE;
use std::path::{Path, PathBuf};

/// Largest accepted version in bytes.
const MAX_BYTES: usize = 64;

/// The version that this binary was built for.
pub const fn built_for() -> &'static str {
    match option_env!("PVF_NODE_VERSION") {
        Some(version) => version,
        None => pvf_node_protocol::NODE_VERSION,
    }
}

/// The commit of the build: `PVF_COMMIT` at build time, or `unknown`.
pub const fn commit() -> &'static str {
    match option_env!("PVF_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    }
}

/// Why the version of a worker's node is unknown.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The file beside the binary cannot be looked for or read.
    #[error(transparent)]
    File(#[from] BesideError),
    /// The file beside the binary does not hold a version.
    #[error("{} does not hold the version of a node, such as {}, but {text:?}", path.display(), built_for())]
    Malformed {
        /// Path of the file.
        path: PathBuf,
        /// The beginning of the file's text.
        text: String,
    },
}

/// The version of this worker's node: that of the file beside the binary, or else [`built_for`].
///
/// # Errors
/// [`VersionError`]: the file exists but has no readable version, or cannot be looked for. The
/// worker must not continue, because it may belong to another node.
pub fn node_version() -> Result<String, VersionError> {
    let installed = installed_in(&beside::own_directory()?)?;
    Ok(installed.unwrap_or_else(|| built_for().to_owned()))
}

/// The version in the file of a directory; `None` if there is no file.
///
/// # Errors
/// [`VersionError`].
pub fn installed_in(directory: &Path) -> Result<Option<String>, VersionError> {
    let Some(file) = beside::read(directory, VERSION_FILE)? else {
        return Ok(None);
    };
    let version = file.text();
    match version.len() <= MAX_BYTES && semver::Version::parse(&version).is_ok() {
        true => Ok(Some(version)),
        false => Err(VersionError::Malformed {
            path: file.path,
            text: version.chars().take(MAX_BYTES).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_version_file_holds_a_version_or_is_an_error() {
        let directory = std::env::temp_dir().join(format!("pvf-version-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(installed_in(&directory).unwrap(), None);
        let file = directory.join(VERSION_FILE);
        for version in ["1.25.2\n", "1.26.0-rc1+abc"] {
            fs::write(&file, version).unwrap();
            let named = installed_in(&directory).unwrap();
            assert_eq!(named.as_deref(), Some(version.trim()));
        }
        let long = format!("1.25.{}", "1".repeat(65));
        for text in [
            "",
            "\n",
            "two words",
            "1.25",
            "v1.25.1",
            "polkadot",
            "\u{1b}[2J",
            &long,
        ] {
            fs::write(&file, text).unwrap();
            let error = installed_in(&directory).expect_err(text).to_string();
            assert!(error.contains(VERSION_FILE), "{error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
        fs::write(&file, b"1.25.1\xff").unwrap();
        assert!(installed_in(&directory).is_err());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let error = installed_in(&directory);
        assert!(matches!(error, Err(VersionError::File(_))), "{error:?}");
        fs::remove_dir_all(&directory).unwrap();
    }
}

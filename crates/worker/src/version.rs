//! The version of the node that a worker belongs to. A node refuses workers of another version.
//!
//! The workers implement the protocol of nodes 1.22.0 to 1.25.1
//! ([`pvf_node_protocol::NODE_RELEASES`]). The version is in the file `polkadot-worker.version`
//! beside the binary, which `pvf workers install` writes. Without the file, it is the value of the
//! environment variable `PVF_NODE_VERSION` at build time, or else the newest of these versions.

use pvf_node_protocol::VERSION_FILE;
use std::fs;
use std::io;
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
    /// The path of this program is unknown, and so is the file beside it.
    #[error("the path of this program: {0}")]
    Own(io::Error),
    /// The file beside the binary cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
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
    let own = std::env::current_exe().map_err(VersionError::Own)?;
    let installed = match own.parent() {
        Some(directory) => installed_in(directory)?,
        None => None,
    };
    Ok(installed.unwrap_or_else(|| built_for().to_owned()))
}

/// The version in the file of a directory; `None` if there is no file.
///
/// # Errors
/// [`VersionError`].
pub fn installed_in(directory: &Path) -> Result<Option<String>, VersionError> {
    let path = directory.join(VERSION_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(VersionError::Unreadable { path, source }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let version = text.trim();
    match version.len() <= MAX_BYTES && semver::Version::parse(version).is_ok() {
        true => Ok(Some(version.to_owned())),
        false => Err(VersionError::Malformed {
            path,
            text: version.chars().take(MAX_BYTES).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(
            matches!(error, Err(VersionError::Unreadable { .. })),
            "{error:?}"
        );
        fs::remove_dir_all(&directory).unwrap();
    }
}

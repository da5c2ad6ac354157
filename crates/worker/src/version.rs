//! For which node a worker says it is made. The node refuses workers of another version.
//!
//! The protocol is that of node 1.25.1. A node of another release whose protocol is the same can be told so when the workers are
//! installed: by a file `polkadot-worker.version` beside the binary. When they are built: by the environment
//! variable `PVF_NODE_VERSION`.

use std::path::Path;

/// Name of the file beside the binary.
pub const VERSION_FILE: &str = "polkadot-worker.version";

/// Longest version that is believed.
const MAX_BYTES: usize = 64;

/// The version that this binary was built for.
pub const fn built_for() -> &'static str {
    match option_env!("PVF_NODE_VERSION") {
        Some(version) => version,
        None => pvf_wire::NODE_VERSION,
    }
}

/// What it was built from, if the build said so.
pub const fn commit() -> &'static str {
    match option_env!("PVF_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    }
}

/// The version of the node that this worker is for: by the file beside the binary, or else as it was built.
pub fn node_version() -> String {
    let own = std::env::current_exe().ok();
    let installed = own.and_then(|path| installed_in(path.parent()?));
    installed.unwrap_or_else(|| built_for().to_owned())
}

/// The version that the file in a directory names; `None` if there is none or it names no version.
fn installed_in(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join(VERSION_FILE)).ok()?;
    let version = text.trim();
    let is_version = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let fine = (1..=MAX_BYTES).contains(&version.len()) && version.chars().all(is_version);
    fine.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_a_version_or_nothing() {
        let directory = std::env::temp_dir().join(format!("pvf-version-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(installed_in(&directory), None);
        for (text, version) in [
            ("1.25.2\n", Some("1.25.2")),
            ("1.26.0-rc1+abc", Some("1.26.0-rc1+abc")),
            ("", None),
            ("two words", None),
            (&"1".repeat(65), None),
        ] {
            std::fs::write(directory.join(VERSION_FILE), text).unwrap();
            assert_eq!(installed_in(&directory).as_deref(), version, "{text:?}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

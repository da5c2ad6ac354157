//! Folders of input files, read in an order that depends only on the file names.

use std::path::{Path, PathBuf};

/// The paths in a folder, sorted.
///
/// # Errors
/// A message with the folder's path if it cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let describe = |error| format!("{}: {error}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .map_err(describe)?
        .map(|entry| Ok(entry.map_err(describe)?.path()))
        .collect::<Result<Vec<_>, String>>()?;
    paths.sort();
    Ok(paths)
}

/// A file's bytes.
///
/// # Errors
/// A message with the file's path if it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

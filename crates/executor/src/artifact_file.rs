//! Artifacts in files: written completely or not at all, read with bounds.

use crate::write_file;
use pvf_compiler::{Artifact, ArtifactError};
use pvf_runtime::{LoadError, Module};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file does not yield an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ReadArtifactError {
    /// The file cannot be read: a failure of the host.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The file is not an intact artifact.
    #[error("{}: {source}", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// The defect.
        source: ArtifactError,
    },
}

/// Bytes read before deciding whether to read the rest: more than any header.
const HEAD_BYTES: u64 = 4096;

/// BLAKE2b-256 of an artifact's bytes ([`Artifact::to_bytes`]). Two machines prepared the same
/// artifact if their digests are equal.
///
/// ```
/// assert_eq!(pvf_executor::artifact_digest(b"")[..4], [0x0e, 0x57, 0x51, 0xc0]);
/// ```
pub fn artifact_digest(bytes: &[u8]) -> [u8; 32] {
    blake2_256(bytes)
}

/// BLAKE2b-256.
pub(crate) fn blake2_256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    let mut blake2b = blake2b_simd::Params::new();
    digest.copy_from_slice(blake2b.hash_length(32).hash(bytes).as_bytes());
    digest
}

/// Writes an artifact to a file with [`write_file`] and returns the [digest](artifact_digest) of
/// its bytes.
pub fn write_artifact(artifact: &Artifact, path: &Path) -> io::Result<[u8; 32]> {
    let bytes = artifact.to_bytes();
    write_file(path, &bytes)?;
    Ok(artifact_digest(&bytes))
}

/// Whether bytes begin like an artifact, intact or damaged, of any version.
pub fn looks_like_artifact(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES as usize)];
    !matches!(Artifact::parse(head), Err(ArtifactError::NotAnArtifact))
}

/// Reads an artifact from a file. A file that does not begin like an artifact is read no further,
/// and no file is read further than the length in its header.
///
/// # Safety
/// As for [`Artifact::from_bytes`]: [`write_artifact`] wrote the file, and only processes that are
/// trusted with the rights of this process could write to it.
#[allow(unsafe_code, reason = "declares what it asks of the caller")]
pub unsafe fn read_artifact(path: &Path) -> Result<Artifact, ReadArtifactError> {
    let io = |source| ReadArtifactError::Io {
        path: path.to_owned(),
        source,
    };
    let invalid = |source| ReadArtifactError::Artifact {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    let head = (&mut file).take(HEAD_BYTES).read_to_end(&mut bytes);
    head.map_err(io)?;
    // SAFETY: the caller promises that the file's content is trusted.
    match unsafe { Artifact::from_bytes(&bytes) } {
        Err(ArtifactError::Length { expected, found }) if expected > found => {
            // One byte more than expected, to detect a longer file.
            let rest = expected - found + 1;
            file.take(rest).read_to_end(&mut bytes).map_err(io)?;
            // SAFETY: the caller promises that the file's content is trusted.
            unsafe { Artifact::from_bytes(&bytes) }.map_err(invalid)
        }
        other => other.map_err(invalid),
    }
}

/// Why a file does not yield a module.
#[derive(Debug, thiserror::Error)]
pub enum OpenModuleError {
    /// The file holds no intact artifact.
    #[error(transparent)]
    Read(#[from] ReadArtifactError),
    /// This machine cannot execute the artifact.
    #[error("{}: {source}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: LoadError,
    },
}

/// Opens an artifact file as a module, in the shortest time: maps the file, verifies its checksum,
/// and executes its code in the mapping.
///
/// The checks are those of [`read_artifact`] and [`Module::new`]. The file may be deleted or
/// replaced (as [`write_artifact`] does) while the module exists. If it is truncated, runs end with
/// [`HostFailure::ArtifactCut`](pvf_runtime::HostFailure::ArtifactCut). A file that is not regular
/// is read into memory.
///
/// # Safety
/// As for [`read_artifact`]. In addition, the file's bytes are not changed in place while the
/// module exists.
#[allow(unsafe_code, reason = "declares what it asks of the caller")]
pub unsafe fn open_module(path: &Path) -> Result<Module, OpenModuleError> {
    let io = |source| ReadArtifactError::Io {
        path: path.to_owned(),
        source,
    };
    let load = |source| match source {
        LoadError::Artifact(source) => ReadArtifactError::Artifact {
            path: path.to_owned(),
            source,
        }
        .into(),
        source => OpenModuleError::Load {
            path: path.to_owned(),
            source,
        },
    };
    let file = File::open(path).map_err(io)?;
    match file.metadata().map_err(io)?.is_file() {
        // SAFETY: the caller promises that the file's content is trusted and does not change.
        true => unsafe { Module::open(&file) }.map_err(load),
        // SAFETY: the caller promises that the file's content is trusted.
        false => Module::new(unsafe { read_artifact(path) }?).map_err(load),
    }
}

#[cfg(test)]
mod tests;

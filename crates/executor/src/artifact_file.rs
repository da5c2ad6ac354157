//! Artifacts as files: written whole or not at all, read with bounds.

use crate::write_file;
use blake2::digest::{Digest, consts::U32};
use pvf_compiler::{Artifact, ArtifactError};
use pvf_runtime::{LoadError, Module};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why a file gives no artifact.
#[derive(Debug, thiserror::Error)]
pub enum ReadArtifactError {
    /// The file cannot be read: a failure of the host.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// What was read is not an intact artifact.
    #[error("{}: {source}", path.display())]
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ArtifactError,
    },
}

/// Bytes read before it is decided whether the rest is worth reading: more than any
/// header.
const HEAD_BYTES: u64 = 4096;

/// BLAKE2b-256 of an artifact's bytes ([`Artifact::to_bytes`]), which tells whether
/// two machines prepared the same.
///
/// ```
/// assert_eq!(pvf_executor::artifact_digest(b"")[..4], [0x0e, 0x57, 0x51, 0xc0]);
/// ```
pub fn artifact_digest(bytes: &[u8]) -> [u8; 32] {
    blake2::Blake2b::<U32>::digest(bytes).into()
}

/// Writes an artifact to a file, as [`write_file`] does, and returns its bytes' [digest](artifact_digest).
pub fn write_artifact(artifact: &Artifact, path: &Path) -> io::Result<[u8; 32]> {
    let bytes = artifact.to_bytes();
    write_file(path, &bytes)?;
    Ok(artifact_digest(&bytes))
}

/// Whether bytes begin like an artifact, intact or not, of this version or another.
pub fn looks_like_artifact(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD_BYTES as usize)];
    !matches!(Artifact::parse(head), Err(ArtifactError::NotAnArtifact))
}

/// Reads an artifact from a file. A file that does not begin like an artifact is not
/// read any further, and no file further than its header says.
///
/// # Safety
/// As [`Artifact::from_bytes`]: what is in the file must have been written by [`write_artifact`], by nobody who cannot be trusted with
/// the rights of this process.
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
    // SAFETY: the caller vouches for the file.
    match unsafe { Artifact::from_bytes(&bytes) } {
        Err(ArtifactError::Length { expected, found }) if expected > found => {
            // One byte more than expected, to see whether the file goes on.
            let rest = expected - found + 1;
            file.take(rest).read_to_end(&mut bytes).map_err(io)?;
            // SAFETY: as above.
            unsafe { Artifact::from_bytes(&bytes) }.map_err(invalid)
        }
        other => other.map_err(invalid),
    }
}

/// Why a file gives no module.
#[derive(Debug, thiserror::Error)]
pub enum OpenModuleError {
    /// There is no intact artifact in it.
    #[error(transparent)]
    Read(#[from] ReadArtifactError),
    /// This machine cannot execute the artifact.
    #[error("{}: {source}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: LoadError,
    },
}

/// From a file with an artifact to a module, in the shortest time: the file is mapped, its checksum
/// compared, and its code executed where it lies.
///
/// The same checks as by [`read_artifact`] and [`Module::new`]. The file may be deleted or replaced (as
/// [`write_artifact`] does) while the module exists; if it is cut short, runs end with
/// [`HostFailure::ArtifactCut`](pvf_runtime::HostFailure::ArtifactCut). What is not a regular file is read as a whole.
///
/// # Safety
/// As [`read_artifact`]; moreover, nobody changes the file's bytes in place while the module exists.
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
        // SAFETY: the caller vouches for the file, now and later.
        true => unsafe { Module::open(&file) }.map_err(load),
        // SAFETY: the caller vouches for the file.
        false => Module::new(unsafe { read_artifact(path) }?).map_err(load),
    }
}

#[cfg(test)]
mod tests;

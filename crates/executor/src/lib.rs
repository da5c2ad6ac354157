//! Prepare and execute WebAssembly deterministically.
#![forbid(unsafe_code)]

mod artifact_file;
mod code;

pub use artifact_file::{ReadArtifactError, artifact_digest, read_artifact, write_artifact};
pub use code::{
    COMPRESSED_MAGIC, Code, CodeError, CodeKind, DecompressError, decompress_zstd, read_code,
};

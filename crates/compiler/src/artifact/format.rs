//! Artifacts as bytes.
//!
//! ```text
//! 0   8 bytes   magic "pvf-art\0"
//! 8   u32       format version
//! 12  u32       bytes of metadata (ModuleInfo and TrapMap, postcard)
//! 16  u32       bytes of code
//! 20  u32       bytes of data
//! 24  16 bytes  XXH3-128 of everything behind the header and of bytes 0..24
//! 40  ...       padding to HEADER_BYTES
//! HEADER_BYTES  code, data, metadata
//! ```
//!
//! Numbers are little-endian. The checksum guards against accidents (a torn write,
//! a bad disk), not against somebody who can write machine code into the file.

use super::Artifact;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: [u8; 8] = *b"pvf-art\0";
const VERSION: u32 = 3;
/// The code begins at a page boundary, so that it can be mapped from the file.
const HEADER_BYTES: usize = 4096;

/// Why bytes are not an artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Too short, or other magic bytes.
    #[error("not an artifact")]
    NotAnArtifact,
    /// Made by another version.
    #[error("artifact format {found}, this version reads {VERSION}")]
    Version {
        /// What the header says.
        found: u32,
    },
    /// The lengths in the header do not add up to the bytes given.
    #[error("artifact of {found} bytes, its header says {expected}")]
    Length {
        /// By the header.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// The checksum does not match.
    #[error("artifact is damaged: checksum mismatch")]
    Checksum,
    /// The checksum matches but the metadata does not decode.
    #[error("artifact metadata: {0}")]
    Metadata(String),
}

impl Artifact {
    /// The artifact as bytes; a function of blob, parameters and target alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let metadata = postcard::to_stdvec(&(&self.module, &self.traps))
            .expect("plain data always serialises into memory");
        let mut bytes =
            Vec::with_capacity(HEADER_BYTES + self.code.len() + self.data.len() + metadata.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        for length in [metadata.len(), self.code.len(), self.data.len()] {
            bytes.extend((length as u32).to_le_bytes());
        }
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(&self.code);
        bytes.extend(&self.data);
        bytes.extend(&metadata);
        let sum = checksum(&bytes);
        bytes[24..40].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads what [`Artifact::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() < HEADER_BYTES || bytes[..8] != MAGIC {
            return Err(ArtifactError::NotAnArtifact);
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if word(8) != VERSION {
            return Err(ArtifactError::Version { found: word(8) });
        }
        let [metadata, code, data] = [12, 16, 20].map(|at| word(at) as usize);
        let expected = HEADER_BYTES as u64 + metadata as u64 + code as u64 + data as u64;
        if expected != bytes.len() as u64 {
            return Err(ArtifactError::Length {
                expected,
                found: bytes.len() as u64,
            });
        }
        if checksum(bytes).to_le_bytes() != bytes[24..40] {
            return Err(ArtifactError::Checksum);
        }
        let (code, rest) = bytes[HEADER_BYTES..].split_at(code);
        let (data, metadata) = rest.split_at(data);
        let (module, traps) = postcard::from_bytes(metadata)
            .map_err(|error| ArtifactError::Metadata(error.to_string()))?;
        Ok(Self {
            module,
            code: code.to_vec(),
            traps,
            data: data.to_vec(),
        })
    }
}

fn checksum(bytes: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&bytes[..24]);
    hash.update(&bytes[40..]);
    hash.digest128()
}

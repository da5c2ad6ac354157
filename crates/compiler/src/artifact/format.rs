//! Artifacts as bytes.
//!
//! ```text
//! 0   8 bytes   magic "pvf-art\0"
//! 8   u32       format version
//! 12  7 x u32   bytes of code; bytes of data; functions; entries of the trap map's index, its bytes;
//!               bytes of metadata; where the code begins
//! 40  ...       zeros to there
//!               code, data, functions (7 x u32 each), trap map, metadata (the rest of ModuleInfo, postcard)
//! at the end    16 bytes: XXH3-128 of everything before
//! ```
//!
//! Numbers are little-endian. The code begins at a page boundary, whatever the size of pages on a machine that can
//! execute it ([`Target::largest_page_bytes`]), so that the file can be mapped and its code executed where it lies; the
//! trap map is searched where it lies, and the table of functions is read without decoding.
//!
//! The checksum detects accidents: a torn write, a bad disk, a flipped bit. XXH3 detects them as reliably as a
//! cryptographic hash of its length and runs at the speed of memory. It does not protect against an attacker who can
//! write the file: with any hash, that attacker can write machine code and a matching checksum. So everything that can
//! write to the directory of artifacts has to be trusted.

use super::{Artifact, ArtifactContents, Function, ModuleInfo, TrapMap};
use crate::Target;
use std::ops::Range;
use std::sync::Arc;
use twox_hash::XxHash3_128;

const MAGIC: [u8; 8] = *b"pvf-art\0";
const VERSION: u32 = 7;
const SUM_BYTES: usize = 16;
const FUNCTION_BYTES: usize = 28;

/// Length of the header, which [`Artifact::expected_bytes`] reads.
pub const HEAD_BYTES: usize = 40;

/// Why bytes are not an artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// Too short, or other magic bytes.
    #[error("not an artifact")]
    NotAnArtifact,
    /// Made by another version.
    #[error("artifact format {found}, this version reads {VERSION}")]
    Version {
        /// The value in the header.
        found: u32,
    },
    /// The lengths in the header do not add up to the bytes given.
    #[error("artifact of {found} bytes, its header says {expected}")]
    Length {
        /// The length according to the header.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// The header gives a code offset that no target uses.
    #[error("artifact is damaged: code from byte {found} on")]
    CodeStart {
        /// The value in the header.
        found: u32,
    },
    /// The checksum does not match.
    #[error("artifact is damaged: checksum mismatch")]
    Checksum,
    /// The checksum matches but the metadata does not decode.
    #[error("artifact metadata: {0}")]
    Metadata(String),
}

/// The parts of an artifact's bytes, checked; large parts are ranges of the bytes.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The module without its code.
    pub module: ModuleInfo,
    /// Range of the code.
    pub code: Range<usize>,
    /// Range of the bytes of the data segments.
    pub data: Range<usize>,
    /// Range of the trap map.
    pub traps: Range<usize>,
    /// Entries of its index; see [`TrapMap::shared`].
    pub trap_groups: usize,
    /// Range of the table of functions, which [`ModuleInfo::decode`] takes together with the metadata.
    pub functions: Range<usize>,
    /// Range of the metadata.
    pub metadata: Range<usize>,
}

impl ModuleInfo {
    /// Decodes the metadata of an artifact and its table of functions.
    ///
    /// # Errors
    /// [`ArtifactError::Metadata`].
    pub fn decode(metadata: &[u8], functions: &[u8]) -> Result<Self, ArtifactError> {
        let decoded: Result<Self, _> = postcard::from_bytes(metadata);
        let mut module = decoded.map_err(|error| ArtifactError::Metadata(error.to_string()))?;
        let (table, _) = functions.as_chunks::<FUNCTION_BYTES>();
        module.functions = table.iter().map(function_from).collect();
        Ok(module)
    }
}

/// The lengths in a header.
struct Lengths {
    code: u32,
    data: u32,
    functions: u32,
    trap_groups: u32,
    traps: u32,
    metadata: u32,
    code_start: u32,
}

impl Lengths {
    fn read(head: &[u8]) -> Result<Self, ArtifactError> {
        if head.len() < HEAD_BYTES || head[..8] != MAGIC {
            return Err(ArtifactError::NotAnArtifact);
        }
        let version = word(head, 8);
        if version != VERSION {
            return Err(ArtifactError::Version { found: version });
        }
        let code_start = word(head, 36);
        if !Target::ALL
            .map(Target::largest_page_bytes)
            .contains(&code_start)
        {
            return Err(ArtifactError::CodeStart { found: code_start });
        }
        Ok(Self {
            code_start,
            code: word(head, 12),
            data: word(head, 16),
            functions: word(head, 20),
            trap_groups: word(head, 24),
            traps: word(head, 28),
            metadata: word(head, 32),
        })
    }

    fn total(&self) -> u64 {
        let functions = u64::from(self.functions) * FUNCTION_BYTES as u64;
        let bytes = [self.code, self.data, self.traps, self.metadata].map(u64::from);
        u64::from(self.code_start) + SUM_BYTES as u64 + functions + bytes.iter().sum::<u64>()
    }
}

impl Artifact {
    /// The artifact as bytes, which depend on the blob, the parameters and the target alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let metadata =
            postcard::to_stdvec(&self.module).expect("plain data always serialises into memory");
        let functions = &self.module.functions;
        let code_start = self.module.target.largest_page_bytes();
        let lengths = [
            self.code.len(),
            self.data.len(),
            functions.len(),
            self.traps.groups(),
            self.traps.bytes(),
            metadata.len(),
            code_start as usize,
        ];
        let mut bytes = Vec::with_capacity(
            code_start as usize
                + self.code.len()
                + self.data.len()
                + functions.len() * FUNCTION_BYTES
                + self.traps.bytes()
                + metadata.len()
                + SUM_BYTES,
        );
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        for length in lengths {
            bytes.extend((length as u32).to_le_bytes());
        }
        bytes.resize(code_start as usize, 0);
        bytes.extend(&self.code);
        bytes.extend(&self.data);
        for function in functions {
            for word in function_words(function) {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes.extend(self.traps.as_bytes());
        bytes.extend(&metadata);
        let sum = XxHash3_128::oneshot(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// How many bytes an artifact has, by its first [`HEAD_BYTES`].
    pub fn expected_bytes(head: &[u8]) -> Result<u64, ArtifactError> {
        Lengths::read(head).map(|lengths| lengths.total())
    }

    /// Checks the bytes of an artifact and finds its parts.
    pub fn parse(bytes: &[u8]) -> Result<Parts, ArtifactError> {
        let lengths = Lengths::read(bytes)?;
        if lengths.total() != bytes.len() as u64 {
            return Err(ArtifactError::Length {
                expected: lengths.total(),
                found: bytes.len() as u64,
            });
        }
        let (summed, sum) = bytes.split_at(bytes.len() - SUM_BYTES);
        if XxHash3_128::oneshot(summed).to_le_bytes() != sum {
            return Err(ArtifactError::Checksum);
        }
        let mut end = lengths.code_start as usize;
        let mut next = |length: usize| {
            end += length;
            end - length..end
        };
        let code = next(lengths.code as usize);
        let data = next(lengths.data as usize);
        let functions = next(lengths.functions as usize * FUNCTION_BYTES);
        let traps = next(lengths.traps as usize);
        let metadata = next(lengths.metadata as usize);

        Ok(Parts {
            module: ModuleInfo::decode(&bytes[metadata.clone()], &bytes[functions.clone()])?,
            code,
            data,
            traps,
            trap_groups: lengths.trap_groups as usize,
            functions,
            metadata,
        })
    }

    /// Reads the bytes of [`Artifact::to_bytes`]. To inspect an artifact without executing it, use [`Self::parse`].
    ///
    /// # Safety
    /// A module made from the artifact executes its code with the rights of the process. The bytes must be those that
    /// [`Self::to_bytes`] returned for an artifact from [`compile`](crate::compile) of this version. The checks detect
    /// accidents, not forgeries.
    #[allow(unsafe_code, reason = "declares what it asks of the caller")]
    pub unsafe fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let parts = Self::parse(bytes)?;
        let traps = parts.copied_trap_map(bytes)?;
        Ok(Self(parts.contents(bytes, traps)))
    }
}

impl Parts {
    /// The trap map, without a copy of its bytes.
    pub fn trap_map(
        &self,
        bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    ) -> Result<TrapMap, ArtifactError> {
        TrapMap::shared(bytes, self.traps.clone(), self.trap_groups).ok_or_else(short_index)
    }

    /// The trap map in these bytes, which are copied.
    ///
    /// # Errors
    /// [`ArtifactError::Metadata`]: it is shorter than its index.
    pub fn copied_trap_map(&self, bytes: &[u8]) -> Result<TrapMap, ArtifactError> {
        let map = bytes.get(self.traps.clone()).unwrap_or_default().to_vec();
        let range = 0..map.len();
        TrapMap::shared(Arc::new(map), range, self.trap_groups).ok_or_else(short_index)
    }

    /// Copies the contents out of the bytes. `traps`: the trap map.
    pub fn contents(self, bytes: &[u8], traps: TrapMap) -> ArtifactContents {
        let part = |range: Range<usize>| bytes.get(range).unwrap_or_default().to_vec();
        ArtifactContents {
            code: part(self.code),
            data: part(self.data),
            module: self.module,
            traps,
        }
    }
}

fn short_index() -> ArtifactError {
    ArtifactError::Metadata("the trap map is shorter than its index".to_owned())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn function_words(function: &Function) -> [u32; 7] {
    let &Function {
        signature,
        code_offset,
        code_bytes,
        frame_bytes,
        logical_cost,
        body_offset,
        body_bytes,
    } = function;
    [
        signature,
        code_offset,
        code_bytes,
        frame_bytes,
        logical_cost,
        body_offset,
        body_bytes,
    ]
}

fn function_from(bytes: &[u8; FUNCTION_BYTES]) -> Function {
    Function {
        signature: word(bytes, 0),
        code_offset: word(bytes, 4),
        code_bytes: word(bytes, 8),
        frame_bytes: word(bytes, 12),
        logical_cost: word(bytes, 16),
        body_offset: word(bytes, 20),
        body_bytes: word(bytes, 24),
    }
}

//! A file with a candidate: `ValidationParams`, or what a collator exports.
//!
//! | form | is | parameters |
//! | --- | --- | --- |
//! | parameters | `ValidationParams`, with or without extension | the file itself |
//! | exported | `PoV`, `PersistedValidationData` | made from both, as a node makes them |
//! | exported, old | `PoV`, parent head, storage root, number | the same; `ValidationParams` have the same shape |
//!
//! A file is of the form as which all of its bytes decode. Two forms have one shape: two strings and 36 bytes. There the
//! block decides, which comes first in an export and second in parameters: it is compressed, or block data of cumulus.

use super::{MAX_BYTES, is_candidate, starts_like_zstd};
use blake2::Blake2b;
use blake2::digest::{Digest, consts::U32};
use parity_scale_codec::{Compact, Decode, Encode};
use pvf_executor::{COMPRESSED_MAGIC, DecompressError, decompress, decompress_zstd};
use pvf_primitives::{
    BlockData, ExportedPov, Hash, Header, POV_BOMB_LIMIT, ScaleError, ScaleErrorReason,
    ValidationParamsExtension,
};
use std::borrow::Cow;

/// The form of a file with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `ValidationParams`.
    Params,
    /// The export of a collator.
    Exported,
    /// The export of a collator of 2023 or before.
    ExportedOld,
    /// Both `ValidationParams` and an old export: each of the two strings is a block.
    Ambiguous,
}

/// A candidate that was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'b> {
    /// SCALE-encoded `ValidationParams`, as a PVF takes them.
    pub params: Cow<'b, [u8]>,
    /// What an export says beyond the parameters.
    pub exported: Option<Exported>,
}

/// What the export of a collator says about its candidate beyond the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// [`Form::Exported`] or [`Form::ExportedOld`].
    pub form: Form,
    /// Bytes of the encoded proof of validity, which a node compares with the network's largest.
    pub pov_bytes: usize,
    /// Whether the block data are compressed.
    pub compressed: bool,
    /// Bytes of the block data, decompressed.
    pub block_bytes: usize,
    /// The largest proof of validity, as the collator knew it.
    pub max_pov_size: Option<u32>,
    /// The extension of the parameters, made from the scheduling proof.
    pub extension: ExtensionSource,
}

/// Whether a candidate of an export has the extension of version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionSource {
    /// The block data have no scheduling proof: the candidate is of an older version.
    NotNeeded,
    /// Relay parent and scheduling parent are headers of the scheduling proof.
    SchedulingProof,
    /// No header of the scheduling proof is the relay parent, whose hash no part of the file has.
    Unknown,
}

/// Why a file yields no candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// The file is of no form.
    #[error("the file is neither ValidationParams nor a collator's export ({0})")]
    Neither(ScaleError),
    /// The file is of two forms.
    #[error(
        "the file is both ValidationParams and a collator's export of an old layout: \
         each of its two strings is block data"
    )]
    Ambiguous,
    /// The file is compressed, and damaged or too large.
    #[error("the file does not decompress: {0}")]
    File(DecompressError),
    /// The block data of an export are compressed, and damaged or too large. A node that gets them takes the candidate
    /// for invalid.
    #[error("the block data of the collator's export do not decompress: {0}")]
    BlockDecompression(DecompressError),
    /// The block data of an export do not decode, although the parent's head is a header of Substrate.
    #[error("the block data of the collator's export are damaged: {0}")]
    Block(ScaleError),
}

impl CandidateError {
    /// Whether this machine failed, which says nothing about the file.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::File(DecompressError::OutOfMemory)
                | Self::BlockDecompression(DecompressError::OutOfMemory)
        )
    }
}

/// The form of the bytes of a file, decompressed; `None` if they are of none.
pub fn form(bytes: &[u8]) -> Option<Form> {
    if ExportedPov::from_bytes(bytes).is_ok() {
        return Some(Form::Exported);
    }
    if !is_candidate(bytes) {
        return None;
    }
    let Ok(old) = ExportedPov::from_old_bytes(bytes) else {
        // Parameters with the extension are too long to be an old export, unless its lengths are damaged.
        return (!begins_with_block(bytes)).then_some(Form::Params);
    };
    let (first, second) = (old.block_data, old.parent_head);
    match (is_block(first), is_block(second)) {
        (true, true) => Some(Form::Ambiguous),
        (false, true) => Some(Form::Params),
        // A block that is damaged, behind it a header that is not.
        (false, false) if !is_header(second) || is_header(first) => Some(Form::Params),
        // Without its last four bytes a new export has the shape of an old one, with the end of a hash for a number.
        (_, false) if old.relay_parent_number > MOST_BLOCKS => None,
        (_, false) => Some(Form::ExportedOld),
    }
}

/// More blocks than a relay chain makes in fifty years.
const MOST_BLOCKS: u32 = 1 << 28;

fn is_block(bytes: &[u8]) -> bool {
    bytes.starts_with(&COMPRESSED_MAGIC)
        || BlockData::is_versioned(bytes)
        || BlockData::from_bytes(bytes).is_ok()
}

/// Whether the first string is a block: that of an export.
fn begins_with_block(mut bytes: &[u8]) -> bool {
    let length = Compact::<u32>::decode(&mut bytes).ok();
    let first = length.and_then(|Compact(length)| bytes.get(..length as usize));
    first.is_some_and(is_block)
}

fn is_header(bytes: &[u8]) -> bool {
    Header::from_bytes(bytes).is_ok()
}

/// Whether the bytes begin like an export of cumulus and end before it does.
pub fn is_cut_export(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let Ok(Compact(length)) = Compact::<u32>::decode(&mut rest) else {
        return false;
    };
    let begins = match rest.get(..COMPRESSED_MAGIC.len()) {
        Some(magic) if magic == COMPRESSED_MAGIC => true,
        // The header of the block ends before the block does; that of a parent ends with its string.
        _ if BlockData::is_versioned(rest) => true,
        _ => match Header::from_bytes(rest) {
            Ok(_) => false,
            Err(error) if matches!(error.reason, ScaleErrorReason::Trailing(_)) => {
                error.offset < length as usize
            }
            Err(_) => false,
        },
    };
    begins && length as usize <= MAX_BYTES && form(bytes).is_none()
}

impl<'b> Candidate<'b> {
    /// Reads a file, which may be compressed with zstd.
    ///
    /// # Errors
    /// [`CandidateError`]: the file is of no form or of two, or it is damaged.
    pub fn from_file(bytes: &'b [u8]) -> Result<Self, CandidateError> {
        if starts_like_zstd(bytes) && form(bytes).is_none() {
            let inside = decompress_zstd(bytes, MAX_BYTES).map_err(CandidateError::File)?;
            let Candidate { params, exported } = Candidate::from_content(&inside)?;
            return Ok(Self {
                params: Cow::Owned(params.into_owned()),
                exported,
            });
        }
        Self::from_content(bytes)
    }

    fn from_content(bytes: &'b [u8]) -> Result<Self, CandidateError> {
        let exported = match form(bytes) {
            Some(Form::Params) => {
                return Ok(Self {
                    params: Cow::Borrowed(bytes),
                    exported: None,
                });
            }
            Some(Form::Ambiguous) => return Err(CandidateError::Ambiguous),
            Some(Form::Exported) => ExportedPov::from_bytes(bytes),
            Some(Form::ExportedOld) => ExportedPov::from_old_bytes(bytes),
            None => ExportedPov::from_bytes(bytes),
        };
        Self::from_export(&exported.map_err(CandidateError::Neither)?)
    }

    /// The candidate of a collator's export, as a node makes it: with the block data decompressed.
    ///
    /// # Errors
    /// The block data are damaged or too large.
    pub fn from_export(export: &ExportedPov<'_>) -> Result<Candidate<'static>, CandidateError> {
        let compressed = export.block_data.starts_with(&COMPRESSED_MAGIC);
        let block = decompress(export.block_data, POV_BOMB_LIMIT)
            .map_err(CandidateError::BlockDecompression)?;
        let scheduling = match BlockData::from_bytes(&block) {
            Ok(data) => data.scheduling,
            Err(error) if is_header(export.parent_head) && !is_of_unknown_version(&error) => {
                return Err(CandidateError::Block(error));
            }
            // Not every PVF is made with cumulus, and cumulus may have new versions.
            Err(_) => None,
        };
        let mut params = Vec::new();
        export.parent_head.encode_to(&mut params);
        block.encode_to(&mut params);
        export.relay_parent_number.encode_to(&mut params);
        export.relay_parent_storage_root.encode_to(&mut params);
        let extension = match scheduling {
            None => ExtensionSource::NotNeeded,
            Some(scheduling) => {
                let is_relay_parent = |header: &&Header<'_>| {
                    header.number == u64::from(export.relay_parent_number)
                        && header.state_root == export.relay_parent_storage_root
                };
                let scheduling_parent = scheduling.headers().next();
                match (
                    scheduling.headers().find(is_relay_parent),
                    scheduling_parent,
                ) {
                    (Some(relay_parent), Some(scheduling_parent)) => {
                        let extension = ValidationParamsExtension::V3 {
                            relay_parent: hash(relay_parent.bytes),
                            scheduling_parent: hash(scheduling_parent.bytes),
                        };
                        extension.encode_to(&mut params);
                        ExtensionSource::SchedulingProof
                    }
                    _ => ExtensionSource::Unknown,
                }
            }
        };
        let form = match export.max_pov_size {
            Some(_) => Form::Exported,
            None => Form::ExportedOld,
        };
        Ok(Candidate {
            params: Cow::Owned(params),
            exported: Some(Exported {
                form,
                pov_bytes: export.pov_bytes,
                compressed,
                block_bytes: block.len(),
                max_pov_size: export.max_pov_size,
                extension,
            }),
        })
    }
}

/// Whether block data do not decode because a newer version encoded them.
fn is_of_unknown_version(error: &ScaleError) -> bool {
    error.part == "the version" && matches!(error.reason, ScaleErrorReason::Variant(3..))
}

/// The hash of a header of the relay chain.
fn hash(header: &[u8]) -> Hash {
    Blake2b::<U32>::digest(header).into()
}

#[cfg(test)]
mod tests;

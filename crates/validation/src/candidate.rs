//! Candidates in files, uncompressed or compressed with plain zstd.
//!
//! [`Candidate::from_file`] reads every form of file; [`read`] reads `ValidationParams` alone. All tools share these readers. A node does not know compressed candidates (it compresses the block
//! inside a candidate, in its own way), so a file that *is* a candidate is never decompressed.

mod file;

pub use file::{Candidate, CandidateError, Exported, ExtensionSource, Form, form, is_cut_export};

use parity_scale_codec::{Compact, Decode};
use pvf_executor::{COMPRESSED_MAGIC, DecompressError, decompress_zstd};
use pvf_primitives::BlockData;
use std::borrow::Cow;

/// Maximum size of a candidate in a compressed file: twice the size of the largest candidate that
/// can be valid (rule PVF-6). Larger contents are taken for a decompression bomb. An uncompressed
/// candidate has no limit here; validation decides.
pub const MAX_BYTES: usize = 64 << 20;

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of the number and the hash that follow the two byte strings of `ValidationParams`.
const FIXED_BYTES: usize = 4 + 32;

/// Bytes of the extension of candidates of version 3 (`pvf_primitives::ValidationParamsExtension`):
/// its index and two hashes.
const EXTENSION_BYTES: usize = 1 + 32 + 32;

/// The candidate in a file's bytes. The bytes are decompressed if they are zstd data and not
/// themselves `ValidationParams`: a candidate begins like zstd data if its parent head has 10 bytes
/// and begins with `b5 2f fd`.
///
/// # Errors
/// The bytes begin like zstd data but are neither a candidate nor zstd data, or their content
/// exceeds [`MAX_BYTES`]. The error that this machine is out of memory says nothing about the
/// bytes.
pub fn read(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecompressError> {
    if !starts_like_zstd(bytes) || is_candidate(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    decompress_zstd(bytes, MAX_BYTES).map(Cow::Owned)
}

/// Whether the bytes begin like zstd data.
fn starts_like_zstd(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZSTD_MAGIC)
}

/// Whether the bytes are exactly one `ValidationParams`, with or without the extension.
pub fn is_candidate(mut bytes: &[u8]) -> bool {
    let parent_head = skip_bytes(&mut bytes);
    let block_data = skip_bytes(&mut bytes);
    let Some(rest) = bytes.get(FIXED_BYTES..) else {
        return false;
    };
    let extended = rest.len() == EXTENSION_BYTES && rest[0] == 3;
    parent_head.is_some() && block_data.is_some() && (rest.is_empty() || extended)
}

/// Whether the bytes look like truncated `ValidationParams`: their length fields require more bytes
/// than there are, and at least an eighth of the required bytes are there. Most other bytes decode
/// to implausible lengths.
pub fn is_cut(bytes: &[u8]) -> bool {
    /// Maximum length of a plausible parent head. Networks allow 20 KiB, but the heads of runtimes
    /// are headers of 100 to 200 bytes.
    const LIKELY_HEAD: usize = 512;
    let length = |bytes: &mut &[u8]| {
        let Compact(length) = Compact::<u32>::decode(bytes).ok()?;
        Some(length as usize)
    };
    let mut rest = bytes;
    let Some(head) = length(&mut rest).filter(|head| *head <= LIKELY_HEAD) else {
        return false;
    };
    if rest.starts_with(&COMPRESSED_MAGIC) || BlockData::is_versioned(rest) {
        // A block comes first: the export of a collator.
        return false;
    }
    let read = |rest: &[u8]| bytes.len() - rest.len();
    let said = match rest.get(head..) {
        Some(mut behind) if !behind.is_empty() => match length(&mut behind) {
            Some(block) if block <= MAX_BYTES => read(behind) + block + FIXED_BYTES,
            _ => return false,
        },
        // The bytes end in or after the head; the shortest block has one byte.
        _ => read(rest) + head + 1 + FIXED_BYTES,
    };
    bytes.len() < said && bytes.len() >= said / 8
}

/// Skips a string of bytes, if there is one.
fn skip_bytes(bytes: &mut &[u8]) -> Option<()> {
    let Compact(length) = Compact::<u32>::decode(bytes).ok()?;
    *bytes = bytes.get(length as usize..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parity_scale_codec::Encode;
    use pvf_primitives::{ValidationParams, ValidationParamsExtension};

    fn params(parent_head: &[u8], block: usize) -> Vec<u8> {
        let params = ValidationParams {
            parent_head: parent_head.to_vec(),
            block_data: vec![5; block],
            relay_parent_number: 7,
            relay_parent_storage_root: [9; 32],
        };
        params.encode()
    }

    /// A candidate that begins like zstd data.
    fn disguised(block: usize) -> Vec<u8> {
        let candidate = params(b"\xb5\x2f\xfdsevenby", block);
        assert!(candidate.starts_with(&ZSTD_MAGIC));
        candidate
    }

    #[test]
    fn only_zstd_data_is_decompressed() {
        for candidate in [vec![7; 100_000], params(b"head", 1000), disguised(1000)] {
            assert!(matches!(read(&candidate), Ok(Cow::Borrowed(bytes)) if bytes == candidate));
            let compressed = zstd::encode_all(&candidate[..], 3).expect("compresses");
            assert_eq!(read(&compressed).expect("decompresses"), candidate);
        }
        assert!(matches!(read(&[]), Ok(bytes) if bytes.is_empty()));
    }

    #[test]
    fn a_candidate_that_begins_like_zstd_is_not_decompressed() {
        let extension = ValidationParamsExtension::V3 {
            relay_parent: [1; 32],
            scheduling_parent: [2; 32],
        };
        for block in [0, 1, 63, 64, 1 << 14, 1 << 20] {
            let candidate = disguised(block);
            assert_eq!(read(&candidate), Ok(Cow::Borrowed(&candidate[..])));
            let extended = [candidate.clone(), extension.encode()].concat();
            assert_eq!(read(&extended), Ok(Cow::Borrowed(&extended[..])));
            // Bytes that begin like zstd data and are not a candidate are an error.
            assert!(read(&candidate[..candidate.len() - 1]).is_err());
            assert!(read(&[&candidate[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn truncated_candidates_are_detected_among_other_bytes() {
        for (head, block) in [(98, 4143), (72, 30), (0, 0), (200, 1 << 20)] {
            let whole = params(&vec![1; head], block);
            assert!(is_candidate(&whole) && !is_cut(&whole));
            assert!(is_cut(&whole[..whole.len() - 1]));
            assert!(is_cut(&whole[..whole.len() * 2 / 3]));
            assert!(!is_cut(&[&whole[..], &[0]].concat()));
        }
        // Of random bytes, less than a tenth look like a truncated candidate.
        let mut state = 1_u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let taken = (0..1000).filter(|_| {
            let bytes: Vec<u8> = (0..1000).map(|_| random()).collect();
            is_cut(&bytes)
        });
        let taken = taken.count();
        assert!(taken < 100, "{taken}");
    }

    #[test]
    fn broken_and_oversized_data_are_errors() {
        let compressed = zstd::encode_all(&[7; 1000][..], 3).expect("compresses");
        for end in 4..compressed.len() {
            let read = read(&compressed[..end]);
            assert!(matches!(read, Err(DecompressError::Invalid(_))), "{end}");
        }
        let zeros = |bytes: usize| {
            let zeros = std::io::Read::take(std::io::repeat(0), bytes as u64);
            zstd::encode_all(zeros, 3).expect("compresses")
        };
        assert_eq!(read(&zeros(MAX_BYTES)).expect("fits").len(), MAX_BYTES);
        let bomb = zeros(MAX_BYTES + 1);
        assert_eq!(
            read(&bomb),
            Err(DecompressError::TooLarge { limit: MAX_BYTES })
        );
    }
}

//! Decompression with a size limit.
//!
//! The set of blobs that decompress is consensus-relevant, so this uses libzstd, as the network
//! does, through the `zstd` crate. The alternative is `ruzstd` (safe Rust, without a C compiler).
//! It accepts a different set: it reads one frame only and does not verify its checksum.

use std::io::{self, Read};

/// Why a compressed blob does not decompress.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// The content exceeds the limit: possibly a bomb.
    #[error("decompresses to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The data does not consist of zstd frames from the first byte to the last.
    #[error("invalid zstd data: {0}")]
    Invalid(String),
    /// libzstd could not allocate memory. A failure of the host that says nothing about the blob.
    #[error("out of memory while decompressing")]
    OutOfMemory,
}

/// Decompresses consecutive zstd frames without a magic prefix. There has to be at least one frame
/// and no data after the last. A skippable frame counts as empty.
///
/// At most `limit + 1` bytes are decompressed, and less than twice that is allocated for them. In
/// addition libzstd reserves the window that a frame declares (at most 128 MiB, of which only pages
/// with content are used).
pub fn decompress_zstd(frames: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    if !begins_like_frame(frames) {
        return Err(DecompressError::Invalid("no zstd frame".to_owned()));
    }
    let decoder = zstd::Decoder::new(frames).map_err(failed)?;
    // For frames with windows beyond 128 MiB, libzstd's acceptance depends on the sizes of the
    // output buffers. They therefore have to be the network's: those of `read_to_end` with an
    // initial capacity of the compressed size.
    let mut content = Vec::new();
    content
        .try_reserve_exact(frames.len())
        .map_err(|_| DecompressError::OutOfMemory)?;
    let most = (limit as u64).saturating_add(1);
    decoder
        .take(most)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    content.shrink_to_fit();
    Ok(content)
}

/// Whether the bytes begin with a standard or a skippable frame. Builds of libzstd differ in
/// whether they accept the formats before the standard.
pub(super) fn begins_like_frame(bytes: &[u8]) -> bool {
    let Some(magic) = bytes.first_chunk().copied().map(u32::from_le_bytes) else {
        return false;
    };
    magic == 0xfd2f_b528 || magic & !0xf == 0x184d_2a50
}

fn failed(error: io::Error) -> DecompressError {
    let message = error.to_string();
    // The `zstd` crate passes libzstd's error on as text; an allocation error does not concern the
    // data.
    if error.kind() == io::ErrorKind::OutOfMemory || message.starts_with("Allocation error") {
        DecompressError::OutOfMemory
    } else {
        DecompressError::Invalid(message)
    }
}

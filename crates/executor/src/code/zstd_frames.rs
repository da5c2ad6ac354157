//! Bounded decompression.
//!
//! Which blobs decompress is consensus-relevant, so this takes libzstd, which the network
//! takes too, through the `zstd` crate; `ruzstd` (safe Rust, no C compiler needed) is an
//! implementation of its own with its own idea of what to accept: one frame, its
//! checksum not verified.

use std::io::{self, Read};

/// Why a compressed blob has no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// It would become larger than the limit: possibly a bomb.
    #[error("decompresses to more than {limit} bytes")]
    TooLarge {
        /// The limit given, in bytes.
        limit: usize,
    },
    /// Not zstd frames from the first byte to the last.
    #[error("invalid zstd data: {0}")]
    Invalid(String),
    /// libzstd got no memory. Says nothing about the blob: a failure of the host.
    #[error("out of memory while decompressing")]
    OutOfMemory,
}

/// Decompresses zstd frames, one after the other, without any magic before them.
/// There has to be one at least, and nothing behind the last; skippable ones count as
/// empty.
///
/// Not more than `limit + 1` bytes are ever decompressed, and less than twice that is
/// allocated for them. libzstd beside it reserves the window that a frame declares (at
/// most 128 MiB; pages of it are used only as far as there is content).
pub fn decompress_zstd(frames: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    if !begins_like_frame(frames) {
        return Err(DecompressError::Invalid("no zstd frame".to_owned()));
    }
    let decoder = zstd::Decoder::new(frames).map_err(failed)?;
    // What libzstd accepts depends on the sizes of the buffers it is given, for frames with
    // windows beyond 128 MiB. So they are exactly the network's: those of `read_to_end`, from
    // a capacity of as many bytes as are compressed.
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

/// Whether there is a frame of the standardised format or a skippable one. Builds of
/// libzstd differ in whether they know the formats from before the standard.
pub(super) fn begins_like_frame(bytes: &[u8]) -> bool {
    let Some(magic) = bytes.first_chunk().copied().map(u32::from_le_bytes) else {
        return false;
    };
    magic == 0xfd2f_b528 || magic & !0xf == 0x184d_2a50
}

fn failed(error: io::Error) -> DecompressError {
    let message = error.to_string();
    // The crate hands on libzstd's error as text; this one is not about the data.
    if error.kind() == io::ErrorKind::OutOfMemory || message.starts_with("Allocation error") {
        DecompressError::OutOfMemory
    } else {
        DecompressError::Invalid(message)
    }
}

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

/// Window of a frame, as a power of two, up to which libzstd decompresses a stream by
/// default.
const WINDOW_LOG_MAX: u32 = 27;

/// Bytes decompressed at a time.
const CHUNK: usize = 64 * 1024;

/// Decompresses zstd frames, one after the other, without any magic before them.
/// There has to be one at least, and nothing behind the last; skippable ones count as
/// empty.
///
/// The result and the memory taken for it never exceed `limit` bytes. libzstd beside it
/// reserves the window that a frame declares (at most 128 MiB; pages of it are
/// used only as far as there is content, which `limit` bounds).
pub fn decompress_zstd(frames: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    if !begins_like_frame(frames) {
        return Err(DecompressError::Invalid("no zstd frame".to_owned()));
    }
    let mut decoder = zstd::Decoder::with_buffer(frames).map_err(failed)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(failed)?;
    let mut content = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        // One byte more than there may be, as the network asks for: what lies behind it
        // is not looked at, so too large a blob is that and nothing else.
        let ask = CHUNK.min((limit - content.len()).saturating_add(1));
        match decoder.read(&mut chunk[..ask]) {
            Ok(0) => return Ok(content),
            Ok(bytes) if bytes > limit - content.len() => {
                return Err(DecompressError::TooLarge { limit });
            }
            Ok(bytes) => {
                grow(&mut content, bytes, limit)?;
                content.extend_from_slice(&chunk[..bytes]);
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Makes room for so many bytes more: twice the room if it has to grow, but never more
/// than the limit.
fn grow(content: &mut Vec<u8>, bytes: usize, limit: usize) -> Result<(), DecompressError> {
    if content.capacity() - content.len() >= bytes {
        return Ok(());
    }
    let left = limit - content.len();
    content
        .try_reserve_exact(content.len().max(bytes).min(left))
        .map_err(|_| DecompressError::OutOfMemory)
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
    if message.starts_with("Allocation error") {
        DecompressError::OutOfMemory
    } else {
        DecompressError::Invalid(message)
    }
}

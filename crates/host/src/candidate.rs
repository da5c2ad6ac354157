//! Candidates as files: as they are, or compressed with plain zstd.

use std::borrow::Cow;
use std::io::Read;

/// Largest size of a candidate, decompressed. Polkadot's allocator refuses more than
/// half of it.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a file holds no candidate.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// It begins like zstd data and is none.
    #[error("the candidate cannot be decompressed: {0}")]
    Zstd(#[from] std::io::Error),
    /// It is too large.
    #[error("the candidate is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

/// The candidate in a file's bytes, decompressed if they are zstd data.
///
/// For tools only: a candidate whose parent head has 10 bytes and begins with `b5 2f fd` looks like
/// zstd data. Give bytes that came from elsewhere to [`crate::Pvf::validate`] as they are.
///
/// # Errors
/// Broken compressed data, or more than [`MAX_BYTES`].
pub fn read(bytes: &[u8]) -> Result<Cow<'_, [u8]>, CandidateError> {
    let candidate = if bytes.starts_with(&ZSTD_MAGIC) {
        let mut candidate = Vec::new();
        let decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
        decoder
            .take(MAX_BYTES as u64 + 1)
            .read_to_end(&mut candidate)?;
        Cow::Owned(candidate)
    } else {
        Cow::Borrowed(bytes)
    };
    if candidate.len() > MAX_BYTES {
        return Err(CandidateError::TooLarge);
    }
    Ok(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_stay_and_zstd_is_undone() {
        let candidate = vec![7; 100_000];
        assert!(matches!(read(&candidate), Ok(Cow::Borrowed(bytes)) if bytes == candidate));
        let compressed = zstd::encode_all(&candidate[..], 3).expect("compresses");
        assert_eq!(read(&compressed).expect("decompresses"), candidate);
        assert!(matches!(read(&[]), Ok(bytes) if bytes.is_empty()));
    }

    #[test]
    fn broken_and_oversized_data_are_errors() {
        let compressed = zstd::encode_all(&[7; 1000][..], 3).expect("compresses");
        for end in 4..compressed.len() {
            assert!(matches!(
                read(&compressed[..end]),
                Err(CandidateError::Zstd(_))
            ));
        }
        let zeros = std::io::repeat(0).take(MAX_BYTES as u64 + 1);
        let bomb = zstd::encode_all(zeros, 3).expect("compresses");
        assert!(matches!(read(&bomb), Err(CandidateError::TooLarge)));
    }
}

//! The checksum by which host and execute worker know an artifact.

use crate::Hash;
use parity_scale_codec::{Decode, Encode};
use std::hash::Hasher as _;
use twox_hash::XxHash64;

/// Four 64-bit XXH64 of an artifact's bytes, with the seeds 0 to 3 (Substrate's `twox_256`). It tells accidents, not
/// attacks: who can write artifacts can write machine code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ArtifactChecksum(pub Hash);

impl ArtifactChecksum {
    /// The checksum of these bytes.
    pub fn of(artifact: &[u8]) -> Self {
        /// Small enough for the cache, since each piece is read four times.
        const PIECE: usize = 32 * 1024;
        let mut hashers = [0, 1, 2, 3].map(XxHash64::with_seed);
        for piece in artifact.chunks(PIECE) {
            for hasher in &mut hashers {
                hasher.write(piece);
            }
        }
        let mut hash = Hash::default();
        for (part, hasher) in hash.chunks_exact_mut(8).zip(&hashers) {
            part.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        Self(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..100_000u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let mut expected = Vec::new();
        for seed in 0..4 {
            expected.extend(XxHash64::oneshot(seed, &bytes).to_le_bytes());
        }
        assert_eq!(ArtifactChecksum::of(&bytes).0[..], expected);
    }

    #[test]
    fn of_nothing() {
        // XXH64 of no bytes with seed 0, from the algorithm's own description.
        let first = ArtifactChecksum::of(&[]).0[..8].try_into().unwrap();
        assert_eq!(u64::from_le_bytes(first), 0xef46_db37_51d8_e999);
    }
}

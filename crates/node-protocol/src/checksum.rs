//! The checksum by which the host and an execute worker identify an artifact.

use parity_scale_codec::{Decode, Encode};
use pvf_primitives::Hash;
use std::hash::Hasher as _;
use std::io::{self, Read};
use twox_hash::XxHash64;

/// Four 64-bit XXH64 of an artifact's bytes, with the seeds 0 to 3 (Substrate's `twox_256`).
///
/// It detects accidental damage, not attacks: an attacker who can write artifacts can write machine
/// code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ArtifactChecksum(pub Hash);

/// Bytes hashed at a time. Each piece is read four times, so it should fit in the processor's
/// cache.
const PIECE: usize = 32 * 1024;

impl ArtifactChecksum {
    /// The checksum of these bytes.
    pub fn of(artifact: &[u8]) -> Self {
        let mut hashers = Hashers::new();
        artifact.chunks(PIECE).for_each(|piece| hashers.add(piece));
        hashers.finish()
    }

    /// The checksum of all bytes of a reader, in constant memory.
    ///
    /// # Errors
    /// The reader's error.
    pub fn of_reader(mut artifact: impl Read) -> io::Result<Self> {
        let mut hashers = Hashers::new();
        let mut piece = [0; PIECE];
        loop {
            match artifact.read(&mut piece) {
                Ok(0) => return Ok(hashers.finish()),
                Ok(bytes) => hashers.add(&piece[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

struct Hashers([XxHash64; 4]);

impl Hashers {
    fn new() -> Self {
        Self([0, 1, 2, 3].map(XxHash64::with_seed))
    }

    fn add(&mut self, piece: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write(piece);
        }
    }

    fn finish(&self) -> ArtifactChecksum {
        let mut hash = Hash::default();
        for (part, hasher) in hash.chunks_exact_mut(8).zip(&self.0) {
            part.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        ArtifactChecksum(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_constructors_hash_all_pieces_as_one_input() {
        let bytes: Vec<u8> = (0..100_000u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        let mut expected = Vec::new();
        for seed in 0..4 {
            expected.extend(XxHash64::oneshot(seed, &bytes).to_le_bytes());
        }
        assert_eq!(ArtifactChecksum::of(&bytes).0[..], expected);
        let read = ArtifactChecksum::of_reader(&bytes[..]).unwrap();
        assert_eq!(read.0[..], expected);
    }

    #[test]
    fn the_checksum_of_no_bytes_is_the_known_value_of_xxh64() {
        // XXH64 of no bytes with seed 0, from the algorithm's own description.
        let first = ArtifactChecksum::of(&[]).0[..8].try_into().unwrap();
        assert_eq!(u64::from_le_bytes(first), 0xef46_db37_51d8_e999);
    }
}

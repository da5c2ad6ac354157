//! The hash `twox_128`: XXH64 with the seeds 0 and 1.
//!
//! A block of transfers hashes 59,000 names of storage items, nearly all shorter than 32 bytes. For those,
//! XXH64 mixes each word of the input by itself before the seed comes in. Both seeds share that half of the
//! work here; longer inputs are hashed twice.

use twox_hash::XxHash64;

/// The numbers of XXH64.
const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];

/// Inputs of this length or longer are hashed in stripes of as many bytes.
const STRIPE: usize = 32;

/// The hash with seed 0, then that with seed 1, both little-endian.
#[inline]
pub(crate) fn twox_128(data: &[u8]) -> [u8; 16] {
    let [low, high] = match data.len() < STRIPE {
        true => both(data),
        false => [0, 1].map(|seed| XxHash64::oneshot(seed, data)),
    };
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

/// The hashes of less than a stripe with the seeds 0 and 1.
#[inline]
fn both(data: &[u8]) -> [u64; 2] {
    let [p1, p2, p3, p4, p5] = PRIMES;
    let mut hashes = [0, 1].map(|seed: u64| seed.wrapping_add(p5).wrapping_add(data.len() as u64));
    let (words, rest) = data.as_chunks::<8>();
    for &word in words {
        let word = u64::from_le_bytes(word).wrapping_mul(p2);
        let word = word.rotate_left(31).wrapping_mul(p1);
        hashes = hashes.map(|hash| {
            let hash = (hash ^ word).rotate_left(27);
            hash.wrapping_mul(p1).wrapping_add(p4)
        });
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for &half in halves {
        let half = u64::from(u32::from_le_bytes(half)).wrapping_mul(p1);
        hashes = hashes.map(|hash| {
            let hash = (hash ^ half).rotate_left(23);
            hash.wrapping_mul(p2).wrapping_add(p3)
        });
    }
    for &byte in rest {
        let byte = u64::from(byte).wrapping_mul(p5);
        hashes = hashes.map(|hash| (hash ^ byte).rotate_left(11).wrapping_mul(p1));
    }
    hashes.map(|mut hash| {
        hash = (hash ^ hash >> 33).wrapping_mul(p2);
        hash = (hash ^ hash >> 29).wrapping_mul(p3);
        hash ^ hash >> 32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_length_is_hashed_as_in_sp_io() {
        let data: Vec<u8> = (0..200_u32).map(|byte| (byte * 151) as u8).collect();
        for length in 0..=data.len() {
            let data = &data[..length];
            assert_eq!(twox_128(data), sp_io::hashing::twox_128(data), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_input_is_hashed_as_in_sp_io(data in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(twox_128(&data), sp_io::hashing::twox_128(&data));
        }
    }
}

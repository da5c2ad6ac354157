//! Pseudo-random numbers that are equal on every machine: SplitMix64, or the bytes of a fuzzer.

/// A sequence of numbers that its seed determines, or a fuzzer's bytes.
#[derive(Clone, Debug)]
pub struct Random {
    /// The state of SplitMix64.
    state: u64,
    /// The bytes that decide first, in reverse order. After the last one, SplitMix64 decides.
    bytes: Vec<u8>,
}

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            bytes: Vec::new(),
        }
    }

    /// A sequence that a fuzzer's bytes decide: a decision takes as few bytes as its bound needs, so that a change of one
    /// byte changes one decision. After the last byte the sequence goes on as that of the seed 0.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            state: 0,
            bytes: bytes.iter().rev().copied().collect(),
        }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        match self.next_bytes(8) {
            Some(bits) => bits,
            None => self.step(),
        }
    }

    fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// The number in the next bytes, `count` of them if there are so many; `None` after the last.
    fn next_bytes(&mut self, count: usize) -> Option<u64> {
        let first = self.bytes.pop()?;
        let more = (1..count).map_while(|_| self.bytes.pop());
        Some(more.fold(u64::from(first), |number, byte| {
            number << 8 | u64::from(byte)
        }))
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let decided = match bound {
            _ if self.bytes.is_empty() => None,
            0 | 1 => return 0,
            // The remainder, so that small bytes decide for the first alternatives.
            2..=0x100 => self.next_bytes(1),
            0x101..=0x1_0000 => self.next_bytes(2),
            0x1_0001..=0x1_0000_0000 => self.next_bytes(4),
            _ => self.next_bytes(8),
        };
        match decided {
            Some(number) => number % bound,
            None => ((u128::from(self.step()) * u128::from(bound)) >> 64) as u64,
        }
    }

    /// A number in a range, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True with a probability of one in `n`.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the elements; the slice must not be empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// This number of random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count + 7);
        while bytes.len() < count {
            bytes.extend(self.bits().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }
}

/// A bijection on 64-bit numbers that hides their order.
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_reference_sequence_of_splitmix64() {
        // The reference values of SplitMix64 for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        for mut random in [Random::new(7), Random::of_bytes(&[0xff; 900])] {
            assert!((0..1000).all(|bound| random.below(bound) < bound.max(1)));
        }
    }

    #[test]
    fn a_byte_decides_once_and_after_the_last_one_a_seed_decides() {
        let mut random = Random::of_bytes(&[7, 1, 44, 9]);
        assert_eq!(random.below(10), 7);
        assert_eq!(random.below(1), 0, "no decision, no byte");
        assert_eq!(random.below(1000), 300);
        assert_eq!(random.bits(), 9, "the rest of the bytes");
        let mut seeded = Random::new(0);
        assert_eq!(random.bits(), seeded.bits());
        assert_eq!(random.below(77), seeded.below(77));
    }
}

//! Damaged copies of good bytes.

use crate::random::Random;

/// One of the given inputs, damaged in one of many ways, or occasionally bytes that are not derived from an input.
/// `good` must not be empty.
pub fn damage(random: &mut Random, good: &[Vec<u8>]) -> Vec<u8> {
    if random.one_in(16) {
        let count = random.below(600) as usize;
        return random.bytes(count);
    }
    let mut bytes = random.pick(good).clone();
    match random.below(8) {
        0 => bytes.truncate(random.below(bytes.len() as u64 + 1) as usize),
        1 => {
            let other = random.pick(good);
            let cut = random.below(bytes.len() as u64 + 1) as usize;
            let from = random.below(other.len() as u64 + 1) as usize;
            bytes.truncate(cut);
            bytes.extend(&other[from..]);
        }
        2 => {
            let at = random.below(bytes.len() as u64 + 1) as usize;
            let count = random.between(1, 40) as usize;
            let inserted = random.bytes(count);
            bytes.splice(at..at, inserted);
        }
        3 => {
            let at = random.below(bytes.len() as u64 + 1) as usize;
            let end = (at + random.between(1, 40) as usize).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => {
            // Inserts a maximum number, as LEB128 or little-endian.
            let at = random.below(bytes.len() as u64 + 1) as usize;
            let end = (at + random.between(1, 6) as usize).min(bytes.len());
            bytes[at..end].fill(*random.pick(&[0xff, 0x7f, 0x80, 0x00]));
        }
        _ => {
            for _ in 0..random.between(1, 9) {
                flip(random, &mut bytes);
            }
        }
    }
    bytes
}

/// Flips a bit or replaces a byte, more often in the first half of the bytes.
pub fn flip(random: &mut Random, bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len() as u64;
    let within = *random.pick(&[length, length, length.min(64), length.min(2048)]);
    let at = random.below(within) as usize;
    if random.one_in(4) {
        bytes[at] = random.bits() as u8;
    } else {
        bytes[at] ^= 1 << random.below(8);
    }
}

//! Compares every verdict with that of `sp-io`.

use super::*;
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_TABLE;
use sp_core::{Pair, sr25519};

/// The number of inputs if `PVF_SIGNATURES` names no other.
const INPUTS: u32 = 4_000;

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }
}

#[derive(Clone)]
struct Input {
    signature: [u8; 64],
    message: Vec<u8>,
    public: [u8; 32],
}

impl Input {
    fn signed(random: &mut Random) -> Self {
        let pair = sr25519::Pair::from_seed(&random.bytes());
        let message: Vec<u8> = (0..random.below(300))
            .map(|_| random.next() as u8)
            .collect();
        Self {
            signature: pair.sign(&message).0,
            message,
            public: pair.public().0,
        }
    }

    /// Damages the input in one of many ways.
    fn damage(&mut self, random: &mut Random) {
        match random.below(14) {
            0 => self.signature[random.below(64)] ^= 1 << random.below(8),
            1 => self.public[random.below(32)] ^= 1 << random.below(8),
            2 => match self.message.is_empty() {
                true => self.message.push(0),
                false => {
                    let at = random.below(self.message.len());
                    self.message[at] ^= 1 << random.below(8);
                }
            },
            3 => self.signature[63] ^= MARKER,
            4 => self.add_order(),
            5 => self.public = random.bytes(),
            6 => self.signature = random.bytes(),
            7 => self.public = edge(random),
            8 => self.signature[..32].copy_from_slice(&edge(random)),
            9 => {
                self.signature[32..].copy_from_slice(&edge(random));
                self.signature[63] |= MARKER;
            }
            10 => self.identity(random),
            11 => self.public = Self::signed(random).public,
            12 => _ = self.message.pop(),
            // Another point that is right in itself.
            _ => {
                let other = Self::signed(random).signature;
                self.signature[..32].copy_from_slice(&other[..32]);
            }
        }
    }

    /// The same scalar, not reduced.
    fn add_order(&mut self) {
        self.signature[63] &= !MARKER;
        let mut carry = 0;
        for (byte, order) in self.signature[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        self.signature[63] |= MARKER;
    }

    /// The neutral element as the key: any message is signed by whoever knows the scalar.
    fn identity(&mut self, random: &mut Random) {
        let scalar = Scalar::from_bytes_mod_order(random.bytes());
        let point = (&scalar * RISTRETTO_BASEPOINT_TABLE).compress();
        self.public = [0; 32];
        self.signature[..32].copy_from_slice(point.as_bytes());
        self.signature[32..].copy_from_slice(scalar.as_bytes());
        self.signature[63] |= MARKER;
    }

    fn check(&self) -> bool {
        let ours = verify(&self.signature, &self.message, &self.public);
        let theirs = sp_io::crypto::sr25519_verify(
            &sr25519::Signature::from_raw(self.signature),
            &self.message,
            &sr25519::Public::from_raw(self.public),
        );
        assert_eq!(
            ours, theirs,
            "signature {:02x?}, message {:02x?}, key {:02x?}",
            self.signature, self.message, self.public
        );
        ours
    }
}

/// Numbers at the ends of ranges: small ones, those around the field's prime, the group's order and
/// powers of two.
fn edge(random: &mut Random) -> [u8; 32] {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let mut edge = match random.below(6) {
        0 => [0; 32],
        1 => [0xff; 32],
        2 => prime,
        3 => ORDER,
        4 => {
            let mut power = [0; 32];
            power[random.below(32)] = 1 << random.below(8);
            power
        }
        _ => {
            let mut low = [0; 32];
            low[0] = random.next() as u8;
            low
        }
    };
    edge[0] = edge[0].wrapping_add((random.below(5) as u8).wrapping_sub(2));
    edge
}

#[test]
fn every_verdict_is_that_of_sp_io() {
    let inputs = std::env::var("PVF_SIGNATURES").ok();
    let inputs = inputs.map_or(INPUTS, |text| text.parse().expect("a number"));
    let mut random = Random(25519);
    let (mut valid, mut damaged_valid) = (0, 0);
    let mut signed = Input::signed(&mut random);
    for number in 0..inputs {
        // Signing takes as long as verifying: several inputs are made of one.
        if number % 4 == 0 {
            signed = Input::signed(&mut random);
            valid += u32::from(signed.check());
            continue;
        }
        let mut input = signed.clone();
        for _ in 0..=random.below(2) {
            input.damage(&mut random);
        }
        damaged_valid += u32::from(input.check());
    }
    assert_eq!(valid, inputs.div_ceil(4), "what is signed is valid");
    // Keys that are the neutral element.
    assert!(damaged_valid > inputs / 100, "{damaged_valid} of {inputs}");
}

/// A signature that another implementation made, with WebAssembly.
#[test]
fn known_signatures() {
    let hex = |text: &str| hex::decode(text).expect("hexadecimal");
    let public = hex("46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a");
    let signature = hex(concat!(
        "4e172314444b8f820bb54c22e95076f220ed25373e5c178234aa6c211d292712",
        "44b947e3ff3418ff6b45fd1df1140c8cbff69fc58ee6dc96df70936a2bb74b82"
    ));
    let mut input = Input {
        signature: signature.try_into().expect("64 bytes"),
        message: b"this is a message".to_vec(),
        public: public.try_into().expect("32 bytes"),
    };
    assert!(input.check());
    input.message.push(b'.');
    assert!(!input.check());
}

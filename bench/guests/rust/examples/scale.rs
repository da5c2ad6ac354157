//! SCALE work: a block of extrinsics is decoded into enums and vectors, checked, and encoded again.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use pvf_bench_guests::{Random, fold, fold_bytes};

/// What an extrinsic asks for.
#[derive(PartialEq)]
enum Call {
    Remark(Vec<u8>),
    Transfer { to: [u8; 32], amount: u128 },
    Set(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Batch(Vec<Call>),
    As { index: u16, call: Box<Call> },
}

/// An extrinsic.
#[derive(PartialEq)]
struct Extrinsic {
    signer: [u8; 32],
    nonce: u64,
    tip: u64,
    call: Call,
}

/// SCALE: how a type is written and read.
trait Codec: Sized {
    fn encode(&self, out: &mut Vec<u8>);
    fn decode(input: &mut &[u8]) -> Option<Self>;
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(count)?;
    *input = rest;
    Some(taken)
}

macro_rules! fixed {
    ($($number:ty),*) => {$(
        impl Codec for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn decode(input: &mut &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(take(input, size_of::<Self>())?.try_into().ok()?))
            }
        }
    )*};
}

fixed!(u8, u16, u128);

/// A number in as few bytes as it needs.
struct Compact(u64);

impl Codec for Compact {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.0 {
            0..64 => out.push((self.0 as u8) << 2),
            64..16384 => out.extend_from_slice(&((self.0 as u16) << 2 | 1).to_le_bytes()),
            16384..1073741824 => out.extend_from_slice(&((self.0 as u32) << 2 | 2).to_le_bytes()),
            _ => {
                let bytes = 8 - self.0.leading_zeros() as usize / 8;
                out.push(((bytes - 4) << 2 | 3) as u8);
                out.extend_from_slice(&self.0.to_le_bytes()[..bytes]);
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        let first = u8::decode(input)?;
        Some(Self(match first & 3 {
            0 => u64::from(first >> 2),
            1 => u64::from(u16::from_le_bytes([first, u8::decode(input)?]) >> 2),
            2 => {
                let rest = take(input, 3)?;
                u64::from(u32::from_le_bytes([first, rest[0], rest[1], rest[2]]) >> 2)
            }
            _ => {
                let mut bytes = [0; 8];
                let count = usize::from(first >> 2) + 4;
                bytes.get_mut(..count)?.copy_from_slice(take(input, count)?);
                u64::from_le_bytes(bytes)
            }
        }))
    }
}

impl Codec for [u8; 32] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn decode(input: &mut &[u8]) -> Option<Self> {
        take(input, 32)?.try_into().ok()
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        Compact(self.len() as u64).encode(out);
        self.iter().for_each(|item| item.encode(out));
    }
    fn decode(input: &mut &[u8]) -> Option<Self> {
        let count = Compact::decode(input)?.0 as usize;
        let mut items = Vec::with_capacity(count.min(input.len()));
        for _ in 0..count {
            items.push(T::decode(input)?);
        }
        Some(items)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(it) = self {
            it.encode(out);
        }
    }
    fn decode(input: &mut &[u8]) -> Option<Self> {
        match u8::decode(input)? {
            0 => Some(None),
            1 => Some(Some(T::decode(input)?)),
            _ => None,
        }
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
    fn decode(input: &mut &[u8]) -> Option<Self> {
        Some((A::decode(input)?, B::decode(input)?))
    }
}

impl Codec for Call {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Remark(bytes) => {
                out.push(0);
                bytes.encode(out);
            }
            Self::Transfer { to, amount } => {
                out.push(1);
                to.encode(out);
                amount.encode(out);
            }
            Self::Set(items) => {
                out.push(2);
                items.encode(out);
            }
            Self::Batch(calls) => {
                out.push(3);
                calls.encode(out);
            }
            Self::As { index, call } => {
                out.push(4);
                index.encode(out);
                call.encode(out);
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Option<Self> {
        Some(match u8::decode(input)? {
            0 => Self::Remark(Codec::decode(input)?),
            1 => Self::Transfer {
                to: Codec::decode(input)?,
                amount: Codec::decode(input)?,
            },
            2 => Self::Set(Codec::decode(input)?),
            3 => Self::Batch(Codec::decode(input)?),
            4 => Self::As {
                index: Codec::decode(input)?,
                call: Box::new(Codec::decode(input)?),
            },
            _ => return None,
        })
    }
}

impl Codec for Extrinsic {
    fn encode(&self, out: &mut Vec<u8>) {
        self.signer.encode(out);
        Compact(self.nonce).encode(out);
        Compact(self.tip).encode(out);
        self.call.encode(out);
    }
    fn decode(input: &mut &[u8]) -> Option<Self> {
        Some(Self {
            signer: Codec::decode(input)?,
            nonce: Compact::decode(input)?.0,
            tip: Compact::decode(input)?.0,
            call: Codec::decode(input)?,
        })
    }
}

fn account(random: &mut Random) -> [u8; 32] {
    core::array::from_fn(|_| random.next() as u8)
}

fn bytes(random: &mut Random, most: u64) -> Vec<u8> {
    let count = random.below(most);
    (0..count).map(|_| random.next() as u8).collect()
}

fn call(random: &mut Random, depth: u32) -> Call {
    match random.below(if depth == 0 { 3 } else { 5 }) {
        0 => Call::Remark(bytes(random, 40)),
        1 => Call::Transfer {
            to: account(random),
            amount: u128::from(random.next()) * 1_000_003,
        },
        2 => {
            let count = random.below(4);
            let item = |_| {
                let value = (random.below(4) > 0).then(|| bytes(random, 60));
                (bytes(random, 20), value)
            };
            Call::Set((0..count).map(item).collect())
        }
        3 => {
            let count = random.below(5);
            Call::Batch((0..count).map(|_| call(random, depth - 1)).collect())
        }
        _ => Call::As {
            index: random.next() as u16,
            call: Box::new(call(random, depth - 1)),
        },
    }
}

/// Sum of all amounts that a call moves, as a runtime's weight or fee would be.
fn moved(call: &Call) -> u128 {
    match call {
        Call::Remark(_) | Call::Set(_) => 0,
        Call::Transfer { amount, .. } => *amount,
        Call::Batch(calls) => calls.iter().map(moved).sum(),
        Call::As { call, index } => moved(call) + u128::from(*index),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(12);
    let block: Vec<Extrinsic> = (0..300)
        .map(|_| {
            let shift = random.below(60);
            Extrinsic {
                signer: account(&mut random),
                nonce: random.next() >> shift,
                tip: random.below(1 << 20),
                call: call(&mut random, 4),
            }
        })
        .collect();
    let mut encoded = Vec::new();
    block.encode(&mut encoded);
    let mut sum = fold_bytes(0, &encoded);
    for _ in 0..24 {
        let Some(decoded) = Vec::<Extrinsic>::decode(&mut &encoded[..]) else {
            return 0;
        };
        for extrinsic in &decoded {
            let moved = moved(&extrinsic.call);
            sum = fold(sum, moved as u64 ^ (moved >> 64) as u64);
            sum = fold(sum, extrinsic.nonce ^ extrinsic.tip);
        }
        let mut again = Vec::with_capacity(encoded.len());
        decoded.encode(&mut again);
        sum = fold(sum, u64::from(again == encoded && decoded == block));
    }
    sum
}

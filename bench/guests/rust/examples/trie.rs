//! Trie walk: a radix-16 trie of accounts in encoded nodes, read by key as a storage proof is: each
//! node is found by its hash, decoded, its partial key compared, and the value at the end SCALE-decoded.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use pvf_bench_guests::{Random, fold};

const ACCOUNTS: u64 = 600;
const KEY_NIBBLES: usize = 32;

/// Encoded nodes by their hashes.
struct Database {
    nodes: BTreeMap<u64, Vec<u8>>,
}

/// FNV-1a over words: the work on a node is the walk's, hashing has programs of its own.
fn hash(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn nibble(key: &[u8], at: usize) -> u8 {
    (key[at / 2] >> (4 * (1 - at % 2))) & 15
}

fn compact(out: &mut Vec<u8>, value: u64) {
    match value {
        0..64 => out.push((value as u8) << 2),
        64..16384 => out.extend(((value as u16) << 2 | 1).to_le_bytes()),
        16384..1073741824 => out.extend(((value as u32) << 2 | 2).to_le_bytes()),
        _ => {
            out.push(4 << 2 | 3);
            out.extend(value.to_le_bytes());
        }
    }
}

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn word(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn compact(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first & 3 {
            0 => u64::from(first >> 2),
            1 => u64::from(u16::from_le_bytes([first, self.byte()?]) >> 2),
            2 => {
                let rest = self.take(3)?;
                u64::from(u32::from_le_bytes([first, rest[0], rest[1], rest[2]]) >> 2)
            }
            _ => self.word()?,
        })
    }
}

/// An account as it lies in a leaf.
struct Account {
    nonce: u32,
    free: u128,
    flags: Vec<u8>,
}

impl Account {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.nonce.to_le_bytes());
        out.extend(self.free.to_le_bytes());
        compact(&mut out, self.flags.len() as u64);
        out.extend(&self.flags);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let nonce = u32::from_le_bytes(input.take(4)?.try_into().ok()?);
        let free = u128::from_le_bytes(input.take(16)?.try_into().ok()?);
        let count = input.compact()?;
        let flags = input.take(count as usize)?.to_vec();
        Some(Self { nonce, free, flags })
    }
}

impl Database {
    fn insert(&mut self, node: Vec<u8>) -> u64 {
        let hash = hash(&node);
        self.nodes.insert(hash, node);
        hash
    }

    /// Encodes the subtrie of sorted entries whose first `depth` nibbles are equal.
    fn build(&mut self, entries: &[([u8; 16], Vec<u8>)], depth: usize) -> u64 {
        let mut node = Vec::new();
        let (first, last) = (&entries[0].0, &entries[entries.len() - 1].0);
        let end = (depth..KEY_NIBBLES)
            .find(|&at| nibble(first, at) != nibble(last, at))
            .unwrap_or(KEY_NIBBLES);
        node.push(u8::from(entries.len() > 1));
        compact(&mut node, (end - depth) as u64);
        node.extend((depth..end).map(|at| nibble(first, at)));
        if let [(_, value)] = entries {
            compact(&mut node, value.len() as u64);
            node.extend(value);
            return self.insert(node);
        }
        let mut children = Vec::new();
        let mut present = 0u16;
        for branch in entries.chunk_by(|a, b| nibble(&a.0, end) == nibble(&b.0, end)) {
            present |= 1 << nibble(&branch[0].0, end);
            children.push(self.build(branch, end + 1));
        }
        node.extend(present.to_le_bytes());
        node.extend(children.iter().flat_map(|child| child.to_le_bytes()));
        self.insert(node)
    }

    /// The value under a key.
    fn get(&self, root: u64, key: &[u8; 16]) -> Option<&[u8]> {
        let (mut at, mut depth) = (root, 0);
        loop {
            let node = self.nodes.get(&at)?;
            if hash(node) != at {
                return None;
            }
            let mut input = Input(node);
            let kind = input.byte()?;
            let partial = input.compact()? as usize;
            for &expected in input.take(partial)? {
                if depth == KEY_NIBBLES || nibble(key, depth) != expected {
                    return None;
                }
                depth += 1;
            }
            if kind == 0 {
                let count = input.compact()?;
                return input.take(count as usize);
            }
            let bits = input.take(2)?;
            let present = u16::from_le_bytes([bits[0], bits[1]]);
            let branch = nibble(key, depth);
            if present >> branch & 1 == 0 {
                return None;
            }
            let before = (present & ((1 << branch) - 1)).count_ones();
            input.take(8 * before as usize)?;
            at = input.word()?;
            depth += 1;
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(11);
    let mut entries: Vec<([u8; 16], Vec<u8>)> = (0..ACCOUNTS)
        .map(|nonce| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&random.next().to_be_bytes());
            // Half of them share a prefix, as the keys of one storage map do.
            if nonce % 2 == 0 {
                key[..6].copy_from_slice(b"System");
            }
            key[8..].copy_from_slice(&random.next().to_be_bytes());
            let account = Account {
                nonce: nonce as u32,
                free: u128::from(random.next()) << 20,
                flags: (0..random.below(90)).map(|flag| flag as u8).collect(),
            };
            (key, account.encode())
        })
        .collect();
    entries.sort();
    let mut database = Database {
        nodes: BTreeMap::new(),
    };
    let root = database.build(&entries, 0);
    let mut sum = root;
    for round in 0..3000 {
        let mut key = entries[random.below(ACCOUNTS) as usize].0;
        if round % 8 == 0 {
            key[15] ^= 1;
        }
        match database.get(root, &key).and_then(Account::decode) {
            Some(account) => {
                sum = fold(sum, u64::from(account.nonce));
                sum = fold(sum, (account.free >> 20) as u64);
                sum = fold(sum, account.flags.len() as u64);
            }
            None => sum = fold(sum, 1),
        }
    }
    sum
}

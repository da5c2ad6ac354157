//! Edits of an artifact's bytes that a fuzzer chooses, with a checksum that matches.

use pvf_compiler::Artifact;
use pvf_generators::Random;
use std::ops::Range;

/// Bytes of the checksum at the end.
const SUM_BYTES: usize = 16;
/// Where the header holds the lengths, and where the code begins.
const LENGTHS: Range<usize> = 12..40;

/// The most edits of one artifact. Most have one: the verifier refuses nearly all that have more.
const MOST_EDITS: u64 = 4;

/// The bytes of an artifact after some edits.
pub fn apply(random: &mut Random, artifact: &Artifact) -> Vec<u8> {
    let mut bytes = artifact.to_bytes();
    bytes.truncate(bytes.len() - SUM_BYTES);
    let edits = match random.below(4) {
        0 => random.between(2, MOST_EDITS),
        _ => 1,
    };
    for _ in 0..edits {
        edit(random, &mut bytes, artifact);
    }
    let sum = xxhash_rust::xxh3::xxh3_128(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn edit(random: &mut Random, bytes: &mut Vec<u8>, artifact: &Artifact) {
    let [all_code, tables, metadata] = sections(bytes);
    // Mostly one function: stubs are the greater part of a small module's code, and none of their bytes may differ.
    let function = random.pick(&artifact.module.functions);
    let first = (all_code.start + function.code_offset as usize).min(all_code.end);
    let end = (first + function.code_bytes as usize).min(all_code.end);
    let code = match first == end || random.one_in(8) {
        true => all_code,
        false => first..end,
    };
    match random.below(24) {
        // Machine code: a bit, some bytes, a piece of other code.
        0..=7 => flip(random, bytes, code),
        8..=10 => overwrite(random, bytes, code),
        11 | 12 => copy(random, bytes, code),
        // Data, the table of functions, the trap map.
        13..=15 => flip(random, bytes, tables),
        16 => overwrite(random, bytes, tables),
        // Metadata. One byte is often a whole number there.
        17..=20 => flip(random, bytes, metadata),
        21 => overwrite(random, bytes, metadata),
        22 => {
            // Inserts or removes a byte, with a length in the header that fits again.
            let Some(at) = place(random, &metadata) else {
                return;
            };
            match random.one_in(2) {
                true => bytes.insert(at, random.below(256) as u8),
                false => drop(bytes.remove(at)),
            }
            let length = (bytes.len() - metadata.start) as u32;
            bytes[32..36].copy_from_slice(&length.to_le_bytes());
        }
        _ => {
            let word = LENGTHS.start + 4 * random.below(LENGTHS.len() as u64 / 4) as usize;
            let change = random.below(256) as u32;
            if let Some(at) = bytes.get_mut(word..word + 4) {
                let number = u32::from_le_bytes([at[0], at[1], at[2], at[3]]);
                let changed = number.wrapping_add(change).wrapping_sub(128);
                at.copy_from_slice(&changed.to_le_bytes());
            }
        }
    }
}

/// The ranges of the code, of what lies between code and metadata, and of the metadata. An edit of the header may have
/// made them empty.
fn sections(bytes: &[u8]) -> [Range<usize>; 3] {
    let word = |at: usize| match bytes.get(at..at + 4) {
        Some(word) => u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize,
        None => 0,
    };
    let all = bytes.len();
    let start = word(36).min(all);
    let end = start.saturating_add(word(12)).min(all);
    let metadata = all.saturating_sub(word(32)).max(end);
    [start..end, end..metadata, metadata..all]
}

fn place(random: &mut Random, within: &Range<usize>) -> Option<usize> {
    (!within.is_empty()).then(|| within.start + random.below(within.len() as u64) as usize)
}

fn flip(random: &mut Random, bytes: &mut [u8], within: Range<usize>) {
    if let Some(at) = place(random, &within) {
        bytes[at] ^= 1 << random.below(8);
    }
}

fn overwrite(random: &mut Random, bytes: &mut [u8], within: Range<usize>) {
    let Some(at) = place(random, &within) else {
        return;
    };
    let count = *random.pick(&[1, 1, 2, 4, 8]);
    for byte in bytes[at..within.end].iter_mut().take(count) {
        *byte = random.below(256) as u8;
    }
}

/// Copies up to 16 bytes within the range, as whole instructions sometimes are.
fn copy(random: &mut Random, bytes: &mut [u8], within: Range<usize>) {
    let (Some(from), Some(to)) = (place(random, &within), place(random, &within)) else {
        return;
    };
    let count = (random.between(1, 16) as usize).min(within.end - from.max(to));
    bytes.copy_within(from..from + count, to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::BASES;
    use pvf_compiler::artifact::Parts;

    /// Edits reach everything: otherwise the target would test the checksum only.
    #[test]
    fn edits_are_read_or_refused_for_what_they_change() {
        let mut random = Random::new(5);
        let (mut code, mut metadata, mut refused) = (0, 0, 0);
        for _ in 0..2_000 {
            let good = &random.pick(&BASES).artifacts[0];
            let edited = apply(&mut random, good);
            match Artifact::parse(&edited) {
                Ok(Parts {
                    code: range,
                    module,
                    ..
                }) => {
                    code += u32::from(edited[range] != good.code[..]);
                    metadata += u32::from(module != good.module);
                }
                Err(pvf_compiler::ArtifactError::Checksum) => panic!("the checksum does not match"),
                Err(_) => refused += 1,
            }
        }
        assert!(
            code > 500 && metadata > 100 && refused > 100,
            "{code} {metadata} {refused}"
        );
    }
}

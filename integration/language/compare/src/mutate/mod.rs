//! Structured changes to a module's bytes. Each has a name, by which reports are grouped.

mod code;
mod entries;
mod node;
mod sections;

use crate::module::Module;
pub use node::walk;
use pvf_generators::Random;

/// A changed module.
pub struct Mutant {
    /// The module's bytes.
    pub bytes: Vec<u8>,
    /// The names of the changes, joined.
    pub kind: String,
}

/// Changes a module up to `most` times.
pub fn mutate(module: &Module, random: &mut Random, most: u64) -> Mutant {
    let mut module = module.clone();
    let mut kinds: Vec<String> = Vec::new();
    // Most modules get only one change, so that the answer depends on it alone.
    let times = match random.one_in(3) {
        true => random.between(1, most.max(1)),
        false => 1,
    };
    for _ in 0..times {
        let kind = match random.below(12) {
            0..=4 => node::change(&mut module, random),
            5 | 6 => sections::change(&mut module, random),
            7 => entries::change(&mut module, random),
            _ => code::change(&mut module, random),
        };
        kinds.extend(kind);
    }
    let mut bytes = module.encode();
    if random.one_in(40) {
        kinds.push(raw(&mut bytes, random));
    }
    kinds.dedup();
    Mutant {
        bytes,
        kind: match kinds.is_empty() {
            true => "unchanged".to_owned(),
            false => kinds.join(" + "),
        },
    }
}

/// A change of the bytes without regard to their structure.
fn raw(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len().max(1) as u64) as usize;
    let what = match random.below(4) {
        0 => {
            bytes.truncate(at);
            "bytes: truncated"
        }
        1 => {
            let count = random.between(1, 4) as usize;
            let more = random.bytes(count);
            bytes.splice(at..at, more);
            "bytes: inserted"
        }
        2 => {
            let end = (at + random.between(1, 4) as usize).min(bytes.len());
            bytes.drain(at..end);
            "bytes: removed"
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            "bytes: flipped"
        }
    };
    what.to_owned()
}

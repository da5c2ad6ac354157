//! Element and data sections that parsers interpret as different lists of segments: a parser of
//! WebAssembly 1.0 takes the first number of a segment for an index, later parsers take it for
//! flags.

use crate::module::{Form, Module, Node};
use pvf_generators::Random;

/// Bytes that have a meaning in these sections.
const BYTES: [u8; 14] = [0, 0, 0, 0, 1, 2, 3, 4, 6, 0x0b, 0x23, 0x41, 0x70, 0xd2];

/// Replaces the element or the data section, or adds one. Returns the name of the change.
pub fn replace(module: &mut Module, random: &mut Random) -> String {
    let elements = !random.one_in(4);
    let id = if elements { 9 } else { 11 };
    let mut bytes = Vec::new();
    let count = random.between(1, 3);
    bytes.push(count as u8);
    let kind = match random.below(4) {
        0 => {
            let length = random.between(3, 14);
            bytes.extend((0..length).map(|_| *random.pick(&BYTES)));
            "any"
        }
        _ => {
            for _ in 0..count {
                match random.one_in(2) {
                    true => first_version(random, &mut bytes),
                    false => later_version(random, elements, &mut bytes),
                }
            }
            if random.one_in(3) {
                let at = random.between(1, bytes.len() as u64 - 1) as usize;
                bytes[at] = *random.pick(&BYTES);
            }
            if random.one_in(4) {
                bytes.push(*random.pick(&BYTES));
            }
            "of two versions"
        }
    };
    let section = Node::section(id, vec![Node::leaf("segments", Form::Raw, bytes)]);
    let parts = module.parts_mut();
    let section_id = |node: &Node| match node.parts().first() {
        Some(Node::Leaf { bytes, .. }) => bytes.first().copied().unwrap_or(0),
        _ => 0,
    };
    match parts.iter().position(|part| section_id(part) == id) {
        Some(place) => parts[place] = section,
        None => {
            let place = parts.iter().position(|part| section_id(part) > id);
            parts.insert(place.unwrap_or(parts.len()), section);
        }
    }
    let name = if elements { "element" } else { "data" };
    format!("{name} segments: {kind}")
}

fn small(random: &mut Random) -> u8 {
    *random.pick(&[0, 0, 0, 1, 2, 3])
}

fn offset(random: &mut Random, to: &mut Vec<u8>) {
    if random.one_in(3) {
        // A byte that is an opcode for one parser may be a number for another.
        to.push(*random.pick(&[0, 0, 1]));
    }
    to.extend([0x41, *random.pick(&[0, 0, 1, 8]), 0x0b]);
}

fn first_version(random: &mut Random, to: &mut Vec<u8>) {
    to.push(*random.pick(&[0, 0, 1, 2, 4, 6]));
    offset(random, to);
    let members = small(random);
    to.push(members);
    for _ in 0..members {
        to.push(small(random));
    }
}

fn later_version(random: &mut Random, elements: bool, to: &mut Vec<u8>) {
    let flags = match elements {
        true => random.below(8) as u8,
        false => random.below(3) as u8,
    };
    to.push(flags);
    let passive = match elements {
        true => flags & 1 != 0,
        false => flags == 1,
    };
    if flags & 2 != 0 && !passive {
        to.push(*random.pick(&[0, 0, 0, 1]));
    }
    if !passive {
        offset(random, to);
    }
    if elements && flags & 3 != 0 {
        to.push(if flags & 4 != 0 { 0x70 } else { 0 });
    }
    let members = small(random);
    to.push(members);
    for _ in 0..members {
        match elements && flags & 4 != 0 {
            true => to.extend([0xd2, small(random), 0x0b]),
            false => to.push(small(random)),
        }
    }
}

//! Changed function bodies: most are not valid, and differ from a valid one in an operator, an index, a length or the
//! place of an operator that makes the rest unreachable.

use crate::damage::flip;
use crate::random::Random;
use wasmparser::{BinaryReader, FunctionBody, OperatorsReader};

/// Operators that end a path, so that what follows takes operands of any type.
const ENDS: &[&[u8]] = &[
    &[0x00],
    &[0x0f],
    &[0x0c, 0x00],
    &[0x0c, 0x01],
    &[0x0e, 0x00, 0x00],
];

/// Beginnings and ends of blocks, of no type, of one result, and by the index of a type.
const BLOCKS: &[&[u8]] = &[
    &[0x02, 0x40],
    &[0x03, 0x40],
    &[0x04, 0x40],
    &[0x02, 0x7f],
    &[0x03, 0x7e],
    &[0x04, 0x7f],
    &[0x02, 0x00],
    &[0x03, 0x01],
    &[0x04, 0x02],
    &[0x02, 0x80, 0x00],
    &[0x02, 0xff, 0x7f],
    &[0x02, 0x7b],
    &[0x02, 0x70],
    &[0x05],
    &[0x0b],
];

/// Other operators that push without popping or are not plain, and encodings outside every language.
const OTHERS: &[&[u8]] = &[
    &[0x01],
    &[0x1a],
    &[0x1b],
    &[0x1c, 0x01, 0x7f],
    &[0x41, 0x00],
    &[0x42, 0x7f],
    &[0x43, 0, 0, 0x80, 0x3f],
    &[0x44, 0, 0, 0, 0, 0, 0, 0, 0x40],
    &[0x3f, 0x00],
    &[0x40, 0x00],
    &[0x3f, 0x80, 0x00],
    &[0xd0, 0x70],
    &[0xd2, 0x00],
    &[0xfd, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x12, 0x00],
    &[0xfe, 0x03, 0x00],
    &[0x06, 0x40],
    &[0xfc, 0x80, 0x00],
    &[0xfc, 0x12, 0x00],
];

/// What leaves a valid body valid, wherever it stands.
const NEUTRAL: &[&[u8]] = &[
    &[0x01],
    &[0x00],
    &[0x41, 0x80, 0x00, 0x1a],
    &[0x41, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a],
    &[
        0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, 0x1a,
    ],
    &[0x02, 0x40, 0x0b],
    &[0x03, 0x40, 0x00, 0x0b],
    &[0x02, 0x7c, 0x00, 0x1b, 0x0b, 0x1a],
    &[0x41, 0x00, 0x04, 0x40, 0x05, 0x0b],
    &[0x41, 0x00, 0x04, 0x7e, 0x00, 0x05, 0x42, 0x00, 0x0b, 0x1a],
    &[0x02, 0x40, 0x0c, 0x00, 0x6a, 0x1a, 0x0b],
];

/// Codes that are followed by one index.
const INDEXED: &[u8] = &[
    0x0c, 0x0d, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x20, 0x21, 0x22,
];

/// A change of a body of the binary format: declarations of locals, then operators.
pub fn changed(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    // Most further changes of an invalid body are not looked at.
    for _ in 0..*random.pick(&[1, 1, 1, 2, 3]) {
        change(random, &mut body);
    }
    body
}

fn change(random: &mut Random, body: &mut Vec<u8>) {
    let starts = operators(body);
    if random.one_in(8) || starts.len() < 2 {
        return flip(random, body);
    }
    // One of the operators, all of them alike but for the first few.
    let pick = |random: &mut Random| random.below(starts.len() as u64 - 1) as usize;
    let at = pick(random);
    let (start, end) = (starts[at], starts[at + 1]);
    match random.below(13) {
        10.. => {
            let new = random.pick(NEUTRAL);
            body.splice(start..start, new.iter().copied());
        }
        0 => {
            body.drain(start..end);
        }
        1 => {
            let copy = body[start..end].to_vec();
            let to = starts[pick(random)];
            body.splice(to..to, copy);
        }
        2 => {
            // Two operators change places.
            let other = pick(random);
            let (first, second) = (at.min(other), at.max(other));
            if first < second {
                let mut new = body[..starts[first]].to_vec();
                new.extend(&body[starts[second]..starts[second + 1]]);
                new.extend(&body[starts[first + 1]..starts[second]]);
                new.extend(&body[starts[first]..starts[first + 1]]);
                new.extend(&body[starts[second + 1]..]);
                *body = new;
            }
        }
        3 => body[start] = operator_code(random),
        4 => pad(random, body, start + 1),
        5 if start + 1 < end => {
            let delta = random.pick(&[1u8, 0xff, 0x40, 0x80, 2]);
            body[start + 1] = body[start + 1].wrapping_add(*delta);
        }
        6 => {
            let new = random.pick(ENDS);
            body.splice(start..start, new.iter().copied());
        }
        7 => {
            // The rest is unreachable, and then comes anything.
            let mut new = random.pick(ENDS).to_vec();
            for _ in 0..random.between(1, 6) {
                new.extend(operator(random));
            }
            body.splice(start..start, new);
        }
        8 => {
            body.splice(start..end, operator(random));
        }
        _ => {
            body.splice(start..start, operator(random));
        }
    }
}

/// Where each operator begins, and where the last ends, as far as the body can be read.
fn operators(body: &[u8]) -> Vec<usize> {
    let body = FunctionBody::new(BinaryReader::new(body, 0));
    let Ok(reader) = body.get_binary_reader_for_operators() else {
        return Vec::new();
    };
    let mut reader = OperatorsReader::new(reader);
    let mut starts = vec![reader.original_position() as usize];
    while reader.read().is_ok() {
        starts.push(reader.original_position() as usize);
    }
    starts
}

/// A code without immediates, or one of memory.
fn operator_code(random: &mut Random) -> u8 {
    match random.below(4) {
        0 => random.between(0x28, 0x3e) as u8,
        _ => random.between(0x45, 0xc6) as u8,
    }
}

/// Some operator.
fn operator(random: &mut Random) -> Vec<u8> {
    let index = |random: &mut Random| match random.below(8) {
        0 => vec![random.between(0x80, 0xff) as u8, random.below(0x80) as u8],
        1 => vec![random.below(0x80) as u8],
        _ => vec![random.below(5) as u8],
    };
    match random.below(12) {
        0 => random.pick(BLOCKS).to_vec(),
        1 => random.pick(ENDS).to_vec(),
        2 => random.pick(OTHERS).to_vec(),
        3..=5 => [vec![*random.pick(INDEXED)], index(random)].concat(),
        6 => {
            let table = random.pick(&[0, 0, 0, 0, 1, 0x80]);
            [vec![0x11], index(random), vec![*table]].concat()
        }
        7 => {
            let count = random.below(4) as u8;
            let labels = (0..=count).flat_map(|_| index(random)).collect();
            [vec![0x0e, count], labels].concat()
        }
        8 => {
            let code = random.between(0x28, 0x3e) as u8;
            [vec![code, random.below(5) as u8], index(random)].concat()
        }
        9 => {
            let number = random.below(19) as u8;
            let bytes = random.below(3);
            [vec![0xfc, number], vec![0; bytes as usize]].concat()
        }
        _ => vec![operator_code(random)],
    }
}

/// Makes the number at a place longer than it need be, or too long.
fn pad(random: &mut Random, body: &mut Vec<u8>, at: usize) {
    let Some(length) = body[at..].iter().position(|byte| byte & 0x80 == 0) else {
        return;
    };
    let last = at + length;
    // Copies of the sign, most often.
    let fill = match body[last] & 0x40 {
        0 => 0,
        _ => *random.pick(&[0x7f, 0x7f, 0]),
    };
    let mut padding = vec![fill | 0x80; random.below(5) as usize];
    padding.push(match random.one_in(8) {
        true => random.below(0x80) as u8,
        false => fill,
    });
    body[last] |= 0x80;
    body.splice(last + 1..last + 1, padding);
}

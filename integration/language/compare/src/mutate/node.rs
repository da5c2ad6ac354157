//! Encodes one node differently, or replaces its value by a neighbouring one.

use crate::module::{Form, Module, Node, Prefix, What, leb};
use pvf_generators::Random;
use std::collections::BTreeMap;

/// Changes one node. All kinds of nodes are equally likely, however many of each there are.
pub fn change(module: &mut Module, random: &mut Random) -> Option<String> {
    let mut places: BTreeMap<What, Vec<usize>> = BTreeMap::new();
    let mut number = 0;
    walk(&mut module.root, &mut |node| {
        if !matches!(node, Node::Group { .. }) {
            places.entry(node.what()).or_default().push(number);
        }
        number += 1;
    });
    let kinds: Vec<_> = places.into_values().collect();
    if kinds.is_empty() {
        return None;
    }
    let places = random.pick(&kinds);
    let place = *random.pick(places);
    let mut number = 0;
    let mut kind = None;
    walk(&mut module.root, &mut |node| {
        if number == place {
            kind = Some(format!("{}: {}", node.what(), change_node(node, random)));
        }
        number += 1;
    });
    kind
}

/// Calls `visit` with every node, parents first.
pub fn walk(node: &mut Node, visit: &mut impl FnMut(&mut Node)) {
    visit(node);
    for part in node.parts_mut().into_iter().flatten() {
        walk(part, visit);
    }
}

fn change_node(node: &mut Node, random: &mut Random) -> &'static str {
    match node {
        Node::Leaf { form, bytes, .. } => match form {
            Form::Unsigned => number(bytes, random, false, 5),
            Form::Signed32 => number(bytes, random, true, 5),
            Form::Signed64 => number(bytes, random, true, 10),
            Form::Byte => byte(bytes, random),
            Form::Raw => raw(bytes, random),
        },
        Node::Sized { prefix, inside, .. } => {
            let mut bytes = Vec::new();
            for part in inside.iter() {
                crate::module::encode::put(part, &mut bytes);
            }
            if random.one_in(6) {
                let more = random.below(3) as u8;
                inside.push(Node::byte("rest", more));
                return "a byte more inside";
            }
            change_prefix(prefix, bytes.len(), random)
        }
        Node::Counted { prefix, items, .. } => change_prefix(prefix, items.len(), random),
        Node::Group { .. } => "unchanged",
    }
}

fn change_prefix(prefix: &mut Prefix, right: usize, random: &mut Random) -> &'static str {
    let right = right as u64;
    let (new, kind) = match random.below(8) {
        0 | 1 => (Prefix::Padded(random.between(2, 5) as usize), "padded"),
        2 => (Prefix::Padded(random.between(6, 9) as usize), "too long"),
        3 => {
            let mut bytes = leb::padded(&leb::unsigned(right), 5, false);
            bytes[4] |= 1 << random.between(4, 6);
            (Prefix::Bytes(bytes), "bits beyond 32")
        }
        4 => (Prefix::Off(1), "one more"),
        5 => (Prefix::Off(-1), "one less"),
        6 => (Prefix::Bytes(vec![0]), "0"),
        _ => {
            let many = *random.pick(&[0x7f, 0x80, 0x3fff, 1 << 20, 1 << 31, u64::from(u32::MAX)]);
            (Prefix::Bytes(leb::unsigned(many)), "many")
        }
    };
    *prefix = new;
    kind
}

fn number(bytes: &mut Vec<u8>, random: &mut Random, signed: bool, longest: usize) -> &'static str {
    let (new, kind) = match random.below(10) {
        0 | 1 => {
            let length = random.between(2, longest as u64) as usize;
            (leb::padded(bytes, length, signed), "padded")
        }
        2 => {
            let length = longest + random.between(1, 4) as usize;
            (leb::padded(bytes, length, signed), "too long")
        }
        3 => {
            let mut new = leb::padded(bytes, longest, signed);
            if let Some(last) = new.last_mut() {
                *last ^= 1 << random.between(if longest == 10 { 0 } else { 3 }, 6);
            }
            (new, "bits beyond its size")
        }
        4 | 5 => (stepped(bytes, 1, signed), "one more"),
        6 => (stepped(bytes, -1, signed), "one less"),
        7 => (stepped(bytes, 2, signed), "two more"),
        8 => (leb::unsigned(random.below(9)), "small"),
        _ => {
            let value = *random.pick(&[
                i64::from(i32::MIN),
                i64::from(i32::MAX),
                i64::from(u32::MAX),
                1 << 16,
                (1 << 16) + 1,
                i64::MIN,
                i64::MAX,
            ]);
            match signed {
                true => (leb::signed(value), "extreme"),
                false => (leb::unsigned(u64::from(value as u32)), "extreme"),
            }
        }
    };
    *bytes = new;
    kind
}

fn stepped(bytes: &[u8], by: i64, signed: bool) -> Vec<u8> {
    match signed {
        true => leb::signed(leb::read_signed(bytes).unwrap_or(0).wrapping_add(by)),
        false => {
            let value = leb::read_unsigned(bytes)
                .unwrap_or(0)
                .wrapping_add_signed(by);
            leb::unsigned(u64::from(value as u32))
        }
    }
}

fn byte(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let old = bytes.first().copied().unwrap_or(0);
    let (new, kind) = match random.below(8) {
        0 => (vec![old | 0x80, 0], "padded"),
        1 => (vec![old.wrapping_add(1)], "one more"),
        2 => (vec![old.wrapping_sub(1)], "one less"),
        3 => (vec![old | 0x80], "high bit"),
        4 => (vec![], "missing"),
        5 => (vec![old, old], "twice"),
        6 => (vec![random.below(16) as u8], "small"),
        _ => (vec![random.bits() as u8], "any"),
    };
    *bytes = new;
    kind
}

fn raw(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let at = random.below(bytes.len().max(1) as u64) as usize;
    match random.below(6) {
        0 => {
            bytes.truncate(at);
            "shorter"
        }
        1 => {
            bytes.push(random.bits() as u8);
            "longer"
        }
        2 => {
            let bad: &[u8] = *random.pick(&[
                &[0xff][..],
                &[0xc0, 0x80],
                &[0xed, 0xa0, 0x80],
                &[0xf4, 0x90, 0x80, 0x80],
                &[0xe2, 0x82],
            ]);
            bytes.splice(at..at, bad.iter().copied());
            "not UTF-8"
        }
        3 => {
            let good = *random.pick(&["\0", "\u{fffd}", "é", "\u{feff}", "\u{10ffff}"]);
            bytes.splice(0..0, good.bytes());
            "unusual characters"
        }
        4 => {
            bytes.clear();
            "empty"
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
            "flipped"
        }
    }
}

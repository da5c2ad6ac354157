//! Removes, repeats, moves, empties and adds sections.

use crate::module::{Form, Module, Node};
use pvf_generators::Random;

/// Names of custom sections that some reader may interpret.
const NAMES: [&str; 12] = [
    "",
    "name",
    "producers",
    "linking",
    "dylink.0",
    "reloc.CODE",
    "target_features",
    ".debug_info",
    "metadata.code.branch_hint",
    "runtime_version",
    "core",
    "component-name",
];

/// Changes the list of sections.
pub fn change(module: &mut Module, random: &mut Random) -> Option<String> {
    let parts = module.parts_mut();
    // Magic number and version stay at the start in most cases.
    let first = 2.min(parts.len());
    let count = parts.len() - first;
    let any = |random: &mut Random| first + random.below(count.max(1) as u64) as usize;
    let place = |random: &mut Random| first + random.below(count as u64 + 1) as usize;
    let at = place(random);
    let kind = match random.below(16) {
        0 | 1 if count > 0 => {
            let gone = parts.remove(any(random));
            format!("section {}: removed", id(&gone))
        }
        2 if count > 0 => {
            let again = parts[any(random)].clone();
            let kind = format!("section {}: again", id(&again));
            parts.insert(at, again);
            kind
        }
        3 | 4 if count > 1 => {
            let moved = parts.remove(any(random));
            let kind = format!("section {}: moved", id(&moved));
            parts.insert(at.min(parts.len()), moved);
            kind
        }
        5 | 6 => {
            let id = random.between(1, 11) as u8;
            let before = sorted(parts, first, id);
            let empty = vec![Node::counted("entry count", Vec::new())];
            parts.insert(before, Node::section(id, empty));
            format!("section {id}: empty one more")
        }
        7 => {
            let id = random.below(14) as u8;
            parts.insert(sorted(parts, first, id), Node::section(id, Vec::new()));
            format!("section {id}: without a byte")
        }
        8 => {
            let id = *random.pick(&[13, 14, 15, 0x7f, 0x80, 0x81, 0xff]);
            parts.insert(at, Node::section(id, vec![Node::unsigned("count", 0)]));
            format!("section {id}: unknown")
        }
        9 | 10 => custom(parts, at, random),
        11 => {
            let data = random.below(4) as u32;
            let section = Node::section(12, vec![Node::unsigned("data count", data)]);
            let at = match random.one_in(2) {
                true => at,
                false => sorted(parts, first, 12),
            };
            parts.insert(at, section);
            format!("data count section: {data}")
        }
        12 => {
            let index = random.below(6) as u32;
            let section = Node::section(8, vec![Node::unsigned("start function index", index)]);
            parts.insert(sorted(parts, first, 8), section);
            "start section: one more".to_owned()
        }
        13 => {
            let bytes: &[u8] =
                *random.pick(&[&[0][..], &[0x80], &[0xff], &[1], &[0, 0], &[13], &[0x0b]]);
            parts.push(Node::leaf("trailing bytes", Form::Raw, bytes));
            format!("trailing bytes: {bytes:02x?}")
        }
        14 => cut(parts, first, random),
        _ => {
            let version: &[u8] = *random.pick(&[
                &[0, 0, 0, 0][..],
                &[2, 0, 0, 0],
                &[0x0d, 0, 1, 0],
                &[1, 0, 1, 0],
                &[1, 0, 0],
            ]);
            parts[first - 1] = Node::leaf("version", Form::Raw, version);
            format!("version: {version:02x?}")
        }
    };
    Some(kind)
}

/// Truncates the last section.
fn cut(parts: &mut Vec<Node>, first: usize, random: &mut Random) -> String {
    let Some(last) = parts.get(first..).and_then(<[Node]>::last) else {
        return "nothing to cut".to_owned();
    };
    let kind = format!("section {}: last, cut", id(last));
    let mut bytes = Vec::new();
    crate::module::encode::put(last, &mut bytes);
    let left = random.below(bytes.len().max(1) as u64) as usize;
    bytes.truncate(left);
    parts.pop();
    parts.push(Node::leaf("trailing bytes", Form::Raw, bytes));
    kind
}

fn custom(parts: &mut Vec<Node>, at: usize, random: &mut Random) -> String {
    let long = "x".repeat(random.between(99_999, 100_002) as usize);
    let (name, kind) = match random.below(8) {
        0 => (vec![0xff, 0xfe], "not UTF-8".to_owned()),
        1 => (
            long.clone().into_bytes(),
            format!("name of {} bytes", long.len()),
        ),
        _ => {
            let name = *random.pick(&NAMES);
            (name.as_bytes().to_vec(), format!("{name:?}"))
        }
    };
    let content = random.below(6) as usize;
    let content = random.bytes(content);
    let mut inside = vec![
        Node::name("custom section name", name),
        Node::leaf("custom section content", Form::Raw, content),
    ];
    let mut kind = format!("custom section: {kind}");
    if random.one_in(6) {
        // The encoded name is longer than the section.
        inside = vec![Node::leaf("custom section content", Form::Raw, [5, b'a'])];
        kind = "custom section: name cut".to_owned();
    }
    parts.insert(at, Node::section(0, inside));
    kind
}

/// The position at which a section belongs.
fn sorted(parts: &[Node], first: usize, wanted: u8) -> usize {
    let later = |node: &Node| raw_id(node).is_some_and(|id| order(id) >= order(wanted));
    let place = parts.iter().skip(first).position(later);
    place.map_or(parts.len(), |place| first + place)
}

fn order(id: u8) -> u8 {
    match id {
        // The data count section precedes the code section.
        12 => 19,
        id => id * 2,
    }
}

fn raw_id(node: &Node) -> Option<u8> {
    match node.parts().first()? {
        Node::Leaf { what, bytes, .. } if *what == "section id" => bytes.first().copied(),
        _ => None,
    }
}

fn id(node: &Node) -> String {
    raw_id(node).map_or("none".to_owned(), |id| id.to_string())
}

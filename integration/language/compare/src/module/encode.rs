//! Encodes the tree as bytes.

use super::{Module, Node, Prefix, leb};

impl Module {
    /// The module's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&self.root, &mut bytes);
        bytes
    }
}

/// Appends a node's bytes.
pub fn put(node: &Node, to: &mut Vec<u8>) {
    match node {
        Node::Leaf { bytes, .. } => to.extend(bytes),
        Node::Group { parts, .. } => parts.iter().for_each(|part| put(part, to)),
        Node::Sized { prefix, inside, .. } => {
            let mut bytes = Vec::new();
            inside.iter().for_each(|part| put(part, &mut bytes));
            put_prefix(prefix, bytes.len(), to);
            to.extend(bytes);
        }
        Node::Counted { prefix, items, .. } => {
            put_prefix(prefix, items.len(), to);
            items.iter().for_each(|item| put(item, to));
        }
    }
}

fn put_prefix(prefix: &Prefix, right: usize, to: &mut Vec<u8>) {
    let right = right as u64;
    match prefix {
        Prefix::Right => to.extend(leb::unsigned(right)),
        Prefix::Padded(length) => to.extend(leb::padded(&leb::unsigned(right), *length, false)),
        Prefix::Off(by) => {
            let value = right.wrapping_add_signed(*by) as u32;
            to.extend(leb::unsigned(u64::from(value)));
        }
        Prefix::Bytes(bytes) => to.extend(bytes),
    }
}

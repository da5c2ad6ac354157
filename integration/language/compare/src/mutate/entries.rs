//! Removes, repeats and reorders entries of a list.

use super::node::walk;
use crate::module::{Module, Node};
use pvf_generators::Random;

/// Changes the entries of one list.
pub fn change(module: &mut Module, random: &mut Random) -> Option<String> {
    let mut lists = 0;
    walk(&mut module.root, &mut |node| {
        lists += u64::from(matches!(node, Node::Counted { .. }));
    });
    let wanted = random.below(lists.max(1));
    let mut number = 0;
    let mut kind = None;
    walk(&mut module.root, &mut |node| {
        if let Node::Counted { what, items, .. } = node {
            if number == wanted && !items.is_empty() {
                kind = Some(format!("{what}: {}", change_list(items, random)));
            }
            number += 1;
        }
    });
    kind
}

fn change_list(items: &mut Vec<Node>, random: &mut Random) -> &'static str {
    let any = |random: &mut Random, items: &Vec<Node>| random.below(items.len() as u64) as usize;
    match random.below(6) {
        0 => {
            items.remove(any(random, items));
            "entry removed"
        }
        1 | 2 => {
            let again = items[any(random, items)].clone();
            items.insert(any(random, items), again);
            "entry again"
        }
        3 => {
            let (one, other) = (any(random, items), any(random, items));
            items.swap(one, other);
            "entries swapped"
        }
        4 => {
            items.clear();
            "entries gone"
        }
        _ => {
            let again = items[any(random, items)].clone();
            let times = random.between(2, 300) as usize;
            items.extend(std::iter::repeat_n(again, times));
            "entry many times"
        }
    }
}

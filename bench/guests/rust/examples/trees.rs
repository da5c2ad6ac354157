//! Allocation-heavy trees: boxed binary trees built and dropped, and ordered maps of vectors.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use pvf_bench_guests::{Random, fold};

/// A search tree without balance.
#[derive(Default)]
struct Tree {
    root: Option<Box<Node>>,
}

struct Node {
    key: u32,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

impl Tree {
    fn insert(&mut self, key: u32) {
        let mut at = &mut self.root;
        while let Some(node) = at {
            at = if key < node.key {
                &mut node.left
            } else {
                &mut node.right
            };
        }
        *at = Some(Box::new(Node {
            key,
            left: None,
            right: None,
        }));
    }
}

/// Sum of keys times their depths.
fn weigh(node: &Option<Box<Node>>, depth: u64) -> u64 {
    node.as_ref().map_or(0, |node| {
        let below = weigh(&node.left, depth + 1) ^ weigh(&node.right, depth + 1);
        fold(below, u64::from(node.key) * depth)
    })
}

/// A full tree of a height.
fn full(height: u32) -> Option<Box<Node>> {
    (height > 0).then(|| {
        Box::new(Node {
            key: height,
            left: full(height - 1),
            right: full(height - 1),
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> u64 {
    let mut random = Random(15);
    let mut sum = 0;
    let mut tree = Tree::default();
    for _ in 0..8000 {
        tree.insert(random.next() as u32);
    }
    sum = fold(sum, weigh(&tree.root, 1));
    drop(tree);
    for height in 1..14 {
        sum = fold(sum, weigh(&full(height), 1));
    }
    let mut map: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut queue = VecDeque::new();
    for _ in 0..16000 {
        let key = random.below(700) as u32;
        let values = map.entry(key).or_default();
        values.push(random.next());
        if values.len() > 6 {
            queue.push_back(map.remove(&key));
        }
        if queue.len() > 40 {
            sum = fold(sum, queue.pop_front().flatten().map_or(0, |values| values[3]));
        }
    }
    for (key, values) in map.range(100..600) {
        sum = fold(sum, u64::from(*key) ^ values.iter().copied().fold(0, u64::wrapping_add));
    }
    sum
}

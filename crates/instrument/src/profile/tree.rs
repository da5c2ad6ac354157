//! The call tree, and its folded form.

use std::collections::HashMap;

/// What a profile counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Gas used by a function itself.
    #[default]
    Gas,
    /// How often it was called.
    Calls,
}

/// Which function called which, how often, and the gas each used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTree {
    nodes: Vec<Node>,
    children: HashMap<(u32, u32), u32>,
    pub(crate) current: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    parent: u32,
    function: u32,
    gas: u64,
    calls: u64,
}

/// A stack of functions, outermost first, with the counts of the innermost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Function indices.
    pub functions: Vec<u32>,
    /// Gas used by the innermost function itself.
    pub gas: u64,
    /// How often it was called here.
    pub calls: u64,
}

const ROOT: u32 = 0;

impl Default for CallTree {
    fn default() -> Self {
        Self::new()
    }
}

impl CallTree {
    /// A tree without calls.
    pub(crate) fn new() -> Self {
        let root = Node {
            parent: ROOT,
            function: u32::MAX,
            gas: 0,
            calls: 0,
        };
        Self {
            nodes: vec![root],
            children: HashMap::new(),
            current: ROOT,
        }
    }

    /// The node of a function called from a node.
    pub(crate) fn child(&mut self, parent: u32, function: u32) -> u32 {
        let next = self.nodes.len() as u32;
        let node = *self.children.entry((parent, function)).or_insert(next);
        if node == next {
            self.nodes.push(Node {
                parent,
                function,
                gas: 0,
                calls: 0,
            });
        }
        node
    }

    /// Counts a call of the function of a node.
    pub(crate) fn call(&mut self, node: u32) {
        self.nodes[node as usize].calls += 1;
        self.current = node;
    }

    pub(crate) fn charge(&mut self, node: u32, gas: u64) {
        let node = &mut self.nodes[node as usize];
        node.gas = node.gas.saturating_add(gas);
    }

    /// Sum of the gas of all nodes.
    pub fn gas(&self) -> u64 {
        let all = self.nodes.iter().map(|node| node.gas);
        all.fold(0, u64::saturating_add)
    }

    /// Sum of the calls of all nodes.
    pub fn calls(&self) -> u64 {
        self.nodes.iter().map(|node| node.calls).sum()
    }

    /// Every stack with gas or calls, in the order of function indices.
    pub fn stacks(&self) -> Vec<Stack> {
        let mut stacks: Vec<Stack> = (0..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.gas > 0 || node.calls > 0)
            .map(|(index, node)| Stack {
                functions: self.path(index),
                gas: node.gas,
                calls: node.calls,
            })
            .collect();
        stacks.sort_by(|a, b| a.functions.cmp(&b.functions));
        stacks
    }

    fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while node != ROOT {
            let Node {
                parent, function, ..
            } = self.nodes[node as usize];
            path.push(function);
            node = parent;
        }
        path.reverse();
        path
    }

    /// The folded form: for each stack a line with the names, separated by semicolons, and a number.
    /// Stacks with nothing to count are left out.
    pub fn folded(&self, by: By, name: &dyn Fn(u32) -> String) -> String {
        let mut names: HashMap<u32, String> = HashMap::new();
        let mut text = String::new();
        for stack in self.stacks() {
            let count = match by {
                By::Gas => stack.gas,
                By::Calls => stack.calls,
            };
            if count == 0 {
                continue;
            }
            for (depth, &function) in stack.functions.iter().enumerate() {
                if depth > 0 {
                    text.push(';');
                }
                let name = names
                    .entry(function)
                    .or_insert_with(|| frame(&name(function)));
                text.push_str(name);
            }
            text.push_str(&format!(" {count}\n"));
        }
        text
    }
}

/// A name without the characters that the folded form uses as separators.
fn frame(name: &str) -> String {
    let shown = |c: char| match c {
        ';' => ':',
        c if c.is_control() => '?',
        c => c,
    };
    name.chars().map(shown).collect()
}

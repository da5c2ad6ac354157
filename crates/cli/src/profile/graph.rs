//! What a profile consists of: stacks with a number, in folded form or by function.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Stacks of names with what the innermost one counts itself.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    stacks: BTreeMap<Vec<String>, u64>,
}

/// What a function counts in all stacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The function.
    pub name: String,
    /// In itself.
    pub own: u64,
    /// With what it called.
    pub total: u64,
}

impl Graph {
    /// Adds to a stack, given with its outermost function first. A function that is in it already counts where it is: a recursion is one
    /// frame.
    pub fn add(&mut self, stack: impl IntoIterator<Item = String>, count: u64) {
        let mut path: Vec<String> = Vec::new();
        for name in stack {
            match path.iter().position(|active| *active == name) {
                Some(active) => path.truncate(active + 1),
                None => path.push(name),
            }
        }
        *self.stacks.entry(path).or_insert(0) += count;
    }

    /// The sum over all stacks.
    pub fn total(&self) -> u64 {
        self.stacks.values().sum()
    }

    /// The stacks.
    pub fn stacks(&self) -> impl Iterator<Item = (&[String], u64)> {
        let stacks = self.stacks.iter();
        stacks.map(|(stack, &count)| (&stack[..], count))
    }

    /// The folded form: a line for each stack, its names separated by semicolons, and the count.
    pub fn folded(&self) -> String {
        let mut text = String::new();
        for (stack, count) in &self.stacks {
            if *count == 0 || stack.is_empty() {
                continue;
            }
            for (depth, name) in stack.iter().enumerate() {
                if depth > 0 {
                    text.push(';');
                }
                text.extend(name.chars().map(in_frame));
            }
            text.push_str(&format!(" {count}\n"));
        }
        text
    }

    /// All functions, those first that count most themselves.
    pub fn functions(&self) -> Vec<Share> {
        let mut all: HashMap<&str, (u64, u64)> = HashMap::new();
        for (stack, &count) in &self.stacks {
            let mut met = HashSet::new();
            for (depth, name) in stack.iter().enumerate() {
                let (own, total) = all.entry(name).or_default();
                if met.insert(name) {
                    *total += count;
                }
                if depth + 1 == stack.len() {
                    *own += count;
                }
            }
        }
        let share = |(name, (own, total)): (&str, (u64, u64))| Share {
            name: name.to_owned(),
            own,
            total,
        };
        let mut all: Vec<Share> = all.into_iter().map(share).collect();
        all.sort_by(|a, b| (b.own, b.total, &a.name).cmp(&(a.own, a.total, &b.name)));
        all
    }
}

/// What the folded form uses as separators is replaced.
fn in_frame(c: char) -> char {
    match c {
        ';' => ':',
        c if c.is_control() => '?',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn recursion_is_one_frame_and_shares_add_up() {
        let mut graph = Graph::default();
        graph.add(names("a b c"), 3);
        graph.add(names("a b a b c"), 4);
        graph.add(names("a d"), 1);
        graph.add(names("a"), 2);
        assert_eq!(graph.folded(), "a 2\na;b;c 7\na;d 1\n");
        assert_eq!(graph.total(), 10);
        let shares = graph.functions();
        let of = |name: &str| {
            let share = shares.iter().find(|share| share.name == name);
            share.map(|share| (share.own, share.total))
        };
        assert_eq!(of("a"), Some((2, 10)));
        assert_eq!(of("b"), Some((0, 7)));
        assert_eq!(of("c"), Some((7, 7)));
        assert_eq!(shares[0].name, "c");
    }

    #[test]
    fn separators_in_names_are_replaced() {
        let mut graph = Graph::default();
        graph.add(["a;b".to_owned(), "c\nd".to_owned()], 1);
        assert_eq!(graph.folded(), "a:b;c?d 1\n");
    }
}

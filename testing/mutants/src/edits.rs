//! Changes of a text that may lie in one another.

use serde::Serialize;
use std::ops::Range;

/// A piece of what replaces a range.
pub enum Part {
    /// New text.
    Text(String),
    /// Text of the source, with the edits inside of it.
    Source(Range<usize>),
}

struct Edit {
    range: Range<usize>,
    parts: Vec<Part>,
    mutants: Vec<usize>,
    in_const_fn: bool,
}

/// The place of an edit in the new text, in bytes.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Its first byte.
    pub start: usize,
    /// The byte after it.
    pub end: usize,
    /// The mutants that the choice is between.
    pub mutants: Vec<usize>,
    /// It is in a function that constants may call. There the mutants of constants are never chosen.
    pub in_const_fn: bool,
}

/// Edits of one file. Two of them are apart, or one is inside of the other.
#[derive(Default)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// Replaces a range. Of two edits of the same range, the one that was added first is the outer one.
    pub fn add(
        &mut self,
        range: Range<usize>,
        parts: Vec<Part>,
        mutants: Vec<usize>,
        in_const_fn: bool,
    ) {
        self.0.push(Edit {
            range,
            parts,
            mutants,
            in_const_fn,
        });
    }

    /// The new text, and where the edits are in it.
    pub fn apply(mut self, source: &str) -> (String, Vec<Placed>) {
        // Outer edits first. The sort is stable.
        self.0
            .sort_by_key(|edit| (edit.range.start, usize::MAX - edit.range.end));
        let mut text = String::new();
        let mut placed = Vec::new();
        self.render(source, 0..source.len(), 0, &mut text, &mut placed);
        (text, placed)
    }

    /// Appends a range of the source with those edits in it that come at or after the edit of the index `from`.
    fn render(
        &self,
        source: &str,
        range: Range<usize>,
        from: usize,
        text: &mut String,
        placed: &mut Vec<Placed>,
    ) {
        let mut at = range.start;
        for (index, edit) in self.0.iter().enumerate().skip(from) {
            if edit.range.start >= range.end {
                break;
            }
            // Before the range, or inside of an edit that was already rendered.
            if edit.range.start < at || edit.range.end > range.end {
                continue;
            }
            text.push_str(&source[at..edit.range.start]);
            let start = text.len();
            for part in &edit.parts {
                match part {
                    Part::Text(new) => text.push_str(new),
                    Part::Source(inner) => {
                        self.render(source, inner.clone(), index + 1, text, placed);
                    }
                }
            }
            placed.push(Placed {
                start,
                end: text.len(),
                mutants: edit.mutants.clone(),
                in_const_fn: edit.in_const_fn,
            });
            at = edit.range.end;
        }
        text.push_str(&source[at..range.end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(new: &str) -> Part {
        Part::Text(new.to_owned())
    }

    #[test]
    fn edits_lie_in_one_another() {
        let mut edits = Edits::default();
        // The operands of `a + b`, then `!` of the first, then the whole once more around it.
        edits.add(
            2..8,
            vec![text("<"), Part::Source(2..8), text(">")],
            vec![0],
            false,
        );
        edits.add(
            2..8,
            vec![Part::Source(2..4), text(" plus "), Part::Source(7..8)],
            vec![1],
            false,
        );
        edits.add(2..4, vec![text("not "), Part::Source(3..4)], vec![2], false);
        let (new, placed) = edits.apply("f(!a + b)");
        assert_eq!(new, "f(<not a plus b>)");
        let places: Vec<_> = placed
            .iter()
            .map(|it| (&new[it.start..it.end], it.mutants[0]))
            .collect();
        assert_eq!(
            places,
            [("not a", 2), ("not a plus b", 1), ("<not a plus b>", 0)]
        );
    }
}

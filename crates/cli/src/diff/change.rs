//! Numbers and functions before and after.

use super::runtime::{Function, Runtime};
use serde::Serialize;

/// A number in both runtimes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is counted, as `--fail-above` names it.
    pub metric: String,
    /// In the first.
    pub before: u64,
    /// In the second.
    pub after: u64,
}

impl Change {
    /// Of a metric.
    pub fn new(metric: &str, before: u64, after: u64) -> Self {
        Self {
            metric: metric.to_owned(),
            before,
            after,
        }
    }

    /// The growth in percent; none where nothing became something.
    pub fn percent(&self) -> Option<f64> {
        let (before, after) = (self.before as f64, self.after as f64);
        match (self.before, self.after) {
            (0, 0) => Some(0.0),
            (0, _) => None,
            _ => Some(100.0 * (after - before) / before),
        }
    }

    /// Whether it has grown by more than so many percent.
    pub fn above(&self, percent: f64) -> bool {
        self.percent().is_none_or(|grown| grown > percent)
    }

    /// The difference for people: `+1,234 (+5.1 %)`.
    pub fn words(&self) -> String {
        if self.before == self.after {
            return "=".to_owned();
        }
        let sign = if self.after > self.before { '+' } else { '-' };
        let amount = grouped(self.after.abs_diff(self.before));
        match self.percent() {
            Some(percent) => format!("{sign}{amount} ({percent:+.1} %)"),
            None => format!("{sign}{amount}"),
        }
    }
}

/// A number with its digits in groups.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A name whose functions are not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionChange {
    /// The name.
    pub name: String,
    /// In the first runtime; none if it is new.
    pub before: Option<Function>,
    /// In the second; none if it is gone.
    pub after: Option<Function>,
}

impl FunctionChange {
    /// Bytes of bodies that came or went.
    pub fn bytes(&self) -> i64 {
        let of = |function: Option<Function>| function.map_or(0, |it| it.wasm_bytes as i64);
        of(self.after) - of(self.before)
    }

    /// What happened to it.
    pub fn kind(&self) -> &'static str {
        match (self.before, self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ if self.bytes() > 0 => "grown",
            _ if self.bytes() < 0 => "shrunk",
            _ => "changed",
        }
    }
}

/// All names whose functions differ, those that changed most first; none if one of the codes is rejected.
pub fn functions(before: &Runtime, after: &Runtime) -> Vec<FunctionChange> {
    if before.rejection.is_some() || after.rejection.is_some() {
        return Vec::new();
    }
    let names = before.functions.keys().chain(after.functions.keys());
    let mut names: Vec<&String> = names.collect();
    names.sort_unstable();
    names.dedup();
    let change = |name: &String| FunctionChange {
        before: before.functions.get(name).copied(),
        after: after.functions.get(name).copied(),
        name: name.clone(),
    };
    let mut changes: Vec<FunctionChange> = names
        .into_iter()
        .map(change)
        .filter(|change| change.before != change.after)
        .collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.bytes().unsigned_abs()));
    changes
}

/// The sizes in both. Of code that is rejected, only the blob's is known.
pub fn sizes(before: &Runtime, after: &Runtime) -> Vec<Change> {
    let (a, b) = (&before.sizes, &after.sizes);
    if before.rejection.is_some() || after.rejection.is_some() {
        return vec![Change::new("blob", a.blob_bytes, b.blob_bytes)];
    }
    [
        ("blob", a.blob_bytes, b.blob_bytes),
        ("wasm", a.wasm_bytes, b.wasm_bytes),
        ("bodies", a.body_bytes, b.body_bytes),
        ("data", a.data_bytes, b.data_bytes),
        ("code", a.code_bytes, b.code_bytes),
        ("functions", a.defined_functions, b.defined_functions),
        ("frame", a.frame_bytes_max, b.frame_bytes_max),
        ("initial-memory", a.memory_pages, b.memory_pages),
    ]
    .map(|(metric, before, after)| Change::new(metric, before, after))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_in_percent_of_before() {
        let change = |before, after| Change::new("gas", before, after);
        assert!(change(100, 106).above(5.0));
        assert!(!change(100, 105).above(5.0));
        assert!(!change(100, 50).above(0.0));
        assert!(change(0, 1).above(1e9), "nothing became something");
        assert!(!change(0, 0).above(0.0));
        assert_eq!(change(1000, 2_500_000).words(), "+2,499,000 (+249900.0 %)");
        assert_eq!(change(8, 4).words(), "-4 (-50.0 %)");
        assert_eq!(change(8, 8).words(), "=");
        assert_eq!(change(0, 8).words(), "+8");
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}

//! Compares the lines of two machines.

use crate::line::Line;
use crate::report;
use clap::Args;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The lines to compare.
#[derive(Args)]
pub struct Options {
    /// Name of the first machine.
    #[arg(long)]
    first: String,
    /// A file with the first machine's lines, or a folder of such files.
    #[arg(long)]
    first_lines: PathBuf,
    /// Name of the second machine.
    #[arg(long)]
    second: String,
    /// A file with the second machine's lines, or a folder of such files.
    #[arg(long)]
    second_lines: PathBuf,
    /// Write a page.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write the numbers and differences as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The result of comparing two machines.
pub struct Comparison {
    /// Names of the machines.
    pub machines: [String; 2],
    /// Counts by source, which is the part of a key before the first `/`.
    pub sources: BTreeMap<String, Counts>,
    /// Pairs of lines that differ. One line of a pair may be missing.
    pub differences: Vec<(Option<Line>, Option<Line>)>,
}

/// The counts of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines of either machine.
    pub compared: u64,
    /// Lines that differ or are missing on one side.
    pub differing: u64,
    /// Sums over the first machine's summaries, by the words before a number, or by the whole summary.
    pub summaries: BTreeMap<String, u64>,
}

/// Compares and writes the reports. Returns false if something differs. The last line of the output says how many lines
/// differ.
pub fn run(options: &Options, out: &mut impl Write) -> Result<bool, String> {
    let machines = [options.first.clone(), options.second.clone()];
    let lines = [read(&options.first_lines)?, read(&options.second_lines)?];
    if lines.iter().all(BTreeMap::is_empty) {
        return Err("there is nothing to compare".to_owned());
    }
    let comparison = Comparison::new(machines, lines);
    let write = |path: &Option<PathBuf>, text: String| match path {
        Some(path) => fs::write(path, text).map_err(|error| format!("{}: {error}", path.display())),
        None => Ok(()),
    };
    write(&options.html, report::html(&comparison))?;
    write(&options.json, report::json(&comparison))?;
    out.write_all(report::text(&comparison).as_bytes())
        .map_err(|error| error.to_string())?;
    Ok(comparison.differences.is_empty())
}

/// The lines of a file or of a folder's files, by key.
fn read(path: &Path) -> Result<BTreeMap<String, Line>, String> {
    let files = match path.is_dir() {
        true => pvf_generators::folder::entries(path)?,
        false => vec![path.to_owned()],
    };
    let mut lines = BTreeMap::new();
    for file in files {
        let bytes = pvf_generators::folder::read(&file)?;
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let place = || format!("{}: {line:?}", file.display());
            let line = Line::parse(line).ok_or_else(|| format!("not a line: {}", place()))?;
            if let Some(twice) = lines.insert(line.key.clone(), line) {
                return Err(format!("two lines for {}", twice.key));
            }
        }
    }
    Ok(lines)
}

impl Comparison {
    /// Compares lines by key.
    pub fn new(machines: [String; 2], lines: [BTreeMap<String, Line>; 2]) -> Self {
        let [first, mut second] = lines;
        let mut comparison = Self {
            machines,
            sources: BTreeMap::new(),
            differences: Vec::new(),
        };
        for (key, line) in first {
            let other = second.remove(&key);
            comparison.take(Some(line), other);
        }
        for line in second.into_values() {
            comparison.take(None, Some(line));
        }
        comparison
    }

    fn take(&mut self, first: Option<Line>, second: Option<Line>) {
        let Some(line) = first.as_ref().or(second.as_ref()) else {
            return;
        };
        let source = line.key.split('/').next().unwrap_or_default();
        let counts = self.sources.entry(source.to_owned()).or_default();
        counts.compared += 1;
        add_summary(&mut counts.summaries, &line.summary);
        if first != second {
            counts.differing += 1;
            self.differences.push((first, second));
        }
    }

    /// All lines compared.
    pub fn compared(&self) -> u64 {
        self.sources.values().map(|counts| counts.compared).sum()
    }
}

/// Adds `returned 3, out of gas 1` to two sums. Any other summary adds one to the sum of its last word or of the words
/// after its last colon.
fn add_summary(sums: &mut BTreeMap<String, u64>, summary: &str) {
    let parts: Option<Vec<(&str, u64)>> = summary
        .split(", ")
        .map(|part| {
            let (words, number) = part.rsplit_once(' ')?;
            Some((words, number.parse().ok()?))
        })
        .collect();
    match parts {
        Some(parts) => {
            for (words, number) in parts {
                *sums.entry(words.to_owned()).or_default() += number;
            }
        }
        None => {
            let head = summary.split(", ").next().unwrap_or_default();
            let ending = head.rsplit(": ").next().unwrap_or_default();
            let ending = ending.rsplit(' ').next().unwrap_or_default();
            *sums.entry(ending.to_owned()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(all: &[&str]) -> BTreeMap<String, Line> {
        let lines = all.iter().map(|line| Line::parse(line).unwrap());
        lines.map(|line| (line.key.clone(), line)).collect()
    }

    #[test]
    fn differing_and_missing_lines_are_found() {
        let first = lines(&[
            "a/1\treturned 2, out of gas 1\t00",
            "a/2\tf: unreachable\t01",
            "b/1\tvalid\t02",
        ]);
        let mut second = first.clone();
        let names = ["one".to_owned(), "two".to_owned()];
        let same = Comparison::new(names.clone(), [first.clone(), second.clone()]);
        assert_eq!((same.compared(), same.differences.len()), (3, 0));
        let sums = &same.sources["a"].summaries;
        assert_eq!(
            (sums["returned"], sums["out of gas"], sums["unreachable"]),
            (2, 1, 1)
        );

        second.get_mut("a/2").unwrap().digest = "ff".to_owned();
        let moved = second.remove("b/1").unwrap();
        second.insert(
            "b/2".to_owned(),
            Line {
                key: "b/2".to_owned(),
                ..moved
            },
        );
        let other = Comparison::new(names, [first, second]);
        assert_eq!((other.compared(), other.differences.len()), (4, 3));
        assert!(report::text(&other).ends_with("4 compared, 3 differ\n"));
        assert!(report::html(&other).contains("a/2"));
        let json: serde_json::Value = serde_json::from_str(&report::json(&other)).unwrap();
        assert_eq!(json["differ"], 3);
    }
}

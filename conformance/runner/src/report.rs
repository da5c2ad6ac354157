//! The results as a table, JSON and JUnit XML.

use crate::compare::Difference;
use crate::{Case, Hello, LEVELS};
use serde_json::{Value, json};
use std::fmt::Write;

/// The result of a case on an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer equals the expectation.
    Passed,
    /// The answer differs in this way.
    Differs(Difference),
    /// The case was skipped for this reason.
    Skipped(String),
}

/// An engine's verdicts, one for each case.
pub struct EngineReport {
    /// The adapter's introduction of its engine.
    pub hello: Hello,
    /// The verdicts, in the order of the cases.
    pub verdicts: Vec<Verdict>,
}

/// The verdicts of all engines on all cases.
pub struct Report<'a> {
    /// The cases.
    pub cases: &'a [Case],
    /// Ids and titles of the rules.
    pub rules: Vec<(String, String)>,
    /// The engines.
    pub engines: Vec<EngineReport>,
}

/// Counts of verdicts.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) differs: usize,
    pub(crate) skipped: usize,
}

impl EngineReport {
    /// The counts over the cases for which `of` holds.
    pub(crate) fn counts(&self, cases: &[Case], of: impl Fn(&Case) -> bool) -> Counts {
        let mut counts = Counts::default();
        for (_, verdict) in cases
            .iter()
            .zip(&self.verdicts)
            .filter(|(case, _)| of(case))
        {
            match verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Differs(_) => counts.differs += 1,
                Verdict::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// The number of cases that differ.
    pub fn differences(&self) -> usize {
        self.verdicts
            .iter()
            .filter(|it| matches!(it, Verdict::Differs(_)))
            .count()
    }

    /// The cases that differ, with their differences.
    pub(crate) fn differing<'a>(
        &'a self,
        cases: &'a [Case],
    ) -> impl Iterator<Item = (&'a Case, &'a Difference)> {
        cases
            .iter()
            .zip(&self.verdicts)
            .filter_map(|(case, verdict)| match verdict {
                Verdict::Differs(how) => Some((case, how)),
                _ => None,
            })
    }
}

/// The report for people: counts by level, then every difference with its rule.
pub fn table(report: &Report<'_>) -> String {
    let mut text = String::new();
    for engine in &report.engines {
        let _ = writeln!(text, "{} {}", engine.hello.engine, engine.hello.version);
        let _ = writeln!(
            text,
            "  {:12} {:>7} {:>7} {:>7}",
            "level", "passed", "differs", "skipped"
        );
        for level in LEVELS.iter().map(Some).chain([None]) {
            let counts = engine.counts(report.cases, |case| {
                level.is_none_or(|level| case.level == *level)
            });
            let _ = writeln!(
                text,
                "  {:12} {:>7} {:>7} {:>7}",
                level.unwrap_or(&"all"),
                counts.passed,
                counts.differs,
                counts.skipped
            );
        }
        for (rule, title) in &report.rules {
            let first = |case: &Case| case.rules.first() == Some(rule);
            let counts = engine.counts(report.cases, first);
            if counts.differs == 0 {
                continue;
            }
            let _ = writeln!(
                text,
                "  {rule} {title}: {} of {} differ",
                counts.differs,
                counts.differs + counts.passed
            );
            for (case, how) in engine
                .differing(report.cases)
                .filter(|(case, _)| first(case))
            {
                let _ = writeln!(text, "    {}: {how}", case.id);
            }
        }
    }
    text
}

/// The report for programs: one object.
pub fn json(report: &Report<'_>) -> Value {
    let engines: Vec<Value> = report.engines.iter().map(|engine| {
        let counts = engine.counts(report.cases, |_| true);
        let differences: Vec<Value> = engine.differing(report.cases)
            .map(|(case, how)| json!({"id": case.id, "rules": case.rules, "difference": how.to_string(),
                "field": how.field, "expected": how.expected, "got": how.got, "reason": how.reason})).collect();
        let skipped: Vec<Value> = report.cases.iter().zip(&engine.verdicts).filter_map(|(case, verdict)| match verdict {
            Verdict::Skipped(why) => Some(json!({"id": case.id, "reason": why})),
            _ => None,
        }).collect();
        json!({"engine": engine.hello.engine, "version": engine.hello.version, "features": engine.hello.features,
            "passed": counts.passed, "differs": counts.differs, "skipped": counts.skipped, "differences": differences, "skips": skipped})
    }).collect();
    json!({"cases": report.cases.len(), "engines": engines})
}

/// The report for continuous integration: JUnit XML with a test suite for each engine and level.
pub fn junit(report: &Report<'_>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for engine in &report.engines {
        for level in LEVELS {
            let counts = engine.counts(report.cases, |case| case.level == level);
            let total = counts.passed + counts.differs + counts.skipped;
            if total == 0 {
                continue;
            }
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{}.{level}\" tests=\"{total}\" failures=\"{}\" skipped=\"{}\">",
                escape(&engine.hello.engine),
                counts.differs,
                counts.skipped
            );
            for (case, verdict) in report
                .cases
                .iter()
                .zip(&engine.verdicts)
                .filter(|(case, _)| case.level == level)
            {
                let _ = write!(
                    xml,
                    "    <testcase classname=\"{}\" name=\"{}\"",
                    escape(&case.rules.join(" ")),
                    escape(&case.id)
                );
                let _ = match verdict {
                    Verdict::Passed => writeln!(xml, "/>"),
                    Verdict::Differs(how) => {
                        writeln!(
                            xml,
                            "><failure message=\"{}\"/></testcase>",
                            escape(&how.to_string())
                        )
                    }
                    Verdict::Skipped(why) => {
                        writeln!(xml, "><skipped message=\"{}\"/></testcase>", escape(why))
                    }
                };
            }
            xml.push_str("  </testsuite>\n");
        }
    }
    xml + "</testsuites>\n"
}

/// Escapes text for XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

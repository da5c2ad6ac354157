//! A comparison as text, JSON and an HTML page.

use crate::compare::{Comparison, Counts};
use crate::line::Line;
use serde_json::json;
use std::fmt::Write;

/// The maximum number of differences in the text.
const SHOWN: usize = 20;

/// The report for a terminal. The last line says how many lines were compared and how many differ.
pub fn text(comparison: &Comparison) -> String {
    let [first, second] = &comparison.machines;
    let mut text = String::new();
    for (source, counts) in &comparison.sources {
        let _ = writeln!(
            text,
            "{source:<12} {:>8} compared, {} differ: {}",
            counts.compared,
            counts.differing,
            sums(counts)
        );
    }
    for difference in comparison.differences.iter().take(SHOWN) {
        let _ = writeln!(text, "{}", key(difference));
        for (machine, line) in [(first, &difference.0), (second, &difference.1)] {
            let _ = writeln!(text, "  {machine}: {}", said(line.as_ref()));
        }
    }
    let hidden = comparison.differences.len().saturating_sub(SHOWN);
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more");
    }
    let _ = writeln!(
        text,
        "{} compared, {} differ",
        comparison.compared(),
        comparison.differences.len()
    );
    text
}

/// The report for programs.
pub fn json(comparison: &Comparison) -> String {
    let sources: serde_json::Map<_, _> = comparison
        .sources
        .iter()
        .map(|(source, counts)| {
            let counts = json!({
                "compared": counts.compared,
                "differ": counts.differing,
                "summaries": counts.summaries,
            });
            (source.clone(), counts)
        })
        .collect();
    let differences: Vec<_> = comparison
        .differences
        .iter()
        .map(|difference| {
            json!({
                "key": key(difference),
                "first": said(difference.0.as_ref()),
                "second": said(difference.1.as_ref()),
            })
        })
        .collect();
    let report = json!({
        "machines": comparison.machines,
        "compared": comparison.compared(),
        "differ": comparison.differences.len(),
        "sources": sources,
        "differences": differences,
    });
    format!("{report:#}\n")
}

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em}\
    table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #8884}\
    td.n{text-align:right}code{font-size:90%}.ok{color:#176f2c}.no{color:#b3261e}";

/// The report for people, as one HTML page.
pub fn html(comparison: &Comparison) -> String {
    let [first, second] = comparison.machines.each_ref().map(|name| escape(name));
    let (compared, differ) = (comparison.compared(), comparison.differences.len());
    let class = if differ == 0 { "ok" } else { "no" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{first} and {second}</title><style>{STYLE}</style></head><body>\n\
         <h1>Outcomes on {first} and {second}</h1>\n<p class=\"{class}\">{compared} compared, {differ} differ.</p>\n\
         <p>Compared are digests of results, kinds of traps, gas used, both peaks of the stack and the memory, and of \
         the artifacts that each machine prepares for both.</p>\n\
         <table><thead><tr><th>source</th><th>compared</th><th>differ</th><th>what happened</th></tr></thead><tbody>\n"
    );
    for (source, counts) in &comparison.sources {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            escape(source),
            counts.compared,
            counts.differing,
            escape(&sums(counts))
        );
    }
    page.push_str("</tbody></table>\n");
    if differ > 0 {
        let _ = writeln!(
            page,
            "<h2>Differences</h2>\n<table><thead><tr><th>execution</th><th>{first}</th><th>{second}</th></tr></thead><tbody>"
        );
    }
    for difference in &comparison.differences {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(key(difference)),
            escape(&said(difference.0.as_ref())),
            escape(&said(difference.1.as_ref()))
        );
    }
    if differ > 0 {
        page.push_str("</tbody></table>\n");
    }
    page.push_str("</body></html>\n");
    page
}

fn key(difference: &(Option<Line>, Option<Line>)) -> &str {
    let line = difference.0.as_ref().or(difference.1.as_ref());
    line.map_or("", |line| &line.key)
}

fn said(line: Option<&Line>) -> String {
    line.map_or("nothing".to_owned(), |line| {
        format!("{} ({})", line.summary, line.digest)
    })
}

fn sums(counts: &Counts) -> String {
    let sums = counts.summaries.iter().filter(|(_, number)| **number > 0);
    let sums = sums.map(|(words, number)| format!("{number} {words}"));
    sums.collect::<Vec<_>>().join(", ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

//! The report as one self-contained page: engines, a table of rules and engines, and every difference with its case and
//! module.

use crate::report::{Counts, escape};
use crate::{Case, Difference, EngineReport, Report, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/filter.js");

/// The page. The texts of modules are read from the suite's folder.
pub fn html(report: &Report<'_>, suite: &Path) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Conformance: rules by engines</title>\n\
         <style>{STYLE}</style></head><body>\n<h1>Conformance: rules by engines</h1>\n\
         <p>{} cases. A case that needs a feature which an engine does not declare is skipped, never passed. \
         A case may be about several rules and then counts with each.</p>\n",
        report.cases.len()
    );
    engines(&mut page, report);
    matrix(&mut page, report);
    differences(&mut page, report);
    modules(&mut page, report, suite);
    let _ = writeln!(page, "<script>{SCRIPT}</script></body></html>");
    page
}

/// The counts of each engine, the rules in which it differs, and why cases were skipped.
fn engines(page: &mut String, report: &Report<'_>) {
    page.push_str(
        "<h2>Engines</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Engines\"><table><thead><tr><th>engine</th>\
         <th>passed</th><th>differ</th><th>skipped</th><th>differs by rule</th><th>missing features</th></tr></thead><tbody>\n",
    );
    for (number, engine) in report.engines.iter().enumerate() {
        let Counts {
            passed,
            differs,
            skipped,
        } = engine.counts(report.cases, |_| true);
        let class = if differs == 0 { "ok" } else { "no" };
        let rules = by_first_rule(report, engine).into_iter();
        let rules = rules.map(|(rule, count)| {
            format!("<a href=\"#d{number}-{0}\">{0}</a> ({count})", escape(rule))
        });
        let wants = skips(engine).into_iter();
        let wants = wants.map(|(why, count)| format!("{} ({count})", escape(why)));
        let _ = writeln!(
            page,
            "<tr><td><b>{}</b> {}</td><td class=\"n\">{passed}</td><td class=\"n {class}\">{differs}</td>\
             <td class=\"n\">{skipped}</td><td>{}</td><td class=\"sk\">{}</td></tr>",
            escape(&engine.hello.engine),
            escape(&engine.hello.version),
            rules.collect::<Vec<_>>().join(", "),
            wants.collect::<Vec<_>>().join(", ")
        );
    }
    page.push_str("</tbody></table></div>\n");
}

/// The number of cases that differ, by the first rule of a case, in the order of the rules.
fn by_first_rule<'a>(report: &'a Report<'_>, engine: &'a EngineReport) -> Vec<(&'a str, usize)> {
    let mut counts = BTreeMap::new();
    for (case, _) in engine.differing(report.cases) {
        *counts.entry(first_rule(case)).or_insert(0) += 1;
    }
    let order = |rule: &str| report.rules.iter().position(|(id, _)| id == rule);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(rule, _)| order(rule).unwrap_or(usize::MAX));
    counts
}

fn first_rule(case: &Case) -> &str {
    case.rules.first().map_or("", String::as_str)
}

fn skips(engine: &EngineReport) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for verdict in &engine.verdicts {
        if let Verdict::Skipped(why) = verdict {
            let why = why.strip_prefix("needs ").unwrap_or(why);
            *counts.entry(why).or_insert(0) += 1;
        }
    }
    counts
}

/// A table with a row for each rule and a column for each engine.
fn matrix(page: &mut String, report: &Report<'_>) {
    page.push_str(
        "<h2>Rules</h2>\n<p class=\"filter\"><input id=\"text\" type=\"search\" placeholder=\"rule or words of its title\" \
         aria-label=\"Filter rules\"> <label><input id=\"only\" type=\"checkbox\"> only rules by which an engine differs</label> \
         <span id=\"shown\"></span></p>\n<p>A cell has the cases that passed, of those that were run if some differ.</p>\n\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Rules\"><table id=\"matrix\"><thead><tr><th>rule</th>",
    );
    for engine in &report.engines {
        let (name, version) = (&engine.hello.engine, &engine.hello.version);
        let _ = write!(
            page,
            "<th>{}<br><small>{}</small></th>",
            escape(name),
            escape(version)
        );
    }
    page.push_str("</tr></thead><tbody>\n");
    for (rule, title) in &report.rules {
        let mut cells = String::new();
        let mut differs = false;
        for (number, engine) in report.engines.iter().enumerate() {
            let counts = engine.counts(report.cases, |case| case.rules.contains(rule));
            differs |= counts.differs > 0;
            let first = engine
                .differing(report.cases)
                .find(|(case, _)| case.rules.contains(rule))
                .map(|(case, _)| format!("d{number}-{}", first_rule(case)));
            cell(&mut cells, counts, first.as_deref());
        }
        let (rule, title) = (escape(rule), escape(title));
        let _ = writeln!(
            page,
            "<tr{}><td><b>{rule}</b> {title}</td>{cells}</tr>",
            if differs { " class=\"differs\"" } else { "" }
        );
    }
    page.push_str("</tbody></table></div>\n");
}

/// A cell with the number of passed cases. If some differ, it also has the number of cases that ran and a link to the
/// differences.
fn cell(cells: &mut String, counts: Counts, differences: Option<&str>) {
    let run = counts.passed + counts.differs;
    let (class, shown) = match (run, counts.differs) {
        (0, _) => ("sk", "–".to_owned()),
        (_, 0) => ("ok", run.to_string()),
        _ => ("no", format!("{}/{run}", counts.passed)),
    };
    let shown = match differences {
        Some(anchor) => format!("<a href=\"#{}\">{shown}</a>", escape(anchor)),
        None => shown,
    };
    let skipped = match counts.skipped {
        0 => String::new(),
        skipped => format!(" <small class=\"sk\">{skipped} skipped</small>"),
    };
    let _ = write!(cells, "<td class=\"n {class}\">{shown}{skipped}</td>");
}

/// Every difference, by engine and by the first rule of its case.
fn differences(page: &mut String, report: &Report<'_>) {
    page.push_str("<h2>Differences</h2>\n");
    for (number, engine) in report.engines.iter().enumerate() {
        let count = engine.differences();
        let name = escape(&engine.hello.engine);
        let _ = writeln!(page, "<h3>{name}: {count}</h3>");
        for (rule, count) in by_first_rule(report, engine) {
            let title = report.rules.iter().find(|(id, _)| id == rule);
            let title = title.map_or("", |(_, title)| title);
            let _ = writeln!(
                page,
                "<details id=\"d{number}-{rule}\"><summary><b>{rule}</b> {}: {count}</summary>\n\
                 <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{rule}\"><table><thead><tr><th>case</th><th>expected</th><th>got</th></tr></thead><tbody>",
                escape(title),
                rule = escape(rule)
            );
            let of_rule = engine.differing(report.cases);
            for (case, how) in of_rule.filter(|(case, _)| first_rule(case) == rule) {
                difference(page, case, how);
            }
            page.push_str("</tbody></table></div></details>\n");
        }
    }
}

fn difference(page: &mut String, case: &Case, how: &Difference) {
    let also = case.rules.iter().skip(1).map(|rule| escape(rule));
    let also: Vec<_> = also.collect();
    let also = match also.len() {
        0 => String::new(),
        _ => format!("<br><small>also {}</small>", also.join(" ")),
    };
    let reason = how
        .reason
        .as_deref()
        .map(|reason| format!("<br><small>{}</small>", escape(reason)));
    let module = match &case.wat {
        Some(wat) => format!("<a href=\"#{0}\">{0}</a>", escape(wat)),
        None => escape(case.module()),
    };
    let _ = writeln!(
        page,
        "<tr><td><code>{}</code>{also}<br><small>{module}</small><details><summary>asked</summary><code>{}</code></details></td>\
         <td>{}: <code>{}</code></td><td><code>{}</code>{}</td></tr>",
        escape(&case.id),
        escape(&case.question()),
        escape(&how.field),
        with_bits(&how.expected),
        with_bits(&how.got),
        reason.unwrap_or_default()
    );
}

/// A value as the page shows it. A large number is followed by its bits in hexadecimal, which identify a NaN.
fn with_bits(value: &str) -> String {
    let bits = match value.split_once(':') {
        Some(("i32", number)) => number.parse::<i32>().ok().map(|it| (it as u32).into()),
        Some(("i64", number)) => number.parse::<i64>().ok().map(|it| it as u64),
        _ => None,
    };
    match bits {
        Some(bits) if bits > 0xffff => format!("{} = {bits:#x}", escape(value)),
        _ => escape(value),
    }
}

/// The texts of the modules in differences, each once.
fn modules(page: &mut String, report: &Report<'_>, suite: &Path) {
    let differing = report
        .engines
        .iter()
        .flat_map(|engine| engine.differing(report.cases));
    let texts: BTreeSet<&str> = differing
        .filter_map(|(case, _)| case.wat.as_deref())
        .collect();
    if texts.is_empty() {
        return;
    }
    page.push_str("<h2>Modules of the differences</h2>\n");
    for wat in texts {
        // A suite may come without the texts.
        let text = std::fs::read_to_string(suite.join(wat)).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(escape).collect();
        let _ = writeln!(
            page,
            "<details id=\"{0}\"><summary><code>{0}</code></summary><pre>{1}</pre></details>",
            escape(wat),
            lines.join("\n")
        );
    }
}

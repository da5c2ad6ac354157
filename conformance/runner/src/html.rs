//! One self-contained page: rules against engines, and every difference.

use crate::Report;
use crate::report::escape;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #d5d5d5;padding:.25rem .5rem;text-align:left;vertical-align:top}
th{position:sticky;top:0;background:#f4f4f4}td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.ok{background:#e3f4e3}.no{background:#fbdcdc}.sk{color:#777}code{font-size:.9em}details{margin:.5rem 0}
@media(prefers-color-scheme:dark){body{background:#181818;color:#e4e4e4}th{background:#262626}th,td{border-color:#444}.ok{background:#1d3a1d}.no{background:#4d1f1f}}";

/// The page.
pub fn html(report: &Report<'_>) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Conformance</title><style>{STYLE}</style></head><body>\n<h1>Conformance: rules by engines</h1>\n<p>{} cases. A cell says how many of a rule's cases passed of those that were run; a case that needs a feature which the engine does not declare is skipped, not passed.</p>\n<table><thead><tr><th>rule</th>",
        report.cases.len()
    );
    for engine in &report.engines {
        let _ = write!(
            page,
            "<th>{}<br><small>{}</small></th>",
            escape(&engine.hello.engine),
            escape(&engine.hello.version)
        );
    }
    page.push_str("</tr></thead><tbody>\n");
    let everything = ("".to_owned(), "All cases".to_owned());
    for (rule, title) in report.rules.iter().chain([&everything]) {
        let _ = write!(
            page,
            "<tr><td><b>{}</b> {}</td>",
            escape(rule),
            escape(title)
        );
        for engine in &report.engines {
            let counts = engine.counts(report.cases, |case| {
                rule.is_empty() || case.rules.contains(rule)
            });
            let run = counts.passed + counts.differs;
            let class = match (run, counts.differs) {
                (0, _) => "sk",
                (_, 0) => "ok",
                _ => "no",
            };
            let skipped = if counts.skipped > 0 {
                format!("<br><small class=\"sk\">{} skipped</small>", counts.skipped)
            } else {
                String::new()
            };
            let shown = if run == 0 {
                "–".to_owned()
            } else {
                format!("{}/{run}", counts.passed)
            };
            let _ = write!(page, "<td class=\"n {class}\">{shown}{skipped}</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table>\n<h2>Differences</h2>\n");
    for engine in &report.engines {
        let _ = writeln!(
            page,
            "<details open><summary><b>{}</b>: {}</summary><table><thead><tr><th>case</th><th>rules</th><th>how</th></tr></thead><tbody>",
            escape(&engine.hello.engine),
            engine.differences()
        );
        for (case, how) in engine.differing(report.cases) {
            let _ = writeln!(
                page,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(&case.id),
                escape(&case.rules.join(" ")),
                escape(how)
            );
        }
        page.push_str("</tbody></table></details>\n");
    }
    page + "</body></html>\n"
}

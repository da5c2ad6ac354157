//! The page: charts with their figures, then all tables. It loads no other files.

use super::charts;
use crate::run::Run;
use crate::table::Table;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --soft: #555; --line: #ddd }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #181818; --soft: #aaa; --line: #444 } }
body { font: 15px/1.5 sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: var(--ink); background: var(--paper) }
table { border-collapse: collapse; margin: .6em 0 } .wide { overflow-x: auto }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { border-bottom: 2px solid var(--soft) }
h2 { margin-top: 2em } figure { margin: 2em 0 } figcaption { font-weight: 600 }
svg { width: 100%; min-width: 640px; height: auto; display: block }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2em 1.2em; margin: .4em 0; padding: 0 }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: .4em; border: 1px solid var(--soft) }
.note { color: var(--soft); margin: .1em 0 }";

/// The page of a run.
pub fn page(run: &Run) -> Result<String, String> {
    let charts = charts::all(run)?.concat();
    let tables: String = run.tables().iter().map(section).collect();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>pvf-bench</title>\
         <style>{STYLE}</style></head><body>\n<h1>pvf-bench</h1>\n\
         <p>{} Engines ran interleaved in one process. Times are CPU time; ratios are of the least of all repetitions. \
         <code>bench/README.md</code> says what is compared and how it is measured.</p>\n{charts}{tables}</body></html>\n",
        escaped(&run.provenance())
    ))
}

fn section(table: &Table) -> String {
    let mut html = format!(
        "<h2>{0}</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>\n",
        escaped(&table.title)
    );
    for (index, row) in table.rows.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        let cells = row
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        html += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    html += "</table></div>\n";
    for note in &table.notes {
        html += &format!("<p class=\"note\">{}</p>\n", escaped(note));
    }
    html
}

/// Escapes text for HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

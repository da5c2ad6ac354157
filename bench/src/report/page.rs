//! The page: charts, then tables; nothing in it is fetched from anywhere.

use super::charts;
use crate::run::Run;
use crate::table::Table;

const STYLE: &str = "
body { font: 15px/1.5 sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .6em 0 } .wide { overflow-x: auto }
th, td { padding: .15em .7em; text-align: right; border-bottom: 1px solid #e4e4e4; white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { border-bottom: 2px solid #999 }
h2 { margin-top: 2em } svg { max-width: 100%; height: auto; display: block; margin: 1.5em 0 }
.note { color: #555; margin: .1em 0 }";

/// The page of a run.
pub fn page(run: &Run) -> Result<String, String> {
    let charts = charts::all(run)?.concat();
    let tables: String = run.tables().iter().map(section).collect();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>pvf-bench</title>\
         <style>{STYLE}</style></head><body>\n<h1>pvf-bench</h1>\n\
         <p>Engines took turns in one process on {}. CPU time; ratios are of the least of all repetitions. What is \
         compared and how it is measured stands in <code>bench/README.md</code>.</p>\n{charts}{tables}</body></html>\n",
        escaped(&run.processor)
    ))
}

fn section(table: &Table) -> String {
    let mut html = format!(
        "<h2>{}</h2>\n<div class=\"wide\"><table>\n",
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

/// Text that may hold anything, as HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

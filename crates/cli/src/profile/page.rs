//! The page with a profile: a flame graph by `inferno`, with controls that the keyboard reaches, and a table.

use super::graph::Graph;
use crate::failure::Failure;
use crate::page::escaped;
use inferno::flamegraph::color::{BasicPalette, Color, Palette};
use inferno::flamegraph::{self, TextTruncateDirection};

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Functions in the table.
const TABLE: usize = 200;

/// Percent of the width below which a frame is left out: a tenth of a pixel of a wide window.
const MIN_WIDTH: f64 = 0.01;

/// The page for a graph whose numbers are so many of `unit`.
pub fn page(graph: &Graph, title: &str, subtitle: &str, unit: &str) -> Result<String, Failure> {
    let parts = [
        ("{{title}}", escaped(title)),
        ("{{style}}", STYLE.to_owned()),
        ("{{heading}}", escaped(title)),
        ("{{subtitle}}", escaped(subtitle)),
        ("{{graph}}", svg(graph, unit)?),
        ("{{unit}}", escaped(unit)),
        ("{{rows}}", rows(graph)),
        ("{{script}}", SCRIPT.to_owned()),
    ];
    let mut page = String::new();
    let mut rest = PAGE;
    for (mark, part) in parts {
        let (before, behind) = rest.split_once(mark).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(&part);
        rest = behind;
    }
    page.push_str(rest);
    Ok(page)
}

fn svg(graph: &Graph, unit: &str) -> Result<String, Failure> {
    let folded = graph.folded();
    if folded.is_empty() {
        return Ok("<p>Nothing was counted.</p>".to_owned());
    }
    let mut options = flamegraph::Options::default();
    options.title = String::new();
    options.count_name = unit.to_owned();
    options.colors = Palette::Basic(BasicPalette::Yellow);
    // The colour of a function does not change from one profile to the next.
    options.deterministic = true;
    options.uicolor = Color { r: 0, g: 0, b: 0 };
    options.min_width = MIN_WIDTH;
    options.text_truncate_direction = TextTruncateDirection::Right;
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut svg)
        .map_err(|error| Failure::Host(format!("the flame graph: {error}")))?;
    let svg = String::from_utf8(svg)
        .map_err(|error| Failure::Host(format!("the flame graph: {error}")))?;
    // An element of the page has no declarations before it.
    let begin = svg.find("<svg").unwrap_or(0);
    Ok(svg[begin..].to_owned())
}

fn rows(graph: &Graph) -> String {
    let all = graph.total().max(1) as f64;
    let mut rows = String::new();
    for share in graph.functions().into_iter().take(TABLE) {
        let (own, total) = (share.own as f64 / all, share.total as f64 / all);
        let name = escaped(&share.name);
        rows.push_str(&format!(
            "<tr><td>{:.1} %<td>{:.1} %<td>{}<td><button type=\"button\">{name}</button>\n",
            100.0 * own,
            100.0 * total,
            share.own
        ));
    }
    rows
}

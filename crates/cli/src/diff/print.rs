//! A comparison as text and as Markdown.

use super::DiffJson;
use super::change::{Change, FunctionChange, grouped};
use crate::outcome::printable;
use std::fmt::Write as _;
use std::io::{self, Write};

/// For people at a terminal.
pub fn text(out: &mut dyn Write, json: &DiffJson, top: usize) -> io::Result<()> {
    writeln!(out, "before  {}", printable(&json.before.title()))?;
    writeln!(out, "after   {}", printable(&json.after.title()))?;
    for (when, runtime) in [("before", &json.before), ("after", &json.after)] {
        if let Some(rejection) = &runtime.rejection {
            writeln!(
                out,
                "the code {when} is rejected: {}",
                printable(&rejection.words())
            )?;
        }
    }
    changes(out, "size, in bytes", &json.sizes)?;
    let (added, removed) = (&json.imports_added, &json.imports_removed);
    for (sign, imports) in [('+', added), ('-', removed)] {
        for import in imports {
            writeln!(out, "{sign} import {}", printable(import))?;
        }
    }
    if !json.functions.is_empty() {
        writeln!(out, "\n{}", counts(&json.functions))?;
        for change in json.functions.iter().take(top) {
            let name = printable(&change.name);
            writeln!(out, "  {:<8} {:>+9}  {name}", change.kind(), change.bytes())?;
        }
        rest(out, json.functions.len(), top)?;
    }
    if !json.deepest_frames.is_empty() {
        let changed = json.deepest_frames.iter();
        let changed: Vec<_> = changed
            .filter(|it| it.before != it.after)
            .cloned()
            .collect();
        match changed.is_empty() {
            true => writeln!(out, "\nthe deepest frames are the same")?,
            false => changes(out, "deepest frames, in bytes", &changed)?,
        }
    }
    for candidate in &json.candidates {
        let (before, after) = (candidate.before.outcome, candidate.after.outcome);
        writeln!(
            out,
            "\n{}: {}",
            printable(&candidate.file),
            verdict(before, after)
        )?;
        for judged in [&candidate.before, &candidate.after] {
            if let Some(reason) = &judged.reason {
                writeln!(out, "  {} because {}", judged.outcome, printable(reason))?;
            }
        }
        if candidate.same_verdict && before == "valid" && !candidate.same_result {
            writeln!(out, "  the results differ")?;
        }
        changes(out, "used", &candidate.changes)?;
        if !candidate.host_calls.is_empty() {
            changes(out, "host calls", &candidate.host_calls)?;
        }
    }
    if !json.failures.is_empty() {
        writeln!(out, "\nnot accepted:")?;
        for failure in &json.failures {
            writeln!(out, "  {}", printable(failure))?;
        }
    }
    Ok(())
}

fn verdict(before: &str, after: &str) -> String {
    match before == after {
        true => before.to_owned(),
        false => format!("{before} before, {after} after"),
    }
}

fn changes(out: &mut dyn Write, title: &str, changes: &[Change]) -> io::Result<()> {
    writeln!(out, "\n  {title:<36} {:>14} {:>14}", "before", "after")?;
    for change in changes {
        let name = printable(&change.metric);
        let (before, after) = (grouped(change.before), grouped(change.after));
        writeln!(
            out,
            "  {name:<36} {before:>14} {after:>14}  {}",
            change.words()
        )?;
    }
    Ok(())
}

fn rest(out: &mut dyn Write, all: usize, shown: usize) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(out, "  … and {more} more (--top)"),
    }
}

/// How many functions did what.
fn counts(changes: &[FunctionChange]) -> String {
    let mut text = "functions by name:".to_owned();
    for kind in ["added", "removed", "grown", "shrunk", "changed"] {
        let count = changes.iter().filter(|it| it.kind() == kind).count();
        if count > 0 {
            let _ = write!(text, " {count} {kind},");
        }
    }
    text.pop();
    text
}

/// For a comment on a pull request.
pub fn markdown(out: &mut dyn Write, json: &DiffJson, top: usize) -> io::Result<()> {
    let sign = if json.failures.is_empty() {
        "✅"
    } else {
        "❌"
    };
    writeln!(out, "### {sign} Runtime as validators execute it")?;
    writeln!(
        out,
        "\n{} → {}\n",
        code(&json.before.title()),
        code(&json.after.title())
    )?;
    for failure in &json.failures {
        writeln!(out, "- ❌ {}", cell(failure))?;
    }
    for (when, runtime) in [("before", &json.before), ("after", &json.after)] {
        if let Some(rejection) = &runtime.rejection {
            writeln!(
                out,
                "- the code {when} is rejected: {}",
                cell(&rejection.words())
            )?;
        }
    }
    table(out, "size in bytes", &json.sizes)?;
    for (sign, imports) in [
        ("new", &json.imports_added),
        ("gone", &json.imports_removed),
    ] {
        for import in imports {
            writeln!(out, "- import {sign}: {}", code(import))?;
        }
    }
    if !json.candidates.is_empty() {
        writeln!(
            out,
            "\n| candidate | verdict | gas | logical stack | native stack | heap | host calls |"
        )?;
        writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: |")?;
        for candidate in &json.candidates {
            let name = candidate.file.rsplit('/').next().unwrap_or(&candidate.file);
            let verdict = verdict(candidate.before.outcome, candidate.after.outcome);
            let same = match (candidate.same_result, candidate.after.outcome) {
                (false, "valid") if candidate.same_verdict => ", other result",
                _ => "",
            };
            write!(out, "| {} | {verdict}{same} |", code(name))?;
            for metric in ["gas", "logical-stack", "native-stack", "heap", "host-calls"] {
                let change = candidate.changes.iter().find(|it| it.metric == metric);
                let words = change.map_or(String::new(), |change| {
                    match change.before == change.after {
                        true => grouped(change.after),
                        false => format!("{} {}", grouped(change.after), change.words()),
                    }
                });
                write!(out, " {words} |")?;
            }
            writeln!(out)?;
        }
    }
    if !json.functions.is_empty() {
        writeln!(
            out,
            "\n<details><summary>{}</summary>\n",
            counts(&json.functions)
        )?;
        writeln!(out, "| function | | bytes | frame before | frame after |")?;
        writeln!(out, "| --- | --- | ---: | ---: | ---: |")?;
        for change in json.functions.iter().take(top) {
            let frame = |function: Option<super::runtime::Function>| {
                function.map_or(String::new(), |it| grouped(it.frame_bytes.into()))
            };
            let (kind, bytes) = (change.kind(), change.bytes());
            let (before, after) = (frame(change.before), frame(change.after));
            writeln!(
                out,
                "| {} | {kind} | {bytes:+} | {before} | {after} |",
                code(&change.name)
            )?;
        }
        writeln!(out, "\n</details>")?;
    }
    Ok(())
}

fn table(out: &mut dyn Write, title: &str, changes: &[Change]) -> io::Result<()> {
    writeln!(out, "\n| {title} | before | after | |")?;
    writeln!(out, "| --- | ---: | ---: | ---: |")?;
    for change in changes {
        let (before, after) = (grouped(change.before), grouped(change.after));
        let metric = cell(&change.metric);
        writeln!(
            out,
            "| {metric} | {before} | {after} | {} |",
            change.words()
        )?;
    }
    Ok(())
}

/// Text that cannot end a cell of a table or begin anything else.
fn cell(text: &str) -> String {
    let mut shown = String::new();
    for c in printable(text).chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' | '#' | '~' => {
                shown.push('\\');
                shown.push(c);
            }
            // A mention would call somebody, and a number an issue.
            '@' => shown.push_str("@\u{200b}"),
            c => shown.push(c),
        }
    }
    shown
}

/// Text as code.
fn code(text: &str) -> String {
    let text = printable(text).replace('|', "\\|").replace('`', "'");
    format!("`{text}`")
}

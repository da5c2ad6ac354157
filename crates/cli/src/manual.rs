//! `pvf man`: writes the manual pages, which are made from the same definitions as `--help`.

use crate::Verdict;
use crate::args::{Cli, ManArgs};
use crate::failure::Failure;
use crate::output::Output;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use pvf_executor::write_file;
use roff::{Roff, roman};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(Serialize)]
struct ManJson {
    pages: Vec<PathBuf>,
}

/// Writes a page for `pvf` and one for each of its commands.
pub fn man(args: &ManArgs, output: &Output) -> Result<Verdict, Failure> {
    let failed = |path: PathBuf| {
        move |source| Failure::Output {
            name: path.display().to_string(),
            source,
        }
    };
    let directory = &args.directory;
    std::fs::create_dir_all(directory).map_err(failed(directory.clone()))?;
    let mut json = ManJson { pages: Vec::new() };
    for (name, page) in pages() {
        let path = directory.join(format!("{name}.1"));
        write_file(&path, &page).map_err(failed(path.clone()))?;
        json.pages.push(path);
    }
    output.result(&json, |out| {
        for page in &json.pages {
            writeln!(out, "{}", page.display())?;
        }
        Ok(())
    })?;
    Ok(Verdict::Fine)
}

/// All pages, with their names.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
        waiting.extend(shown.cloned());
        let name = command.get_display_name().unwrap_or(command.get_name());
        let name = name.to_owned();
        let mut page = Vec::new();
        // Writing to a vector does not fail.
        let _ = render(command, &mut page);
        pages.push((name, page));
    }
    pages.sort();
    pages
}

/// Renders one page. `clap_mangen` would join the lines of the text after the options, in which examples are.
fn render(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let after = command.get_after_help().map(ToString::to_string);
    // `clap` says nothing of a command's own help where every command has it.
    command = command.after_help(None::<&str>);
    let has_options = command.get_arguments().any(|it| !it.is_hide_set());
    let has_commands = command.get_subcommands().any(|it| !it.is_hide_set());
    let name = command.get_display_name().unwrap_or(command.get_name());
    // Without a date, which `clap_mangen` would leave out instead of empty. A page is the same on every day.
    let version = concat!("pvf ", env!("CARGO_PKG_VERSION"));
    writeln!(
        page,
        r#".TH {name} 1 "" "{version}" "Parachain validation functions""#
    )?;
    let man = Man::new(command);
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if has_options {
        man.render_options_section(page)?;
    }
    if has_commands {
        man.render_subcommands_section(page)?;
    }
    match after {
        Some(after) => after_options(&after).to_writer(page),
        None => Ok(()),
    }
}

/// The text after the options: paragraphs, and blocks of lines that stay as they are, each under a line such as `Examples:`.
fn after_options(text: &str) -> Roff {
    let mut page = Roff::new();
    let mut is_block = false;
    let mut is_notes = false;
    for line in text.lines() {
        let heading = line
            .strip_suffix(':')
            .filter(|it| ["Example", "Examples", "Exit codes"].contains(it));
        if let Some(heading) = heading {
            let heading = match heading {
                "Exit codes" => "EXIT STATUS",
                _ => "EXAMPLES",
            };
            if is_block {
                page.control("fi", []);
            }
            page.control("SH", [heading]).control("nf", []);
            is_block = true;
            continue;
        }
        let is_command = line.starts_with("  ");
        if line.is_empty() {
            page.control("PP", []);
            continue;
        }
        if is_block && !is_command {
            page.control("fi", []);
            is_block = false;
        }
        if !is_block && !is_notes {
            page.control("SH", ["NOTES"]);
            is_notes = true;
        }
        if is_command && !is_block {
            page.control("nf", []);
            is_block = true;
        }
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    if is_block {
        page.control("fi", []);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// The words of all commands, as `pvf --help` and `pvf workers --help` show them.
    fn commands(command: &Command, name: &str, names: &mut HashSet<String>) {
        names.insert(name.to_owned());
        for sub in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            commands(sub, &format!("{name}-{}", sub.get_name()), names);
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let mut expected = HashSet::new();
        commands(&Cli::command(), "pvf", &mut expected);
        assert!(expected.contains("pvf-workers-install"));
        let pages = pages();
        let found: HashSet<_> = pages.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(found, expected);
        assert_eq!(pages.len(), found.len());
    }

    /// `--help` breaks longer lines, in examples and lists too.
    #[test]
    fn no_note_is_wider_than_help() {
        fn look(command: &Command) {
            let notes = [command.get_after_help(), command.get_after_long_help()];
            for note in notes.into_iter().flatten() {
                for line in note.to_string().lines() {
                    let width = line.chars().count();
                    assert!(width <= 100, "{}: {line}", command.get_name());
                }
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn examples_keep_their_lines() {
        let text = "A note.\n\nExamples:\n  pvf a -o b\n  .first 'x\n\nAfter.";
        let page = after_options(text).to_roff();
        let lines: Vec<_> = page.lines().collect();
        let at = |line: &str| lines.iter().position(|it| *it == line).expect(line);
        assert!(at(".SH NOTES") < at("A note."));
        assert!(at("A note.") < at(".SH EXAMPLES"));
        assert!(at(".nf") < at(r"pvf a \-o b"));
        // A line that begins with a full stop is a command of roff unless it is escaped.
        assert!(!lines.iter().any(|line| line.starts_with(".first")));
        assert!(at(".fi") < at("After."));
    }
}

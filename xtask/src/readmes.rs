//! The crates' README.md, made of their documentation: the text up to its first heading or example, and the first example.

use crate::repository::{self, Package, ReadError, root};
use crate::tasks::Problems;
use std::fmt::Write;
use std::path::PathBuf;

/// The first line of those that are made here.
const MARK: &str =
    "<!-- `cargo xtask readmes` writes this from the documentation in src/lib.rs. -->";

/// The parts of a crate's documentation that a README shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Documentation {
    /// Before the first heading and the first example, without links to items.
    introduction: String,
    /// The first example, without its hidden lines.
    example: Option<String>,
}

impl Documentation {
    /// Reads the `//!` lines of a file.
    fn read(source: &str) -> Self {
        let lines = source
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .map(|line| line[3..].strip_prefix(' ').unwrap_or(&line[3..]));
        let (mut introduction, mut example) = (String::new(), None);
        // The block of code that the line is in: whether it is an example in Rust, and its text.
        let mut code: Option<(bool, String)> = None;
        let mut introducing = true;
        for line in lines {
            if let Some(language) = line.strip_prefix("```") {
                match code.take() {
                    None => {
                        let rust = ["", "rust", "no_run"].contains(&language);
                        introducing &= !rust;
                        code = Some((rust, String::new()));
                    }
                    Some((true, text)) => example = example.or(Some(text)),
                    Some((false, text)) if introducing => {
                        introduction += &format!("```text\n{text}```\n");
                    }
                    Some(_) => {}
                }
                continue;
            }
            match &mut code {
                Some((true, _)) if line == "#" || line.starts_with("# ") => {}
                Some((_, text)) => *text += &format!("{line}\n"),
                None => {
                    introducing &= !line.starts_with('#');
                    if introducing {
                        introduction += &format!("{line}\n");
                    }
                }
            }
        }
        Self {
            introduction: without_item_links(introduction.trim()),
            example,
        }
    }
}

/// Markdown without the links that only rustdoc resolves. Their texts stay.
fn without_item_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        out += &rest[..start];
        rest = &rest[start..];
        let Some(end) = rest.find(']') else {
            break;
        };
        let (label, after) = (&rest[1..end], &rest[end + 1..]);
        let target = after.strip_prefix('(').and_then(|it| it.split_once(')'));
        match target {
            Some((target, _)) if target.starts_with("http") => {
                out += &rest[..=end];
                rest = after;
            }
            Some((_, behind)) => {
                out += label;
                rest = behind;
            }
            None => {
                out += label;
                rest = after;
            }
        }
    }
    out + rest
}

/// The README of a package from its `src/lib.rs`.
fn readme(package: &Package, source: &str) -> String {
    let documentation = Documentation::read(source);
    let name = &package.name;
    let mut text = format!("{MARK}\n\n# {name}\n\n{}\n", documentation.introduction);
    // Writing to a string does not fail.
    let _ = match &documentation.example {
        Some(example) => write!(text, "\n```rust\n{example}```\n"),
        None => Ok(()),
    };
    if let Some(examples) = examples(package) {
        let _ = write!(text, "\nPrograms to run and to start from: {examples}.\n");
    }
    let _ = write!(
        text,
        "\nThe documentation is on [docs.rs](https://docs.rs/{name}).\n\n\
         Part of the deterministic executor of Polkadot's parachain validation functions (PVFs). To run modules, depend on `pvf-executor`; to\n\
         validate candidates, on `pvf-validation`; to have worker processes do it, on `pvf-worker-client`. The command is `pvf-cli`, the C\n\
         library `pvf-c-api`.\n\n\
         Licensed under either of Apache-2.0 or MIT, at your option.\n"
    );
    text
}

/// The examples that the package carries.
fn examples(package: &Package) -> Option<String> {
    let manifest = std::fs::read_to_string(&package.manifest_path).ok()?;
    let carried = |name: &str| {
        manifest.contains("\"/examples\"") || manifest.contains(&format!("\"/examples/{name}.rs\""))
    };
    let examples = package.targets.iter().filter(|it| it.kind == ["example"]);
    let names: Vec<_> = examples
        .filter(|it| carried(&it.name))
        .map(|it| format!("`examples/{}.rs`", it.name))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The READMEs made here, with what belongs in them.
fn all() -> Result<Vec<(PathBuf, String)>, ReadError> {
    let mut readmes = Vec::new();
    for package in repository::members("Cargo.toml")? {
        let folder = root().join(package.folder());
        let path = folder.join("README.md");
        let by_hand = std::fs::read_to_string(&path).is_ok_and(|it| !it.starts_with(MARK));
        if !package.is_published() || by_hand {
            continue;
        }
        let source = folder.join("src/lib.rs");
        let text = std::fs::read_to_string(&source).map_err(|error| ReadError::File {
            path: source,
            source: error,
        })?;
        readmes.push((path, readme(&package, &text)));
    }
    Ok(readmes)
}

/// Those that are not as they should be.
fn stale() -> Result<Vec<(PathBuf, String)>, ReadError> {
    let mut readmes = all()?;
    readmes.retain(|(path, text)| std::fs::read_to_string(path).ok().as_ref() != Some(text));
    Ok(readmes)
}

/// `cargo xtask readmes [--check]`.
pub fn task(arguments: &[String]) -> Result<(), Problems> {
    let stale = stale()?;
    if arguments.iter().any(|it| it == "--check") {
        let problem = |(path, _): &(PathBuf, String)| {
            format!(
                "{} is not what `cargo xtask readmes` writes",
                repository::relative(path)
            )
        };
        return Problems::of(stale.iter().map(problem).collect());
    }
    for (path, text) in &stale {
        std::fs::write(path, text).map_err(|source| ReadError::File {
            path: path.clone(),
            source,
        })?;
        println!("{}", repository::relative(path));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readmes_are_up_to_date() {
        assert_eq!(task(&["--check".to_owned()]), Ok(()));
    }

    #[test]
    fn the_introduction_ends_at_a_heading_or_an_example() {
        let source = "//! What [`It`] is: [see](crate::It), [there](https://docs.rs/it).\n//!\n//! ```text\n//! a -> b\n//! ```\n\
                      //! More.\n//!\n//! ```\n//! # hidden();\n//! shown();\n//! #\n//! ```\n//!\n//! Behind.\n//! # Heading\n//! Far behind.\n\
                      fn code() {}\n//! Not any more.\n";
        let expected = Documentation {
            introduction:
                "What `It` is: see, [there](https://docs.rs/it).\n\n```text\na -> b\n```\nMore."
                    .to_owned(),
            example: Some("shown();\n".to_owned()),
        };
        assert_eq!(Documentation::read(source), expected);
    }

    #[test]
    fn the_example_may_be_behind_a_heading() {
        let source = "//! Short.\n//! # How\n//! ```no_run\n//! call();\n//! ```\n//! ```\n//! second();\n//! ```\n";
        let documentation = Documentation::read(source);
        assert_eq!(documentation.introduction, "Short.");
        assert_eq!(documentation.example.as_deref(), Some("call();\n"));
    }
}

//! `pvf-mutants`: builds all mutants of a crate into one copy of it.
//!
//! cargo-mutants changes one place, builds, runs the tests, and so on: the builds take nearly all of the time. Here every
//! place becomes a choice, `if mutant(17) { a - b } else { a + b }`, so that one build serves all mutants and the variable
//! `PVF_MUTANT` chooses one of them. `scripts/mutants/run` does the rest.
//!
//!     pvf-mutants LIST TREE ROOT MAP [WITHOUT]
//!
//! - LIST: what `cargo mutants --list --json` prints; a mutant's number is its index.
//! - TREE: a copy of the repository. The files that LIST names are replaced.
//! - ROOT: the crate's `lib.rs`, from TREE.
//! - MAP: the file to write, JSON: for each choice its place in the new files and its mutants.
//! - WITHOUT: a file of numbers to leave out, one a line: mutants that do not compile.
//!
//! A mutant in a constant cannot become a choice and is left out. In a function that constants may call, the choice is only
//! there while the program runs.
#![forbid(unsafe_code)]

mod choices;
mod edits;
mod list;

use edits::Placed;
use list::Mutant;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

/// Why a crate could not be rewritten.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("pvf-mutants LIST TREE ROOT MAP [WITHOUT]")]
    Usage,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{}: {source}", path.display())]
    Rust { path: PathBuf, source: syn::Error },
    #[error("{}: {line:?} is no number", path.display())]
    Number { path: PathBuf, line: String },
}

/// A choice in a file of the copy.
#[derive(Serialize)]
struct Choice {
    file: String,
    #[serde(flatten)]
    placed: Placed,
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    // A file that stays the same keeps its time, so that cargo does not build it again.
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn numbers(path: &Path) -> Result<BTreeSet<usize>, Error> {
    let text = read(path)?;
    let parse = |line: &str| {
        line.trim().parse().map_err(|_| Error::Number {
            path: path.to_owned(),
            line: line.to_owned(),
        })
    };
    text.lines().map(parse).collect()
}

fn run(arguments: &[PathBuf]) -> Result<(), Error> {
    let (list, tree, root, map, without) = match arguments {
        [list, tree, root, map] => (list, tree, root, map, BTreeSet::new()),
        [list, tree, root, map, without] => (list, tree, root, map, numbers(without)?),
        _ => return Err(Error::Usage),
    };
    let json = |source| Error::Json {
        path: list.clone(),
        source,
    };
    let mutants: Vec<Mutant> = serde_json::from_str(&read(list)?).map_err(json)?;
    let mut files: BTreeMap<String, Vec<(usize, &Mutant)>> = BTreeMap::new();
    // The root is rewritten in any case: it gets the function that chooses.
    files.entry(root.display().to_string()).or_default();
    for (number, mutant) in mutants.iter().enumerate() {
        let of_file = files.entry(mutant.file.clone()).or_default();
        if !without.contains(&number) {
            of_file.push((number, mutant));
        }
    }
    let mut all = Vec::new();
    for (file, of_file) in files {
        let path = tree.join(&file);
        let source = read(&path)?;
        let syntax = syn::parse_file(&source).map_err(|source| Error::Rust {
            path: path.clone(),
            source,
        })?;
        let edits = choices::find(&syntax, &source, &of_file);
        let (mut text, mut placed) = edits.apply(&source);
        if Path::new(&file) == root {
            text.insert_str(0, GATES);
            text.push_str(&choosing(mutants.len()));
            for it in &mut placed {
                (it.start, it.end) = (it.start + GATES.len(), it.end + GATES.len());
            }
        }
        write(&path, &text)?;
        all.extend(placed.into_iter().map(|placed| Choice {
            file: file.clone(),
            placed,
        }));
    }
    let text = serde_json::to_string(&all).map_err(|source| Error::Json {
        path: map.clone(),
        source,
    })?;
    write(map, &text)
}

/// What a choice in a function needs that constants may call: another function while the program runs than for constants.
/// The compiler has it for its own use, so the copy is built with `RUSTC_BOOTSTRAP`.
const GATES: &str = "#![allow(internal_features, long_running_const_eval, arithmetic_overflow, unconditional_panic)]\n#![feature(core_intrinsics, const_eval_select)]\n";

/// The function that each choice asks, for `count` mutants.
fn choosing(count: usize) -> String {
    include_str!("choosing.rs").replace("COUNT", &count.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pvf-mutants: {error}");
            ExitCode::from(2)
        }
    }
}

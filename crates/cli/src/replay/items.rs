//! Finds what there is to do, in folders and lists.

use crate::failure::Failure;
use crate::input;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into.
const DEEPEST: usize = 16;

/// Names of a folder's code, the first that there is.
const CODE: [&str; 3] = ["code.compressed.wasm", "code.wasm", "code.wat"];

/// A candidate to be judged, or a runtime to be prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What results and resumed runs name it by.
    pub id: String,
    /// The file with the code.
    pub code: PathBuf,
    /// The file with the candidate; none if the code is only prepared.
    pub candidate: Option<PathBuf>,
    /// What is known of the outcome.
    #[serde(default)]
    pub expected: Expected,
    /// The session's parameters, SCALE in hexadecimal; those of the command line if there are none.
    #[serde(default)]
    pub executor_params: Option<String>,
}

/// What an outcome should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// `valid`, `invalid` or `rejected`.
    pub outcome: Option<String>,
    /// The file with the result's bytes.
    pub result_file: Option<PathBuf>,
    /// The result's bytes in hexadecimal.
    pub result: Option<String>,
}

/// A line of a list, and the file beside a recorded candidate.
#[derive(Debug, Default, Deserialize)]
struct Line {
    id: Option<String>,
    /// A file; beside a recorded candidate the hash of the code.
    code: Option<String>,
    candidate: Option<PathBuf>,
    outcome: Option<String>,
    result_file: Option<PathBuf>,
    result: Option<String>,
    executor_params: Option<String>,
}

/// All items in these folders and lists, those of one code together.
pub fn find(paths: &[PathBuf], codes_only: bool) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for path in paths {
        let before = items.len();
        if path.as_os_str() != input::STDIN && path.is_dir() {
            folder(path, 0, &mut items)?;
        } else {
            list(path, &mut items)?;
        }
        if items.len() == before {
            let reason = "there is no code with candidates".to_owned();
            return Err(wrong(path, reason));
        }
    }
    if codes_only {
        let codes: BTreeSet<PathBuf> = items.into_iter().map(|item| item.code).collect();
        let item = |code: PathBuf| Item {
            id: code.display().to_string(),
            code,
            ..Item::default()
        };
        return Ok(codes.into_iter().map(item).collect());
    }
    items.retain(|item| item.candidate.is_some());
    items.sort_by(|a, b| (&a.code, &a.id).cmp(&(&b.code, &b.id)));
    let twice = items.windows(2).find(|pair| pair[0].id == pair[1].id);
    if let Some(pair) = twice {
        return Err(Failure::Usage(format!("{:?} is there twice", pair[0].id)));
    }
    Ok(items)
}

fn wrong(path: &Path, reason: String) -> Failure {
    Failure::Input {
        name: input::name(path),
        reason,
    }
}

/// What is in a folder, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    };
    let mut entries = read().map_err(|error| wrong(folder, format!("cannot read: {error}")))?;
    entries.sort();
    Ok(entries)
}

fn folder(path: &Path, depth: usize, items: &mut Vec<Item>) -> Result<(), Failure> {
    if path.join("code").is_dir() && path.join("candidates").is_dir() {
        return recorded(path, items);
    }
    let entries = entries(path)?;
    let code = CODE
        .iter()
        .map(|name| path.join(name))
        .find(|code| code.is_file());
    if let Some(code) = code {
        // Named even without candidates, for --prepare-only.
        items.push(Item {
            code: code.clone(),
            ..Item::default()
        });
        for entry in &entries {
            if let Some(stem) = candidate_stem(entry) {
                items.push(of_chain(&code, entry, &stem));
            }
        }
    }
    if depth < DEEPEST {
        for entry in entries.iter().filter(|entry| entry.is_dir()) {
            folder(entry, depth + 1, items)?;
        }
    }
    Ok(())
}

/// A candidate's path without what says that it is one.
fn candidate_stem(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".params")
        .or_else(|| name.strip_suffix(".params.zst"))
        .or_else(|| name.strip_suffix(".pov"))?;
    path.is_file().then(|| path.with_file_name(stem))
}

fn beside(stem: &Path, ending: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn of_chain(code: &Path, candidate: &Path, stem: &Path) -> Item {
    let result = beside(stem, ".result");
    let expected = if result.is_file() {
        Expected {
            outcome: Some("valid".to_owned()),
            result_file: Some(result),
            result: None,
        }
    } else {
        let trap = beside(stem, ".trap").is_file();
        Expected {
            outcome: trap.then(|| "invalid".to_owned()),
            ..Expected::default()
        }
    };
    Item {
        id: stem.display().to_string(),
        code: code.to_owned(),
        candidate: Some(candidate.to_owned()),
        expected,
        executor_params: None,
    }
}

/// A folder of recorded candidates: code by its hash, candidates with a file that says what they were judged with.
fn recorded(path: &Path, items: &mut Vec<Item>) -> Result<(), Failure> {
    for code in entries(&path.join("code"))? {
        if code.is_file() {
            items.push(Item {
                code,
                ..Item::default()
            });
        }
    }
    let mut folders = vec![(path.join("candidates"), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in entries(&folder)? {
            if entry.is_dir() && depth < DEEPEST {
                folders.push((entry, depth + 1));
            } else if let Some(stem) = candidate_stem(&entry) {
                items.push(of_record(path, &entry, &stem)?);
            }
        }
    }
    Ok(())
}

fn of_record(root: &Path, candidate: &Path, stem: &Path) -> Result<Item, Failure> {
    let about = beside(stem, ".json");
    let text = input::read(&about)?;
    let line: Line =
        serde_json::from_slice(&text).map_err(|error| wrong(&about, error.to_string()))?;
    let hash = line.code.as_deref().unwrap_or_default();
    let digits = hash.strip_prefix("0x").unwrap_or(hash);
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let reason = "`code` is not the 64 hexadecimal digits of a hash".to_owned();
        return Err(wrong(&about, reason));
    }
    let name = format!("0x{}", digits.to_ascii_lowercase());
    Ok(Item {
        id: stem.display().to_string(),
        code: root.join("code").join(name),
        candidate: Some(candidate.to_owned()),
        expected: Expected {
            outcome: line.outcome,
            result_file: None,
            result: line.result,
        },
        executor_params: line.executor_params,
    })
}

/// A list: a line of JSON for each item. Paths are relative to the list's folder.
fn list(path: &Path, items: &mut Vec<Item>) -> Result<(), Failure> {
    let text = input::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let at_line = |reason: String| wrong(path, format!("line {number}: {reason}"));
        let line: Line =
            serde_json::from_slice(line).map_err(|error| at_line(error.to_string()))?;
        let code = line
            .code
            .ok_or_else(|| at_line("`code` is missing".to_owned()))?;
        let candidate = line.candidate.map(|candidate| folder.join(candidate));
        let code = folder.join(code);
        let id = line
            .id
            .or_else(|| Some(candidate.as_ref()?.display().to_string()));
        let result_file = line.result_file.map(|result| folder.join(result));
        let valid = line.result.is_some() || result_file.is_some();
        items.push(Item {
            id: id.unwrap_or_else(|| code.display().to_string()),
            code,
            candidate,
            expected: Expected {
                outcome: line.outcome.or(valid.then(|| "valid".to_owned())),
                result_file,
                result: line.result,
            },
            executor_params: line.executor_params,
        });
    }
    Ok(())
}

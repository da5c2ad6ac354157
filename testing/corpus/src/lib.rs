//! Validation functions with candidates, in folders.
//!
//! A corpus is a folder with one folder per chain:
//!
//! | file | holds |
//! | --- | --- |
//! | `code.compressed.wasm`, `code.wasm` or `code.wat` | the code: as stored on chain (8 bytes of magic, then zstd data), plain, or as text; if there are several, the one that `cases.json` names |
//! | `NAME.params` or `NAME.params.zst` | a candidate: SCALE-encoded `ValidationParams`, plain or in zstd data |
//! | `NAME.result` | what `validate_block` returns for it |
//! | `NAME.trap` | in place of it: the kind of the trap in the first line |
//! | `cases.json` | more about code and candidates, as whoever recorded them saw it |
//!
//! The repository has one in `fixtures`. [`recorded`] finds the one of real networks, which is not part of it.

#![forbid(unsafe_code)]

use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Most bytes that a file may have when it is decompressed.
pub const MAX_BYTES: u64 = 64 << 20;

/// What compressed code begins with, as the node's `sp-maybe-compressed-blob` says.
const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// A validation function with its candidates.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The file of its code.
    pub code: PathBuf,
    /// Its candidates in the order of `cases.json`, others by name after them.
    pub cases: Vec<Case>,
    /// The fields of the chain in `cases.json`; null without one.
    pub about: Value,
}

/// A candidate.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the folder.
    pub name: String,
    /// The file of its parameters.
    pub params: PathBuf,
    /// Its expected outcome.
    pub expected: Expected,
    /// The fields of the candidate in `cases.json`; null without one.
    pub about: Value,
}

/// The expected outcome of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The function returns the bytes of this file.
    Result(PathBuf),
    /// The function traps. The first line of this file names the kind.
    Trap(PathBuf),
    /// The folder does not say.
    Unknown,
}

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// A file or folder cannot be read or decompressed.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system or the decompressor said.
        error: io::Error,
    },
    /// An index is not JSON.
    #[error("{}: {error}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What the parser said.
        error: serde_json::Error,
    },
    /// Code in text form has a mistake.
    #[error("{}: {error}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        error: wat::Error,
    },
}

/// The corpus of real networks: the folder that the environment variable `PVF_CASES` names, else the one beside the
/// repository. None, with a line on the standard output for whoever reads a test's, if there is no such folder.
///
/// # Panics
/// If `PVF_CASES` names no folder: a test that was told where to look must not skip.
pub fn recorded() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PVF_CASES") {
        let folder = PathBuf::from(folder);
        assert!(
            folder.is_dir(),
            "PVF_CASES names no folder: {}",
            folder.display()
        );
        return Some(folder);
    }
    let folder = repository().join("../shared/pvf");
    if !folder.is_dir() {
        println!("skipped: no real candidates here (set PVF_CASES to their folder)");
        return None;
    }
    Some(folder)
}

/// The chains of [`recorded`] networks; none if they are not here.
///
/// # Errors
/// As [`chains`].
///
/// # Panics
/// If the folder is here and holds no chain: what is tested on each chain would then test nothing.
pub fn recorded_chains() -> Result<Vec<Chain>, CorpusError> {
    let Some(folder) = recorded() else {
        return Ok(Vec::new());
    };
    let chains = chains(&folder, "")?;
    assert!(!chains.is_empty(), "{} has no chains", folder.display());
    Ok(chains)
}

/// The chain of a [`recorded`] network with this name; none if it is not here.
///
/// # Errors
/// As [`chains`].
pub fn recorded_chain(name: &str) -> Result<Option<Chain>, CorpusError> {
    let chain = recorded_chains()?
        .into_iter()
        .find(|chain| chain.name == name);
    if chain.is_none() {
        println!("skipped: no {name} among the real candidates");
    }
    Ok(chain)
}

/// The corpus of the repository.
pub fn fixtures() -> PathBuf {
    repository().join("fixtures")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All chains of a corpus whose name contains `filter`, by name. If the filter has a slash, the part after it selects
/// candidates by name.
///
/// # Errors
/// The first folder or index that cannot be read. Candidates and code are read when they are asked for.
pub fn chains(corpus: &Path, filter: &str) -> Result<Vec<Chain>, CorpusError> {
    let (filter, case_filter) = filter.split_once('/').unwrap_or((filter, ""));
    let mut chains = Vec::new();
    for folder in entries(corpus)? {
        let name = file_name(&folder);
        if !name.contains(filter) || !folder.is_dir() {
            continue;
        }
        let about = index(&folder.join("cases.json"))?;
        let listed = about["code_file"].as_str();
        let usual = ["code.compressed.wasm", "code.wasm", "code.wat"];
        let mut files = listed
            .into_iter()
            .chain(usual)
            .map(|file| folder.join(file));
        let code = files.find(|file| file.is_file());
        drop(files);
        if let Some(code) = code {
            chains.push(Chain {
                cases: cases(&folder, case_filter, &about)?,
                name,
                folder,
                code,
                about,
            });
        }
    }
    Ok(chains)
}

/// The code in a file, as a node has it: text is made a module, compressed code stays compressed.
///
/// # Errors
/// If the file cannot be read, or if its text has a mistake.
pub fn code(path: &Path) -> Result<Vec<u8>, CorpusError> {
    let bytes = read(path)?;
    if path.extension().is_none_or(|extension| extension != "wat") {
        return Ok(bytes);
    }
    let wasm = wat::parse_bytes(&bytes).map_err(|error| CorpusError::Text {
        path: path.to_owned(),
        error,
    })?;
    Ok(wasm.into_owned())
}

/// The code in a file as a module, decompressed.
///
/// # Errors
/// As [`code`], and if decompressing fails.
pub fn wasm(path: &Path) -> Result<Vec<u8>, CorpusError> {
    let code = code(path)?;
    match code.strip_prefix(&COMPRESSED) {
        Some(compressed) => decompress(path, compressed),
        None => Ok(code),
    }
}

impl Chain {
    /// The candidate of this name.
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }
}

impl Case {
    /// The bytes of the file as they are, for a reader of candidates.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn file(&self) -> Result<Vec<u8>, CorpusError> {
        read(&self.params)
    }

    /// The SCALE-encoded `ValidationParams`, decompressed.
    ///
    /// # Errors
    /// If the file cannot be read or decompressed.
    pub fn params(&self) -> Result<Vec<u8>, CorpusError> {
        let bytes = self.file()?;
        match self.params.extension() {
            Some(extension) if extension == "zst" => decompress(&self.params, &bytes),
            _ => Ok(bytes),
        }
    }

    /// What `validate_block` returns; none if it is not expected to return.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn result(&self) -> Result<Option<Vec<u8>>, CorpusError> {
        match &self.expected {
            Expected::Result(path) => read(path).map(Some),
            Expected::Trap(_) | Expected::Unknown => Ok(None),
        }
    }

    /// The kind of the expected trap, by its name in the specification; none if none is expected.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn trap_kind(&self) -> Result<Option<String>, CorpusError> {
        let Expected::Trap(path) = &self.expected else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let line = text.lines().next().unwrap_or_default();
        let line = line.strip_prefix("trap ").unwrap_or(line);
        let kind = line.split(' ').next().unwrap_or_default();
        Ok(Some(kind.replace('-', "_")))
    }
}

fn cases(folder: &Path, filter: &str, about: &Value) -> Result<Vec<Case>, CorpusError> {
    let index = about["cases"].as_array().map_or(&[][..], Vec::as_slice);
    let mut cases = Vec::new();
    for params in entries(folder)? {
        let file = file_name(&params);
        let Some(name) = file
            .strip_suffix(".params")
            .or_else(|| file.strip_suffix(".params.zst"))
        else {
            continue;
        };
        if name.contains(filter) {
            let about = index.iter().find(|case| case["case"] == name);
            cases.push(Case {
                name: name.to_owned(),
                expected: expected(folder, name),
                about: about.cloned().unwrap_or_default(),
                params,
            });
        }
    }
    // What is not listed comes last; the sort keeps the order of names.
    cases.sort_by_key(|case| {
        let position = index.iter().position(|listed| listed["case"] == *case.name);
        position.unwrap_or(index.len())
    });
    Ok(cases)
}

fn expected(folder: &Path, name: &str) -> Expected {
    let result = folder.join(format!("{name}.result"));
    let trap = folder.join(format!("{name}.trap"));
    if result.is_file() {
        Expected::Result(result)
    } else if trap.is_file() {
        Expected::Trap(trap)
    } else {
        Expected::Unknown
    }
}

/// An index; null without one.
fn index(path: &Path) -> Result<Value, CorpusError> {
    if !path.is_file() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&read(path)?).map_err(|error| CorpusError::Index {
        path: path.to_owned(),
        error,
    })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let failed = |error| failed(folder, error);
    let mut paths = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect::<Result<Vec<_>, CorpusError>>()?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, CorpusError> {
    fs::read(path).map_err(|error| failed(path, error))
}

fn decompress(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, CorpusError> {
    let mut plain = Vec::new();
    let mut decoder = zstd::Decoder::with_buffer(bytes).map_err(|error| failed(path, error))?;
    let mut limited = decoder.by_ref().take(MAX_BYTES + 1);
    limited
        .read_to_end(&mut plain)
        .map_err(|error| failed(path, error))?;
    if plain.len() as u64 > MAX_BYTES {
        let error = io::Error::other(format!("more than {MAX_BYTES} bytes when decompressed"));
        return Err(failed(path, error));
    }
    Ok(plain)
}

fn failed(path: &Path, error: io::Error) -> CorpusError {
    CorpusError::Read {
        path: path.to_owned(),
        error,
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.unwrap_or_default().into_owned()
}

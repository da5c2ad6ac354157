//! Validation functions and candidates in folders.
//!
//! A folder contains one folder per validation function: `code.compressed.wasm` or `code.wasm` (8 bytes of magic and
//! zstd data, or plain Wasm), and for each candidate `NAME.params` or `NAME.params.zst` (plain zstd) with `NAME.result`
//! (the expected result bytes of `validate_block`) or `NAME.trap` (whose first line names the expected trap).

use pvf_rules::TrapKind;
use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Size limit of decompressed files.
const MAX_BYTES: u64 = 64 << 20;

/// Magic of compressed code.
const COMPRESSED: [u8; 8] = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];

/// A validation function.
pub struct Blob {
    /// Name of its folder.
    pub name: String,
    /// File of its code.
    pub path: PathBuf,
    /// Its code, decompressed.
    pub wasm: Vec<u8>,
    /// Its candidates.
    pub cases: Vec<Case>,
}

/// A candidate.
pub struct Case {
    /// Name of its file.
    pub name: String,
    path: PathBuf,
    /// The expected outcome.
    pub expected: Expected,
}

/// The expected outcome of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The function returns these bytes.
    Returned(Vec<u8>),
    /// The function traps with this kind.
    Trapped(TrapKind),
    /// The folder states no expected outcome.
    Unknown,
}

impl Case {
    /// The parameters, decompressed.
    pub fn parameters(&self) -> Result<Vec<u8>, String> {
        let bytes = read(&self.path)?;
        pvf_validation::candidate::read(&bytes)
            .map(Cow::into_owned)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

/// All validation functions below a folder whose name contains `filter`, by name. If the filter contains a slash, the
/// part after it selects candidates.
pub fn blobs(folder: &Path, filter: &str) -> Result<Vec<Blob>, String> {
    let (filter, case_filter) = filter.split_once('/').unwrap_or((filter, ""));
    let mut blobs = Vec::new();
    for path in entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let code = ["code.compressed.wasm", "code.wasm"]
            .map(|file| path.join(file))
            .into_iter()
            .find(|file| file.is_file());
        if let Some(code) = code
            && name.contains(filter)
        {
            blobs.push(Blob {
                name: name.to_owned(),
                wasm: wasm(&code)?,
                path: code,
                cases: cases(&path, case_filter)?,
            });
        }
    }
    Ok(blobs)
}

/// The code in a file, decompressed.
pub fn wasm(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read(path)?;
    match bytes.strip_prefix(&COMPRESSED) {
        Some(compressed) => {
            decompress(compressed).map_err(|error| format!("{}: {error}", path.display()))
        }
        None => Ok(bytes),
    }
}

fn cases(folder: &Path, filter: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for path in entries(folder)? {
        let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(name) = file
            .strip_suffix(".params")
            .or_else(|| file.strip_suffix(".params.zst"))
        else {
            continue;
        };
        if name.contains(filter) {
            cases.push(Case {
                name: name.to_owned(),
                expected: expected(folder, name)?,
                path,
            });
        }
    }
    Ok(cases)
}

fn expected(folder: &Path, name: &str) -> Result<Expected, String> {
    let result = folder.join(format!("{name}.result"));
    let trap = folder.join(format!("{name}.trap"));
    if result.is_file() {
        return Ok(Expected::Returned(read(&result)?));
    }
    if !trap.is_file() {
        return Ok(Expected::Unknown);
    }
    let text = String::from_utf8_lossy(&read(&trap)?).into_owned();
    let kind = text.lines().next().unwrap_or_default();
    let kind = kind.strip_prefix("trap ").unwrap_or(kind);
    let kind = kind.split(' ').next().unwrap_or_default().replace('-', "_");
    TrapKind::ALL
        .iter()
        .find(|known| known.name() == kind)
        .map(|&known| Expected::Trapped(known))
        .ok_or_else(|| format!("{}: no such trap: {kind}", trap.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let describe = |error| format!("{}: {error}", folder.display());
    let mut paths = fs::read_dir(folder)
        .map_err(describe)?
        .map(|entry| Ok(entry.map_err(describe)?.path()))
        .collect::<Result<Vec<_>, String>>()?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn decompress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    zstd::Decoder::with_buffer(bytes)?
        .take(MAX_BYTES)
        .read_to_end(&mut plain)?;
    Ok(plain)
}

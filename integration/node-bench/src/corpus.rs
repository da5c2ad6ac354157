//! Validation functions and candidates in folders. A folder has `code.compressed.wasm` or
//! `code.wasm`, and for each candidate `NAME.params` or `NAME.params.zst`. A valid candidate has
//! `NAME.result`; an invalid one has `NAME.trap`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Maximum size of a decompressed candidate.
const MAX_BYTES: u64 = 64 << 20;

/// A validation function.
pub struct Blob {
    /// The name of its folder.
    pub name: String,
    /// The code as stored on chain.
    pub code: Vec<u8>,
    /// The candidates.
    pub cases: Vec<Case>,
}

/// A candidate.
pub struct Case {
    /// The name of its file.
    pub name: String,
    /// SCALE-encoded `ValidationParams`.
    pub params: Vec<u8>,
    /// The expected result; `None` if the candidate is invalid.
    pub result: Option<Vec<u8>>,
}

/// The validation functions in subfolders whose name contains `filter`. If the filter has a slash,
/// the part after it selects candidates by name.
pub fn blobs(folder: &Path, filter: &str) -> Result<Vec<Blob>, String> {
    let (filter, case_filter) = filter.split_once('/').unwrap_or((filter, ""));
    let mut blobs = Vec::new();
    for path in entries(folder)? {
        let name = file_name(&path);
        let code = ["code.compressed.wasm", "code.wasm"]
            .map(|file| path.join(file))
            .into_iter()
            .find(|file| file.is_file());
        if let Some(code) = code
            && name.contains(filter)
        {
            blobs.push(Blob {
                name,
                code: read(&code)?,
                cases: cases(&path, case_filter)?,
            });
        }
    }
    Ok(blobs)
}

fn cases(folder: &Path, filter: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for path in entries(folder)? {
        let file = file_name(&path);
        let plain = file.strip_suffix(".params");
        let Some(name) = plain.or_else(|| file.strip_suffix(".params.zst")) else {
            continue;
        };
        if !name.contains(filter) {
            continue;
        }
        let result = folder.join(format!("{name}.result"));
        cases.push(Case {
            name: name.to_owned(),
            params: match plain {
                Some(_) => read(&path)?,
                None => decompress(&read(&path)?)
                    .map_err(|error| format!("{}: {error}", path.display()))?,
            },
            result: result.is_file().then(|| read(&result)).transpose()?,
        });
    }
    Ok(cases)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.unwrap_or_default().into_owned()
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

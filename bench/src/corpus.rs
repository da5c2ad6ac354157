//! Validation functions and candidates of a corpus (see `pvf-corpus`), with the code as a module and traps by kind.

use pvf_rules::TrapKind;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

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
    case: pvf_corpus::Case,
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
    /// The parameters, decompressed, as our reader of candidates takes them.
    pub fn parameters(&self) -> Result<Vec<u8>, String> {
        let bytes = self.case.file().map_err(|error| error.to_string())?;
        pvf_validation::candidate::read(&bytes)
            .map(Cow::into_owned)
            .map_err(|error| format!("{}: {error}", self.case.params.display()))
    }
}

/// All validation functions of a corpus whose name contains `filter`, by name. If the filter contains a slash, the
/// part after it selects candidates.
pub fn blobs(folder: &Path, filter: &str) -> Result<Vec<Blob>, String> {
    let chains = pvf_corpus::chains(folder, filter).map_err(|error| error.to_string())?;
    let blobs = chains.into_iter().map(|chain| {
        let cases = chain.cases.into_iter().map(case);
        Ok(Blob {
            name: chain.name,
            wasm: wasm(&chain.code)?,
            path: chain.code,
            cases: cases.collect::<Result<_, String>>()?,
        })
    });
    blobs.collect()
}

/// The code in a file, decompressed.
pub fn wasm(path: &Path) -> Result<Vec<u8>, String> {
    pvf_corpus::wasm(path).map_err(|error| error.to_string())
}

fn case(case: pvf_corpus::Case) -> Result<Case, String> {
    Ok(Case {
        name: case.name.clone(),
        expected: expected(&case)?,
        case,
    })
}

fn expected(case: &pvf_corpus::Case) -> Result<Expected, String> {
    if let Some(result) = case.result().map_err(|error| error.to_string())? {
        return Ok(Expected::Returned(result));
    }
    let Some(name) = case.trap_kind().map_err(|error| error.to_string())? else {
        return Ok(Expected::Unknown);
    };
    TrapKind::ALL
        .iter()
        .find(|kind| kind.name() == name)
        .map(|&kind| Expected::Trapped(kind))
        .ok_or_else(|| format!("{}: no such trap: {name}", case.params.display()))
}

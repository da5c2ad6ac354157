//! Validation functions and candidates of a corpus (see `pvf-corpus`), read into memory.

use std::path::Path;

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
    let chains = pvf_corpus::chains(folder, filter).map_err(|error| error.to_string())?;
    chains
        .into_iter()
        .map(|chain| blob(chain).map_err(|error| error.to_string()))
        .collect()
}

fn blob(chain: pvf_corpus::Chain) -> Result<Blob, pvf_corpus::CorpusError> {
    let cases = chain.cases.into_iter().map(|case| {
        Ok(Case {
            params: case.params()?,
            result: case.result()?,
            name: case.name,
        })
    });
    Ok(Blob {
        code: pvf_corpus::code(&chain.code)?,
        cases: cases.collect::<Result<_, _>>()?,
        name: chain.name,
    })
}

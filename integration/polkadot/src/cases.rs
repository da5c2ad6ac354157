//! Candidates with recorded results: the fixtures and the validation functions of real networks.

use crate::host::Candidate;
use parity_scale_codec::{Decode, Encode};
use polkadot_node_primitives::PoV;
use polkadot_parachain_primitives::primitives::ValidationParams;
use polkadot_primitives::PersistedValidationData;
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A validation function with candidates.
pub struct Chain {
    /// The chain's name.
    pub name: String,
    /// The code as stored on chain.
    pub code: Vec<u8>,
    /// The candidates.
    pub cases: Vec<Case>,
    /// Number of cases whose parameters do not decode, so that no host can execute them.
    pub not_askable: usize,
}

/// A candidate with its recorded result.
pub struct Case {
    /// The case's name.
    pub name: String,
    /// The candidate.
    pub candidate: Candidate,
    /// The recorded result if the candidate is valid.
    pub result: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Index {
    chains: Vec<ChainEntry>,
}

#[derive(Deserialize)]
struct ChainEntry {
    chain: String,
    cases: Vec<CaseEntry>,
}

#[derive(Deserialize)]
struct CaseEntry {
    case: String,
    params_file: String,
    result_file: Option<String>,
    expect: String,
}

/// Reads all chains that the index in a folder lists.
pub fn read(folder: &Path) -> Result<Vec<Chain>, Box<dyn Error>> {
    let index = folder.join("cases.json");
    let text = fs::read(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    let index: Index = serde_json::from_slice(&text)?;
    let chains = index.chains.into_iter();
    chains.map(|chain| read_chain(folder, chain)).collect()
}

fn read_chain(folder: &Path, entry: ChainEntry) -> Result<Chain, Box<dyn Error>> {
    let folder = folder.join(&entry.chain);
    let code = ["code.compressed.wasm", "code.wasm"]
        .iter()
        .find_map(|name| fs::read(folder.join(name)).ok());
    let code = match code {
        Some(code) => code,
        None => wat::parse_file(folder.join("code.wat"))?,
    };
    let mut chain = Chain {
        name: entry.chain,
        code,
        cases: Vec::new(),
        not_askable: 0,
    };
    for case in entry.cases {
        let params = read_maybe_compressed(&folder.join(&case.params_file))?;
        let Some(candidate) = candidate(&params) else {
            chain.not_askable += 1;
            continue;
        };
        let result = match &case.result_file {
            Some(name) => Some(fs::read(folder.join(name))?),
            None if case.expect == "result" => {
                Some(fs::read(folder.join(format!("{}.result", case.case)))?)
            }
            None => None,
        };
        chain.cases.push(Case {
            name: format!("{}/{}", chain.name, case.case),
            candidate,
            result,
        });
    }
    Ok(chain)
}

fn read_maybe_compressed(path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match path.extension().is_some_and(|extension| extension == "zst") {
        true => Ok(zstd::decode_all(&bytes[..])?),
        false => Ok(bytes),
    }
}

/// The candidate from which a worker encodes exactly these parameters.
fn candidate(params: &[u8]) -> Option<Candidate> {
    let decoded = ValidationParams::decode(&mut &params[..]).ok()?;
    if decoded.encode() != params {
        return None;
    }
    Some(Candidate {
        pvd: Arc::new(PersistedValidationData {
            parent_head: decoded.parent_head,
            relay_parent_number: decoded.relay_parent_number,
            relay_parent_storage_root: decoded.relay_parent_storage_root,
            max_pov_size: 10 << 20,
        }),
        pov: Arc::new(PoV {
            block_data: decoded.block_data,
        }),
    })
}

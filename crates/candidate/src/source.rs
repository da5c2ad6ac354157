//! What candidates are made from: a runtime, or a chain specification that holds one.

use crate::error::Error;
use pvf_executor::{CodeKind, read_blob};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A runtime, and what is known of its genesis.
#[derive(Clone, Debug)]
pub struct Source {
    /// The code as it is on chain, compressed or not.
    pub code: Vec<u8>,
    pub(crate) genesis: Genesis,
    pub(crate) para_id: Option<u32>,
}

/// What a file says about the genesis state.
#[derive(Clone, Debug)]
pub(crate) enum Genesis {
    /// Nothing.
    Unknown,
    /// The state itself.
    Raw(RawState),
    /// Changes to the configuration that the runtime builds by default.
    Patch(Value),
    /// A whole configuration.
    Config(Value),
}

/// A state: the main trie, and child tries by their storage key.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawState {
    pub(crate) top: Pairs,
    pub(crate) children: BTreeMap<Vec<u8>, Pairs>,
}

/// Keys and values of a trie.
pub(crate) type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

impl Source {
    /// Reads a file: a blob, a module in binary or text form, or a chain specification, raw or plain.
    ///
    /// # Errors
    /// The file is none of these, or the specification is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let blob = read_blob(bytes).map_err(|error| Error::Source(error.to_string()))?;
        let code = blob.bytes.into_owned();
        let (genesis, para_id) = match blob.kind {
            CodeKind::ChainSpec => {
                let spec = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                let spec: Value = serde_json::from_slice(spec)
                    .map_err(|error| Error::Source(format!("chain specification: {error}")))?;
                (genesis(&spec)?, para_id(&spec))
            }
            _ => (Genesis::Unknown, None),
        };
        Ok(Self {
            code,
            genesis,
            para_id,
        })
    }

    /// The words for where the genesis comes from.
    pub(crate) fn genesis_name(&self) -> &'static str {
        match self.genesis {
            Genesis::Unknown => "runtime",
            Genesis::Raw(_) => "raw chain specification",
            Genesis::Patch(_) | Genesis::Config(_) => "plain chain specification",
        }
    }
}

fn genesis(spec: &Value) -> Result<Genesis, Error> {
    let genesis = &spec["genesis"];
    if let Some(top) = genesis["raw"]["top"].as_object() {
        let mut children = BTreeMap::new();
        if let Some(tries) = genesis["raw"]["childrenDefault"].as_object() {
            for (key, trie) in tries {
                let trie = trie
                    .as_object()
                    .ok_or_else(|| wrong("childrenDefault", key))?;
                children.insert(bytes("childrenDefault", key)?, pairs(trie)?);
            }
        }
        let top = pairs(top)?;
        return Ok(Genesis::Raw(RawState { top, children }));
    }
    let runtime = &genesis["runtimeGenesis"];
    if let Some(patch) = runtime.get("patch") {
        return Ok(Genesis::Patch(patch.clone()));
    }
    if let Some(config) = runtime.get("config") {
        return Ok(Genesis::Config(config.clone()));
    }
    Ok(Genesis::Unknown)
}

/// The parachain's identifier, under any of the names that nodes have given to it.
fn para_id(spec: &Value) -> Option<u32> {
    let names = ["para_id", "paraId", "parachainId", "parachain_id"];
    let id = names.iter().find_map(|name| spec.get(name))?.as_u64()?;
    u32::try_from(id).ok()
}

fn pairs(map: &Map<String, Value>) -> Result<Pairs, Error> {
    let pair = |(key, value): (&String, &Value)| {
        let value = value.as_str().ok_or_else(|| wrong("genesis.raw", key))?;
        Ok((bytes("genesis.raw", key)?, bytes("genesis.raw", value)?))
    };
    map.iter().map(pair).collect()
}

fn bytes(place: &str, text: &str) -> Result<Vec<u8>, Error> {
    let digits = text.strip_prefix("0x").ok_or_else(|| wrong(place, text))?;
    hex::decode(digits).map_err(|_| wrong(place, text))
}

fn wrong(place: &str, text: &str) -> Error {
    let short: String = text.chars().take(40).collect();
    Error::Source(format!(
        "chain specification: {place} has \"{short}\", which is not hexadecimal"
    ))
}

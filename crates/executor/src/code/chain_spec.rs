//! The code in a chain specification: the value of `:code` in `genesis.raw.top` of a raw one,
//! `genesis.runtimeGenesis.code` of a plain one.
//!
//! A raw specification of a live chain holds hundreds of megabytes of state. It is read in one pass
//! that keeps only the code.

use super::CodeError;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `:code` in hexadecimal, the storage key of a chain's code.
const CODE_KEY: &str = "0x3a636f6465";

#[derive(Deserialize)]
struct ChainSpec<'a> {
    #[serde(borrow)]
    genesis: Option<Genesis<'a>>,
}

#[derive(Deserialize)]
struct Genesis<'a> {
    #[serde(borrow)]
    raw: Option<Raw<'a>>,
    #[serde(borrow, rename = "runtimeGenesis")]
    runtime_genesis: Option<RuntimeGenesis<'a>>,
}

#[derive(Deserialize)]
struct RuntimeGenesis<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    top: Option<Top<'a>>,
}

/// The value of [`CODE_KEY`].
struct Top<'a>(Option<Text<'a>>);

/// A string, borrowed unless it contains escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from storage keys to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top<'de>, A::Error> {
        let mut code = None;
        while let Some(Text(key)) = map.next_key()? {
            if key == CODE_KEY {
                code = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Top(code))
    }
}

/// The code in a chain specification: a blob as stored on chain.
pub(super) fn code_of_chain_spec(json: &[u8]) -> Result<Vec<u8>, CodeError> {
    let spec: ChainSpec =
        serde_json::from_slice(json).map_err(|error| CodeError::ChainSpec(error.to_string()))?;
    let code = spec.genesis.and_then(|genesis| {
        let raw = genesis.raw.and_then(|raw| raw.top?.0);
        let plain = || genesis.runtime_genesis.and_then(|it| it.code);
        raw.or_else(plain)
    });
    let Some(Text(code)) = code else {
        return Err(CodeError::NoCode);
    };
    let digits = code.strip_prefix("0x").unwrap_or(&code);
    hex::decode(digits).map_err(|error| CodeError::Hex(error.to_string()))
}

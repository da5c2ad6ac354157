//! What a blob says about itself: hash, version, tool chain.

use blake2::Blake2b;
use blake2::digest::{Digest, consts::U32};
use pvf_executor::COMPRESSED_MAGIC;
use pvf_validation::RuntimeVersion;
use serde::Serialize;
use wasmparser::{BinaryReader, KnownCustom, Parser, Payload, ProducersSectionReader};

/// What a blob says about itself. Nothing of it decides a verdict.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// BLAKE2b-256 of the blob: the hash by which votes and upgrades name the code.
    pub code_hash: String,
    /// Bytes of the blob.
    pub blob_bytes: usize,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Bytes of the module; `None` if the blob does not decompress.
    pub wasm_bytes: Option<usize>,
    /// The version in the section `runtime_version`.
    pub version: Option<Version>,
    /// The tools that made the module, by the section `producers`.
    pub tools: Vec<Tool>,
    /// The features that the tools assumed, by the section `target_features`.
    pub features: Vec<Feature>,
    /// Bytes of custom sections: names, debug information and the like.
    pub custom_bytes: usize,
    /// Whether there is a section of names, without which profiles and backtraces show numbers.
    pub has_names: bool,
}

/// The version of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Name of the chain's kind.
    pub spec_name: String,
    /// Name of the implementation.
    pub impl_name: String,
    /// Version of the chain's rules.
    pub spec_version: u32,
    /// Version of the implementation.
    pub impl_version: u32,
    /// Version of extrinsics.
    pub transaction_version: u32,
}

/// A tool that took part in making a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A feature of the section `target_features`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// `+` used, `-` not allowed, `=` required.
    pub prefix: char,
    /// Its name.
    pub name: String,
    /// Whether validation code may use it.
    pub accepted: bool,
}

/// The features beyond WebAssembly 1.0 that nodes accept.
const ACCEPTED: [&str; 1] = ["mutable-globals"];

/// The most entries that are listed of a section.
const MOST_ENTRIES: usize = 64;

impl About {
    /// Of a blob, and of the module in it if there is one.
    pub fn new(blob: &[u8], wasm: Option<&[u8]>) -> Self {
        let mut about = Self {
            code_hash: format!("0x{}", hex::encode(Blake2b::<U32>::digest(blob))),
            blob_bytes: blob.len(),
            compressed: blob.starts_with(&COMPRESSED_MAGIC),
            wasm_bytes: wasm.map(<[u8]>::len),
            version: None,
            tools: Vec::new(),
            features: Vec::new(),
            custom_bytes: 0,
            has_names: false,
        };
        if let Some(wasm) = wasm {
            about.read(wasm);
        }
        about
    }

    fn read(&mut self, wasm: &[u8]) {
        self.version = RuntimeVersion::embedded(wasm).ok().map(|it| Version {
            spec_name: it.spec_name,
            impl_name: it.impl_name,
            spec_version: it.spec_version,
            impl_version: it.impl_version,
            transaction_version: it.transaction_version,
        });
        // What cannot be read ends the list: whether the module is accepted is said elsewhere.
        for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
            let Payload::CustomSection(section) = payload else {
                continue;
            };
            self.custom_bytes += section.data().len();
            match section.as_known() {
                KnownCustom::Name(_) => self.has_names = true,
                KnownCustom::Producers(producers) => self.tools.extend(tools(producers)),
                _ if section.name() == "target_features" => {
                    let reader = BinaryReader::new(section.data(), section.data_offset());
                    self.features.extend(features(reader));
                }
                _ => {}
            }
        }
        self.tools.truncate(MOST_ENTRIES);
        self.features.truncate(MOST_ENTRIES);
    }
}

fn tools(section: ProducersSectionReader<'_>) -> Vec<Tool> {
    let mut tools = Vec::new();
    for field in section.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            if tools.len() == MOST_ENTRIES {
                return tools;
            }
            tools.push(Tool {
                field: field.name.to_owned(),
                name: value.name.to_owned(),
                version: value.version.to_owned(),
            });
        }
    }
    tools
}

fn features(mut reader: BinaryReader<'_>) -> Vec<Feature> {
    let count = reader.read_var_u32().unwrap_or(0);
    let mut features = Vec::new();
    for _ in 0..count.min(MOST_ENTRIES as u32) {
        let (Ok(prefix), Ok(name)) = (reader.read_u8(), reader.read_string()) else {
            break;
        };
        features.push(Feature {
            prefix: char::from(prefix),
            name: name.to_owned(),
            accepted: prefix == b'-' || ACCEPTED.contains(&name),
        });
    }
    features
}

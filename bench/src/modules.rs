//! The modules to compile: blobs of the corpora and guests.

use crate::corpus;
use crate::guests::GUESTS;
use crate::options::Options;
use std::path::PathBuf;

/// A module with the group it is reported in.
pub struct Input {
    /// `PVFs`, `fixtures` or `guests`.
    pub group: &'static str,
    /// Name of the module in its group.
    pub name: String,
    /// The module, decompressed.
    pub wasm: Vec<u8>,
    /// The module's file, if it belongs to a corpus.
    pub path: Option<PathBuf>,
}

/// All modules whose name contains the filter.
pub fn inputs(options: &Options) -> Result<Vec<Input>, String> {
    let mut inputs = Vec::new();
    for (folder, group) in options.corpora() {
        for blob in corpus::blobs(&folder, &options.filter)? {
            inputs.push(Input {
                group,
                name: blob.name,
                wasm: blob.wasm,
                path: Some(blob.path),
            });
        }
    }
    let (filter, _) = options
        .filter
        .split_once('/')
        .unwrap_or((&options.filter, ""));
    for guest in GUESTS.iter().filter(|guest| guest.name.contains(filter)) {
        inputs.push(Input {
            group: "guests",
            name: guest.name.to_owned(),
            wasm: guest.wasm()?.into_owned(),
            path: None,
        });
    }
    Ok(inputs)
}

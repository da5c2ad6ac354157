//! The modules: guests, loops, validation functions.

use crate::Options;
use crate::guests;
use std::fs;
use std::path::{Path, PathBuf};

/// A module.
pub struct Input {
    /// `guests`, `loops`, `fixtures` or `PVFs`.
    pub group: &'static str,
    /// Name of the module in its group.
    pub name: String,
    /// The module in the binary format.
    pub wasm: Vec<u8>,
}

/// The size limit of a module.
const MAX_BYTES: usize = 64 << 20;

/// All modules whose name contains the filter, except loops.
pub fn all(options: &Options) -> Result<Vec<Input>, String> {
    let mut inputs = Vec::new();
    for guest in guests::matching(&options.filter).filter(|guest| !guest.is_loop()) {
        inputs.push(Input {
            group: "guests",
            name: guest.name.to_owned(),
            wasm: guest.wasm()?.into_owned(),
        });
    }
    for (folder, group) in corpora(options) {
        inputs.extend(blobs(&folder, group, &options.filter)?);
    }
    Ok(inputs)
}

fn corpora(options: &Options) -> Vec<(PathBuf, &'static str)> {
    if let Some(corpus) = &options.corpus {
        return vec![(corpus.clone(), "PVFs")];
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut corpora = vec![(repository.join("fixtures"), "fixtures")];
    let real = repository.join("../shared/pvf");
    if real.is_dir() {
        corpora.push((real, "PVFs"));
    }
    corpora
}

fn blobs(folder: &Path, group: &'static str, filter: &str) -> Result<Vec<Input>, String> {
    let describe = |path: &Path, error: String| format!("{}: {error}", path.display());
    let entries = fs::read_dir(folder).map_err(|error| describe(folder, error.to_string()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| describe(folder, error.to_string()))?;
    paths.sort();
    let mut inputs = Vec::new();
    for path in paths {
        let files = ["code.compressed.wasm", "code.wasm"].map(|file| path.join(file));
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(name), Some(file)) = (name, files.iter().find(|file| file.is_file())) else {
            continue;
        };
        if !name.contains(filter) {
            continue;
        }
        let bytes = fs::read(file).map_err(|error| describe(file, error.to_string()))?;
        let code = pvf_executor::read_code(&bytes, MAX_BYTES);
        inputs.push(Input {
            group,
            name: name.to_owned(),
            wasm: code
                .map_err(|error| describe(file, error.to_string()))?
                .wasm,
        });
    }
    Ok(inputs)
}

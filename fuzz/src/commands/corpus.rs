//! `pvf-fuzz corpus`.

use pvf_fuzz::corpus::{folder, translated};

/// Writes the binaries of the corpus from its texts.
pub fn run() -> Result<bool, String> {
    for (name, wasm) in translated()? {
        let path = folder().join(name);
        std::fs::write(&path, wasm).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(true)
}

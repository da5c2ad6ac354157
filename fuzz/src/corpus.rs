//! The corpus: small modules chosen by what they cover. The source is text; the fuzzers use the binaries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of the binaries; the texts are in its folder `wat`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The binaries made from the texts, by file name.
pub fn translated() -> Result<BTreeMap<String, Vec<u8>>, String> {
    let texts = folder().join("wat");
    let describe = |error: std::io::Error| format!("{}: {error}", texts.display());
    let mut modules = BTreeMap::new();
    for entry in std::fs::read_dir(&texts).map_err(describe)? {
        let path = entry.map_err(describe)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let wasm = wat::parse_file(&path).map_err(|error| error.to_string())?;
        modules.insert(format!("{name}.wasm"), wasm);
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `pvf-fuzz corpus` writes the binaries from the texts.
    #[test]
    fn binaries_are_current() {
        let translated = translated().expect("texts");
        assert!(translated.len() > 30);
        let mut found = 0;
        for entry in std::fs::read_dir(folder()).expect("the corpus") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                continue;
            }
            let name = path.file_name().expect("a name").to_string_lossy();
            let binary = std::fs::read(&path).expect("a file");
            assert!(translated.get(&*name) == Some(&binary), "{name}");
            found += 1;
        }
        assert_eq!(found, translated.len());
    }
}

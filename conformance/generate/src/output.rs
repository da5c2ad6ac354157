//! The suite as files: `cases/LEVEL.jsonl`, `wat/NAME.wat`, `wasm/HASH.wasm` (large ones as
//! `wasm/HASH.wasm.zst`).

use crate::suite::digest;
use crate::{LEVELS, Suite};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Modules above this size are stored compressed.
const LARGE_BYTES: usize = 32 * 1024;

/// The path and the content of each file. A large module has the name of its compressed file but is not compressed
/// here.
type Files = BTreeMap<String, Vec<u8>>;

fn files(suite: &Suite) -> Files {
    let mut files = Files::new();
    for level in LEVELS {
        let lines = suite.cases.iter().filter(|case| case.level() == level);
        let lines: String = lines
            .map(|case| format!("{}\n", case.to_json(suite)))
            .collect();
        files.insert(format!("cases/{level}.jsonl"), lines.into_bytes());
    }
    for (name, source) in &suite.modules {
        if source.elsewhere.is_some() {
            continue;
        }
        if let Some(text) = &source.text {
            files.insert(format!("wat/{name}.wat"), text.clone().into_bytes());
        }
        let large = if source.wasm.len() > LARGE_BYTES {
            ".zst"
        } else {
            ""
        };
        files.insert(
            format!("wasm/{}.wasm{large}", digest(&source.wasm)),
            source.wasm.clone(),
        );
    }
    files
}

/// Writes the suite into a folder, and removes other files from `cases`, `wat` and `wasm`.
pub fn write(suite: &Suite, folder: &Path) -> io::Result<usize> {
    let files = files(suite);
    for subfolder in ["cases", "wat", "wasm"] {
        fs::create_dir_all(folder.join(subfolder))?;
        for entry in fs::read_dir(folder.join(subfolder))? {
            let entry = entry?;
            let name = format!("{subfolder}/{}", entry.file_name().to_string_lossy());
            if !files.contains_key(&name) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    for (name, content) in &files {
        let path = folder.join(name);
        if stored(&path, name).is_ok_and(|stored| stored == *content) {
            continue;
        }
        if name.ends_with(".zst") {
            fs::write(path, zstd::bulk::compress(content, 19)?)?;
        } else {
            fs::write(path, content)?;
        }
    }
    Ok(files.len())
}

/// The files of a folder that differ from those that [`write`] would write; empty if the folder is current.
pub fn check(suite: &Suite, folder: &Path) -> Vec<String> {
    let files = files(suite);
    let mut stale: Vec<String> = files
        .iter()
        .filter(|(name, content)| {
            !stored(&folder.join(name), name).is_ok_and(|stored| stored == **content)
        })
        .map(|(name, _)| name.clone())
        .collect();
    for subfolder in ["cases", "wat", "wasm"] {
        let entries = fs::read_dir(folder.join(subfolder))
            .into_iter()
            .flatten()
            .flatten();
        let names =
            entries.map(|entry| format!("{subfolder}/{}", entry.file_name().to_string_lossy()));
        stale.extend(names.filter(|name| !files.contains_key(name)));
    }
    stale
}

fn stored(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    if name.ends_with(".zst") {
        zstd::stream::decode_all(&bytes[..])
    } else {
        Ok(bytes)
    }
}

//! Modules to compare on: fixtures, real blobs, random modules of wasm-smith.

use std::fs;
use std::path::{Path, PathBuf};
use wasm_smith::Config;

/// The fixtures of the repository, by path.
pub fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    files(&folder, "code.wasm")
}

/// Real blobs, decompressed, from the folder that `PVF_CASES` names or from the one beside the repository. Empty if
/// there is no such folder.
pub fn real_blobs() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = std::env::var_os("PVF_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf"),
        PathBuf::from,
    );
    let mut blobs = files(&folder, "code.compressed.wasm");
    for (path, blob) in &mut blobs {
        // A compressed blob starts with a magic of eight bytes, a plain module with `\0asm`.
        if !blob.starts_with(b"\0asm") {
            *blob = zstd::decode_all(&blob[8..])
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    blobs
}

fn files(folder: &Path, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let paths = entries.map(|entry| entry.expect("a readable folder").path().join(name));
    let mut files: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| {
            let bytes = fs::read(&path).expect("a readable file");
            (path, bytes)
        })
        .collect();
    files.sort();
    files
}

/// The language of the oracle's parser: WebAssembly 1.0 and sign extension.
fn config(export_everything: bool) -> Config {
    Config {
        acquire_release_atomics_enabled: false,
        allow_start_export: true,
        bulk_memory_enabled: false,
        compact_imports_enabled: false,
        exceptions_enabled: false,
        export_everything,
        extended_const_enabled: false,
        gc_enabled: false,
        max_funcs: 12,
        max_imports: 6,
        max_instructions: 200,
        max_memories: 1,
        max_tables: 1,
        memory64_enabled: false,
        min_funcs: 3,
        multi_value_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: false,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// The random module with this number.
pub fn random_module(number: u64) -> Vec<u8> {
    let mut state = number;
    let bytes: Vec<u8> = (0..640)
        .flat_map(|_| splitmix(&mut state).to_le_bytes())
        .collect();
    let mut choices = arbitrary::Unstructured::new(&bytes);
    let module = wasm_smith::Module::new(config(number.is_multiple_of(2)), &mut choices);
    module
        .expect("wasm-smith makes do with any bytes")
        .to_bytes()
}

/// The next number of a fixed sequence.
pub fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! Modules to compare on: fixtures, real blobs, random modules of wasm-smith.

use pvf_corpus::Chain;
use std::path::PathBuf;
use wasm_smith::Config;

/// The fixtures of the repository that are modules, by path.
pub fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let chains = pvf_corpus::chains(&pvf_corpus::fixtures(), "").expect("can be read");
    modules(
        chains
            .into_iter()
            .filter(|chain| chain.code.extension().is_some_and(|it| it == "wasm")),
    )
}

/// Real blobs, decompressed, by path. Empty if there are none here.
pub fn real_blobs() -> Vec<(PathBuf, Vec<u8>)> {
    modules(pvf_corpus::recorded_chains().expect("the folder can be read"))
}

fn modules(chains: impl IntoIterator<Item = Chain>) -> Vec<(PathBuf, Vec<u8>)> {
    let module = |chain: Chain| {
        let wasm = pvf_corpus::wasm(&chain.code).expect("is a blob");
        (chain.code, wasm)
    };
    chains.into_iter().map(module).collect()
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

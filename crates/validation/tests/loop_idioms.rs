//! All loops of the memory functions in real blobs are recognised. As in `real_candidates.rs`,
//! `PVF_CASES` names the folder.

use pvf_compiler::{CompileOptions, LoopIdiomKind, function_names, loop_idioms};
use pvf_rules::Features;
use std::path::Path;
use std::{env, fs};

const MAX_CODE_BYTES: usize = 50 << 20;

#[test]
fn memory_functions_of_real_blobs_are_recognised() {
    let folder = env::var_os("PVF_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf"),
        Into::into,
    );
    let Ok(chains) = fs::read_dir(&folder) else {
        println!("skipped: no real blobs here (set PVF_CASES to their folder)");
        return;
    };
    let mut chains: Vec<_> = chains
        .map(|chain| chain.expect("the folder can be read").path())
        .collect();
    chains.sort();
    let mut seen = 0;
    for chain in chains {
        let Ok(code) = fs::read(chain.join("code.compressed.wasm")) else {
            continue;
        };
        let wasm = sp_maybe_compressed_blob::decompress(&code, MAX_CODE_BYTES).expect("is a blob");
        let options = CompileOptions::new(Features::POLKADOT);
        let found = loop_idioms(&wasm, &options).expect("is a module");
        let count = |kind| {
            found
                .idioms
                .iter()
                .filter(|(_, other)| *other == kind)
                .count()
        };
        println!(
            "{}: {} innermost loops, {} with memory, idioms: {} copy, {} shifted, {} fill, {} compare",
            chain.file_name().unwrap_or_default().display(),
            found.innermost,
            found.with_memory,
            count(LoopIdiomKind::Copy),
            count(LoopIdiomKind::CopyShifted),
            count(LoopIdiomKind::Fill),
            count(LoopIdiomKind::Compare),
        );
        for (function, name) in function_names(&wasm) {
            let wanted = match name.as_str() {
                "memcpy" | "memmove" => LoopIdiomKind::Copy,
                "memset" => LoopIdiomKind::Fill,
                "memcmp" | "bcmp" => LoopIdiomKind::Compare,
                _ => continue,
            };
            let has = found.idioms.contains(&(function, wanted));
            // Newer blobs have the loops in another function, which this one calls.
            let elsewhere = count(wanted) > 0;
            assert!(has || elsewhere, "{}: {name}", chain.display());
            seen += 1;
        }
    }
    println!("{seen} memory functions");
}

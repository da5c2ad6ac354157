//! All loops of the memory functions in real blobs are recognised. As in `real_candidates.rs`,
//! `PVF_CASES` names their folder.

use pvf_compiler::{CompileOptions, LoopIdiomKind, function_names, loop_idioms};
use pvf_rules::Features;

#[test]
fn memory_functions_of_real_blobs_are_recognised() {
    let mut seen = 0;
    for chain in pvf_corpus::recorded_chains().expect("the folder can be read") {
        let wasm = pvf_corpus::wasm(&chain.code).expect("is a blob");
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
            chain.name,
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
            assert!(has || elsewhere, "{}: {name}", chain.name);
            seen += 1;
        }
    }
    println!("{seen} memory functions");
}

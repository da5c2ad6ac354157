//! The code map says what trap sites say, and changes nothing.

use pvf_compiler::{
    CompileOptions, Costs, Metering, NativeStack, compile, compile_with_code_map,
    compile_with_loops,
};
use pvf_rules::Features;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

fn modules() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "wat"));
    let mut all: Vec<Vec<u8>> = texts.map(|path| wat::parse_file(path).unwrap()).collect();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for name in ["forth", "ledger"] {
        all.push(std::fs::read(fixtures.join(name).join("code.wasm")).unwrap());
    }
    all
}

#[test]
fn the_artifact_is_the_same_and_the_map_agrees_with_it() {
    let plain = CompileOptions::new(Features::ALL);
    let metered = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: Some(Arc::new(Costs::default())),
        },
        threads: NonZeroUsize::new(2).unwrap(),
        ..plain.clone()
    };
    let unchecked = CompileOptions {
        native_stack: NativeStack::Unchecked,
        ..plain.clone()
    };
    for wasm in modules() {
        for options in [&plain, &metered, &unchecked] {
            let (artifact, map) = compile_with_code_map(&wasm, options).unwrap();
            assert!(artifact == compile(&wasm, options).unwrap());
            let (same, loops) = compile_with_loops(&wasm, options).unwrap();
            assert!(artifact == same);
            assert!(loops.is_sorted_by_key(|start| start.code_offset));
            let pieces = map.pieces();
            assert!(pieces.is_sorted_by(|a, b| a.code_offset < b.code_offset));
            let module = &artifact.module;
            let functions = &module.functions[module.imported_functions as usize..];
            for function in functions {
                let code = function.code_offset..function.code_offset + function.code_bytes;
                let body = function.body_offset..function.body_offset + function.body_bytes;
                assert!(
                    map.wasm_offset(code.start).is_some(),
                    "a function's code begins with a piece"
                );
                for piece in pieces
                    .iter()
                    .filter(|piece| code.contains(&piece.code_offset))
                {
                    assert!(
                        body.contains(&piece.wasm_offset),
                        "{piece:?} is of this body"
                    );
                }
                let first = map.wasm_offset(code.start);
                assert_eq!(first, Some(body.start), "the prologue comes first");
            }
            for site in artifact.traps.sites() {
                let within = |it: &&pvf_compiler::artifact::Function| {
                    (it.code_offset..it.code_offset + it.code_bytes).contains(&site.code_offset)
                };
                if functions.iter().any(|it| within(&it)) {
                    let mapped = map.wasm_offset(site.code_offset);
                    assert_eq!(mapped, Some(site.wasm_offset), "{site:?}");
                }
            }
        }
    }
}

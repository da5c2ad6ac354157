//! An artifact is a function of module, language and target alone.

use pvf_compiler::artifact::Function;
use pvf_compiler::{Artifact, CompileOptions, Target, compile};
use pvf_rules::Features;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::Path;

/// A module of so many functions that several chunks are compiled side by side.
fn large_module() -> Vec<u8> {
    let mut text =
        String::from("(module (memory 1) (func $f0 (param i32) (result i32) local.get 0)");
    for function in 1..4_000 {
        write!(
            text,
            "(func $f{function} (param i32) (result i32) (local i32 i64)
               loop
                 local.get 0 i32.const {function} i32.add local.tee 1 i32.load offset={function}
                 local.get 1 i32.const 1 i32.sub local.tee 0 i32.lt_u br_if 0
               end
               local.get 1 call $f{})",
            function / 2
        )
        .unwrap();
    }
    text.push(')');
    wat::parse_str(text).unwrap()
}

/// One function each, some functions each, the usual size.
const CHUNK_BYTES: [u32; 3] = [1, 1_000, 65_536];

fn artifact(wasm: &[u8], options: &CompileOptions, threads: usize) -> Artifact {
    let options = CompileOptions {
        threads: NonZeroUsize::new(threads).unwrap(),
        ..options.clone()
    };
    compile(wasm, &options).unwrap()
}

/// For every target and size of chunks. With another size functions lie elsewhere, but none is longer, and all
/// frames are the same.
fn assert_same_for_any_number_of_threads(wasm: &[u8], features: Features) {
    for target in Target::ALL {
        let mut functions = Vec::new();
        for chunk_bytes in CHUNK_BYTES {
            let options = CompileOptions {
                target,
                chunk_bytes,
                ..CompileOptions::new(features)
            };
            let one = artifact(wasm, &options, 1);
            for threads in [2, 8] {
                assert!(
                    one == artifact(wasm, &options, threads),
                    "{target}, chunks of {chunk_bytes} bytes: {threads} threads make another artifact"
                );
            }
            let bytes = one.to_bytes();
            assert!(
                bytes == artifact(wasm, &options, 1).to_bytes(),
                "twice is not the same"
            );
            // SAFETY: these are bytes of an artifact that was just compiled.
            assert_eq!(unsafe { Artifact::from_bytes(&bytes) }.unwrap(), one);
            let function = |it: &Function| (it.code_bytes, it.frame_bytes, it.logical_cost);
            functions.push(
                one.module
                    .functions
                    .iter()
                    .map(function)
                    .collect::<Vec<_>>(),
            );
        }
        assert!(
            functions.windows(2).all(|pair| pair[0] == pair[1]),
            "{target}"
        );
    }
}

#[test]
fn threads_do_not_matter() {
    assert_same_for_any_number_of_threads(&large_module(), Features::ALL);
}

#[test]
fn threads_do_not_matter_for_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    for name in ["adder", "ledger", "hostcalls", "forth"] {
        let wasm = std::fs::read(fixtures.join(name).join("code.wasm")).unwrap();
        assert_same_for_any_number_of_threads(&wasm, Features::POLKADOT);
    }
}

#[test]
fn the_first_error_is_reported_for_any_number_of_threads() {
    // Two invalid bodies far apart: the error is that of the first.
    let mut text = String::from("(module");
    for function in 0..20_000 {
        let body = if function == 7_000 || function == 19_000 {
            "i32.add"
        } else {
            "i32.const 1 drop nop nop"
        };
        write!(text, "(func {body})").unwrap();
    }
    text.push(')');
    let wasm = wat::parse_str(text).unwrap();
    let error = |threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = CompileOptions {
            threads,
            ..CompileOptions::new(Features::POLKADOT)
        };
        compile(&wasm, &options).unwrap_err()
    };
    let first = error(1);
    assert!(first.to_string().contains("function 7000,"), "{first}");
    assert_eq!(error(2), first);
    assert_eq!(error(8), first);
}

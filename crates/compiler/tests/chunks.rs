//! A function's code is its own matter: it does not depend on the functions of other chunks, nor on how many threads
//! share the chunks out.

use pvf_compiler::{Artifact, CompileOptions, Target, compile};
use pvf_rules::Features;
use std::fmt::Write;
use std::num::NonZeroUsize;

/// Stores of constants, of all lengths that their machine instructions have.
const STORES: [&str; 5] = [
    "i32.const 0 i32.const 5 i32.store8 ",
    "i32.const 0 i32.const 5 i32.store8 offset=9 ",
    "i32.const 0 i32.const 5 i32.store ",
    "i32.const 0 i32.const 5 i32.store offset=9 ",
    "i32.const 0 i32.const 5 i32.store offset=999 ",
];

/// All sequences of one and of two stores.
fn stores() -> Vec<String> {
    let one = STORES.map(String::from);
    let two = STORES
        .iter()
        .flat_map(|first| STORES.map(|second| format!("{first}{second}")));
    one.iter().cloned().chain(two).collect()
}

/// A function that sets its parameter's flags last, with little code and as many bytes of body behind it as asked for.
fn setter(stores: &str, nops: usize) -> String {
    let nops = "nop ".repeat(nops);
    format!(
        "(func (param i32) (result i32)
           {stores} local.get 0 i32.const 1 i32.add local.set 0 local.get 0 return {nops} unreachable)"
    )
}

/// A function that asks whether its parameter is zero.
fn tester(name: usize, stores: &str, nops: usize) -> String {
    let nops = "nop ".repeat(nops);
    format!(
        "(func (export \"{name}\") (param i32) (result i32)
           {stores} local.get 0
           if (result i32) i32.const 111 else i32.const 222 end
           return {nops} unreachable)"
    )
}

fn module(functions: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut text = String::from("(module (memory 1)");
    for function in functions {
        writeln!(text, "{function}").unwrap();
    }
    text.push(')');
    wat::parse_str(text).unwrap()
}

fn prepare(wasm: &[u8], target: Target, threads: usize, chunk_bytes: u32) -> Artifact {
    let options = CompileOptions {
        target,
        threads: NonZeroUsize::new(threads).unwrap(),
        chunk_bytes,
        ..CompileOptions::new(Features::POLKADOT)
    };
    compile(wasm, &options).unwrap()
}

/// The code of each function.
fn codes(artifact: &Artifact) -> Vec<&[u8]> {
    let function = |it: &pvf_compiler::artifact::Function| {
        &artifact.code[it.code_offset as usize..][..it.code_bytes as usize]
    };
    artifact.module.functions.iter().map(function).collect()
}

/// The testers, each behind a setter, and the same with all testers first, where no setter can have left anything: the
/// codes are the same.
fn assert_independent(stores: &[String], nops: usize, chunk_bytes: u32) -> Vec<u8> {
    let pairs = || {
        stores
            .iter()
            .flat_map(|a| stores.iter().map(move |b| (a, b)))
    };
    let testers = || pairs().enumerate().map(|(i, (_, b))| tester(i, b, nops));
    let setters = || pairs().map(|(a, _)| setter(a, nops));
    let mixed_module = module(setters().zip(testers()).flat_map(|(a, b)| [a, b]));
    let apart_module = module(testers().chain(setters()));
    for target in Target::ALL {
        let mixed = prepare(&mixed_module, target, 1, chunk_bytes);
        let apart = prepare(&apart_module, target, 1, chunk_bytes);
        let (mixed, apart) = (codes(&mixed), codes(&apart));
        let (testers, setters) = apart.split_at(apart.len() / 2);
        for (i, pair) in mixed.chunks(2).enumerate() {
            assert!(pair == [setters[i], testers[i]], "{target}, pair {i}");
        }
    }
    mixed_module
}

fn assert_same_for_any_number_of_threads(wasm: &[u8], chunk_bytes: u32) {
    for target in Target::ALL {
        let one = prepare(wasm, target, 1, chunk_bytes);
        for threads in [2, 8] {
            let other = prepare(wasm, target, threads, chunk_bytes);
            assert!(one == other, "{target}, {threads} threads");
        }
    }
}

#[test]
fn code_does_not_depend_on_the_chunk_before() {
    let wasm = assert_independent(&stores(), 0, 1);
    assert_same_for_any_number_of_threads(&wasm, 1);
}

/// Chunks of the usual size: long bodies, little code.
#[test]
fn code_does_not_depend_on_the_usual_chunk_before() {
    let usual = CompileOptions::new(Features::POLKADOT).chunk_bytes;
    let wasm = assert_independent(&STORES.map(String::from), 70_000, usual);
    assert_same_for_any_number_of_threads(&wasm, usual);
}

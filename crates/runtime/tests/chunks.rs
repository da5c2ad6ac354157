//! A branch on a parameter does not depend on the flags that the previous function of a chunk left,
//! for all numbers of threads, in chunks of the usual size and in chunks of one function.

use pvf_compiler::{CompileOptions, compile};
use pvf_rules::{ExecutionParameters, Features};
use pvf_runtime::{Instance, Linker, Module, Value};
use std::fmt::Write;
use std::num::NonZeroUsize;

/// Stores of constants, with machine instructions of all lengths.
const STORES: [&str; 5] = [
    "i32.const 0 i32.const 5 i32.store8 ",
    "i32.const 0 i32.const 5 i32.store8 offset=9 ",
    "i32.const 0 i32.const 5 i32.store ",
    "i32.const 0 i32.const 5 i32.store offset=9 ",
    "i32.const 0 i32.const 5 i32.store offset=999 ",
];

/// For each pair of stores, a function whose last flags come from its parameter, and a function
/// that tests its parameter for zero. Each body ends with `nops` unreachable `nop`s.
fn module(nops: usize) -> Vec<u8> {
    let mut text = String::from("(module (memory 1)");
    let nops = "nop ".repeat(nops);
    for (a, first) in STORES.iter().enumerate() {
        for (b, second) in STORES.iter().enumerate() {
            write!(
                text,
                "(func (param i32) (result i32)
                   {first} local.get 0 i32.const 1 i32.add local.set 0 local.get 0 return {nops} unreachable)
                 (func (export \"{a}{b}\") (param i32) (result i32)
                   {second} local.get 0 if (result i32) i32.const 111 else i32.const 222 end
                   return {nops} unreachable)"
            )
            .unwrap();
        }
    }
    text.push(')');
    wat::parse_str(text).unwrap()
}

fn assert_branches(wasm: &[u8], chunk_bytes: u32) {
    for threads in [1, 2, 8] {
        let options = CompileOptions {
            threads: NonZeroUsize::new(threads).unwrap(),
            chunk_bytes,
            ..CompileOptions::new(Features::POLKADOT)
        };
        let module = Module::new(compile(wasm, &options).unwrap()).unwrap();
        let linker = Linker::new();
        let parameters = ExecutionParameters::WASM;
        let mut instance = Instance::new(&module, &linker, &parameters, ()).unwrap();
        for export in &module.info().exports {
            for (argument, result) in [(0, 222), (1, 111), (-1, 111)] {
                let results = instance.call_export(&export.name, &[Value::I32(argument)]);
                let name = format!("{}({argument}), {threads} threads", export.name);
                assert_eq!(results.unwrap(), [Value::I32(result)], "{name}");
            }
        }
    }
}

#[test]
fn branches_are_right_in_chunks_of_one_function() {
    assert_branches(&module(0), 1);
}

#[test]
fn branches_are_right_in_chunks_of_the_usual_size() {
    let usual = CompileOptions::new(Features::POLKADOT).chunk_bytes;
    assert_branches(&module(70_000), usual);
}

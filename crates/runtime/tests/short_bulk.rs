//! `memory.copy` and `memory.fill` of short constant lengths, compiled without calls: results equal
//! those on a slice, overlapping or not, and an access out of bounds writes nothing.

use pvf_compiler::{CompileOptions, compile};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, Linker, Module, Value};
use std::fmt::Write;

const LENGTHS: std::ops::RangeInclusive<usize> = 0..=33;
const PAGE: usize = 65536;

fn instance() -> Instance<()> {
    let mut text = String::from("(module (memory (export \"memory\") 1 1)");
    for length in LENGTHS {
        write!(
            text,
            "(func (export \"copy.{length}\") (param i32 i32)
               (memory.copy (local.get 0) (local.get 1) (i32.const {length})))
             (func (export \"fill.{length}\") (param i32 i32)
               (memory.fill (local.get 0) (i32.const 0xa5) (i32.const {length})))"
        )
        .unwrap();
    }
    text.push(')');
    let wasm = wat::parse_str(text).unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let module = Module::new(artifact).unwrap();
    Instance::new(&module, &Linker::new(), &ExecutionParameters::WASM, ()).unwrap()
}

#[test]
fn short_constant_lengths_behave_as_any_length() {
    let mut instance = instance();
    let pattern: Vec<u8> = (0..PAGE).map(|at| (at * 7 + at / 251) as u8).collect();
    let edges = (PAGE - 34..=PAGE + 1).chain([u32::MAX as usize, u32::MAX as usize - 8]);
    let places: Vec<usize> = (0..40).step_by(3).chain(edges).collect();
    for length in LENGTHS {
        for &dst in &places {
            for &src in &places {
                for name in ["copy", "fill"] {
                    let mut expected = pattern.clone();
                    let within = |start: usize| start + length <= PAGE;
                    let fits = within(dst) && (name == "fill" || within(src));
                    if fits && name == "copy" {
                        expected.copy_within(src..src + length, dst);
                    } else if fits {
                        expected[dst..dst + length].fill(0xa5);
                    }
                    instance.memory_mut().copy_from_slice(&pattern);
                    let arguments = [Value::I32(dst as u32 as i32), Value::I32(src as u32 as i32)];
                    let result = instance.call_export(&format!("{name}.{length}"), &arguments);
                    match result {
                        Ok(_) => assert!(fits, "{name} {length} {dst} {src}"),
                        Err(CallError::Trap(trap)) => {
                            assert!(!fits, "{name} {length} {dst} {src}");
                            assert_eq!(trap.kind, TrapKind::MemoryOutOfBounds);
                        }
                        Err(other) => panic!("{other}"),
                    }
                    assert!(instance.memory() == expected, "{name} {length} {dst} {src}");
                }
            }
        }
    }
}

//! Damaged modules through compilation and loading: the result is an artifact or a typed error,
//! never a panic.

use proptest::prelude::*;
use pvf_executor::{Artifact, Module, Profile, compile, read_code};

/// A module with many kinds of items and instructions.
const SEED: &str = r#"(module
    (type $binary (func (param i32 i64) (result i64)))
    (import "env" "f" (func $f (param i64 f32) (result i32)))
    (import "env" "g" (global $g i32))
    (memory 1 3) (table 4 funcref)
    (global $h (mut f64) (f64.const 1.5))
    (elem (i32.const 0) $f $loop) (elem $passive funcref (ref.func 1) (ref.null func))
    (data (i32.const 16) "abcd") (data $bytes "efgh")
    (export "loop" (func $loop)) (export "memory" (memory 0))
    (func $loop (type $binary) (local i32 f64 i64)
        (loop $again (result i64)
            (local.set 2 (i32.add (local.get 2) (i32.load offset=4 (local.get 0))))
            (i64.store (local.get 2) (i64.mul (local.get 1) (i64.extend_i32_u (local.get 2))))
            (br_if $again (i32.lt_u (local.get 2) (i32.const 100)))
            (select (local.get 1) (local.get 4) (local.get 2))))
    (func (param f64) (result f64)
        (global.set $h (f64.sqrt (f64.add (local.get 0) (global.get $h))))
        (block $a (block $b (br_table $a $b $a (i32.trunc_sat_f64_u (local.get 0)))) (return (f64.const 2)))
        (f64.convert_i64_s (call_indirect (type $binary)
            (call $f (i64.const -1) (f32.const 3)) (i64.const 7) (global.get $g))))
    (func (param i32) (result i32 i64)
        (if (result i32) (local.get 0)
            (then (i32.div_s (i32.const 10) (local.get 0)))
            (else (memory.grow (i32.const 1))))
        (memory.copy (i32.const 0) (i32.const 8) (local.get 0))
        (memory.init $bytes (i32.const 0) (i32.const 0) (i32.const 2))
        (table.init $passive (i32.const 1) (i32.const 0) (i32.const 1))
        (i64.rotl (i64.clz (i64.const 9)) (i64.extend8_s (i64.const 200)))))"#;

#[test]
fn the_undamaged_module_is_accepted() {
    let wasm = read_code(SEED.as_bytes(), 1 << 20).unwrap().wasm;
    compile(&wasm, &Profile::Wasm.compile_options()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn damaged_modules_are_typed_errors(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..4),
    ) {
        let mut wasm = read_code(SEED.as_bytes(), 1 << 20).unwrap().wasm;
        for (at, byte, edit) in edits {
            let at = 8 + at.index(wasm.len() - 8);
            match edit {
                // Small differences more often yield a valid module.
                0 => wasm[at] ^= byte & 3,
                1 => wasm[at] = byte,
                2 => wasm.insert(at, byte),
                _ if wasm.len() > 9 => drop(wasm.remove(at)),
                _ => {}
            }
        }
        match compile(&wasm, &Profile::Wasm.compile_options()) {
            Ok(artifact) => {
                let bytes = artifact.to_bytes();
                // SAFETY: these are the bytes of an artifact that was just compiled.
                let read = unsafe { Artifact::from_bytes(&bytes) };
                prop_assert_eq!(read.as_ref(), Ok(&artifact));
                prop_assert!(Module::new(artifact).is_ok());
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

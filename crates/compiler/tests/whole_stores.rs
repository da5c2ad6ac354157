//! On aarch64 a store that may lie half beyond the end of memory comes behind a load from there (rule MEM-6). The
//! emulator does all stores in one, so the code is looked at: how many loads it has that keep nothing.

use pvf_compiler::{Artifact, CompileOptions, Target, compile};
use pvf_rules::Features;

fn artifact(body: &str) -> Artifact {
    let text = format!(
        "(module (memory 1 100) (global $g (mut i32) (i32.const 0)) (func $other)
          (func (param $p i32) (param $q i32) (param $wide i64) (param $float f64) (param $single f32) {body}))"
    );
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let options = CompileOptions {
        target: Target::Aarch64,
        ..CompileOptions::new(Features::ALL)
    };
    compile(&wasm, &options).expect("valid")
}

/// The instructions of the last function.
fn words(artifact: &Artifact) -> Vec<u32> {
    let function = artifact.module.functions.last().expect("a function");
    let code = &artifact.code[function.code_offset as usize..][..function.code_bytes as usize];
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    code.chunks_exact(4).map(word).collect()
}

/// Whether it loads 2, 4 or 8 bytes into the zero register: `ldrh`, `ldr`, by an offset or an index.
fn keeps_nothing(word: u32) -> bool {
    let general = word & 0x3e00_0000 == 0x3800_0000;
    let load = word >> 22 & 3 == 1;
    general && load && word & 31 == 31 && word >> 30 > 0
}

/// The same access as a store.
fn stores_there(load: u32, word: u32) -> bool {
    let place = |word: u32| word & !(3 << 22 | 31);
    let store = word >> 22 & 3 == 0;
    let float = 1 << 26;
    store && place(load) == place(word & !float)
}

/// Statements, and how many of their stores are probed.
const BODIES: &[(&str, usize)] = &[
    ("(i32.store (local.get $p) (i32.const 5))", 1),
    ("(i32.store (local.get $p) (local.get $q))", 1),
    ("(i32.store16 (local.get $p) (local.get $q))", 1),
    ("(i64.store (local.get $p) (local.get $wide))", 1),
    ("(i64.store32 (local.get $p) (local.get $wide))", 1),
    ("(i64.store16 (local.get $p) (local.get $wide))", 1),
    ("(f64.store (local.get $p) (local.get $float))", 1),
    ("(f32.store (local.get $p) (local.get $single))", 1),
    (
        "(i64.store offset=40000 (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(i64.store offset=4000000000 (local.get $p) (local.get $wide))",
        1,
    ),
    ("(i32.store (global.get $g) (local.get $q))", 1),
    // One byte is never on both sides.
    ("(i32.store8 (local.get $p) (local.get $q))", 0),
    (
        "(i64.store8 offset=65535 (local.get $p) (local.get $wide))",
        0,
    ),
    // Nor are bytes at a known place that are not.
    ("(i64.store (i32.const 65528) (local.get $wide))", 0),
    ("(i64.store (i32.const 65529) (local.get $wide))", 1),
    ("(i32.store16 (i32.const 131071) (local.get $q))", 1),
    ("(i32.store offset=3 (i32.const 65533) (local.get $q))", 0),
    // Another access has been there, or above.
    (
        "(i32.store (local.get $p) (i32.add (i32.load (local.get $p)) (i32.const 1)))",
        0,
    ),
    (
        "(drop (i32.load offset=12 (local.get $p))) (i64.store offset=8 (local.get $p) (local.get $wide))",
        0,
    ),
    (
        "(drop (i32.load8_u offset=15 (local.get $p))) (i64.store offset=8 (local.get $p) (local.get $wide))",
        0,
    ),
    (
        "(drop (i32.load8_u offset=14 (local.get $p))) (i64.store offset=8 (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(i64.store offset=8 (local.get $p) (local.get $wide)) (i64.store (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(i64.store (local.get $p) (local.get $wide)) (i64.store offset=8 (local.get $p) (local.get $wide))",
        2,
    ),
    // The index is another one, or memory may be reached from elsewhere.
    (
        "(drop (i64.load (local.get $p))) (i64.store (local.get $q) (local.get $wide))",
        1,
    ),
    (
        "(drop (i64.load (local.get $p))) (local.set $p (i32.add (local.get $p) (i32.const 8)))
      (i64.store (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(drop (i64.load (local.get $p))) (call $other) (i64.store (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(if (local.get $q) (then (drop (i64.load (local.get $p))))) (i64.store (local.get $p) (local.get $wide))",
        1,
    ),
    (
        "(loop (i64.store (local.get $p) (local.get $wide)) (br_if 0 (local.get $q)))",
        1,
    ),
    // Of two stores of a block of memory, the one with the last byte comes first.
    (
        "(memory.fill (local.get $p) (i32.const 7) (i32.const 1))",
        0,
    ),
    (
        "(memory.fill (local.get $p) (i32.const 7) (i32.const 2))",
        1,
    ),
    (
        "(memory.fill (local.get $p) (i32.const 7) (i32.const 8))",
        1,
    ),
    (
        "(memory.fill (local.get $p) (i32.const 7) (i32.const 13))",
        1,
    ),
    (
        "(memory.copy (local.get $p) (local.get $q) (i32.const 1))",
        0,
    ),
    (
        "(memory.copy (local.get $p) (local.get $q) (i32.const 2))",
        1,
    ),
    (
        "(memory.copy (local.get $p) (local.get $q) (i32.const 4))",
        1,
    ),
    (
        "(memory.copy (local.get $p) (local.get $q) (i32.const 15))",
        1,
    ),
];

#[test]
fn stores_that_may_end_beyond_memory_come_behind_a_load() {
    for &(body, expected) in BODIES {
        let artifact = artifact(body);
        let words = words(&artifact);
        let probes = words.iter().filter(|word| keeps_nothing(**word)).count();
        assert_eq!(probes, expected, "{body}: {words:08x?}");
        for (at, &word) in words.iter().enumerate() {
            if keeps_nothing(word) {
                assert!(stores_there(word, words[at + 1]), "{body}: {words:08x?}");
                // Both may fault, and both say so.
                let offset = artifact
                    .module
                    .functions
                    .last()
                    .map_or(0, |it| it.code_offset);
                for at in [at, at + 1] {
                    let site = artifact.traps.lookup(offset + 4 * at as u32);
                    assert!(site.is_some(), "{body}: no trap at instruction {at}");
                }
            }
        }
    }
}

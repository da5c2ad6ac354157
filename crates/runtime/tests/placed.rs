//! Modules in two files that one process writes and others map.

mod support;

use pvf_compiler::{Artifact, CompileOptions, compile};
use pvf_compiler::{GlobalType, ValType};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::placed::{Placed, place};
use pvf_runtime::{Instance, Linker, LoadError, Module, Value};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU32, Ordering};
use support::trap;

fn artifact(text: &str) -> Artifact {
    let wasm = wat::parse_str(text).unwrap();
    compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap()
}

/// A file that has no name any more.
fn anonymous() -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("pvf-placed-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(&path);
    std::fs::remove_file(path).unwrap();
    file.unwrap()
}

fn files(artifact: &Artifact, limit_pages: u32) -> (File, File) {
    let (code, rest) = (anonymous(), anonymous());
    place(&artifact.to_bytes(), limit_pages, &code, &rest).unwrap();
    (code, rest)
}

fn module(code: &File, rest: File) -> Result<Module, LoadError> {
    let placed = Placed::map(code, rest)?;
    // SAFETY: the files hold a compiled artifact; files that the tests damage are refused.
    unsafe { placed.into_module() }
}

fn instance(module: &Module) -> Instance<()> {
    let mut linker = Linker::new();
    let ty = GlobalType {
        value: ValType::I32,
        mutable: false,
    };
    linker.global("host", "base", ty, Value::I32(50));
    Instance::new(module, &linker, &ExecutionParameters::WASM, ()).unwrap()
}

const MODULE: &str = r#"(module
    (import "host" "base" (global $base i32))
    (memory (export "memory") 3)
    (data (i32.const 10) "in the image") (data (global.get $base) "by the instance")
    (data $passive "passive")
    (func (export "init") (memory.init $passive (i32.const 100) (i32.const 0) (i32.const 7)))
    (func (export "divide") (param i32 i32) (result i32)
        (i32.div_s (local.get 0) (local.get 1))))"#;

#[test]
fn a_placed_module_behaves_as_its_artifact() {
    let (code, rest) = files(&artifact(MODULE), 65_536);
    for _ in 0..3 {
        let module = module(&code, rest.try_clone().unwrap()).unwrap();
        let mut instance = instance(&module);
        assert_eq!(&instance.memory()[10..22], b"in the image");
        assert_eq!(&instance.memory()[50..65], b"by the instance");
        instance.call_export("init", &[]).unwrap();
        assert_eq!(&instance.memory()[100..107], b"passive");
        let mut divide = |by| instance.call_export("divide", &[Value::I32(42), Value::I32(by)]);
        assert_eq!(divide(2).unwrap(), [Value::I32(21)]);
        assert_eq!(trap(divide(0)).kind, TrapKind::IntegerDivideByZero);
    }
}

#[test]
fn the_code_file_holds_no_data() {
    let artifact = artifact(MODULE);
    let (code, _) = files(&artifact, 65_536);
    let bytes = code.metadata().unwrap().len() as usize;
    assert!(bytes.is_multiple_of(4096) && bytes >= artifact.code.len());
    let mut all = vec![0; bytes];
    code.read_exact_at(&mut all, 0).unwrap();
    let (own, behind) = all.split_at(artifact.code.len());
    assert_eq!(own, artifact.code);
    assert!(behind.iter().all(|byte| *byte == behind[0]), "{behind:?}");
}

#[test]
fn sparse_data_makes_no_large_image() {
    // A segment of one byte in each of 20,000 pages of the system.
    let data: String = (0..20_000)
        .map(|segment| format!("(data (i32.const {}) \"x\")", segment * 4096))
        .collect();
    let artifact = artifact(&format!("(module (memory 2000) {data})"));
    let (code, rest) = files(&artifact, 65_536);
    let taken = rest.metadata().unwrap().blocks() * 512;
    let most = 2 * artifact.data.len() as u64 + (1 << 20) + artifact.to_bytes().len() as u64;
    assert!(taken <= most, "{taken} bytes, {most} are enough");
    let module = module(&code, rest).unwrap();
    let instance = instance(&module);
    assert!((0..20_000).all(|page| instance.memory()[page * 4096] == b'x'));
}

#[test]
fn a_memory_that_starts_above_the_limit_has_no_image() {
    let text = format!(
        r#"(module (memory 20) (data (i32.const 0) "{}"))"#,
        "x".repeat(100_000)
    );
    let artifact = artifact(&text);
    let bytes = |limit| files(&artifact, limit).1.metadata().unwrap().len();
    assert!(bytes(20) > 100_000);
    // The file holds the data itself, in case an instance is made.
    assert!(bytes(19) < 110_000);
    let (code, rest) = files(&artifact, 19);
    let module = module(&code, rest).unwrap();
    assert_eq!(instance(&module).memory()[..100_000], [b'x'; 100_000]);
}

#[test]
fn files_that_place_did_not_write_are_refused() {
    let (code, rest) = files(&artifact(MODULE), 65_536);
    assert!(module(&code, anonymous()).is_err());
    assert!(module(&anonymous(), rest.try_clone().unwrap()).is_err());
    // Each word of the head replaced by lengths that do not fit.
    for word in 0..8 {
        let mut bytes = [0; 8];
        rest.read_exact_at(&mut bytes, 8 * word).unwrap();
        for wrong in [u64::MAX, u64::MAX / 2, 1 << 40] {
            rest.write_all_at(&wrong.to_le_bytes(), 8 * word).unwrap();
            let result = module(&code, rest.try_clone().unwrap());
            assert!(result.is_err(), "word {word}, {wrong}");
        }
        rest.write_all_at(&bytes, 8 * word).unwrap();
    }
    assert!(module(&code, rest).is_ok());
}

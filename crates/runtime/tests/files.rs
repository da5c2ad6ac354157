//! Modules mapped from files behave as modules in memory, whatever happens to the file.

use pvf_compiler::{Artifact, ArtifactError, CompileOptions, Target, compile};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, HostFailure, Instance, Linker, LoadError, Module, Value};
use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;

/// Offset of the code in an artifact for this machine.
const CODE_START: u64 = Target::HOST.largest_page_bytes() as u64;

/// A file that is removed on drop.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let name = format!("pvf-runtime-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn open(&self) -> Result<Module, LoadError> {
        // SAFETY: the tests write artifacts into the file. Their later changes make `open` fail or
        // only truncate the file.
        unsafe { Module::open(&File::open(&self.0).unwrap()) }
    }

    fn cut(&self, bytes: u64) {
        let file = OpenOptions::new().write(true).open(&self.0).unwrap();
        file.set_len(bytes).unwrap();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// An artifact with several pages of code: function `f{n}` traps, `g{n}` returns `n`. It has an
/// active and a passive data segment.
fn artifact() -> Artifact {
    let mut text = String::from(
        r#"(module (memory (export "memory") 1)
            (data (i32.const 10) "from the file") (data $passive "passive")
            (func (export "init") (memory.init $passive (i32.const 100) (i32.const 0) (i32.const 7)))
            (func (export "trap") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))"#,
    );
    for number in 0..2000 {
        text += &format!(
            r#"(func (export "f{number}") (result i32)
                (i32.div_u (i32.load (i32.const 100000)) (i32.const 0)) drop (i32.const {number}))"#
        );
        if number % 2 == 0 {
            text += &format!(r#"(func (export "g{number}") (result i32) (i32.const {number}))"#);
        }
    }
    text += ")";
    let wasm = wat::parse_str(text).unwrap();
    compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap()
}

fn instance(module: &Module) -> Instance<()> {
    Instance::new(module, &Linker::new(), &ExecutionParameters::WASM, ()).unwrap()
}

fn check(module: &Module) {
    let mut instance = instance(module);
    assert_eq!(instance.memory()[10..23], *b"from the file");
    instance.call_export("init", &[]).unwrap();
    assert_eq!(instance.memory()[100..107], *b"passive");
    for number in [0, 998, 1998] {
        let result = instance.call_export(&format!("g{number}"), &[]);
        assert_eq!(result.unwrap(), [Value::I32(number)]);
    }
    match instance.call_export("trap", &[Value::I32(0)]) {
        Err(CallError::Trap(trap)) => {
            assert_eq!(trap.kind, TrapKind::IntegerDivideByZero);
            assert_eq!(trap.function, Some(1));
            assert!(trap.offset.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mapped_module_behaves_the_same_after_its_file_was_deleted() {
    let artifact = artifact();
    let file = Temporary::new("same", &artifact.to_bytes());
    let mapped = file.open().unwrap();
    drop(file);
    let placed = Module::new(artifact).unwrap();
    assert_eq!(mapped.info(), placed.info());
    assert_eq!(mapped.code_bytes(), placed.code_bytes());
    check(&mapped);
    check(&placed);
}

#[test]
fn replacing_the_file_does_not_change_the_module() {
    let bytes = artifact().to_bytes();
    let file = Temporary::new("replaced", &bytes);
    let module = file.open().unwrap();
    let other = Temporary::new("replacement", b"something else");
    fs::rename(&other.0, &file.0).unwrap();
    check(&module);
    assert!(file.open().is_err());
}

fn assert_cut(result: Result<Vec<Value>, CallError>) {
    assert!(
        matches!(result, Err(CallError::Failure(HostFailure::ArtifactCut))),
        "{result:?}"
    );
}

/// Generated code, the search of the trap map in the signal handler, and the runtime itself each
/// access missing pages; the process continues.
#[test]
fn a_truncated_file_is_a_failure_of_the_host() {
    let bytes = artifact().to_bytes();
    // qemu reads code to translate it, and crashes if a page of code is missing.
    if std::env::var_os("PVF_TEST_RUNNER").is_none() {
        let file = Temporary::new("cut-code", &bytes);
        let module = file.open().unwrap();
        let mut running = instance(&module);
        file.cut(CODE_START);
        for name in ["g0", "g998", "g1998"] {
            assert_cut(running.call_export(name, &[]));
        }
    }

    // Only the code remains.
    let file = Temporary::new("cut-traps", &bytes);
    let module = file.open().unwrap();
    let mut running = instance(&module);
    file.cut(CODE_START + module.code_bytes() as u64);
    let result = running.call_export("g1998", &[]);
    assert_eq!(result.unwrap(), [Value::I32(1998)]);
    assert_cut(running.call_export("f1000", &[]));
    // A module in memory is not affected.
    check(&Module::new(artifact()).unwrap());
}

#[test]
fn every_damaged_file_is_a_typed_error() {
    let bytes = artifact().to_bytes();
    let open = |bytes: &[u8]| Temporary::new("damaged", bytes).open().map(drop);
    open(&bytes).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 61).chain(0..40) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(
            matches!(open(&damaged), Err(LoadError::Artifact(_))),
            "byte {at}"
        );
    }
    let start = CODE_START as usize;
    for length in [0, 1, 39, 40, start - 1, start, bytes.len() - 1] {
        let error = open(&bytes[..length]).unwrap_err();
        match length {
            0..40 => assert!(matches!(
                error,
                LoadError::Artifact(ArtifactError::NotAnArtifact)
            )),
            _ => assert!(matches!(
                error,
                LoadError::Artifact(ArtifactError::Length { .. })
            )),
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        open(&longer),
        Err(LoadError::Artifact(ArtifactError::Length { .. }))
    ));
    let directory = File::open(std::env::temp_dir()).unwrap();
    assert!(matches!(
        // SAFETY: opening a directory fails, so no code is executed.
        unsafe { Module::open(&directory) },
        Err(LoadError::Failure(_))
    ));
}

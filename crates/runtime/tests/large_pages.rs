//! Simulates a system with pages of 64 KiB: the runtime asks `sysconf`, which this file replaces.
//! All its requests to the system then have to be in multiples of such pages.

mod support;

use pvf_compiler::{CompileOptions, Target, compile};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{Instance, Linker, Module, Value};
use std::ffi::{c_int, c_long};
use std::fs::File;
use support::{F, i32s, trap};

const PAGE: c_long = 64 * 1024;

/// Replaces the C library's function in this program.
#[unsafe(no_mangle)]
extern "C" fn sysconf(name: c_int) -> c_long {
    if name == libc::_SC_PAGESIZE {
        return PAGE;
    }
    // SAFETY: the next function of this name is the C library's, which has this type.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"sysconf".as_ptr());
        let next: extern "C" fn(c_int) -> c_long = std::mem::transmute(next);
        next(name)
    }
}

#[test]
fn memory_stack_and_traps_work_with_large_pages() {
    let mut instance = support::instance();
    for _ in 0..3 {
        let at = |address: i32| i32s(&[address]);
        assert_eq!(
            instance.call(F::Load8.index(), &at(65_535)).unwrap(),
            i32s(&[6])
        );
        let beyond = instance.call(F::Load8.index(), &at(65_536));
        assert_eq!(trap(beyond).kind, TrapKind::MemoryOutOfBounds);
        assert_eq!(instance.call(F::Grow.index(), &at(2)).unwrap(), i32s(&[1]));
        let end = 3 * 65_536;
        assert_eq!(
            instance.call(F::Load8.index(), &at(end - 1)).unwrap(),
            i32s(&[0])
        );
        let beyond = instance.call(F::Load8.index(), &at(end));
        assert_eq!(trap(beyond).kind, TrapKind::MemoryOutOfBounds);
        let deep = instance.call(F::Recurse.index(), &at(i32::MAX));
        assert_eq!(trap(deep).kind, TrapKind::StackOverflow);
        assert_eq!(instance.stack_native_peak(), 1 << 20);
        instance.reset(Default::default()).unwrap();
    }
}

#[test]
fn an_artifact_in_a_file_works_with_large_pages() {
    let wasm = wat::parse_str(
        r#"(module (memory (export "memory") 3) (data (i32.const 70000) "data") (data (i32.const 5) "more")
            (func (export "f") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
    )
    .unwrap();
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).unwrap();
    let path = std::env::temp_dir().join(format!("pvf-runtime-pages-{}", std::process::id()));
    std::fs::write(&path, artifact.to_bytes()).unwrap();
    // SAFETY: the file was just written from an artifact and is not changed.
    let module = unsafe { Module::open(&File::open(&path).unwrap()) };
    std::fs::remove_file(&path).unwrap();
    let module = module.unwrap();
    let mut instance =
        Instance::new(&module, &Linker::new(), &ExecutionParameters::WASM, ()).unwrap();
    for (at, value) in [(70_000, b'd'), (70_004, 0), (5, b'm'), (131_072, 0)] {
        assert_eq!(
            instance.call_export("f", &[Value::I32(at)]).unwrap(),
            [Value::I32(value.into())]
        );
    }
}

/// Code in an artifact file begins at a boundary of the largest pages that systems of its target
/// have.
#[test]
fn code_begins_at_boundaries_of_the_largest_pages() {
    let pages = Target::Aarch64.largest_page_bytes();
    assert_eq!(c_long::from(pages), PAGE);
}

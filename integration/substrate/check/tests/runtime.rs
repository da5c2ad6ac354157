//! The replacement for `sc-executor-wasmtime`, tested through the traits of `sc-executor-common` as
//! `sc-executor` and `pvf-common` use them: results, and the class of each error.

use sc_executor_common::error::{Error, WasmError};
use sc_executor_wasmtime::{
    Config, DeterministicStackLimit, HeapAllocStrategy, InstantiationStrategy, RuntimeBlob,
    Semantics, WasmModule, WasmtimeRuntime, create_runtime, create_runtime_from_artifact,
    create_runtime_from_artifact_bytes, prepare_runtime_artifact,
};
use serde_json::Value;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::Path;

/// The host functions of a PVF, and the one with which a runtime reports a panic message.
type HostFunctions = (
    sp_io::misc::HostFunctions,
    sp_io::crypto::HostFunctions,
    sp_io::hashing::HostFunctions,
    sp_io::allocator::HostFunctions,
    sp_io::logging::HostFunctions,
    sp_io::trie::HostFunctions,
    sp_io::panic_handler::HostFunctions,
);

const DYNAMIC: HeapAllocStrategy = HeapAllocStrategy::Dynamic {
    maximum_pages: Some(2080),
};

/// The configuration of a PVF, or without a limit that of a runtime.
fn config(limit: Option<(u32, u32)>) -> Config {
    Config {
        allow_missing_func_imports: true,
        cache_path: None,
        semantics: Semantics {
            instantiation_strategy: InstantiationStrategy::RecreateInstanceCopyOnWrite,
            deterministic_stack_limit: limit.map(|(logical_max, native_stack_max)| {
                DeterministicStackLimit {
                    logical_max,
                    native_stack_max,
                }
            }),
            canonicalize_nans: limit.is_some(),
            parallel_compilation: limit.is_none(),
            heap_alloc_strategy: DYNAMIC,
            wasm_multi_value: false,
            wasm_bulk_memory: false,
            wasm_reference_types: false,
            wasm_simd: false,
        },
    }
}

fn pvf() -> Config {
    config(Some((65_536, 256 << 20)))
}

/// A blob from imports, the body of `call`, and other fields. The body returns a result: length in
/// the high half, address in the low half.
fn blob(imports: &str, body: &str, fields: &str) -> RuntimeBlob {
    whole(&format!(
        r#"{imports} (memory (export "memory") 2)
        (global (export "__heap_base") i32 (i32.const 2048)) {fields}
        (func (export "call") (param i32 i32) (result i64) {body})"#
    ))
}

fn whole(fields: &str) -> RuntimeBlob {
    let wasm = wat::parse_str(format!("(module {fields})")).expect("the text is a module");
    RuntimeBlob::new(&wasm).expect("the parser knows all of it")
}

fn runtime(blob: RuntimeBlob) -> WasmtimeRuntime {
    create_runtime::<HostFunctions>(blob, pvf()).expect("the module is valid")
}

fn call(runtime: &WasmtimeRuntime, method: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    call_as(runtime, DYNAMIC, method, data)
}

/// Calls with externalities, as a node does.
fn call_as(
    runtime: &WasmtimeRuntime,
    strategy: HeapAllocStrategy,
    method: &str,
    data: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut surroundings = sp_state_machine::BasicExternalities::default();
    let called = AssertUnwindSafe(|| runtime.new_instance(strategy)?.call(method, data));
    sc_executor::with_externalities_safe(&mut surroundings, called).and_then(|result| result)
}

/// A body that returns the value of `instructions`, stored at address 16.
fn number(instructions: &str) -> String {
    format!("(i32.store (i32.const 16) {instructions}) (i64.const 0x400000010)")
}

fn refusal(blob: RuntimeBlob, config: Config) -> WasmError {
    match create_runtime::<HostFunctions>(blob, config) {
        Ok(_) => panic!("it is not refused"),
        Err(error) => error,
    }
}

/// Every candidate of the fixtures, with the artifact in memory and in a file.
#[test]
fn fixtures() {
    let folder = Path::new("../../../fixtures");
    let index = fs::read(folder.join("cases.json")).expect("there are fixtures");
    let index: Value = serde_json::from_slice(&index).expect("their index is JSON");
    let (mut valid, mut invalid) = (0, 0);
    for chain in index["chains"].as_array().expect("chains") {
        let name = chain["chain"].as_str().expect("a name");
        let folder = folder.join(name);
        let code = fs::read(folder.join("code.wasm"))
            .or_else(|_| wat::parse_file(folder.join("code.wat")))
            .expect("there is code");
        let code = RuntimeBlob::new(&code).expect("the parser knows all of it");
        let artifact = prepare_runtime_artifact(code, &pvf().semantics).expect("it compiles");
        let file = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        fs::write(&file, &artifact).expect("it can be written");
        let runtimes = [
            // SAFETY: the artifact was just prepared.
            unsafe { create_runtime_from_artifact_bytes::<HostFunctions>(&artifact, pvf()) },
            // SAFETY: the file was just written from the prepared artifact.
            unsafe { create_runtime_from_artifact::<HostFunctions>(&file, pvf()) },
        ];
        fs::remove_file(&file).expect("it is there");
        for runtime in runtimes {
            let runtime = runtime.expect("it can be executed");
            for case in chain["cases"].as_array().expect("cases") {
                let name = case["case"].as_str().expect("a name");
                let candidate = fs::read(folder.join(format!("{name}.params"))).expect("params");
                let said = call(&runtime, "validate_block", &candidate);
                match fs::read(folder.join(format!("{name}.result"))) {
                    Ok(result) => {
                        assert_eq!(said.expect(name), result, "{name}");
                        valid += 1;
                    }
                    Err(_) => {
                        let said = said.expect_err(name);
                        assert!(
                            !matches!(said, Error::RuntimeConstruction(_)),
                            "{name}: {said}"
                        );
                        invalid += 1;
                    }
                }
            }
        }
    }
    assert!(valid > 50 && invalid > 50, "{valid} and {invalid}");
}

#[test]
fn every_call_is_the_first() {
    let count = number(
        "(i32.add (i32.load (i32.const 16)) (global.set 1 (i32.add (global.get 1) (i32.const 1))) (global.get 1))",
    );
    let counter = blob("", &count, "(global (mut i32) (i32.const 5))");
    let runtime = runtime(counter);
    let mut instance = runtime.new_instance(DYNAMIC).unwrap();
    for _ in 0..3 {
        assert_eq!(
            instance.call("call", &[1; 100]).unwrap(),
            6u32.to_le_bytes()
        );
    }
    let (result, stats) = instance.call_with_allocation_stats("call", &[1; 100]);
    assert!(result.is_ok());
    // Rounded up to a power of two, plus the header.
    assert_eq!(stats.unwrap().bytes_allocated_peak, 136);
}

#[test]
fn memory_by_either_strategy() {
    let runtime = runtime(blob(
        "",
        &number("(i32.add (i32.mul (memory.size) (i32.const 1000)) (memory.grow (i32.const 1)))"),
        "",
    ));
    let says = |strategy| {
        let bytes = call_as(&runtime, strategy, "call", b"").unwrap();
        i32::from_le_bytes(bytes.try_into().unwrap())
    };
    let dynamic = |pages| HeapAllocStrategy::Dynamic {
        maximum_pages: pages,
    };
    assert_eq!(says(HeapAllocStrategy::Static { extra_pages: 5 }), 6999);
    assert_eq!(says(HeapAllocStrategy::Static { extra_pages: 0 }), 1999);
    assert_eq!(says(dynamic(Some(2))), 1999);
    assert_eq!(says(dynamic(Some(3))), 2002);
    assert_eq!(says(dynamic(None)), 2002);

    let mut instance = runtime.new_instance(dynamic(Some(2))).unwrap();
    instance.set_heap_alloc_strategy(dynamic(Some(3)));
    assert_eq!(instance.call("call", b"").unwrap(), 2002i32.to_le_bytes());

    for strategy in [
        dynamic(Some(1)),
        HeapAllocStrategy::Static {
            extra_pages: 65_535,
        },
    ] {
        let said = call_as(&runtime, strategy, "call", b"");
        assert!(
            matches!(said, Err(Error::RuntimeConstruction(_))),
            "{said:?}"
        );
    }
}

#[test]
fn imported_memory_is_the_modules_own() {
    let imported = whole(
        r#"(import "env" "memory" (memory 1 1))
        (global (export "__heap_base") i32 (i32.const 2048))
        (func (export "call") (param i32 i32) (result i64)
            (i32.store (i32.const 16) (memory.grow (i32.const 1))) (i64.const 0x400000010))"#,
    );
    assert_eq!(
        call(&runtime(imported), "call", b"").unwrap(),
        1u32.to_le_bytes()
    );
}

#[test]
fn imports() {
    let missing = || {
        blob(
            r#"(import "env" "nobody" (func $f))"#,
            "(if (local.get 1) (then (call $f))) (i64.const 0)",
            "",
        )
    };
    let lenient = runtime(missing());
    assert_eq!(call(&lenient, "call", b"").unwrap(), b"");
    let said = call(&lenient, "call", b"x");
    let Err(Error::AbortedDueToTrap(trap)) = said else {
        panic!("{said:?}");
    };
    assert!(
        trap.message
            .contains("call to a missing function env:nobody"),
        "{trap}"
    );

    let mut strict = pvf();
    strict.allow_missing_func_imports = false;
    assert!(refusal(missing(), strict).to_string().contains("nobody"));

    for import in [
        r#"(import "other" "f" (func))"#,
        r#"(import "env" "t" (table 1 funcref))"#,
        r#"(import "env" "ext_hashing_twox_64_version_1" (func (param i32) (result i32)))"#,
        r#"(import "env" "f" (func)) (import "env" "f" (func (param i32)))"#,
    ] {
        refusal(blob(import, "(i64.const 0)", ""), pvf());
    }
}

#[test]
fn host_functions_that_fail() {
    let too_large = blob(
        r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))"#,
        "(drop (call $malloc (i32.const 0x2000001))) (i64.const 0)",
        "",
    );
    let said = call(&runtime(too_large), "call", b"");
    assert!(matches!(said, Err(Error::AbortedDueToTrap(_))), "{said:?}");

    let panicking = blob(
        r#"(import "env" "ext_panic_handler_abort_on_panic_version_1" (func $panic (param i64)))"#,
        "(call $panic (i64.const 0x300000010)) unreachable",
        r#"(data (i32.const 16) "why")"#,
    );
    let said = call(&runtime(panicking), "call", b"");
    let Err(Error::AbortedDueToPanic(panic)) = said else {
        panic!("{said:?}");
    };
    assert_eq!(panic.message, "why");
}

#[test]
fn errors_by_class() {
    let construction = [
        whole("(memory (export \"memory\") 1) (func unreachable) (start 0)"),
        whole("(memory (export \"memory\") 2081)"),
        blob("", "(i64.const 0)", r#"(data (i32.const 131072) "x")"#),
    ];
    for blob in construction {
        let said = call(&runtime(blob), "call", b"");
        assert!(
            matches!(said, Err(Error::RuntimeConstruction(_))),
            "{said:?}"
        );
    }
    let lacking = [
        whole(""),
        whole("(memory (export \"memory\") 1)"),
        whole(r#"(memory (export "memory") 1) (global (export "__heap_base") i64 (i64.const 0))"#),
        whole(
            r#"(memory (export "memory") 1) (global (export "__heap_base") i32 (i32.const 0))
            (func (export "call") (param i32) (result i64) (i64.const 0))"#,
        ),
    ];
    for blob in lacking {
        let said = call(&runtime(blob), "call", b"");
        assert!(matches!(said, Err(Error::Other(_))), "{said:?}");
    }
    let said = call(&runtime(blob("", "unreachable", "")), "call", b"");
    assert!(matches!(said, Err(Error::AbortedDueToTrap(_))), "{said:?}");
    let outside = blob("", "(i64.const 0x10001fff0)", "");
    assert_eq!(call(&runtime(outside), "call", b"").unwrap(), [0]);
    let outside = blob("", "(i64.const 0x1100001fff0)", "");
    let said = call(&runtime(outside), "call", b"");
    assert!(matches!(said, Err(Error::OutputExceedsBounds)), "{said:?}");
    let said = call(
        &runtime(blob("", "(i64.const 0)", "")),
        "call",
        &vec![0; (32 << 20) + 1],
    );
    assert!(matches!(said, Err(Error::Allocator(_))), "{said:?}");
}

/// A recursion whose depth is the length of the parameters.
fn deep() -> RuntimeBlob {
    blob(
        "",
        "(call $down (local.get 1)) (i64.const 0)",
        "(func $down (param i32) (if (local.get 0)
            (then (call $down (i32.sub (local.get 0) (i32.const 1))))))",
    )
}

#[test]
fn stack_limits() {
    let counted = runtime(deep());
    // Each call here takes 4 units: a frame and two operands.
    assert!(call(&counted, "call", &[0; 16_000]).is_ok());
    let said = call(&counted, "call", &[0; 17_000]);
    assert!(matches!(said, Err(Error::AbortedDueToTrap(_))), "{said:?}");

    let uncounted = create_runtime::<HostFunctions>(deep(), config(None)).unwrap();
    assert!(call(&uncounted, "call", &[0; 17_000]).is_ok());
    let said = call(&uncounted, "call", &vec![0; 4 << 20]);
    assert!(matches!(said, Err(Error::AbortedDueToTrap(_))), "{said:?}");

    let shallow =
        create_runtime::<HostFunctions>(deep(), config(Some((65_536, 64 << 10)))).unwrap();
    let said = call(&shallow, "call", &[0; 16_000]);
    assert!(matches!(said, Err(Error::AbortedDueToTrap(_))), "{said:?}");
}

#[test]
fn artifacts_are_checked() {
    let artifact = prepare_runtime_artifact(deep(), &pvf().semantics).unwrap();
    let load =
        // SAFETY: the bytes are those of artifacts that were just prepared, or damaged ones, which
        // are refused.
        |bytes: &[u8], config| unsafe { create_runtime_from_artifact_bytes::<HostFunctions>(bytes, config) };
    assert!(load(&artifact, pvf()).is_ok());
    assert!(load(&artifact, config(None)).is_err());
    let uncounted = prepare_runtime_artifact(deep(), &config(None).semantics).unwrap();
    assert!(load(&uncounted, pvf()).is_err());
    for place in (0..artifact.len()).step_by(97) {
        let mut damaged = artifact.clone();
        damaged[place] ^= 1;
        assert!(load(&damaged, pvf()).is_err(), "at {place}");
    }
    assert!(load(&artifact[..artifact.len() - 1], pvf()).is_err());
    assert!(load(b"", pvf()).is_err());
}

#[test]
fn what_does_not_compile() {
    let untyped = whole("(func (result i32) (i64.const 0))");
    assert!(prepare_runtime_artifact(untyped, &pvf().semantics).is_err());
    // Two exports of one name, since the imported memory becomes an export.
    let twice = whole(r#"(import "env" "memory" (memory 1)) (func (export "memory"))"#);
    assert!(prepare_runtime_artifact(twice, &pvf().semantics).is_err());
}

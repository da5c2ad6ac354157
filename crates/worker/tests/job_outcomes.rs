//! Our workers answer modules that break a rule with the same class as the node's own workers. The
//! class of an answer decides a vote.

mod common;

use common::*;
use pvf_node_protocol::{ExecuteResponse, JobResponse, PrepareError, PrepareJobKind, WorkerError};
use pvf_primitives::{ExecutorHostFunction, ExecutorParam, ExecutorParams};
use std::time::Duration;

/// The class of an execution's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Valid,
    Invalid,
    Construction,
    TimedOut,
}

fn class(response: &ExecuteResponse) -> Class {
    match response {
        Ok(response) => match response.job_response {
            JobResponse::Ok { .. } => Class::Valid,
            JobResponse::InvalidCandidate(_) => Class::Invalid,
            JobResponse::RuntimeConstruction(_) => Class::Construction,
            ref other => panic!("{other:?}"),
        },
        Err(WorkerError::JobTimedOut) => Class::TimedOut,
        Err(other) => panic!("{other:?}"),
    }
}

/// Prepares modules, which must pass pre-checking, executes them, and compares the classes.
fn expect(params: &ExecutorParams, modules: &[(&str, Vec<u8>, Class)]) {
    let mut preparing = Host::preparing();
    let mut executing = Host::executing(params);
    for (what, code, expected) in modules {
        let mut request = preparation(code);
        request.executor_params = params.clone();
        let (_, artifact) = preparing.prepare(&request).expect(what);
        let mut request = execution(&artifact);
        if *expected == Class::TimedOut {
            request.execution_timeout = Duration::from_millis(100);
        }
        let response = executing.execute(&artifact, &request);
        assert_eq!(class(&response), *expected, "{what}: {response:?}");
    }
}

fn expect_default(modules: &[(&str, Vec<u8>, Class)]) {
    expect(&ExecutorParams::default(), modules);
}

const MISSING: &str = r#"(import "env" "nobody_has_this" (func $missing (param i32)))"#;

#[test]
fn a_missing_function_matters_only_when_called_and_a_missing_export_always() {
    let heap_base = r#"(global (export "__heap_base") i32 (i32.const 2048))"#;
    let memory = r#"(memory (export "memory") 1)"#;
    let entry = r#"(func (export "validate_block") (param i32 i32) (result i64) (i64.const 0))"#;
    let without = |parts: &[&str]| parse(&format!("(module {})", parts.concat()));
    expect_default(&[
        ("nothing wrong", module("", "", ""), Class::Valid),
        ("missing, not called", module(MISSING, "", ""), Class::Valid),
        (
            "missing, called",
            module(MISSING, "(call $missing (i32.const 1))", ""),
            Class::Invalid,
        ),
        ("no memory", without(&[heap_base, entry]), Class::Invalid),
        ("no heap base", without(&[memory, entry]), Class::Invalid),
        (
            "no entry point",
            without(&[memory, heap_base]),
            Class::Invalid,
        ),
        (
            "entry point of another type",
            without(&[
                memory,
                heap_base,
                r#"(func (export "validate_block") (param i32))"#,
            ]),
            Class::Invalid,
        ),
    ]);
}

#[test]
fn a_memory_must_be_imported_under_its_name() {
    let importing = |name: &str| {
        parse(&format!(
            r#"(module (import "env" "{name}" (memory 1))
                (global (export "__heap_base") i32 (i32.const 2048))
                (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
                (func (export "validate_block") (param i32 i32) (result i64)
                    (i64.const 0xf00000010)))"#
        ))
    };
    expect_default(&[
        ("under its name", importing("memory"), Class::Valid),
        ("under another", importing("storage"), Class::Invalid),
    ]);
}

#[test]
fn modules_that_cannot_be_instantiated_are_construction_failures() {
    let memory = |pages: u32| {
        parse(&format!(
            r#"(module (memory (export "memory") {pages})
                (global (export "__heap_base") i32 (i32.const 2048))
                (data (i32.const 16) "\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00")
                (func (export "validate_block") (param i32 i32) (result i64)
                    (i64.const 0xf00000010)))"#
        ))
    };
    let starting = |body: &str| module("", "", &format!("(func $start {body}) (start $start)"));
    expect_default(&[
        ("start function", starting(""), Class::Valid),
        (
            "start function that traps",
            starting("unreachable"),
            Class::Construction,
        ),
        (
            "data out of bounds",
            module("", "", r#"(data (i32.const 65535) "ab")"#),
            Class::Construction,
        ),
        (
            "elements out of bounds",
            module("", "", "(table 1 funcref) (elem (i32.const 1) func 0)"),
            Class::Construction,
        ),
        ("2080 pages", memory(2080), Class::Valid),
        ("2081 pages", memory(2081), Class::Construction),
    ]);
}

#[test]
fn traps_are_invalid_and_endless_loops_time_out() {
    let malloc = r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))"#;
    let free = r#"(import "env" "ext_allocator_free_version_1" (func $free (param i32)))"#;
    let keys = r#"(import "env" "ext_crypto_sr25519_public_keys_version_1" (func $keys (param i32) (result i64)))"#;
    let grow = |by: u32, expected: i32| {
        let body = format!(
            "(if (i32.ne (memory.grow (i32.const {by})) (i32.const {expected})) (then unreachable))"
        );
        module("", &body, "")
    };
    let recursive = "(func $deeper (param i32) (call $deeper (local.get 0)))";
    expect_default(&[
        ("unreachable", module("", "unreachable", ""), Class::Invalid),
        (
            "division by zero",
            module("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", ""),
            Class::Invalid,
        ),
        (
            "load out of bounds",
            module("", "(drop (i32.load (i32.const -4)))", ""),
            Class::Invalid,
        ),
        (
            "recursion",
            module("", "(call $deeper (i32.const 1))", recursive),
            Class::Invalid,
        ),
        (
            "allocation too large",
            module(malloc, "(drop (call $malloc (i32.const 0x2000001)))", ""),
            Class::Invalid,
        ),
        (
            "heap exhausted",
            module(
                malloc,
                "(loop (drop (call $malloc (i32.const 0x2000000))) (br 0))",
                "",
            ),
            Class::Invalid,
        ),
        (
            "bad pointer freed",
            module(free, "(call $free (i32.const 12))", ""),
            Class::Invalid,
        ),
        (
            "keystore",
            module(keys, "(drop (call $keys (i32.const 0)))", ""),
            Class::Invalid,
        ),
        ("memory grows to its limit", grow(2079, 1), Class::Valid),
        ("memory does not grow beyond", grow(2080, -1), Class::Valid),
        ("endless", module("", "(loop (br 0))", ""), Class::TimedOut),
    ]);
}

#[test]
fn results_that_do_not_decode_are_invalid() {
    let returning = |value: &str, data: &str| {
        parse(&format!(
            r#"(module (memory (export "memory") 1)
                (global (export "__heap_base") i32 (i32.const 2048))
                (data (i32.const 16) "{data}")
                (func (export "validate_block") (param i32 i32) (result i64) (i64.const {value})))"#
        ))
    };
    let good = r"\0c\01\02\03\00\00\00\00\00\00\00\07\00\00\00\ff\ff";
    expect_default(&[
        (
            "as it should be",
            returning("0xf00000010", good),
            Class::Valid,
        ),
        (
            "extra bytes after the result",
            returning("0x1100000010", good),
            Class::Valid,
        ),
        ("too short", returning("0xe00000010", good), Class::Invalid),
        (
            "pointer out of bounds",
            returning("0xf0000fff8", good),
            Class::Invalid,
        ),
        (
            "length out of bounds",
            returning("0xffffffff00000010", good),
            Class::Invalid,
        ),
        (
            "undecodable",
            returning("0x400000010", r"\ff\ff\ff\ff"),
            Class::Invalid,
        ),
    ]);
}

#[test]
fn the_networks_executor_parameters_apply() {
    let deep = |calls: u32| {
        let recursive = "(func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))";
        module("", &format!("(call $down (i32.const {calls}))"), recursive)
    };
    let ecc = r#"(import "env" "ext_host_calls_pallas_mul_version_1" (func $mul (param i64 i64 i64) (result i32)))"#;
    let call_ecc = "(drop (call $mul (i64.const 0) (i64.const 0) (i64.const 0)))";
    expect_default(&[
        ("deep", deep(1000), Class::Valid),
        ("no curves", module(ecc, call_ecc, ""), Class::Invalid),
    ]);
    let params = ExecutorParams(vec![
        ExecutorParam::StackLogicalMax(1024),
        ExecutorParam::MaxMemoryPages(10),
        ExecutorParam::EnabledHostFunction(ExecutorHostFunction::EccRfc163),
    ]);
    let grow = |by: u32, expected: i32| {
        let body = format!(
            "(if (i32.ne (memory.grow (i32.const {by})) (i32.const {expected})) (then unreachable))"
        );
        module("", &body, "")
    };
    expect(
        &params,
        &[
            ("not deep", deep(100), Class::Valid),
            ("too deep", deep(1000), Class::Invalid),
            ("42 pages", grow(41, 1), Class::Valid),
            ("43 pages", grow(42, -1), Class::Valid),
            ("curves", module(ecc, call_ecc, ""), Class::Valid),
        ],
    );
}

#[test]
fn candidates_that_are_too_large_or_do_not_decompress_are_invalid() {
    let mut preparing = Host::preparing();
    let mut executing = Host::executing(&ExecutorParams::default());
    let (_, artifact) = preparing
        .prepare(&preparation(&module("", "", "")))
        .expect("prepares");
    let mut request = execution(&artifact);
    request.pov.block_data = vec![0; 31 << 20];
    assert_eq!(class(&executing.execute(&artifact, &request)), Class::Valid);
    request.pov.block_data = vec![0; 33 << 20];
    assert_eq!(
        class(&executing.execute(&artifact, &request)),
        Class::Invalid
    );

    let magic = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];
    request.pov.block_data = [&magic[..], b"no zstd"].concat();
    let response = executing.execute(&artifact, &request).expect("a response");
    assert_eq!(response.job_response, JobResponse::PoVDecompressionFailure);
    assert_eq!(response.pov_size, 0);

    let compress = |bytes: usize| {
        let data = vec![0; bytes];
        sp_maybe_compressed_blob::compress_weakly(&data, bytes).expect("compresses")
    };
    request.pov.block_data = compress(41 << 20);
    let bomb = said(executing.execute(&artifact, &request));
    assert_eq!(bomb, JobResponse::PoVDecompressionFailure);
    request.pov.block_data = compress(1 << 20);
    let response = executing.execute(&artifact, &request).expect("a response");
    assert!(matches!(response.job_response, JobResponse::Ok { .. }));
    assert_eq!(response.pov_size, 1 << 20);
}

/// The results of both kinds of preparation of a module.
fn prepared(code: &[u8]) -> [Result<(), PrepareError>; 2] {
    let mut preparing = Host::preparing();
    [PrepareJobKind::Prechecking, PrepareJobKind::Compilation].map(|prep_kind| {
        let request = pvf_node_protocol::PrepareRequest {
            prep_kind,
            ..preparation(code)
        };
        preparing.prepare(&request).map(|_| ())
    })
}

#[test]
fn unsatisfiable_imports_fail_prechecking_and_construction() {
    let mut executing = Host::executing(&ExecutorParams::default());
    let mut preparing = Host::preparing();
    for import in [
        r#"(import "other" "f" (func))"#,
        r#"(import "env" "t" (table 1 funcref))"#,
        r#"(import "env" "ext_allocator_malloc_version_1" (func (param i64) (result i32)))"#,
        r#"(import "env" "ext_hashing_twox_64_version_1" (func (param i64)))"#,
    ] {
        let code = module(import, "", "");
        let [precheck, compilation] = prepared(&code);
        let construction = matches!(precheck, Err(PrepareError::RuntimeConstruction(_)));
        assert!(construction, "{import}: {precheck:?}");
        assert_eq!(compilation, Ok(()), "{import}");
        let mut request = preparation(&code);
        request.prep_kind = PrepareJobKind::Compilation;
        let (_, artifact) = preparing.prepare(&request).expect("prepares");
        let response = executing.execute(&artifact, &execution(&artifact));
        assert_eq!(class(&response), Class::Construction, "{import}");
    }
}

#[test]
fn rejected_code_has_the_error_of_the_nodes_own_workers() {
    let magic = [0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05];
    let garbage = [&magic[..], b"no zstd"].concat();
    for precheck in prepared(&garbage) {
        assert!(matches!(
            precheck,
            Err(PrepareError::CouldNotDecompressCodeBlob(_))
        ));
    }
    let valid = module("", "", "");
    for (what, code) in [
        ("nothing", vec![]),
        ("cut short", valid[..valid.len() - 1].to_vec()),
        (
            "sign extension",
            module("", "(drop (i32.extend8_s (i32.const 1)))", ""),
        ),
        (
            "saturating conversion",
            module("", "(drop (i32.trunc_sat_f32_s (f32.const 1)))", ""),
        ),
        (
            "bulk memory",
            module(
                "",
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
                "",
            ),
        ),
        ("SIMD", module("", "(drop (v128.const i64x2 0 0))", "")),
        (
            "two results",
            module("", "", "(func (result i32 i32) unreachable)"),
        ),
    ] {
        for error in prepared(&code) {
            let error = error.expect_err(what);
            assert!(
                matches!(error, PrepareError::Prevalidation(_)),
                "{what}: {error:?}"
            );
            assert!(error.is_deterministic());
        }
    }
    for (what, code) in [
        ("ill-typed", ill_typed()),
        (
            "an imported memory with the name of an export",
            parse(r#"(module (import "env" "run" (memory 1)) (func (export "run")))"#),
        ),
    ] {
        for error in prepared(&code) {
            let error = error.expect_err(what);
            assert!(
                matches!(error, PrepareError::Preparation(_)),
                "{what}: {error:?}"
            );
        }
    }
}

/// A module whose function should return an `i32` and returns nothing.
fn ill_typed() -> Vec<u8> {
    let head = b"\0asm\x01\0\0\0";
    let types = [1, 5, 1, 0x60, 0, 1, 0x7f];
    let functions = [3, 2, 1, 0];
    let code = [10, 4, 1, 2, 0, 0x0b];
    [&head[..], &types, &functions, &code].concat()
}

#[test]
fn compressed_code_above_the_bomb_limit_is_rejected() {
    let mut code = module("", "", "");
    // A custom section of a megabyte.
    code.extend([0, 0x82, 0x80, 0x40, 1, b'x']);
    code.extend(vec![0; 1 << 20]);
    let compressed = sp_maybe_compressed_blob::compress_weakly(&code, code.len()).unwrap();
    let mut preparing = Host::preparing();
    let mut request = preparation(&compressed);
    request.validation_code_bomb_limit = code.len() as u32;
    assert!(preparing.prepare(&request).is_ok());
    request.validation_code_bomb_limit -= 1;
    let error = preparing.prepare(&request).expect_err("it is too large");
    assert!(matches!(error, PrepareError::CouldNotDecompressCodeBlob(_)));
}

#[test]
fn the_input_of_validate_block_follows_the_descriptors_version() {
    use pvf_node_protocol::CandidateDescriptorVersion as Version;
    // Encoded lengths of the head data, the block data, the number and the root of the request
    // below.
    let plain = (1 + 3) + (1 + 5) + 4 + 32;
    let taking = |bytes: u32| {
        let wrong = format!("(i32.ne (local.get $bytes) (i32.const {bytes}))");
        module("", &format!("(if {wrong} (then unreachable))"), "")
    };
    let mut preparing = Host::preparing();
    let mut executing = Host::executing(&ExecutorParams::default());
    for (version, bytes) in [
        (Version::V1, plain),
        (Version::V2, plain),
        (Version::V3, plain + 1 + 64),
        (Version::Unknown(Some(7)), plain),
        // The encoding of nodes before 1.25.
        (Version::Unknown(None), plain),
    ] {
        for (expected, class_expected) in [(bytes, Class::Valid), (bytes + 1, Class::Invalid)] {
            let code = taking(expected);
            let (_, artifact) = preparing.prepare(&preparation(&code)).expect("prepares");
            let mut request = execution(&artifact);
            request.pvd.parent_head = vec![1; 3];
            request.pov.block_data = vec![2; 5];
            request.descriptor_version = version;
            let response = executing.execute(&artifact, &request);
            assert_eq!(
                class(&response),
                class_expected,
                "{version:?}: {response:?}"
            );
        }
    }
}

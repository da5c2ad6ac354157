//! The rules of Polkadot's execution environment: outcomes of modules that follow or break them,
//! one test per rule.

mod common;

use common::*;
use pvf_executor::check_linkable;
use pvf_rules::RejectionStage::{Construct, Prepare};
use pvf_rules::TrapKind;
use pvf_validation::{ExecutionParameters, HostParameters, Outcome};

const MALLOC: &str =
    r#"(import "env" "ext_allocator_malloc_version_1" (func $malloc (param i32) (result i32)))"#;
const FREE: &str = r#"(import "env" "ext_allocator_free_version_1" (func $free (param i32)))"#;

#[test]
fn a_result_is_returned_byte_for_byte() {
    assert_valid(run(&doing("", "")));
}

#[test]
fn the_candidate_is_the_first_allocation_after_the_heap_base() {
    let check = format!(
        "(if (i32.or (i32.ne (local.get $at) (i32.const {CANDIDATE}))
                     (i32.ne (local.get $bytes) (i32.const 3)))
            (then unreachable))
         (if (i32.ne (i32.load16_u (local.get $at)) (i32.const 0x0605)) (then unreachable))
         (if (i32.ne (i32.load8_u offset=2 (local.get $at)) (i32.const 7)) (then unreachable))"
    );
    assert_valid(run_with(&doing("", &check), &[5, 6, 7]));
}

#[test]
fn the_heap_base_is_rounded_up_to_eight() {
    for (base, address) in [
        (2041, 2056),
        (2047, 2056),
        (2048, 2056),
        (2049, 2064),
        (0, 8),
        (-1, 8),
    ] {
        let wat = format!(
            r#"(module (memory (export "memory") 1)
                (global (export "__heap_base") i32 (i32.const {base}))
                (func (export "validate_block") (param $at i32) (param i32) (result i64)
                    (if (i32.ne (local.get $at) (i32.const {address})) (then unreachable))
                    (i32.store (i32.const 512) (i32.const 0x0302010c))
                    (i64.const 0xf00000200)))"#
        );
        let mut expected = RESULT;
        expected[11] = 0;
        assert_eq!(run(&wat), Outcome::Valid(expected.to_vec()), "{base}");
    }
}

#[test]
fn a_missing_function_links_and_traps_when_called() {
    let import =
        r#"(import "env" "ext_storage_get_version_1" (func $get (param i64) (result i64)))"#;
    assert_valid(run(&doing(import, "")));
    assert_host_error(
        run(&doing(import, "(drop (call $get (i64.const 0)))")),
        "call to a missing function env:ext_storage_get_version_1",
    );
}

#[test]
fn a_missing_function_has_one_type() {
    let import = r#"(import "env" "a" (func (param i32))) (import "env" "b" (func (param i64)))
        (import "env" "a" (func (param i32)))"#;
    assert_valid(run(&doing(import, "")));
    let import = r#"(import "env" "a" (func (param i32))) (import "env" "a" (func (param i64)))"#;
    assert_rejected(run(&doing(import, "")), Construct);
}

#[test]
fn the_only_module_to_import_from_is_env() {
    let import =
        r#"(import "other" "ext_allocator_malloc_version_1" (func (param i32) (result i32)))"#;
    assert_rejected(run(&doing(import, "")), Construct);
}

#[test]
fn tables_and_globals_cannot_be_imported() {
    assert_rejected(
        run(&doing(r#"(import "env" "t" (table 1 funcref))"#, "")),
        Construct,
    );
    assert_rejected(
        run(&doing(r#"(import "env" "g" (global i32))"#, "")),
        Construct,
    );
}

#[test]
fn a_known_function_with_another_type_is_rejected() {
    let import =
        r#"(import "env" "ext_allocator_malloc_version_1" (func (param i64) (result i32)))"#;
    assert_rejected(run(&doing(import, "")), Construct);
}

#[test]
fn the_elliptic_curve_functions_exist_only_if_enabled() {
    let import = r#"(import "env" "ext_host_calls_pallas_mul_version_1"
        (func $mul (param i64 i64 i64) (result i32)))"#;
    let call = "(drop (call $mul (i64.const 0) (i64.const 0) (i64.const 0)))";
    let calling = doing(import, call);
    assert_host_error(run(&calling), "call to a missing function");
    let parameters = HostParameters {
        ecc_rfc163: true,
        ..HostParameters::default()
    };
    let validated = pvf_with(&calling, parameters.clone()).validate(&[]);
    match cfg!(feature = "ecc") {
        true => assert_valid(validated.expect("no failure of the host").outcome),
        false => _ = validated.expect_err("the build lacks them"),
    }

    let other = doing(
        r#"(import "env" "ext_host_calls_pallas_mul_version_1" (func))"#,
        "",
    );
    assert_valid(run(&other));
    if cfg!(feature = "ecc") {
        assert_rejected(
            execute(&pvf_with(&other, parameters), &[]).outcome,
            Construct,
        );
    }
}

/// A module that imports its memory.
fn importing_memory(import: &str, exports: &str) -> String {
    format!(
        r#"(module {import} {exports}
            (global (export "__heap_base") i32 (i32.const 2048))
            {RESULT_DATA}
            (func (export "validate_block") (param i32 i32) (result i64) {RETURN_RESULT}))"#
    )
}

#[test]
fn an_imported_memory_is_exported_under_its_field_name() {
    assert_valid(run(&importing_memory(
        r#"(import "env" "memory" (memory 1))"#,
        "",
    )));
    assert_valid(run(&importing_memory(
        r#"(import "other" "memory" (memory 1))"#,
        "",
    )));
    assert_invalid(run(&importing_memory(
        r#"(import "env" "mem" (memory 1))"#,
        "",
    )));
    assert_valid(run(&importing_memory(
        r#"(import "env" "mem" (memory 1))"#,
        r#"(export "memory" (memory 0))"#,
    )));
    assert_valid(run(&importing_memory(
        r#"(import "env" "ext_allocator_malloc_version_1" (memory 1))"#,
        r#"(export "memory" (memory 0))"#,
    )));
}

#[test]
fn an_imported_memory_cannot_take_the_name_of_an_export() {
    assert_rejected(
        run(&importing_memory(
            r#"(import "env" "memory" (memory 1))"#,
            r#"(export "memory" (memory 0))"#,
        )),
        Prepare,
    );
    assert_rejected(
        run(&importing_memory(
            r#"(import "env" "validate_block" (memory 1))"#,
            r#"(export "memory" (memory 0))"#,
        )),
        Prepare,
    );
}

#[test]
fn the_three_exports_have_to_be_there() {
    let memory = r#"(memory (export "memory") 1)"#;
    let base = r#"(global (export "__heap_base") i32 (i32.const 2048))"#;
    let function = r#"(func (export "validate_block") (param i32 i32) (result i64) unreachable)"#;
    let whole = format!("(module {memory} {base} {function})");
    assert_trap(run(&whole), TrapKind::Unreachable);
    for (part, replacement) in [
        (memory, ""),
        (memory, "(memory 1)"),
        (memory, r#"(memory 1) (func (export "memory"))"#),
        (base, ""),
        (
            base,
            r#"(global (export "__heap_base") i64 (i64.const 2048))"#,
        ),
        (base, r#"(func (export "__heap_base"))"#),
        (function, ""),
        (
            function,
            r#"(global (export "validate_block") i32 (i32.const 0))"#,
        ),
        (
            function,
            r#"(func (export "validate_block") (param i32) (result i64) unreachable)"#,
        ),
        (
            function,
            r#"(func (export "validate_block") (param i32 i32) (result i32) unreachable)"#,
        ),
        (
            function,
            r#"(func (export "validate_block") (param i32 i64) (result i64) unreachable)"#,
        ),
        (function, r#"(func (export "validate_block"))"#),
    ] {
        assert_invalid(run(&whole.replace(part, replacement)));
    }
}

#[test]
fn the_heap_base_may_be_mutable() {
    let wat = doing("", "").replace(
        r#"(global (export "__heap_base") i32"#,
        r#"(global (export "__heap_base") (mut i32)"#,
    );
    assert_valid(run(&wat));
}

#[test]
fn validate_block_may_be_a_host_function() {
    let wat = r#"(module
        (import "env" "ext_crypto_secp256k1_ecdsa_recover_version_2" (func $f (param i32 i32) (result i64)))
        (memory (export "memory") 1)
        (global (export "__heap_base") i32 (i32.const 2048))
        (export "validate_block" (func $f)))"#;
    // The function returns an encoded error, whose first bytes are not a valid result.
    assert_invalid(run_with(wat, &[0; 65]));
    let missing = wat.replace("_version_2", "_version_9");
    assert_host_error(run_with(&missing, &[0; 65]), "missing function");
}

#[test]
fn the_start_function_runs_and_its_trap_is_a_rejection() {
    let start = |body: &str| module("", RETURN_RESULT, &format!("(start $s) (func $s {body})"));
    assert_valid(run(&start("")));
    assert_rejected(run(&start("unreachable")), Construct);
    assert_rejected(run(&start("(drop (i32.load (i32.const -1)))")), Construct);
    // The start function runs before the exports are checked.
    let no_entry = start("unreachable").replace("validate_block", "other");
    assert_rejected(run(&no_entry), Construct);
}

#[test]
fn host_functions_have_no_memory_in_the_start_function() {
    let start = |import: &str, body: &str| {
        module(
            import,
            RETURN_RESULT,
            &format!("(start $s) (func $s {body})"),
        )
    };
    assert_rejected(
        run(&start(MALLOC, "(drop (call $malloc (i32.const 1)))")),
        Construct,
    );
    let hash =
        r#"(import "env" "ext_hashing_twox_64_version_1" (func $hash (param i64) (result i32)))"#;
    assert_rejected(
        run(&start(hash, "(drop (call $hash (i64.const 0)))")),
        Construct,
    );
    let level = r#"(import "env" "ext_logging_max_level_version_1" (func $level (result i32)))"#;
    assert_valid(run(&start(level, "(drop (call $level))")));
}

#[test]
fn segments_and_memory_have_to_fit() {
    assert_valid(run(&module(
        "",
        RETURN_RESULT,
        r#"(data (i32.const 65535) "x")"#,
    )));
    assert_rejected(
        run(&module(
            "",
            RETURN_RESULT,
            r#"(data (i32.const 65535) "xy")"#,
        )),
        Construct,
    );
    assert_rejected(
        run(&module(
            "",
            RETURN_RESULT,
            "(table 1 funcref) (elem (i32.const 1) 0)",
        )),
        Construct,
    );
    let pages = |pages: u32| {
        doing("", "").replace(
            r#"(memory (export "memory") 1)"#,
            &format!(r#"(memory (export "memory") {pages})"#),
        )
    };
    assert_valid(run(&pages(2080)));
    assert_rejected(run(&pages(2081)), Construct);
}

#[test]
fn the_declared_maximum_is_ignored() {
    let wat = doing(
        "",
        "(if (i32.ne (memory.grow (i32.const 1)) (i32.const 17)) (then unreachable))",
    )
    .replace(
        r#"(memory (export "memory") 1)"#,
        r#"(memory (export "memory") 17 17)"#,
    );
    assert_valid(run(&wat));
}

#[test]
fn memory_grows_to_the_limit_and_no_further() {
    let wat = doing(
        "",
        "(if (i32.ne (memory.grow (i32.const 2080)) (i32.const -1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 2079)) (i32.const 1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
         (if (i32.ne (memory.size) (i32.const 2080)) (then unreachable))",
    );
    let execution = execute(&pvf(&wat), &[]);
    assert_eq!(execution.memory_pages_peak, 2080);
    assert_valid(execution.outcome);

    let parameters = HostParameters {
        execution: ExecutionParameters {
            max_memory_pages: 3,
            ..ExecutionParameters::POLKADOT
        },
        ..HostParameters::default()
    };
    assert_trap(
        execute(&pvf_with(&wat, parameters), &[]).outcome,
        TrapKind::Unreachable,
    );
}

#[test]
fn traps_make_a_candidate_invalid() {
    assert_trap(run(&doing("", "unreachable")), TrapKind::Unreachable);
    assert_trap(
        run(&doing(
            "",
            "(drop (i32.div_u (i32.const 1) (local.get $bytes)))",
        )),
        TrapKind::IntegerDivideByZero,
    );
    assert_trap(
        run(&doing("", "(drop (i32.load (i32.const 65533)))")),
        TrapKind::MemoryOutOfBounds,
    );
    let recursion = module("", "(call $f) unreachable", "(func $f (call $f))");
    assert_trap(run(&recursion), TrapKind::StackOverflow);
}

#[test]
fn the_result_has_to_be_in_bounds_and_decodable() {
    let returning = |value: &str| run(&module("", &format!("(i64.const {value})"), ""));
    for out_of_bounds in [
        "-1",
        "0xffffffff00000000",
        "0x20000ffff",
        "0xf0000fff2",
        "0x00000001ffffffff",
    ] {
        assert_invalid(returning(out_of_bounds));
    }
    // At the end of memory: in bounds, but not decodable.
    assert_invalid(returning("0x10000ffff"));
    // Too short: by one byte, and empty.
    assert_invalid(returning("0xe00000010"));
    assert_invalid(returning("0"));
    assert_invalid(returning("0x00010000"));
}

#[test]
fn bytes_after_the_decoded_result_are_part_of_it() {
    let mut expected = RESULT.to_vec();
    expected.push(0);
    assert_eq!(
        run(&module("", "(i64.const 0x1000000010)", "")),
        Outcome::Valid(expected)
    );
}

#[test]
fn a_failed_allocation_or_free_is_a_trap() {
    let malloc = |bytes: &str| {
        run(&doing(
            MALLOC,
            &format!("(drop (call $malloc (i32.const {bytes})))"),
        ))
    };
    assert_valid(malloc("0"));
    assert_valid(malloc("0x02000000"));
    assert_host_error(malloc("0x02000001"), "too large");
    assert_host_error(malloc("-1"), "too large");

    let forever = "(loop (drop (call $malloc (i32.const 0x01000000))) (br 0)) unreachable";
    assert_host_error(run(&module(MALLOC, forever, "")), "out of space");

    let free = |at: &str| run(&doing(FREE, &format!("(call $free (i32.const {at}))")));
    assert_valid(free("2056"));
    for bad in ["0", "7", "8", "2048", "2057", "65536", "-1"] {
        assert_host_error(free(bad), "ext_allocator_free_version_1");
    }
    let twice = "(call $free (local.get $at)) (call $free (local.get $at))";
    assert_host_error(run(&doing(FREE, twice)), "empty header");
}

#[test]
fn functions_that_need_a_keystore_are_traps() {
    for (name, parameters, arguments) in [
        ("sr25519_public_keys", "i32", "(local.get $at)"),
        ("ed25519_public_keys", "i32", "(local.get $at)"),
        ("ecdsa_public_keys", "i32", "(local.get $at)"),
        (
            "sr25519_sign",
            "i32 i32 i64",
            "(local.get $at) (local.get $at) (i64.const 0)",
        ),
        (
            "ed25519_sign",
            "i32 i32 i64",
            "(local.get $at) (local.get $at) (i64.const 0)",
        ),
        (
            "ecdsa_sign",
            "i32 i32 i64",
            "(local.get $at) (local.get $at) (i64.const 0)",
        ),
        (
            "ecdsa_sign_prehashed",
            "i32 i32 i32",
            "(local.get $at) (local.get $at) (local.get $at)",
        ),
    ] {
        let import = format!(
            r#"(import "env" "ext_crypto_{name}_version_1" (func $f (param {parameters}) (result i64)))"#
        );
        assert_valid(run(&doing(&import, "")));
        let calling = doing(&import, &format!("(drop (call $f {arguments}))"));
        assert_host_error(run_with(&calling, &[0; 64]), "keystore");
    }
    for name in ["sr25519_generate", "ed25519_generate", "ecdsa_generate"] {
        let import = format!(
            r#"(import "env" "ext_crypto_{name}_version_1" (func $f (param i32 i64) (result i32)))"#
        );
        let calling = doing(
            &import,
            "(drop (call $f (local.get $at) (i64.const 0x100000000)))",
        );
        assert_host_error(run(&calling), "keystore");
    }
}

#[test]
fn batch_verification_starts_once_and_finishes_once() {
    let imports = r#"(import "env" "ext_crypto_start_batch_verify_version_1" (func $start))
        (import "env" "ext_crypto_finish_batch_verify_version_1" (func $finish (result i32)))"#;
    let finish = "(if (i32.ne (call $finish) (i32.const 1)) (then unreachable))";
    let run = |body: String| run(&doing(imports, &body));
    assert_valid(run(format!(
        "(call $start) {finish} (call $start) {finish}"
    )));
    assert_host_error(
        run("(call $start) (call $start)".to_owned()),
        "has started already",
    );
    assert_host_error(run(finish.to_owned()), "has not started");
    assert_host_error(
        run(format!("(call $start) {finish} {finish}")),
        "has not started",
    );
    // Each run has externalities of its own.
    let pvf = pvf(&doing(imports, "(call $start)"));
    assert_valid(execute(&pvf, &[]).outcome);
    assert_valid(execute(&pvf, &[]).outcome);
}

#[test]
fn a_candidate_of_more_than_32_mib_is_invalid() {
    let pvf = pvf(&doing("", ""));
    let mut candidate = vec![0; 32 << 20];
    assert_valid(execute(&pvf, &candidate).outcome);
    candidate.push(0);
    assert_invalid(execute(&pvf, &candidate).outcome);
}

#[test]
fn a_candidate_that_does_not_fit_into_the_heap_is_invalid() {
    let parameters = HostParameters {
        execution: ExecutionParameters {
            max_memory_pages: 2,
            ..ExecutionParameters::POLKADOT
        },
        ..HostParameters::default()
    };
    let pvf = pvf_with(&doing("", ""), parameters);
    assert_valid(execute(&pvf, &[0; 65_536]).outcome);
    assert_invalid(execute(&pvf, &[0; 65_537]).outcome);
    let high = doing("", "").replace("i32 (i32.const 2048)", "i32 (i32.const 0xfffff000)");
    assert_invalid(run(&high));
}

#[test]
fn one_validation_function_serves_many_threads() {
    let wat = doing(MALLOC, "(drop (call $malloc (i32.const 100000)))");
    let pvf = pvf(&wat);
    let alone = execute(&pvf, b"candidate").digest();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(execute(&pvf, b"candidate").digest(), alone);
                }
            });
        }
    });
}

/// `check_linkable` on the compiled module agrees with the outcome of a run.
#[test]
fn check_linkable_agrees_with_the_outcome_of_a_run() {
    let checked = |wat: &str, ecc| {
        let wasm = wat::parse_str(wat).expect("parses");
        let types = pvf_validation::function_types(ecc);
        check_linkable(prepare(&wasm).info(), &types).map_err(|rejection| rejection.stage())
    };
    let taken_name = importing_memory(
        r#"(import "env" "run" (memory 1))"#,
        r#"(func (export "run"))"#,
    );
    for (wat, refused) in [
        (doing("", ""), None),
        (doing(MALLOC, ""), None),
        (
            doing(r#"(import "env" "nobody" (func (param f32)))"#, ""),
            None,
        ),
        (doing(r#"(import "other" "f" (func))"#, ""), Some(Construct)),
        (
            doing(r#"(import "env" "t" (table 1 funcref))"#, ""),
            Some(Construct),
        ),
        (
            doing(
                r#"(import "env" "ext_allocator_malloc_version_1" (func (param i64)))"#,
                "",
            ),
            Some(Construct),
        ),
        (
            doing(
                r#"(import "env" "a" (func (param i32))) (import "env" "a" (func (param i64)))"#,
                "",
            ),
            Some(Construct),
        ),
        (taken_name, Some(Prepare)),
    ] {
        assert_eq!(checked(&wat, false).err(), refused, "{wat}");
        let outcome = run(&wat);
        match (refused, &outcome) {
            (None, Outcome::Valid(_)) => {}
            (Some(expected), Outcome::Rejected(rejection)) => {
                assert_eq!(rejection.stage(), expected)
            }
            _ => panic!("{wat}: {outcome:?}"),
        }
    }
    let curve = doing(
        r#"(import "env" "ext_host_calls_pallas_mul_version_1" (func))"#,
        "",
    );
    assert_eq!(checked(&curve, false), Ok(()));
    if cfg!(feature = "ecc") {
        assert_eq!(checked(&curve, true), Err(Construct));
    }
}

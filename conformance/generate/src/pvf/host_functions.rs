//! Host functions: hashes, logging, storage, signatures.

use super::{Ends, function, function_with_head, head, push};
use crate::suite::{Case, Suite};
use blake2::digest::{Digest, consts::U32};

pub(super) fn add(suite: &mut Suite) {
    let log_level =
        "(import \"env\" \"ext_logging_max_level_version_1\" (func $level (result i32)))";
    push(
        suite,
        "HOST-6",
        "log-level",
        &function(
            log_level,
            "(if (i32.ne (call $level) (i32.const 1)) (then unreachable))",
        ),
        Ends::Valid,
    );
    let log = "(import \"env\" \"ext_logging_log_version_1\" (func $log (param i32 i64 i64)))";
    push(
        suite,
        "HOST-10",
        "logging",
        &function(
            log,
            "(call $log (i32.const 0) (i64.const 0x400000000) (i64.const 0x400000000))",
        ),
        Ends::Valid,
    );
    push(
        suite,
        "HOST-10",
        "logging-no-level",
        &function(
            log,
            "(call $log (i32.const 9) (i64.const 0x400000000) (i64.const 0x400000000))",
        ),
        Ends::Trap("host_error"),
    );
    push(
        suite,
        "HOST-11",
        "logging-out-of-bounds",
        &function(
            log,
            "(call $log (i32.const 0) (i64.const 0x4ffffffff) (i64.const 0))",
        ),
        Ends::Trap("host_error"),
    );
    for (name, rule, import, call) in [
        (
            "malloc-too-large",
            "HOST-9",
            "ext_allocator_malloc_version_1\" (func $h (param i32) (result i32)",
            "(drop (call $h (i32.const 33554433)))",
        ),
        (
            "heap-exhausted",
            "HOST-9",
            "ext_allocator_malloc_version_1\" (func $h (param i32) (result i32)",
            "(loop (drop (call $h (i32.const 33554432))) (br 0))",
        ),
        (
            "free-of-nothing",
            "HOST-9",
            "ext_allocator_free_version_1\" (func $h (param i32)",
            "(call $h (i32.const 64))",
        ),
        (
            "free-out-of-bounds",
            "HOST-11",
            "ext_allocator_free_version_1\" (func $h (param i32)",
            "(call $h (i32.const -8))",
        ),
        (
            "hash-out-of-bounds",
            "HOST-11",
            "ext_hashing_blake2_256_version_1\" (func $h (param i64) (result i32)",
            "(drop (call $h (i64.const 0x10ffffffff)))",
        ),
        (
            "hash-length-out-of-bounds",
            "HOST-11",
            "ext_hashing_twox_64_version_1\" (func $h (param i64) (result i32)",
            "(drop (call $h (i64.const 0xffffffff00000000)))",
        ),
        (
            "keystore",
            "HOST-8",
            "ext_crypto_sr25519_public_keys_version_1\" (func $h (param i32) (result i64)",
            "(drop (call $h (i32.const 1024)))",
        ),
        (
            "keystore-generate",
            "HOST-8",
            "ext_crypto_ed25519_generate_version_1\" (func $h (param i32 i64) (result i32)",
            "(drop (call $h (i32.const 1024) (i64.const 0x100000400)))",
        ),
        (
            "batch-finish-first",
            "HOST-12",
            "ext_crypto_finish_batch_verify_version_1\" (func $h (result i32)",
            "(drop (call $h))",
        ),
        (
            "batch-start-twice",
            "HOST-12",
            "ext_crypto_start_batch_verify_version_1\" (func $h",
            "(call $h) (call $h)",
        ),
        (
            "ecc-not-enabled",
            "HOST-13",
            "host_calls_bls12_381_multi_miller_loop_version_1\" (func $h (param i64 i64) (result i64)",
            "(drop (call $h (i64.const 0) (i64.const 0)))",
        ),
    ] {
        push(
            suite,
            rule,
            name,
            &function(&format!("(import \"env\" \"{import}))"), call),
            Ends::Trap("host_error"),
        );
    }
    push(
        suite,
        "HOST-12",
        "batch-in-turn",
        &function(
            "(import \"env\" \"ext_crypto_start_batch_verify_version_1\" (func $s)) (import \"env\" \"ext_crypto_finish_batch_verify_version_1\" (func $e (result i32)))",
            "(call $s) (if (i32.ne (call $e) (i32.const 1)) (then unreachable))",
        ),
        Ends::Valid,
    );
    // Hashes of "abc" from other implementations or from published test vectors.
    let abc: &[u8] = b"abc";
    let blake: [u8; 32] = blake2::Blake2b::<U32>::digest(abc).into();
    let blake_16: [u8; 16] = blake2::Blake2b::<blake2::digest::consts::U16>::digest(abc).into();
    let sha: [u8; 32] = sha2::Sha256::digest(abc).into();
    let keccak = [
        0x4e, 0x03, 0x65, 0x7a, 0xea, 0x45, 0xa9, 0x4f, 0xc7, 0xd4, 0x7b, 0xa8, 0x26, 0xc8, 0xd6,
        0x67, 0xc0, 0xd1, 0xe6, 0xe3, 0x3a, 0x64, 0xa0, 0x36, 0xec, 0x44, 0xf5, 0x8f, 0xa1, 0x2d,
        0x6c, 0x45_u8,
    ];
    let twox = 0x44bc_2cf5_ad77_0999_u64.to_le_bytes();
    for (function, bytes) in [
        ("blake2_256", &blake[..]),
        ("blake2_128", &blake_16),
        ("sha2_256", &sha),
        ("keccak_256", &keccak),
        ("twox_64", &twox),
    ] {
        let source = format!("pvf-hash-{function}");
        let count = bytes.len();
        suite.text(&source, &function_with_head(
            &format!("(import \"env\" \"ext_hashing_{function}_version_1\" (func $hash (param i64) (result i32))) (data (i32.const 1024) \"abc\")"),
            &format!("(call $copy (call $hash (i64.const 0x300000400)) (i32.const {count}))"), count));
        suite.push(
            Case::new("pvf", "HOST-14", format!("hash/{function}"))
                .also(&["HOST-1"])
                .polkadot()
                .module(&source)
                .validate(&[])
                .valid_bytes(&head(bytes)),
        );
    }
}

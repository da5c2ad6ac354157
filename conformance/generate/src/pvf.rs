//! The interface of validation functions, as observed on Polkadot's stock workers; host functions; the addresses of the
//! allocator.

use crate::suite::{Case, Suite};
use blake2::digest::{Digest, consts::U32};

/// The smallest result: empty head, nothing else, watermark 0.
pub(crate) const EMPTY: [u8; 12] = [0; 12];

/// A result with a head of 32 bytes.
fn head(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8 * 4][..], bytes, &[0; 11]].concat()
}

const RETURN_EMPTY: &str = "(i64.const 0xc00000400)"; // 12 bytes at 1024

/// A validation function with these declarations, and a body that runs before it returns the empty result.
fn function(declarations: &str, body: &str) -> String {
    format!(
        "(module {declarations} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096))
          (func (export \"validate_block\") (param i32 i32) (result i64) {body} {RETURN_EMPTY}))"
    )
}

/// A validation function that returns `bytes` of the memory at 2048 as its head; the body stores them there.
fn function_with_head(declarations: &str, body: &str, bytes: usize) -> String {
    let length = (bytes * 4) as u8;
    let total = bytes + 12;
    format!(
        "(module {declarations} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096))
          (data (i32.const 2047) \"\\{length:02x}\")
          (func $copy (param $from i32) (param $bytes i32) (local $i i32)
            (loop (i32.store8 offset=2048 (local.get $i) (i32.load8_u (i32.add (local.get $from) (local.get $i))))
              (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $bytes)))))
          (func (export \"validate_block\") (param i32 i32) (result i64) {body} (i64.const {})))",
        ((total as u64) << 32) | 2047
    )
}

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    observed(suite);
    astray(suite);
    host_functions(suite);
    addresses(suite);
}

enum Ends {
    Valid,
    Trap(&'static str),
    Invalid,
    Rejected(&'static str),
    RejectedAnywhere,
}

fn push(suite: &mut Suite, rule: &'static str, name: &str, text: &str, ends: Ends) {
    let source = format!("pvf-{name}");
    suite.text(&source, text);
    let case = Case::new("pvf", rule, name)
        .also(&["PVF-7"])
        .polkadot()
        .module(&source)
        .validate(b"candidate");
    suite.push(match ends {
        Ends::Valid => case.valid_bytes(&EMPTY),
        Ends::Trap(kind) => case.trap(kind),
        Ends::Invalid => case.invalid(),
        Ends::Rejected(stage) => case.rejected(stage),
        Ends::RejectedAnywhere => case.expect("outcome", "rejected"),
    });
}

/// Modules with imported globals while the logical stack is counted: the nodes' limiter makes some of them invalid.
fn astray(suite: &mut Suite) {
    let import = |ty: &str| format!("(import \"env\" \"g\" (global {ty}))");
    let own = "(global $own (mut i32) (i32.const 0))";
    let silent = |fields: &str| {
        let import = import("i64");
        format!(
            "(module {import} (memory (export \"memory\") 17) (global (export \"__heap_base\") i32 (i32.const 4096)) {fields})"
        )
    };
    let (prepare, construct) = ("prepare", "construct");
    let rows = [
        // The module has one global of its own, so the limiter's code accesses the second of all globals,
        // `__heap_base`.
        ("immutable", function(&import("i64"), ""), prepare),
        (
            "mutable-i32-imported",
            function(&import("(mut i32)"), ""),
            prepare,
        ),
        // The module has two globals of its own, so the limiter's code accesses the third of all globals:
        // `__heap_base`, after `own`.
        (
            "two-own",
            function(&format!("{} {own}", import("i64")), ""),
            prepare,
        ),
        // The module has two imported globals and one of its own, so the limiter's code accesses the second imported
        // one.
        (
            "two-imported",
            function(&format!("{} {}", import("i64"), import("(mut i32)")), ""),
            construct,
        ),
        ("nothing-charged", silent("(func)"), construct),
        (
            "called-in-dead-code",
            silent("(func $f return (call $f))"),
            prepare,
        ),
        (
            "in-table",
            silent("(table 1 funcref) (elem (i32.const 0) $f) (func $f)"),
            prepare,
        ),
        ("start", silent("(start $f) (func $f)"), prepare),
        (
            "host-function-exported",
            function_imports(
                "(import \"env\" \"ext_nothing_version_1\" (func $n))",
                &silent("(export \"f\" (func $n))"),
            ),
            construct,
        ),
    ];
    for (name, text, stage) in rows {
        let source = format!("pvf-astray-{name}");
        suite.text(&source, &text);
        let case = Case::new("pvf", "NET-8", format!("astray/{name}"))
            .also(&["PVF-7", "HOST-2"])
            .strict()
            .module(&source)
            .parameter("stack_logical_max", 65_536)
            .needs("stack-logical")
            .validate(b"candidate");
        suite.push(case.rejected(stage));
    }
}

/// The module with one more import, which comes first.
fn function_imports(import: &str, module: &str) -> String {
    module.replacen("(module", &format!("(module {import}"), 1)
}

fn observed(suite: &mut Suite) {
    let (memory, base) = (
        "(memory (export \"memory\") 17)",
        "(global (export \"__heap_base\") i32 (i32.const 4096))",
    );
    let call =
        format!("(func (export \"validate_block\") (param i32 i32) (result i64) {RETURN_EMPTY})");
    let rows: Vec<(&'static str, &str, String, Ends)> = vec![
        ("PVF-1", "plain", function("", ""), Ends::Valid),
        (
            "HOST-3",
            "missing-not-called",
            function(
                "(import \"env\" \"ext_nothing_version_1\" (func (param i64) (result i32)))",
                "",
            ),
            Ends::Valid,
        ),
        (
            "HOST-3",
            "missing-called",
            function(
                "(import \"env\" \"ext_nothing_version_1\" (func $n (param i64) (result i32)))",
                "(drop (call $n (i64.const 0)))",
            ),
            Ends::Trap("host_error"),
        ),
        (
            "HOST-1",
            "storage-called",
            function(
                "(import \"env\" \"ext_storage_get_version_1\" (func $n (param i64) (result i64)))",
                "(drop (call $n (i64.const 0)))",
            ),
            Ends::Trap("host_error"),
        ),
        (
            "HOST-2",
            "other-module",
            function("(import \"wasi\" \"f\" (func))", ""),
            Ends::Rejected("construct"),
        ),
        (
            "HOST-2",
            "imported-table",
            function("(import \"env\" \"t\" (table 1 funcref))", ""),
            Ends::Rejected("construct"),
        ),
        (
            "HOST-2",
            "imported-global",
            function("(import \"env\" \"g\" (global i32))", ""),
            Ends::RejectedAnywhere,
        ),
        (
            "HOST-4",
            "other-signature",
            function(
                "(import \"env\" \"ext_allocator_malloc_version_1\" (func (param i64) (result i32)))",
                "",
            ),
            Ends::Rejected("construct"),
        ),
        (
            "HOST-4",
            "other-result",
            function(
                "(import \"env\" \"ext_allocator_free_version_1\" (func (param i32) (result i32)))",
                "",
            ),
            Ends::Rejected("construct"),
        ),
        (
            "HOST-5",
            "imported-memory",
            format!("(module (import \"env\" \"memory\" (memory 17)) {base} {call})"),
            Ends::Valid,
        ),
        (
            "HOST-5",
            "imported-memory-elsewhere",
            format!("(module (import \"other\" \"memory\" (memory 17)) {base} {call})"),
            Ends::Valid,
        ),
        (
            "HOST-5",
            "imported-memory-renamed",
            format!("(module (import \"env\" \"mem\" (memory 17)) {base} {call})"),
            Ends::Invalid,
        ),
        (
            "HOST-5",
            "imported-memory-and-export",
            format!(
                "(module (import \"env\" \"memory\" (memory 17)) (func (export \"memory\")) {base} {call})"
            ),
            Ends::Rejected("prepare"),
        ),
        (
            "PVF-1",
            "no-memory",
            format!("(module {base} {call})"),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "memory-not-exported",
            format!("(module (memory 17) {base} {call})"),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "no-heap-base",
            format!("(module {memory} {call})"),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "heap-base-is-i64",
            format!(
                "(module {memory} (global (export \"__heap_base\") i64 (i64.const 4096)) {call})"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "heap-base-is-function",
            format!("(module {memory} (func (export \"__heap_base\")) {call})"),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "no-validate-block",
            format!("(module {memory} {base})"),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "validate-block-signature",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i32) (i32.const 0)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "validate-block-parameters",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i64) (result i64) (i64.const 0)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-1",
            "validate-block-is-global",
            format!(
                "(module {memory} {base} (global (export \"validate_block\") i64 (i64.const 0)))"
            ),
            Ends::Invalid,
        ),
        (
            "START-1",
            "start",
            function("(func $s) (start $s)", ""),
            Ends::Valid,
        ),
        (
            "START-2",
            "start-traps",
            function("(func $s unreachable) (start $s)", ""),
            Ends::Rejected("construct"),
        ),
        (
            "START-4",
            "start-calls-host",
            function(
                "(import \"env\" \"ext_allocator_malloc_version_1\" (func $malloc (param i32) (result i32))) (func $s (drop (call $malloc (i32.const 1)))) (start $s)",
                "",
            ),
            Ends::Rejected("construct"),
        ),
        (
            "SEG-2",
            "data-out",
            function("(data (i32.const 1114112) \"x\")", ""),
            Ends::Rejected("construct"),
        ),
        (
            "SEG-2",
            "elements-out",
            function(
                "(table 1 funcref) (elem (i32.const 1) func $g) (func $g)",
                "",
            ),
            Ends::Rejected("construct"),
        ),
        (
            "MEM-4",
            "memory-2080",
            function("", "").replace(") 17)", ") 2080)"),
            Ends::Invalid,
        ),
        (
            "MEM-4",
            "memory-2081",
            function("", "").replace(") 17)", ") 2081)"),
            Ends::Rejected("construct"),
        ),
        (
            "TRAP-1",
            "unreachable",
            function("", "unreachable"),
            Ends::Trap("unreachable"),
        ),
        (
            "TRAP-4",
            "division",
            function(
                "",
                "(drop (i32.div_u (i32.const 1) (i32.eqz (i32.const 1))))",
            ),
            Ends::Trap("integer_divide_by_zero"),
        ),
        (
            "MEM-6",
            "load-out",
            function("", "(drop (i32.load (i32.const -1)))"),
            Ends::Trap("memory_out_of_bounds"),
        ),
        (
            "STACK-5",
            "recursion",
            function("(func $r (call $r))", "(call $r)"),
            Ends::Trap("stack_overflow"),
        ),
        (
            "PVF-3",
            "result-address-out",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0xc00110000)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-3",
            "result-length-out",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0xffffffff00000400)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-3",
            "result-straddles-end",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0xc0010fff5)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-3",
            "result-at-end",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0xc0010fff4)))"
            ),
            Ends::Valid,
        ),
        (
            "PVF-4",
            "result-empty",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-4",
            "result-short",
            format!(
                "(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0xb00000400)))"
            ),
            Ends::Invalid,
        ),
        (
            "PVF-4",
            "result-undecodable",
            format!(
                "(module {memory} {base} (data (i32.const 1024) \"\\ff\\ff\\ff\\ff\\ff\") (func (export \"validate_block\") (param i32 i32) (result i64) {RETURN_EMPTY}))"
            ),
            Ends::Invalid,
        ),
        (
            "MEM-3",
            "growth-beyond-declared",
            function(
                "",
                "(if (i32.ne (memory.grow (i32.const 1)) (i32.const 18)) (then unreachable))",
            )
            .replace(") 17)", ") 17 17)"),
            Ends::Valid,
        ),
        (
            "MEM-2",
            "growth-to-2080",
            function(
                "",
                "(if (i32.lt_s (memory.grow (i32.sub (i32.const 2080) (memory.size))) (i32.const 0)) (then unreachable))",
            ),
            Ends::Valid,
        ),
        (
            "MEM-2",
            "growth-to-2081",
            function(
                "",
                "(if (i32.ge_s (memory.grow (i32.sub (i32.const 2081) (memory.size))) (i32.const 0)) (then unreachable))",
            ),
            Ends::Valid,
        ),
        (
            "LANG-3",
            "sign-extension",
            function("", "(drop (i32.extend8_s (i32.const 1)))"),
            Ends::Rejected("prepare"),
        ),
        (
            "LANG-3",
            "bulk-memory",
            function(
                "",
                "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
            ),
            Ends::Rejected("prepare"),
        ),
    ];
    for (rule, name, text, ends) in rows {
        // A memory of 2,080 pages cannot grow, but it has enough free space.
        let ends = match name {
            "memory-2080" => Ends::Valid,
            "growth-beyond-declared" => {
                let text = text.replace("(i32.const 18)", "(i32.const 17)");
                push(suite, rule, name, &text, Ends::Valid);
                continue;
            }
            _ => ends,
        };
        push(suite, rule, name, &text, ends);
    }
    // Bytes after the result are part of the returned bytes and are ignored by decoding.
    suite.text("pvf-extra-bytes", &format!("(module {memory} {base} (func (export \"validate_block\") (param i32 i32) (result i64) (i64.const 0x1000000400)))"));
    suite.push(
        Case::new("pvf", "PVF-4", "extra-bytes")
            .polkadot()
            .module("pvf-extra-bytes")
            .validate(&[])
            .valid_bytes(&[0; 16]),
    );
    for (name, bytes, fits) in [
        ("at-32-mib-with-header", (32_u64 << 20) - 8, true),
        ("32-mib", 32 << 20, true),
        ("above-32-mib", (32 << 20) + 1, false),
        ("33-mib", 33 << 20, false),
    ] {
        let case = Case::new("pvf", "PVF-6", format!("candidate/{name}"))
            .polkadot()
            .module("pvf-plain")
            .validate_zeros(bytes);
        suite.push(if fits {
            case.valid_bytes(&EMPTY)
        } else {
            case.invalid()
        });
    }
    let garbage = [
        &[0x52, 0xbc, 0x53, 0x76, 0x46, 0xdb, 0x8e, 0x05][..],
        &[0xaa; 20],
    ]
    .concat();
    suite.bytes("pvf-garbage", garbage);
    suite.push(
        Case::new("pvf", "CODE-2", "compressed-garbage")
            .also(&["PVF-7", "OUT-2"])
            .polkadot()
            .module("pvf-garbage")
            .needs("blobs")
            .validate(&[])
            .rejected("prepare"),
    );
}

fn host_functions(suite: &mut Suite) {
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

/// The addresses of allocations: the candidate comes first, each block has a header of 8 bytes, sizes are rounded up to
/// powers of two, and the block freed last is reused first.
fn addresses(suite: &mut Suite) {
    let imports = "(import \"env\" \"ext_allocator_malloc_version_1\" (func $malloc (param i32) (result i32))) (import \"env\" \"ext_allocator_free_version_1\" (func $free (param i32)))";
    let show = "(i32.store (i32.const 2048) (local.get 0))";
    let malloc =
        |bytes: u32| format!("(i32.store (i32.const 2048) (call $malloc (i32.const {bytes})))");
    let class = |bytes: u32| bytes.max(8).next_power_of_two() + 8;
    let first = 4096 + 8;
    let rows: Vec<(&str, String, usize, u32)> = vec![
        ("candidate-empty", show.into(), 0, first),
        ("candidate", show.into(), 100, first),
        ("behind-empty", malloc(1), 0, first + class(0)),
        ("behind-8", malloc(1), 8, first + class(8)),
        ("behind-9", malloc(1), 9, first + class(9)),
        ("behind-100", malloc(1), 100, first + class(100)),
        (
            "second",
            format!("{} {}", malloc(17), malloc(1)),
            0,
            first + class(0) + class(17),
        ),
        (
            "reused",
            format!("(call $free (call $malloc (i32.const 20))) {}", malloc(32)),
            0,
            first + class(0),
        ),
        (
            "not-reused-other-class",
            format!("(call $free (call $malloc (i32.const 20))) {}", malloc(33)),
            0,
            first + class(0) + class(20),
        ),
        (
            "candidate-freed",
            format!("(call $free (local.get 0)) {}", malloc(60)),
            50,
            first,
        ),
        (
            "last-freed-first",
            format!(
                "(local.set 0 (call $malloc (i32.const 8))) (local.set 1 (call $malloc (i32.const 8))) (call $free (local.get 0)) (call $free (local.get 1)) {}",
                malloc(8)
            ),
            0,
            first + 2 * class(0),
        ),
    ];
    for (name, body, candidate, address) in rows {
        let source = format!("pvf-address-{name}");
        suite.text(&source, &function_with_head(imports, &body, 4));
        suite.push(
            Case::new("pvf", "HOST-7", format!("address/{name}"))
                .also(&["PVF-2"])
                .polkadot()
                .module(&source)
                .validate(&vec![7; candidate])
                .valid_bytes(&head(&address.to_le_bytes())),
        );
    }
    // Runtimes store two bytes in the header of a block, directly before the block. The bytes stay until the block is
    // freed and appear in no other block. The block can still be freed and reused.
    let own_bytes = "(local.set 0 (call $malloc (i32.const 8))) (local.set 1 (call $malloc (i32.const 8)))
        (i64.store (local.get 0) (i64.const 0x0102030405060708)) (i64.store (local.get 1) (i64.const 0x1112131415161718))
        (i32.store16 (i32.sub (local.get 1) (i32.const 2)) (i32.const 0xffff))
        (if (i64.ne (i64.load (local.get 0)) (i64.const 0x0102030405060708)) (then unreachable))
        (drop (call $malloc (i32.const 8)))
        (if (i32.ne (i32.load16_u (i32.sub (local.get 1) (i32.const 2))) (i32.const 0xffff)) (then unreachable))
        (call $free (local.get 1))
        (if (i32.ne (call $malloc (i32.const 5)) (local.get 1)) (then unreachable))
        (if (i32.load16_u (i32.sub (local.get 1) (i32.const 2))) (then unreachable))
        (i32.store (i32.const 2048) (local.get 1))";
    suite.text(
        "pvf-address-own-bytes-in-header",
        &function_with_head(imports, own_bytes, 4),
    );
    suite.push(
        Case::new("pvf", "HOST-7", "address/own-bytes-in-header")
            .polkadot()
            .module("pvf-address-own-bytes-in-header")
            .validate(&[])
            .valid_bytes(&head(&(first + class(0) + class(8)).to_le_bytes())),
    );
    // A heap base that is not a multiple of 8 is rounded up.
    suite.text(
        "pvf-address-odd-base",
        &function_with_head(imports, show, 4).replace("(i32.const 4096)", "(i32.const 4097)"),
    );
    suite.push(
        Case::new("pvf", "HOST-7", "address/odd-base")
            .polkadot()
            .module("pvf-address-odd-base")
            .validate(&[])
            .valid_bytes(&head(&(4104_u32 + 8).to_le_bytes())),
    );
    // Pointer and length are those of the candidate.
    suite.text(
        "pvf-passed",
        &function_with_head("", "(call $copy (local.get 0) (local.get 1))", 5),
    );
    suite.push(
        Case::new("pvf", "PVF-2", "passed")
            .also(&["PVF-5"])
            .polkadot()
            .module("pvf-passed")
            .validate(b"hello")
            .valid_bytes(&head(b"hello")),
    );
    suite.push(
        Case::new("pvf", "PVF-5", "passed-again")
            .polkadot()
            .module("pvf-passed")
            .validate(b"hello")
            .validate(b"world")
            .valid_bytes(&head(b"world")),
    );
    suite.text("pvf-dirty", &function("(global $g (mut i32) (i32.const 0))", "(if (i32.or (global.get $g) (i32.load (i32.const 8192))) (then unreachable)) (global.set $g (i32.const 1)) (i32.store (i32.const 8192) (i32.const 1))"));
    suite.push(
        Case::new("pvf", "PVF-5", "fresh-every-time")
            .also(&["MEM-5", "OUT-1"])
            .polkadot()
            .module("pvf-dirty")
            .validate(&[])
            .validate(&[])
            .valid_bytes(&EMPTY),
    );
}

/// Modules that several cases above share.
pub fn add_modules(suite: &mut Suite) {
    // A third of the smallest normal number is subnormal. It is computed before and after a host function.
    suite.text("pvf-float-host", &function(
        "(import \"env\" \"ext_logging_max_level_version_1\" (func $host (result i32))) (global $small (mut f64) (f64.const 0x1p-1022)) (global $before (mut f64) (f64.const 0))",
        "(global.set $before (f64.div (global.get $small) (f64.const 3))) (drop (call $host))
         (if (f64.ne (global.get $before) (f64.div (global.get $small) (f64.const 3))) (then unreachable))
         (if (f64.eq (global.get $before) (f64.const 0)) (then unreachable))"));
}

//! What a node asks of a validation function: memory, exports, imports, results.

use super::{EMPTY, Ends, RETURN_EMPTY, function, push};
use crate::suite::{Case, Suite};

pub(super) fn add(suite: &mut Suite) {
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

//! The accepted language: switches on and off, and proposals that are not accepted, in reachable code, in dead code and
//! in functions that nothing calls; custom sections; constant expressions.

use crate::bytes::{list, module, section, sized};
use crate::suite::{Case, Suite, i32};

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    switches(suite);
    proposals(suite);
    opcodes(suite);
    declarations(suite);
    harmless(suite);
    labels_of_a_table(suite);
}

const SWITCHES: [&str; 4] = [
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory",
];

/// Each instruction that a switch enables: with only that switch on and with only that switch off; in reachable code,
/// in dead code, in an uncalled function.
fn switches(suite: &mut Suite) {
    let rows = [
        (
            "sign-extension",
            "i32.extend8_s",
            "(drop (i32.extend8_s (i32.const 1)))",
        ),
        (
            "sign-extension",
            "i32.extend16_s",
            "(drop (i32.extend16_s (i32.const 1)))",
        ),
        (
            "sign-extension",
            "i64.extend8_s",
            "(drop (i64.extend8_s (i64.const 1)))",
        ),
        (
            "sign-extension",
            "i64.extend16_s",
            "(drop (i64.extend16_s (i64.const 1)))",
        ),
        (
            "sign-extension",
            "i64.extend32_s",
            "(drop (i64.extend32_s (i64.const 1)))",
        ),
        (
            "saturating-float-to-int",
            "i32.trunc_sat_f32_s",
            "(drop (i32.trunc_sat_f32_s (f32.const 1)))",
        ),
        (
            "saturating-float-to-int",
            "i64.trunc_sat_f64_u",
            "(drop (i64.trunc_sat_f64_u (f64.const 1)))",
        ),
        (
            "multi-value",
            "block-results",
            "(block (result i32 i32) (i32.const 1) (i32.const 2)) drop drop",
        ),
        (
            "multi-value",
            "block-parameter",
            "(i32.const 1) (block (param i32) drop)",
        ),
        (
            "multi-value",
            "loop-parameter",
            "(i32.const 1) (loop (param i32) drop)",
        ),
        (
            "multi-value",
            "if-parameter",
            "(i32.const 1) (if (param i32) (i32.const 0) (then drop) (else drop))",
        ),
        (
            "bulk-memory",
            "memory.copy",
            "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
        (
            "bulk-memory",
            "memory.fill",
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
        (
            "bulk-memory",
            "table.copy",
            "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
    ];
    for (switch, name, body) in rows {
        let places = [
            (
                "alive",
                format!("(func (export \"f\") (result i32) {body} (i32.const 42))"),
                "LANG-2",
            ),
            (
                "dead",
                format!(
                    "(func (export \"f\") (result i32) (return (i32.const 42)) {body} unreachable)"
                ),
                "LANG-5",
            ),
            (
                "uncalled",
                format!("(func (export \"f\") (result i32) (i32.const 42)) (func {body})"),
                "LANG-5",
            ),
        ];
        for (place, functions, rule) in places {
            let source = format!("switch-{name}-{place}");
            suite.text(
                &source,
                &format!("(module (memory 1) (table 1 funcref) {functions})"),
            );
            let case = |name: String| {
                Case::new("core", rule, name)
                    .also(&["LANG-2"])
                    .module(&source)
                    .invoke("f", &[])
            };
            suite.push(
                case(format!("{name}/{place}/on"))
                    .features(&[switch])
                    .needs(switch)
                    .valid(&[i32(42)]),
            );
            let others: Vec<&'static str> =
                SWITCHES.into_iter().filter(|it| *it != switch).collect();
            suite.push(
                case(format!("{name}/{place}/off"))
                    .features(&others)
                    .needs("language")
                    .rejected("prepare"),
            );
            if place == "alive" {
                suite.push(
                    Case::new("core", "LANG-3", format!("{name}/polkadot"))
                        .polkadot()
                        .module(&source)
                        .invoke("f", &[])
                        .needs("language")
                        .rejected("prepare"),
                );
                suite.push(
                    Case::new("core", "LANG-3", format!("{name}/wasm"))
                        .module(&source)
                        .invoke("f", &[])
                        .needs(switch)
                        .valid(&[i32(42)]),
                );
            }
        }
    }
    let forms = [
        (
            "LANG-2",
            "multi-value",
            "function-results",
            "(func (result i32 i32) (i32.const 1) (i32.const 1))",
        ),
        ("LANG-7", "bulk-memory", "passive-data", "(data \"x\")"),
        (
            "LANG-7",
            "bulk-memory",
            "passive-elements",
            "(elem func $g)",
        ),
        (
            "LANG-7",
            "bulk-memory",
            "data.drop",
            "(data $d \"x\") (func (data.drop $d))",
        ),
        (
            "LANG-7",
            "bulk-memory",
            "memory.init",
            "(data $d \"x\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
        (
            "LANG-7",
            "bulk-memory",
            "elem.drop",
            "(elem $e func $g) (func (elem.drop $e))",
        ),
    ];
    for (rule, switch, name, declaration) in forms {
        let source = format!("switch-{name}");
        suite.text(&source, &format!("(module (memory 1) (table 1 funcref) (func $g) (func (export \"f\") (result i32) (i32.const 42)) {declaration})"));
        let case = |name: String| {
            Case::new("core", rule, name)
                .also(&["LANG-2"])
                .module(&source)
                .invoke("f", &[])
        };
        suite.push(
            case(format!("{name}/on"))
                .features(&[switch])
                .needs(switch)
                .valid(&[i32(42)]),
        );
        suite.push(
            case(format!("{name}/off"))
                .features(&[])
                .needs("language")
                .rejected("prepare"),
        );
    }
}

/// Proposals that no switch enables.
fn proposals(suite: &mut Suite) {
    let bodies = [
        ("simd", "v128.const", "(drop (v128.const i32x4 0 0 0 0))"),
        ("simd", "i8x16.splat", "(drop (i8x16.splat (i32.const 0)))"),
        (
            "relaxed-simd",
            "f32x4.relaxed_madd",
            "(drop (f32x4.relaxed_madd (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)))",
        ),
        ("threads", "atomic.fence", "(atomic.fence)"),
        (
            "threads",
            "i32.atomic.load",
            "(drop (i32.atomic.load (i32.const 0)))",
        ),
        ("tail-call", "return_call", "(return_call $nothing)"),
        (
            "tail-call",
            "return_call_indirect",
            "(return_call_indirect (i32.const 0))",
        ),
        (
            "reference-types",
            "ref.null",
            "(drop (ref.is_null (ref.null func)))",
        ),
        (
            "reference-types",
            "ref.func",
            "(drop (ref.is_null (ref.func $nothing)))",
        ),
        (
            "reference-types",
            "table.get",
            "(drop (ref.is_null (table.get 0 (i32.const 0))))",
        ),
        ("reference-types", "table.size", "(drop (table.size 0))"),
        (
            "reference-types",
            "table.grow",
            "(drop (table.grow 0 (ref.null func) (i32.const 0)))",
        ),
        (
            "reference-types",
            "select-typed",
            "(drop (select (result i32) (i32.const 1) (i32.const 1) (i32.const 1)))",
        ),
        ("exception-handling", "throw", "(throw $t)"),
        ("exception-handling", "try_table", "(try_table (nop))"),
        ("gc", "ref.i31", "(drop (ref.i31 (i32.const 1)))"),
        (
            "function-references",
            "call_ref",
            "(call_ref $t0 (ref.func $nothing))",
        ),
        (
            "wide-arithmetic",
            "i64.add128",
            "(i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) drop drop",
        ),
    ];
    for (proposal, name, body) in bodies {
        let tag = if body.contains("$t)") { "(tag $t)" } else { "" };
        for (place, functions) in [
            (
                "alive",
                format!("(func $nothing (type $t0)) (func (export \"f\") {body})"),
            ),
            (
                "dead",
                format!("(func $nothing (type $t0)) (func (export \"f\") unreachable {body})"),
            ),
            (
                "uncalled",
                format!("(func $nothing (type $t0)) (func (export \"f\")) (func {body})"),
            ),
        ] {
            let source = format!("proposal-{name}-{place}");
            suite.text(&source, &format!("(module (type $t0 (func)) (memory 1) (table 1 funcref) (elem declare func $nothing) {tag} {functions})"));
            let rule = if place == "alive" { "LANG-4" } else { "LANG-5" };
            suite.push(
                Case::new("core", rule, format!("{proposal}/{name}/{place}"))
                    .also(&["LANG-4"])
                    .module(&source)
                    .needs("language")
                    .invoke("f", &[])
                    .rejected("prepare"),
            );
        }
    }
    for (rule, name, text) in [
        ("LANG-6", "two-memories", "(memory 1) (memory 1)"),
        (
            "LANG-6",
            "two-tables",
            "(table 1 funcref) (table 1 funcref)",
        ),
        (
            "LANG-6",
            "imported-and-own-memory",
            "(import \"env\" \"memory\" (memory 1)) (memory 1)",
        ),
        ("LANG-4", "memory64", "(memory i64 1)"),
        ("LANG-4", "shared-memory", "(memory 1 2 shared)"),
        ("LANG-4", "custom-page-size", "(memory 1 (pagesize 1))"),
        ("LANG-4", "externref-table", "(table 1 externref)"),
        (
            "LANG-4",
            "v128-global",
            "(global v128 (v128.const i32x4 0 0 0 0))",
        ),
        ("LANG-4", "externref-parameter", "(func (param externref))"),
        ("LANG-4", "funcref-local", "(func (local funcref))"),
        ("LANG-4", "gc-struct", "(type (struct (field i32)))"),
        (
            "LANG-4",
            "recursive-types",
            "(rec (type (func)) (type (func)))",
        ),
        ("LANG-4", "tag", "(tag)"),
        (
            "LANG-9",
            "extended-const",
            "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        ),
        (
            "LANG-9",
            "extended-const-offset",
            "(memory 1) (data (i32.sub (i32.const 2) (i32.const 1)) \"x\")",
        ),
        (
            "LANG-9",
            "own-global-in-const",
            "(global $a i32 (i32.const 1)) (global i32 (global.get $a))",
        ),
    ] {
        let source = format!("declaration-{name}");
        suite.text(&source, &format!("(module {text} (func (export \"f\")))"));
        suite.push(
            Case::new("core", rule, name)
                .module(&source)
                .needs("language")
                .invoke("f", &[])
                .rejected("prepare"),
        );
    }
}

/// A module with a function `f: () -> ()` of this body, a memory and a table.
fn with_body(body: &[u8]) -> Vec<u8> {
    module(&[
        section(1, &list(&[vec![0x60, 0, 0]])),
        section(3, &list(&[vec![0]])),
        section(4, &list(&[vec![0x70, 0, 1]])),
        section(5, &list(&[vec![0, 1]])),
        section(7, &list(&[[sized(b"f"), vec![0, 0]].concat()])),
        section(10, &list(&[sized(&[&[0][..], body, &[0x0b]].concat())])),
    ])
}

/// Every opcode without a meaning, in reachable and in dead code.
fn opcodes(suite: &mut Suite) {
    let single = (0x06..=0x0a)
        .chain(0x12..=0x19)
        .chain(0x1c..=0x1f)
        .chain(0x25..=0x27)
        .chain(0xc5..=0xff);
    for opcode in single {
        // The instructions with these prefixes follow below.
        if matches!(opcode, 0xfb..=0xfe) {
            continue;
        }
        for (place, body) in [("alive", vec![opcode]), ("dead", vec![0x00, opcode])] {
            let source = format!("opcode-{opcode:02x}-{place}");
            suite.bytes(&source, with_body(&body));
            suite.push(
                Case::new(
                    "core",
                    if place == "dead" { "LANG-5" } else { "LANG-4" },
                    format!("opcode-{opcode:02x}/{place}"),
                )
                .module(&source)
                .needs("language")
                .invoke("f", &[])
                .rejected("prepare"),
            );
        }
    }
    for prefix in [0xfb, 0xfc, 0xfd, 0xfe] {
        for second in [0x12_u8, 0x13, 0x40, 0x7f] {
            let source = format!("opcode-{prefix:02x}-{second:02x}");
            suite.bytes(&source, with_body(&[0x00, prefix, second]));
            suite.push(
                Case::new(
                    "core",
                    "LANG-4",
                    format!("opcode-{prefix:02x}-{second:02x}"),
                )
                .module(&source)
                .needs("language")
                .invoke("f", &[])
                .rejected("prepare"),
            );
        }
    }
    // The reserved bytes of memory.size, memory.grow and call_indirect.
    for (name, body) in [
        ("memory.size", vec![0x3f, 1, 0x1a]),
        ("memory.size-long", vec![0x3f, 0x80, 0, 0x1a]),
        ("memory.grow", vec![0x41, 0, 0x40, 1, 0x1a]),
        ("memory.grow-long", vec![0x41, 0, 0x40, 0x80, 0, 0x1a]),
        ("call_indirect", vec![0x41, 0, 0x11, 0, 1]),
        ("call_indirect-long", vec![0x41, 0, 0x11, 0, 0x80, 0]),
    ] {
        let source = format!("reserved-{name}");
        suite.bytes(&source, with_body(&body));
        suite.push(
            Case::new("core", "LANG-10", format!("reserved/{name}"))
                .polkadot()
                .module(&source)
                .needs("language")
                .invoke("f", &[])
                .rejected("prepare"),
        );
    }
    suite.bytes(
        "reserved-right",
        with_body(&[0x3f, 0, 0x1a, 0x41, 0, 0x40, 0, 0x1a]),
    );
    suite.push(
        Case::new("core", "LANG-10", "reserved/zero")
            .polkadot()
            .module("reserved-right")
            .invoke("f", &[])
            .valid(&[]),
    );
}

fn declarations(suite: &mut Suite) {
    let plain = with_body(&[]);
    for (name, bytes) in [
        ("version-2", [b"\0asm\x02\0\0\0", &plain[8..]].concat()),
        ("component", [b"\0asm\x0d\0\x01\0", &plain[8..]].concat()),
        ("no-magic", [b"\0ASM\x01\0\0\0", &plain[8..]].concat()),
        ("truncated", plain[..plain.len() - 1].to_vec()),
        ("section-14", [&plain[..], &section(14, &[0])].concat()),
        ("data-count-alone", module(&[section(12, &[1])])),
        (
            "sections-out-of-order",
            module(&[section(3, &[0]), section(1, &[0])]),
        ),
        ("empty", Vec::new()),
        ("unused-stack-value", with_body(&[0x41, 0])),
        ("missing-operand", with_body(&[0x1a])),
    ] {
        let source = format!("broken-{name}");
        suite.bytes(&source, bytes);
        suite.push(
            Case::new("core", "LANG-1", format!("broken/{name}"))
                .also(&["CODE-1"])
                .polkadot()
                .module(&source)
                .needs("language")
                .invoke("f", &[])
                .rejected("prepare"),
        );
    }
}

/// Modules that are accepted although one might expect a rejection.
fn harmless(suite: &mut Suite) {
    let plain = with_body(&[]);
    for (name, content) in [
        ("unknown", sized(b"something")),
        ("empty-name", sized(b"")),
        ("name-malformed", [sized(b"name"), vec![0xff; 40]].concat()),
        ("name-cut", [sized(b"name"), vec![1, 200, 1]].concat()),
        (
            "name-not-utf8",
            [sized(b"name"), vec![0, 3, 2, 0xff, 0xfe]].concat(),
        ),
        (
            "producers-malformed",
            [sized(b"producers"), vec![0xff; 9]].concat(),
        ),
        ("dylink", [sized(b"dylink.0"), vec![9, 9, 9]].concat()),
        (
            "target-features",
            [sized(b"target_features"), vec![1, b'+', 200]].concat(),
        ),
    ] {
        let custom = section(0, &content);
        for (place, bytes) in [
            ("first", [&plain[..8], &custom, &plain[8..]].concat()),
            ("last", [&plain[..], &custom].concat()),
        ] {
            let source = format!("custom-{name}-{place}");
            suite.bytes(&source, bytes);
            suite.push(
                Case::new("core", "LANG-8", format!("custom/{name}/{place}"))
                    .polkadot()
                    .module(&source)
                    .invoke("f", &[])
                    .valid(&[]),
            );
        }
    }
    for (rule, name, text, value) in [
        (
            "LANG-1",
            "mutable-global-export",
            "(global (export \"g\") (mut i32) (i32.const 1)) (func (export \"f\") (result i32) (i32.const 1))",
            1,
        ),
        (
            "LANG-1",
            "if-else",
            "(func (export \"f\") (result i32) (if (result i32) (i32.const 1) (then (i32.const 3)) (else (i32.const 4))))",
            3,
        ),
        (
            "LANG-1",
            "br_table",
            "(func (export \"f\") (result i32) (block (block (block (br_table 0 1 2 (i32.const 1)))) (return (i32.const 8))) (i32.const 9))",
            8,
        ),
        (
            "LANG-1",
            "loop",
            "(func (export \"f\") (result i32) (local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const 10)))) (local.get 0))",
            10,
        ),
        (
            "LANG-9",
            "constants",
            "(global i64 (i64.const 1)) (global f32 (f32.const 1)) (global $g i32 (i32.const 6)) (func (export \"f\") (result i32) (global.get $g))",
            6,
        ),
    ] {
        let source = format!("plain-{name}");
        suite.text(&source, &format!("(module {text})"));
        suite.push(
            Case::new("core", rule, name)
                .polkadot()
                .module(&source)
                .invoke("f", &[])
                .valid(&[i32(value)]),
        );
    }
}

/// The labels of an unreachable `br_table` may differ in type but not in arity, and the operands match all of them.
fn labels_of_a_table(suite: &mut Suite) {
    let around = |inner: &str| {
        format!(
            "(drop (block (result i64) (drop (block (result f32) {inner})) (i64.const 0)))
             (i32.const 42)"
        )
    };
    let rows = [
        (
            "different-types/dead",
            "unreachable (br_table 0 1 (i32.const 0))",
            true,
        ),
        (
            "different-types/dead-index",
            "unreachable (br_table 1 0 1)",
            true,
        ),
        (
            "different-types/dead-behind-br",
            "(br 0 (f32.const 1)) (br_table 0 1 0 1 (i32.const 0))",
            true,
        ),
        (
            "different-types/dead-inner-block",
            "unreachable (block (br 0) (br_table 1 2 (i32.const 0)))",
            true,
        ),
        (
            "different-types/dead-operand-fits-one",
            "unreachable (f32.const 1) (i32.const 0) (br_table 0 1)",
            false,
        ),
        (
            "different-types/alive",
            "(f32.const 1) (i32.const 0) (br_table 0 1)",
            false,
        ),
        (
            "different-types/dead-inner-block-alive",
            "unreachable (block (br_table 1 2 (i32.const 0)))",
            false,
        ),
        (
            "different-arity/dead",
            "unreachable (block (br_table 0 1 (i32.const 0)))",
            false,
        ),
        (
            "different-arity/dead-default",
            "unreachable (block (br 0) (br_table 1 1 0 (i32.const 0)))",
            false,
        ),
    ];
    for (name, inner, accepted) in rows {
        let source = format!("br_table-{}", name.replace('/', "-"));
        let body = around(inner);
        suite.text(
            &source,
            &format!("(module (func (export \"f\") (result i32) (i32.const 42)) (func (result i32) {body}))"),
        );
        let case = Case::new("core", "LANG-1", format!("br_table/{name}"))
            .also(&["LANG-5"])
            .polkadot()
            .module(&source)
            .invoke("f", &[]);
        suite.push(match accepted {
            true => case.valid(&[i32(42)]),
            false => case.rejected("prepare"),
        });
    }
}

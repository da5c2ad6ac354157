//! Traps and their order, memory, segments, the start function.

use crate::suite::{Case, Suite, i32, i64};
use serde_json::json;

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    kinds(suite);
    order(suite);
    growth(suite);
    accesses(suite);
    bulk(suite);
    segments(suite);
    start(suite);
}

fn kinds(suite: &mut Suite) {
    for (name, rule, kind, text) in [
        (
            "unreachable",
            "TRAP-1",
            "unreachable",
            "(module (func (export \"f\") unreachable))",
        ),
        (
            "unreachable-behind-br",
            "TRAP-1",
            "unreachable",
            "(module (func (export \"f\") (block (br 0)) unreachable))",
        ),
        (
            "load",
            "TRAP-1",
            "memory_out_of_bounds",
            "(module (memory 1) (func (export \"f\") (drop (i32.load (i32.const 65533)))))",
        ),
        (
            "load-unused",
            "TRAP-2",
            "memory_out_of_bounds",
            "(module (memory 1) (func (export \"f\") (drop (i64.load (i32.const -1)))))",
        ),
        (
            "division-unused",
            "TRAP-2",
            "integer_divide_by_zero",
            "(module (func (export \"f\") (local i32) (drop (i32.div_u (i32.const 1) (local.get 0)))))",
        ),
        (
            "truncation-unused",
            "TRAP-2",
            "integer_overflow",
            "(module (func (export \"f\") (local f64) (local.set 0 (f64.const 1e300)) (drop (i32.trunc_f64_s (local.get 0)))))",
        ),
        (
            "table",
            "TRAP-6",
            "table_out_of_bounds",
            "(module (table 1 funcref) (func $f (export \"f\") (call_indirect (i32.const 1))) (elem (i32.const 0) func $f))",
        ),
        (
            "table-unsigned",
            "TRAP-6",
            "table_out_of_bounds",
            "(module (table 1 funcref) (func $f (export \"f\") (call_indirect (i32.const -1))) (elem (i32.const 0) func $f))",
        ),
        (
            "undefined",
            "TRAP-6",
            "undefined_element",
            "(module (table 2 funcref) (func $f (export \"f\") (call_indirect (i32.const 1))) (elem (i32.const 0) func $f))",
        ),
        (
            "type",
            "TRAP-6",
            "indirect_call_type_mismatch",
            "(module (table 1 funcref) (func $f (export \"f\") (call_indirect (result i32) (i32.const 0)) drop) (elem (i32.const 0) func $f))",
        ),
        (
            "type-of-results",
            "TRAP-6",
            "indirect_call_type_mismatch",
            "(module (table 1 funcref) (func $i (result i64) (i64.const 1)) (func (export \"f\") (call_indirect (result i32) (i32.const 0)) drop) (elem (i32.const 0) func $i))",
        ),
        (
            "empty-table",
            "TRAP-6",
            "table_out_of_bounds",
            "(module (table 0 funcref) (func (export \"f\") (call_indirect (i32.const 0))))",
        ),
        (
            "missing-function",
            "TRAP-1",
            "host_error",
            "(module (import \"host\" \"never\" (func $never)) (func (export \"f\") (call $never)))",
        ),
        (
            "missing-function-in-table",
            "TRAP-1",
            "host_error",
            "(module (import \"host\" \"never\" (func $never)) (table 1 funcref) (elem (i32.const 0) func $never) (func (export \"f\") (call_indirect (i32.const 0))))",
        ),
    ] {
        let module = format!("trap-{name}");
        suite.text(&module, text);
        suite.push(
            Case::new("core", rule, format!("kind/{name}"))
                .also(&["TRAP-1"])
                .polkadot()
                .module(&module)
                .invoke("f", &[])
                .trap(kind),
        );
    }
    // Equal types are the same type, wherever they are declared.
    suite.text(
        "trap-equal-types",
        "(module (type $a (func (result i32))) (type $b (func (result i32)))
        (table 1 funcref) (elem (i32.const 0) func $g) (func $g (type $a) (i32.const 5))
        (func (export \"f\") (result i32) (call_indirect (type $b) (i32.const 0))))",
    );
    suite.push(
        Case::new("core", "TRAP-6", "equal-types")
            .polkadot()
            .module("trap-equal-types")
            .invoke("f", &[])
            .valid(&[i32(5)]),
    );
}

/// Which of several possible traps occurs, and which effects precede it.
fn order(suite: &mut Suite) {
    let zero = "(i32.div_u (i32.const 1) (global.get $zero))";
    let far = "(i32.load (i32.const 65536))";
    let stop = "(block (result i32) unreachable)";
    let cases = [
        (
            "add-left-first",
            format!("(i32.add {zero} {far})"),
            "integer_divide_by_zero",
        ),
        (
            "add-right-second",
            format!("(i32.add {far} {zero})"),
            "memory_out_of_bounds",
        ),
        (
            "unreachable-first",
            format!("(i32.add {stop} {zero})"),
            "unreachable",
        ),
        (
            "select-evaluates-both",
            format!("(select (i32.const 1) {zero} (i32.const 1))"),
            "integer_divide_by_zero",
        ),
        (
            "unused-but-first",
            format!("(drop {zero}) {stop}"),
            "integer_divide_by_zero",
        ),
        (
            "multiplied-by-zero",
            format!("(i32.mul {far} (i32.const 0))"),
            "memory_out_of_bounds",
        ),
        (
            "and-zero",
            format!("(i32.and {zero} (i32.const 0))"),
            "integer_divide_by_zero",
        ),
        (
            "compared-with-itself",
            format!("(i32.eq {far} {far})"),
            "memory_out_of_bounds",
        ),
        (
            "call-arguments-first",
            format!("(call $trap {zero})"),
            "integer_divide_by_zero",
        ),
        (
            "call-arguments-in-order",
            format!("(call $two {far} {zero})"),
            "memory_out_of_bounds",
        ),
        (
            "indirect-arguments-first",
            format!("(call_indirect (param i32) (result i32) {zero} (i32.const 9))"),
            "integer_divide_by_zero",
        ),
        (
            "indirect-index-last",
            format!("(call_indirect (param i32) (result i32) (i32.const 1) {far})"),
            "memory_out_of_bounds",
        ),
        (
            "store-address-first",
            format!("(i32.store {zero} {far}) (i32.const 0)"),
            "integer_divide_by_zero",
        ),
        (
            "store-value-before-bounds",
            format!("(i32.store (i32.const 65536) {zero}) (i32.const 0)"),
            "integer_divide_by_zero",
        ),
        (
            "loop-first-iteration",
            format!("(loop (result i32) {zero} drop {far})"),
            "integer_divide_by_zero",
        ),
        (
            "division-before-store",
            format!("(i32.store (i32.const 65536) (i32.const 1)) {zero}"),
            "memory_out_of_bounds",
        ),
    ];
    for (name, body, kind) in cases {
        let module = format!("order-{name}");
        suite.text(&module, &format!(
            "(module (memory 1) (table 1 funcref) (global $zero (mut i32) (i32.const 0))
              (func $trap (param i32) (result i32) unreachable) (func $two (param i32 i32) (result i32) unreachable)
              (func (export \"f\") (result i32) {body}))"));
        suite.push(
            Case::new("core", "TRAP-2", format!("order/{name}"))
                .polkadot()
                .module(&module)
                .invoke("f", &[])
                .trap(kind),
        );
    }
    suite.text("order-effects", "(module (memory 1) (global $g (mut i32) (i32.const 0)) (global $zero (mut i32) (i32.const 0))
        (func (export \"store\") (i32.store (i32.const 0) (i32.const 7)) (i32.store (i32.const 65536) (i32.const 1)) (i32.store (i32.const 4) (i32.const 7)))
        (func (export \"global\") (global.set $g (i32.const 1)) (global.set $g (i32.div_s (i32.const 1) (global.get $zero))) (global.set $g (i32.const 2)))
        (func (export \"straddle\") (i64.store (i32.const 65532) (i64.const -1)))
        (func (export \"grow\") (drop (memory.grow (i32.const 1))) unreachable)
        (func (export \"peek\") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export \"size\") (result i32) (memory.size))
        (func (export \"g\") (result i32) (global.get $g)))");
    for (rule, name, first, kind, then, argument, value) in [
        (
            "TRAP-2",
            "store-before",
            "store",
            "memory_out_of_bounds",
            "peek",
            Some(0),
            7,
        ),
        (
            "TRAP-2",
            "store-behind",
            "store",
            "memory_out_of_bounds",
            "peek",
            Some(4),
            0,
        ),
        (
            "TRAP-2",
            "global-before",
            "global",
            "integer_divide_by_zero",
            "g",
            None,
            1,
        ),
        (
            "MEM-6",
            "straddling-store-writes-nothing",
            "straddle",
            "memory_out_of_bounds",
            "peek",
            Some(65_532),
            0,
        ),
        (
            "TRAP-7",
            "growth-stays",
            "grow",
            "unreachable",
            "size",
            None,
            2,
        ),
    ] {
        let arguments: Vec<_> = argument.into_iter().map(i32).collect();
        suite.push(
            Case::new("core", rule, format!("effects/{name}"))
                .also(&["TRAP-7"])
                .polkadot()
                .module("order-effects")
                .invoke(first, &[])
                .invoke(then, &arguments)
                .valid(&[i32(value)])
                .expect("steps", json!([kind, null])),
        );
    }
    // At a call: the stack overflows before any effect of the callee and after the checks of an indirect call.
    suite.text("order-call", "(module (table 3 funcref) (elem (i32.const 0) func $big $run)
        (func $big (local i64 i64 i64 i64 i64 i64 i64 i64) unreachable)
        (func $run (export \"direct\") (call $big))
        (func (export \"indirect\") (param i32) (call_indirect (local.get 0)))
        (func (export \"mismatch\") (param i32) (call_indirect (param f32) (f32.const 0) (local.get 0))))");
    for (name, export, arguments, kind) in [
        ("overflow-before-body", "direct", vec![], "stack_overflow"),
        (
            "indirect-overflow",
            "indirect",
            vec![i32(0)],
            "stack_overflow",
        ),
        (
            "bounds-before-overflow",
            "indirect",
            vec![i32(3)],
            "table_out_of_bounds",
        ),
        (
            "undefined-before-overflow",
            "indirect",
            vec![i32(2)],
            "undefined_element",
        ),
        (
            "type-before-overflow",
            "mismatch",
            vec![i32(0)],
            "indirect_call_type_mismatch",
        ),
    ] {
        suite.push(
            Case::new("determinism", "TRAP-3", format!("call/{name}"))
                .also(&["STACK-6"])
                .module("order-call")
                .needs("stack-native")
                .parameter("stack_native_max", 64_u64)
                .invoke(export, &arguments)
                .trap(kind),
        );
    }
}

/// Growth at its limits: sequences of `memory.grow` and the result of each.
fn growth(suite: &mut Suite) {
    let text = |memory: &str| {
        format!("(module (memory {memory})
        (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export \"size\") (result i32) (memory.size))
        (func (export \"last\") (result i32) (i32.load8_u (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)))))")
    };
    for (name, memory) in [
        ("0", "0"),
        ("1", "1"),
        ("1-3", "1 3"),
        ("2-2", "2 2"),
        ("17-17", "17 17"),
        ("5", "5"),
        ("4", "4"),
        ("6", "6"),
        ("0-0", "0 0"),
        ("2080", "2080"),
        ("2081", "2081"),
        ("0-65536", "0 65536"),
    ] {
        suite.text(&format!("memory-{name}"), &text(memory));
    }
    // Module, profile, limit, deltas, result of the last growth, pages at the end.
    type Row = (
        &'static str,
        &'static str,
        bool,
        Option<u64>,
        &'static [i32],
        i32,
        u64,
    );
    let rows: &[Row] = &[
        ("MEM-2", "1-3", false, None, &[2], 1, 3),
        ("MEM-2", "1-3", false, None, &[3], -1, 1),
        ("MEM-2", "1-3", false, None, &[1, 1], 2, 3),
        ("MEM-2", "1-3", false, None, &[1, 1, 1], -1, 3),
        ("MEM-2", "1-3", false, None, &[2, 0], 3, 3),
        ("MEM-2", "1-3", false, None, &[3, 2], 1, 3),
        ("MEM-2", "2-2", false, None, &[0], 2, 2),
        ("MEM-2", "2-2", false, None, &[1], -1, 2),
        ("MEM-2", "0-0", false, None, &[0], 0, 0),
        ("MEM-2", "0-0", false, None, &[1], -1, 0),
        ("MEM-2", "1", false, None, &[-1], -1, 1),
        ("MEM-2", "1", false, None, &[65_536], -1, 1),
        ("MEM-2", "1", false, None, &[i32::MIN], -1, 1),
        ("MEM-1", "1", false, Some(5), &[4], 1, 5),
        ("MEM-1", "1", false, Some(5), &[5], -1, 1),
        ("MEM-1", "1-3", false, Some(5), &[3], -1, 1),
        ("MEM-1", "1-3", false, Some(2), &[1], 1, 2),
        ("MEM-1", "1-3", false, Some(2), &[2], -1, 1),
        ("MEM-1", "0", false, Some(0), &[0], 0, 0),
        ("MEM-1", "0", false, Some(0), &[1], -1, 0),
        ("MEM-1", "0-65536", false, Some(7), &[7], 0, 7),
        ("MEM-1", "0-65536", false, Some(7), &[8], -1, 0),
        ("MEM-3", "17-17", true, None, &[1], 17, 18),
        ("MEM-3", "17-17", true, None, &[2063], 17, 2080),
        ("MEM-3", "17-17", true, None, &[2064], -1, 17),
        ("MEM-3", "1-3", true, Some(10), &[9], 1, 10),
        ("MEM-3", "1-3", true, Some(10), &[10], -1, 1),
        ("MEM-2", "1", true, None, &[2079], 1, 2080),
        ("MEM-2", "1", true, None, &[2080], -1, 1),
        ("MEM-2", "1", true, None, &[1000, 1079, 1], -1, 2080),
    ];
    for (rule, memory, polkadot, limit, deltas, result, pages) in rows {
        let steps: Vec<String> = deltas.iter().map(i32::to_string).collect();
        let profile = if *polkadot { "polkadot" } else { "wasm" };
        let limit_name = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        let mut case = Case::new(
            "determinism",
            rule,
            format!("grow/{profile}/{memory}/{limit_name}/{}", steps.join(",")),
        )
        .module(&format!("memory-{memory}"))
        .also(&["MEM-9"]);
        if *polkadot {
            case = case.polkadot().needs("ignore-declared-maximum");
        }
        if let Some(limit) = limit {
            case = case
                .parameter("max_memory_pages", *limit)
                .needs("memory-limit");
        }
        for &delta in *deltas {
            case = case.invoke("grow", &[i32(delta)]);
        }
        suite.push(
            case.valid(&[i32(*result)])
                .expect("memory_pages_peak", *pages),
        );
    }
    // Starting at, below and above the limit.
    for (memory, limit, fits) in [
        ("4", 5, true),
        ("5", 5, true),
        ("6", 5, false),
        ("0", 0, true),
        ("1", 0, false),
    ] {
        let case = Case::new("determinism", "MEM-4", format!("start/{memory}-of-{limit}"))
            .module(&format!("memory-{memory}"))
            .needs("memory-limit")
            .parameter("max_memory_pages", limit)
            .invoke("size", &[]);
        suite.push(if fits {
            case.valid(&[format!("i32:{memory}")])
        } else {
            case.rejected("construct")
        });
    }
    for (memory, fits) in [("2080", true), ("2081", false)] {
        let case = Case::new("determinism", "MEM-4", format!("start/polkadot/{memory}"))
            .polkadot()
            .module(&format!("memory-{memory}"))
            .needs("memory-limit")
            .invoke("size", &[]);
        suite.push(if fits {
            case.valid(&[format!("i32:{memory}")])
        } else {
            case.rejected("construct")
        });
    }
    for (name, deltas) in [
        ("initial", &[][..]),
        ("grown", &[2]),
        ("after-failure", &[9, 1]),
    ] {
        let mut case = Case::new("core", "MEM-5", format!("zeroed/{name}"))
            .module("memory-1-3")
            .also(&["MEM-8"]);
        for &delta in deltas {
            case = case.invoke("grow", &[i32(delta)]);
        }
        suite.push(case.invoke("last", &[]).valid(&[i32(0)]));
    }
    suite.text("memory-dirty", "(module (memory 1) (func (export \"f\") (result i32) (i32.load (i32.const 100)) (i32.store (i32.const 100) (i32.const 77))))");
    for again in ["first", "second"] {
        suite.push(
            Case::new("core", "MEM-5", format!("fresh/{again}"))
                .module("memory-dirty")
                .invoke("f", &[])
                .valid(&[i32(0)]),
        );
    }
}

fn accesses(suite: &mut Suite) {
    let mut text = String::from("(module (memory 1)\n");
    let loads = [
        ("i32.load8_u", "i32", 1),
        ("i32.load16_s", "i32", 2),
        ("i32.load", "i32", 4),
        ("i64.load", "i64", 8),
        ("f32.load", "f32", 4),
        ("f64.load", "f64", 8),
        ("i64.load32_u", "i64", 4),
    ];
    let stores = [
        ("i32.store8", "i32", 1),
        ("i32.store16", "i32", 2),
        ("i32.store", "i32", 4),
        ("i64.store", "i64", 8),
        ("f32.store", "f32", 4),
        ("f64.store", "f64", 8),
        ("i64.store8", "i64", 1),
    ];
    for (op, _, _) in loads {
        text += &format!("  (func (export \"{op}\") (param i32) (drop ({op} (local.get 0))))\n");
        text += &format!(
            "  (func (export \"{op}+\") (param i32) (drop ({op} offset=0xfffffff0 (local.get 0))))\n"
        );
    }
    for (op, ty, _) in stores {
        text += &format!(
            "  (func (export \"{op}\") (param i32) ({op} (local.get 0) ({ty}.const 0)))\n"
        );
        text += &format!(
            "  (func (export \"{op}+\") (param i32) ({op} offset=0xfffffff0 (local.get 0) ({ty}.const 0)))\n"
        );
    }
    suite.text("access", &(text + ")"));
    for (op, _, bytes) in loads.into_iter().chain(stores) {
        let case = |name: &str| {
            Case::new("core", "MEM-6", format!("{op}/{name}"))
                .polkadot()
                .module("access")
        };
        let end = 65_536 - bytes;
        suite.push(case("last").invoke(op, &[i32(end)]).valid(&[]));
        suite.push(
            case("first-out")
                .invoke(op, &[i32(end + 1)])
                .trap("memory_out_of_bounds"),
        );
        suite.push(
            case("address-unsigned")
                .invoke(op, &[i32(-1)])
                .trap("memory_out_of_bounds"),
        );
        let far = format!("{op}+");
        suite.push(
            case("offset-does-not-wrap")
                .invoke(&far, &[i32(16)])
                .trap("memory_out_of_bounds"),
        );
        suite.push(
            case("offset-and-address")
                .invoke(&far, &[i32(-1)])
                .trap("memory_out_of_bounds"),
        );
    }
}

fn bulk(suite: &mut Suite) {
    suite.text("bulk", "(module (memory 1) (table 10 funcref)
        (data $d \"abcd\") (elem $e func $nothing $nothing) (func $nothing)
        (func (export \"fill\") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (export \"copy\") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export \"init\") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
        (func (export \"drop\") (data.drop $d))
        (func (export \"table-copy\") (param i32 i32 i32) (table.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export \"table-init\") (param i32 i32 i32) (table.init $e (local.get 0) (local.get 1) (local.get 2)))
        (func (export \"elem-drop\") (elem.drop $e))
        (func (export \"peek\") (param i32) (result i32) (i32.load8_u (local.get 0))))");
    let case = |rule, name: String| {
        Case::new("core", rule, name)
            .module("bulk")
            .needs("bulk-memory")
    };
    for (export, a, b, c, trap) in [
        ("fill", 65_535, 1, 1, None),
        ("fill", 65_535, 1, 2, Some("memory_out_of_bounds")),
        ("fill", 65_536, 1, 0, None),
        ("fill", 65_537, 1, 0, Some("memory_out_of_bounds")),
        ("fill", 0, 1, -1, Some("memory_out_of_bounds")),
        ("copy", 0, 65_535, 1, None),
        ("copy", 0, 65_535, 2, Some("memory_out_of_bounds")),
        ("copy", 65_536, 0, 0, None),
        ("copy", 0, 65_537, 0, Some("memory_out_of_bounds")),
        ("init", 0, 0, 4, None),
        ("init", 0, 1, 4, Some("memory_out_of_bounds")),
        ("init", 65_533, 0, 4, Some("memory_out_of_bounds")),
        ("init", 0, 4, 0, None),
        ("init", 0, 5, 0, Some("memory_out_of_bounds")),
        ("table-copy", 8, 0, 2, None),
        ("table-copy", 9, 0, 2, Some("table_out_of_bounds")),
        ("table-copy", 10, 0, 0, None),
        ("table-copy", 11, 0, 0, Some("table_out_of_bounds")),
        ("table-init", 8, 0, 2, None),
        ("table-init", 9, 0, 2, Some("table_out_of_bounds")),
        ("table-init", 0, 1, 2, Some("table_out_of_bounds")),
    ] {
        let case = case("MEM-7", format!("bulk/{export}/{a},{b},{c}"))
            .invoke(export, &[i32(a), i32(b), i32(c)]);
        suite.push(match trap {
            Some(kind) => case.trap(kind),
            None => case.valid(&[]),
        });
    }
    for (name, export, a, b, c) in [
        ("fill", "fill", 65_530, 9, 100),
        ("copy", "copy", 65_530, 0, 100),
        ("init", "init", 65_534, 0, 4),
    ] {
        suite.push(
            case("MEM-7", format!("nothing-written/{name}"))
                .invoke("fill", &[i32(0), i32(1), i32(200)])
                .invoke(export, &[i32(a), i32(b), i32(c)])
                .invoke("peek", &[i32(65_534)])
                .valid(&[i32(0)])
                .expect("steps", json!([null, "memory_out_of_bounds", null])),
        );
    }
    suite.push(
        case("SEG-4", "dropped/data".into())
            .invoke("drop", &[])
            .invoke("init", &[i32(0), i32(0), i32(1)])
            .trap("memory_out_of_bounds"),
    );
    suite.push(
        case("SEG-4", "dropped/data-empty".into())
            .invoke("drop", &[])
            .invoke("init", &[i32(0), i32(0), i32(0)])
            .valid(&[]),
    );
    suite.push(
        case("SEG-4", "dropped/elem".into())
            .invoke("elem-drop", &[])
            .invoke("table-init", &[i32(0), i32(0), i32(1)])
            .trap("table_out_of_bounds"),
    );
    suite.push(
        case("SEG-4", "dropped/twice".into())
            .invoke("drop", &[])
            .invoke("drop", &[])
            .valid(&[]),
    );
    for (name, from, to, at, value) in [("forward", 1, 0, 2, 4), ("backward", 0, 1, 4, 4)] {
        suite.push(
            case("MEM-7", format!("overlap/{name}"))
                .invoke("fill", &[i32(0), i32(1), i32(1)])
                .invoke("fill", &[i32(1), i32(2), i32(1)])
                .invoke("fill", &[i32(2), i32(3), i32(1)])
                .invoke("fill", &[i32(3), i32(4), i32(1)])
                .invoke("copy", &[i32(to), i32(from), i32(4)])
                .invoke("peek", &[i32(at)])
                .valid(&[i32(value)]),
        );
    }
}

fn segments(suite: &mut Suite) {
    let peek = "(func (export \"f\") (result i32) (i32.load8_u (i32.const 65535)))";
    let rows: [(&str, &str, String, Option<i32>); 20] = [
        ("SEG-2", "data-fits", format!("(memory 1) (data (i32.const 65535) \"\\07\") {peek}"), Some(7)),
        ("SEG-2", "data-one-out", format!("(memory 1) (data (i32.const 65535) \"\\07\\07\") {peek}"), None),
        ("SEG-2", "data-at-end", format!("(memory 1) (data (i32.const 65536) \"\\07\") {peek}"), None),
        ("SEG-3", "data-empty-at-end", format!("(memory 1) (data (i32.const 65536) \"\") {peek}"), Some(0)),
        ("SEG-3", "data-empty-beyond", format!("(memory 1) (data (i32.const 65537) \"\") {peek}"), None),
        ("SEG-5", "data-offset-unsigned", format!("(memory 1) (data (i32.const -1) \"\\07\") {peek}"), None),
        ("SEG-5", "data-offset-half", format!("(memory 1) (data (i32.const 0x80000000) \"\\07\") {peek}"), None),
        ("SEG-3", "data-empty-negative", format!("(memory 1) (data (i32.const -1) \"\") {peek}"), None),
        ("SEG-3", "data-empty-in-empty-memory", "(memory 0) (data (i32.const 0) \"\") (func (export \"f\") (result i32) (i32.const 3))".into(), Some(3)),
        ("SEG-3", "data-empty-beyond-empty-memory", "(memory 0) (data (i32.const 1) \"\") (func (export \"f\") (result i32) (i32.const 3))".into(), None),
        ("SEG-1", "data-last-wins", format!("(memory 1) (data (i32.const 65535) \"\\07\") (data (i32.const 65534) \"\\08\\09\") {peek}"), Some(9)),
        ("SEG-2", "data-second-out", format!("(memory 1) (data (i32.const 65535) \"\\07\") (data (i32.const 65536) \"\\08\") {peek}"), None),
        ("SEG-2", "elem-fits", "(table 1 funcref) (elem (i32.const 0) func $f) (func $f (export \"f\") (result i32) (i32.const 3))".into(), Some(3)),
        ("SEG-2", "elem-out", "(table 1 funcref) (elem (i32.const 1) func $f) (func $f (export \"f\") (result i32) (i32.const 3))".into(), None),
        ("SEG-2", "elem-one-out", "(table 1 funcref) (elem (i32.const 0) func $f $f) (func $f (export \"f\") (result i32) (i32.const 3))".into(), None),
        ("SEG-3", "elem-empty-at-end", "(table 1 funcref) (elem (i32.const 1) func) (func (export \"f\") (result i32) (i32.const 3))".into(), Some(3)),
        ("SEG-3", "elem-empty-beyond", "(table 1 funcref) (elem (i32.const 2) func) (func (export \"f\") (result i32) (i32.const 3))".into(), None),
        ("SEG-5", "elem-offset-unsigned", "(table 1 funcref) (elem (i32.const -1) func $f) (func $f (export \"f\") (result i32) (i32.const 3))".into(), None),
        ("SEG-1", "elem-last-wins", "(table 1 funcref) (elem (i32.const 0) func $a) (elem (i32.const 0) func $b) (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2)) (func (export \"f\") (result i32) (call_indirect (result i32) (i32.const 0)))".into(), Some(2)),
        ("SEG-1", "elem-and-data-both-out", "(memory 1) (table 1 funcref) (elem (i32.const 9) func $f) (data (i32.const -1) \"x\") (func $f (export \"f\") (result i32) (i32.const 3))".into(), None),
    ];
    for (rule, name, body, result) in rows {
        let module = format!("segment-{name}");
        suite.text(&module, &format!("(module {body})"));
        let case = Case::new("core", rule, name)
            .polkadot()
            .module(&module)
            .invoke("f", &[]);
        suite.push(match result {
            Some(value) => case.valid(&[i32(value)]),
            None => case.rejected("construct"),
        });
    }
}

fn start(suite: &mut Suite) {
    let rows = [
        (
            "START-1",
            "runs",
            "(global $g (mut i32) (i32.const 1)) (start $s) (func $s (global.set $g (i32.const 5))) (func (export \"f\") (result i32) (global.get $g))",
            Some(5),
        ),
        (
            "START-1",
            "after-segments",
            "(memory 1) (global $g (mut i32) (i32.const 1)) (data (i32.const 3) \"\\2a\") (start $s) (func $s (global.set $g (i32.load8_u (i32.const 3)))) (func (export \"f\") (result i32) (global.get $g))",
            Some(42),
        ),
        (
            "START-1",
            "after-elements",
            "(table 1 funcref) (elem (i32.const 0) func $x) (global $g (mut i32) (i32.const 1)) (func $x (global.set $g (i32.const 8))) (start $s) (func $s (call_indirect (i32.const 0))) (func (export \"f\") (result i32) (global.get $g))",
            Some(8),
        ),
        (
            "START-1",
            "grows",
            "(memory 1 3) (start $s) (func $s (drop (memory.grow (i32.const 1)))) (func (export \"f\") (result i32) (memory.size))",
            Some(2),
        ),
        (
            "START-2",
            "unreachable",
            "(start $s) (func $s unreachable) (func (export \"f\") (result i32) (i32.const 1))",
            None,
        ),
        (
            "START-2",
            "division",
            "(global $z (mut i32) (i32.const 0)) (start $s) (func $s (drop (i32.div_s (i32.const 1) (global.get $z)))) (func (export \"f\") (result i32) (i32.const 1))",
            None,
        ),
        (
            "START-2",
            "load",
            "(memory 0) (start $s) (func $s (drop (i32.load (i32.const 0)))) (func (export \"f\") (result i32) (i32.const 1))",
            None,
        ),
        (
            "START-2",
            "recursion",
            "(start $s) (func $s (call $s)) (func (export \"f\") (result i32) (i32.const 1))",
            None,
        ),
        (
            "START-2",
            "missing-function",
            "(import \"env\" \"never\" (func $never)) (start $never) (func (export \"f\") (result i32) (i32.const 1))",
            None,
        ),
    ];
    for (rule, name, body, result) in rows {
        let module = format!("start-{name}");
        suite.text(&module, &format!("(module {body})"));
        let case = Case::new("core", rule, format!("start/{name}"))
            .polkadot()
            .module(&module)
            .invoke("f", &[]);
        suite.push(match result {
            Some(value) => case.valid(&[i32(value)]),
            None => case.rejected("construct"),
        });
    }
    // One frame of 32 bytes (with a local), at its limit, and one of 40 units.
    suite.text("start-metered", &format!("(module (start $s) (func $s (local i32)) (func (export \"f\") (result i64) (i64.const 1)) (func $unused {}))", "nop ".repeat(3)));
    for (limit, fits) in [(32_u64, true), (31, false)] {
        let case = Case::new("determinism", "START-3", format!("start/native/{limit}"))
            .module("start-metered")
            .needs("stack-native")
            .parameter("stack_native_max", limit)
            .invoke("f", &[]);
        suite.push(if fits {
            case.valid(&[i64(1)])
        } else {
            case.rejected("construct")
        });
    }
    // The start function has 1 local and costs 3 units. The exported function costs 3 as well.
    for (limit, fits) in [(3_u64, true), (2, false)] {
        let case = Case::new("metering", "START-3", format!("start/logical/{limit}"))
            .also(&["LOGICAL-5"])
            .module("start-metered")
            .needs("stack-logical")
            .parameter("stack_logical_max", limit)
            .invoke("f", &[]);
        suite.push(if fits {
            case.valid(&[i64(1)])
        } else {
            case.rejected("construct")
        });
    }
}

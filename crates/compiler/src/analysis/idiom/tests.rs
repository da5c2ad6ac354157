//! Which loops are recognised and which are not, shape by shape.

use super::{LoopIdiomKind, loop_idioms};
use crate::CompileOptions;
use pvf_rules::Features;

/// The idioms in a function `(param i32 i32 i32) (local i32 i32)` with this loop.
fn kinds(text: &str) -> Vec<LoopIdiomKind> {
    let text = format!(
        "(module (memory 1) (func (export \"f\") (param $to i32) (param $from i32) (param $n i32)
            (result i32) (local $a i32) (local $b i32) (local $w i64)
            block block block {text} end end end local.get $n))"
    );
    let wasm = wat::parse_str(&text).unwrap();
    let options = CompileOptions::new(Features::ALL);
    let found = loop_idioms(&wasm, &options).unwrap();
    found.idioms.into_iter().map(|(_, kind)| kind).collect()
}

fn step(local: &str, by: i32) -> String {
    format!("local.get ${local} i32.const {by} i32.add local.set ${local} ")
}

fn count_down(by: i32) -> String {
    format!("local.get $n i32.const -{by} i32.add local.tee $n br_if 0 ")
}

fn copy(bytes: i32, load: &str, store: &str, sign: i32) -> String {
    let step_to = step("to", sign * bytes);
    let step_from = step("from", sign * bytes);
    let count = count_down(bytes);
    format!("loop local.get $to local.get $from {load} {store} {step_to} {step_from} {count} end")
}

#[test]
fn copies_of_every_width_in_both_directions() {
    for (bytes, load, store) in [
        (1, "i32.load8_u", "i32.store8"),
        (1, "i32.load8_s", "i32.store8"),
        (1, "i64.load8_u", "i64.store8"),
        (2, "i32.load16_u", "i32.store16"),
        (4, "i32.load", "i32.store"),
        (4, "f32.load", "f32.store"),
        (4, "i64.load32_u", "i64.store32"),
        (8, "i64.load", "i64.store"),
        (8, "f64.load", "f64.store"),
    ] {
        for sign in [1, -1] {
            let text = copy(bytes, load, store, sign);
            assert_eq!(kinds(&text), [LoopIdiomKind::Copy], "{text}");
        }
    }
}

#[test]
fn unrolled_copies() {
    let count = count_down(8);
    let (to, from) = (step("to", 8), step("from", 8));
    let text = format!(
        "loop local.get $to local.get $from i32.load i32.store
            local.get $to i32.const 4 i32.add local.get $from i32.load offset=4 i32.store
            {to} {from} {count} end"
    );
    assert_eq!(kinds(&text), [LoopIdiomKind::Copy]);
    // The second load would see what the first store wrote if the bytes moved by less than an iteration.
    let swapped = format!(
        "loop local.get $to local.get $from i32.load offset=4 i32.store offset=4
            local.get $to local.get $from i32.load i32.store
            {to} {from} {count} end"
    );
    assert_eq!(kinds(&swapped), []);
    let gap =
        format!("loop local.get $to local.get $from i32.load i32.store {to} {from} {count} end");
    assert_eq!(kinds(&gap), []);
}

#[test]
fn copies_by_index_and_by_pointer() {
    let by_index = "loop local.get $to local.get $n i32.add local.get $from local.get $n i32.add
        i32.load8_u i32.store8 local.get $n i32.const -1 i32.add local.tee $n br_if 0 end";
    assert_eq!(kinds(by_index), [LoopIdiomKind::Copy]);
    for (compare, by) in [
        ("i32.lt_u", 4),
        ("i32.ne", 4),
        ("i32.gt_u", -4),
        ("i32.lt_s", 4),
    ] {
        let from = step("from", by);
        let text = format!(
            "loop local.get $to local.get $from i32.load i32.store {from}
                local.get $to i32.const {by} i32.add local.tee $to local.get $a {compare} br_if 0 end"
        );
        assert_eq!(kinds(&text), [LoopIdiomKind::Copy], "{text}");
        let away = text.replace("i32.lt", "i32.gt");
        if away != text {
            assert_eq!(kinds(&away), [], "{away}");
        }
    }
}

#[test]
fn fills() {
    for (bytes, value, store) in [
        (1, "local.get $from", "i32.store8"),
        (1, "i32.const 7", "i32.store8"),
        (4, "local.get $from", "i32.store"),
        (8, "local.get $w", "i64.store"),
        (8, "i64.const 0", "i64.store"),
    ] {
        let (to, count) = (step("to", bytes), count_down(bytes));
        let text = format!("loop local.get $to {value} {store} {to} {count} end");
        assert_eq!(kinds(&text), [LoopIdiomKind::Fill], "{text}");
    }
    // What is stored changes from iteration to iteration.
    let (to, count) = (step("to", 1), count_down(1));
    let text = format!("loop local.get $to local.get $n i32.store8 {to} {count} end");
    assert_eq!(kinds(&text), []);
}

const COMPARE: &str = "loop
    local.get $to i32.load8_u local.tee $a local.get $from i32.load8_u local.tee $b i32.ne br_if 1
    local.get $to i32.const 1 i32.add local.set $to
    local.get $from i32.const 1 i32.add local.set $from
    local.get $n i32.const -1 i32.add local.tee $n i32.eqz br_if 2 br 0 end";

#[test]
fn comparisons() {
    assert_eq!(kinds(COMPARE), [LoopIdiomKind::Compare]);
    let read_later = COMPARE.replace("loop\n", "loop local.get $a i32.const 5 i32.eq br_if 3 ");
    assert_eq!(kinds(&read_later), []);
    let different_widths = COMPARE.replacen("load8_u", "load8_s", 1);
    assert_eq!(kinds(&different_widths), []);
    let while_different = COMPARE.replace("i32.ne", "i32.eq");
    assert_eq!(kinds(&while_different), []);
    let with_store = COMPARE.replace("br_if 1", "br_if 1 local.get $to i32.const 0 i32.store8");
    assert_eq!(kinds(&with_store), []);
}

const SHIFTED: &str = "loop
    local.get $to local.get $a local.get $b i32.shr_u local.get $from i32.load local.tee $a
    i32.const 24 i32.shl i32.or i32.store
    local.get $from i32.const 4 i32.add local.set $from
    local.get $to i32.const 4 i32.add local.tee $to local.get $n i32.lt_u br_if 0 end";

#[test]
fn copies_to_another_alignment() {
    assert_eq!(kinds(SHIFTED), [LoopIdiomKind::CopyShifted]);
    let words_swapped = SHIFTED
        .replace("shr_u", "X")
        .replace("shl", "shr_u")
        .replace("X", "shl");
    assert_eq!(kinds(&words_swapped), []);
    let downward = words_swapped
        .replace("i32.const 4 ", "i32.const -4 ")
        .replace("i32.lt_u", "i32.gt_u");
    assert_eq!(kinds(&downward), [LoopIdiomKind::CopyShifted]);
}

#[test]
fn other_loops_are_none() {
    let copy = copy(1, "i32.load8_u", "i32.store8", 1);
    for (what, with) in [
        ("i32.load8_u", "i32.load8_u i32.const 1 i32.add"),
        ("i32.load8_u", "i32.load8_u i32.const 1 i32.xor"),
        ("br_if 0", "i32.eqz br_if 0"),
        ("br_if 0", "drop br 0"),
        ("loop", "loop local.get $a br_if 1"),
        ("loop", "loop local.get $n call 0 drop"),
        ("i32.const -1", "i32.const -3"),
        (
            "i32.store8",
            "i32.store8 local.get $a local.get $b local.set $a local.set $b",
        ),
    ] {
        let other = copy.replacen(what, with, 1);
        assert_ne!(other, copy);
        assert_eq!(
            kinds(&other.replace("call 0", "i32.const 0 i32.const 0 call 0")),
            [],
            "{other}"
        );
    }
}

//! NaNs: every operator with every class of NaN in each operand, as bit patterns.
//!
//! Values pass as integers and are reinterpreted inside the module, so that an engine's way of passing floats cannot
//! change them.

use crate::suite::{Case, Suite, i32, i64};
use std::fmt::Write;

const CLASSES: [(&str, u32, u64); 7] = [
    ("canonical", 0x7fc0_0000, 0x7ff8_0000_0000_0000),
    ("negative-canonical", 0xffc0_0000, 0xfff8_0000_0000_0000),
    ("payload", 0x7fc0_0001, 0x7ff8_0000_0000_0001),
    ("negative-payload", 0xffd1_2345, 0xfffa_2345_6789_abcd),
    ("signalling", 0x7f80_0001, 0x7ff0_0000_0000_0001),
    ("negative-signalling", 0xff81_2345, 0xfff1_2345_6789_abcd),
    ("all-ones", 0x7fff_ffff, 0x7fff_ffff_ffff_ffff),
];

const CANONICAL_32: u32 = 0x7fc0_0000;
const CANONICAL_64: u64 = 0x7ff8_0000_0000_0000;
const SIGN_32: u32 = 1 << 31;
const SIGN_64: u64 = 1 << 63;

const ARITHMETIC_UNARY: [&str; 5] = ["ceil", "floor", "trunc", "nearest", "sqrt"];
const ARITHMETIC_BINARY: [&str; 6] = ["add", "sub", "mul", "div", "min", "max"];

/// A bit pattern of a width, as an argument.
fn bits(width: u32, value: u64) -> String {
    match width {
        32 => i32(value as u32 as i32),
        _ => i64(value as i64),
    }
}

/// The module with one export for each operator of a width.
fn module(width: u32) -> String {
    let mut text = String::from("(module (memory 1)\n");
    let (i, f) = (format!("i{width}"), format!("f{width}"));
    let load = |local: u32| format!("({f}.reinterpret_{i} (local.get {local}))");
    let one = format!("({f}.const 1)");
    let mut function = |name: &str, body: &str| {
        let _ = writeln!(
            text,
            "  (func (export \"{name}\") (param {i} {i}) (result {i}) (local {f}) ({i}.reinterpret_{f} {body}))"
        );
    };
    for op in ARITHMETIC_UNARY.iter().chain(&["abs", "neg"]) {
        function(op, &format!("({f}.{op} {})", load(0)));
    }
    for op in ARITHMETIC_BINARY.iter().chain(&["copysign"]) {
        function(op, &format!("({f}.{op} {} {})", load(0), load(1)));
    }
    function("round-trip", &load(0));
    function("local", &format!("(local.tee 2 {})", load(0)));
    function(
        "select",
        &format!("(select {} {one} (i32.const 1))", load(0)),
    );
    function("block", &format!("(block (result {f}) {})", load(0)));
    function(
        "memory",
        &format!(
            "({f}.load (block (result i32) ({f}.store (i32.const 8) {}) (i32.const 8)))",
            load(0)
        ),
    );
    function("call", &format!("(call $same {})", load(0)));
    function(
        "indirect",
        &format!(
            "(call_indirect (param {f}) (result {f}) {} (i32.const 0))",
            load(0)
        ),
    );
    function(
        "global",
        &format!(
            "(block (result {f}) (global.set $g {}) (global.get $g))",
            load(0)
        ),
    );
    let _ = write!(
        text,
        "  (func $same (param {f}) (result {f}) (local.get 0))
  (global $g (mut {f}) ({f}.const 0))
  (table 1 funcref) (elem (i32.const 0) func $same))"
    );
    text
}

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for width in [32, 64] {
        let name = format!("nan-f{width}");
        suite.text(&name, &module(width));
        let canonical = if width == 32 {
            u64::from(CANONICAL_32)
        } else {
            CANONICAL_64
        };
        let sign = if width == 32 {
            u64::from(SIGN_32)
        } else {
            SIGN_64
        };
        let two = if width == 32 {
            u64::from(2f32.to_bits())
        } else {
            2f64.to_bits()
        };
        let mut case = |rule, export: &str, what: String, a: u64, b: u64, expected: u64| {
            suite.push(
                Case::new("determinism", rule, format!("f{width}.{export}/{what}"))
                    .polkadot()
                    .module(&name)
                    .invoke(export, &[bits(width, a), bits(width, b)])
                    .valid(&[bits(width, expected)]),
            );
        };
        for (class, pattern_32, pattern_64) in CLASSES {
            let nan = if width == 32 {
                u64::from(pattern_32)
            } else {
                pattern_64
            };
            for op in ARITHMETIC_UNARY {
                case("NAN-1", op, class.into(), nan, 0, canonical);
            }
            for op in ARITHMETIC_BINARY {
                case("NAN-1", op, format!("{class}-left"), nan, two, canonical);
                case("NAN-1", op, format!("{class}-right"), two, nan, canonical);
                case("NAN-1", op, format!("{class}-both"), nan, nan, canonical);
            }
            case("NAN-2", "abs", class.into(), nan, 0, nan & !sign);
            case("NAN-2", "neg", class.into(), nan, 0, nan ^ sign);
            case(
                "NAN-2",
                "copysign",
                format!("{class}-to-positive"),
                nan,
                two,
                nan & !sign,
            );
            case(
                "NAN-2",
                "copysign",
                format!("{class}-to-negative"),
                nan,
                two | sign,
                nan | sign,
            );
            case(
                "NAN-2",
                "copysign",
                format!("{class}-gives-sign"),
                two,
                nan,
                two | (nan & sign),
            );
            for moved in [
                "round-trip",
                "local",
                "select",
                "block",
                "memory",
                "call",
                "indirect",
                "global",
            ] {
                case("NAN-3", moved, class.into(), nan, 0, nan);
            }
        }
        made_from_numbers(&mut case, width, canonical);
    }
    conversions(suite);
    boundary(suite);
}

/// NaNs produced from operands that are not NaN.
fn made_from_numbers(
    case: &mut impl FnMut(&'static str, &str, String, u64, u64, u64),
    width: u32,
    canonical: u64,
) {
    let of = |value: f64| {
        if width == 32 {
            u64::from((value as f32).to_bits())
        } else {
            value.to_bits()
        }
    };
    let infinity = f64::INFINITY;
    for (op, what, a, b) in [
        ("add", "infinities", infinity, -infinity),
        ("sub", "infinities", infinity, infinity),
        ("mul", "zero-infinity", 0.0, infinity),
        ("mul", "infinity-negative-zero", infinity, -0.0),
        ("div", "zeros", 0.0, 0.0),
        ("div", "negative-zero-zero", -0.0, 0.0),
        ("div", "infinities", infinity, -infinity),
        ("sqrt", "negative", -4.0, 0.0),
        ("sqrt", "negative-infinity", -infinity, 0.0),
    ] {
        case(
            "NAN-1",
            op,
            format!("made-of-{what}"),
            of(a),
            of(b),
            canonical,
        );
    }
}

fn conversions(suite: &mut Suite) {
    suite.text(
        "nan-convert",
        "(module
          (func (export \"promote\") (param i32) (result i64) (i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (local.get 0)))))
          (func (export \"demote\") (param i64) (result i32) (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (local.get 0)))))
          (func (export \"there-and-back\") (param i32) (result i32) (i32.reinterpret_f32 (f32.demote_f64 (f64.promote_f32 (f32.reinterpret_i32 (local.get 0)))))))",
    );
    for (class, narrow, wide) in CLASSES {
        let narrow = i32(narrow as i32);
        let case = |name: &str| {
            Case::new("determinism", "NAN-1", format!("{name}/{class}"))
                .polkadot()
                .module("nan-convert")
        };
        suite.push(
            case("promote")
                .invoke("promote", std::slice::from_ref(&narrow))
                .valid(&[i64(CANONICAL_64 as i64)]),
        );
        suite.push(
            case("demote")
                .invoke("demote", &[i64(wide as i64)])
                .valid(&[i32(CANONICAL_32 as i32)]),
        );
        suite.push(
            case("there-and-back")
                .invoke("there-and-back", &[narrow])
                .valid(&[i32(CANONICAL_32 as i32)]),
        );
    }
}

/// NaNs as arguments and results of exports: bit patterns that pass through the host.
fn boundary(suite: &mut Suite) {
    suite.text(
        "nan-boundary",
        "(module
          (func (export \"f32-in\") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
          (func (export \"f32-out\") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
          (func (export \"f64-in\") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0)))
          (func (export \"f64-out\") (param i64) (result f64) (f64.reinterpret_i64 (local.get 0))))",
    );
    for (class, narrow, wide) in CLASSES {
        let (narrow_float, wide_float) =
            (format!("f32:0x{narrow:08x}"), format!("f64:0x{wide:016x}"));
        let mut case = |export: &str, argument: String, result: String| {
            suite.push(
                Case::new("determinism", "NAN-4", format!("{export}/{class}"))
                    .module("nan-boundary")
                    .needs("nan-bits-at-boundary")
                    .invoke(export, &[argument])
                    .valid(&[result]),
            );
        };
        case("f32-in", narrow_float.clone(), i32(narrow as i32));
        case("f32-out", i32(narrow as i32), narrow_float);
        case("f64-in", wide_float.clone(), i64(wide as i64));
        case("f64-out", i64(wide as i64), wide_float);
    }
}

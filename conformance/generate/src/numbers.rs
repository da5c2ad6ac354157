//! Edge cases of integers and floats. Expectations are computed by this program's own arithmetic: IEEE 754 in Rust,
//! two's complement integers.

use crate::suite::{Case, Suite, i32, i64};

const SMALL_32: f32 = f32::MIN_POSITIVE;
const SMALL_64: f64 = f64::MIN_POSITIVE;

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    floats(suite);
    conversions(suite);
    integers(suite);
    saturating(suite);
}

fn float_module(width: u32) -> String {
    let (i, f) = (format!("i{width}"), format!("f{width}"));
    let load = |local: u32| format!("({f}.reinterpret_{i} (local.get {local}))");
    let mut text = String::from("(module\n");
    for op in ["add", "sub", "mul", "div", "min", "max"] {
        text += &format!(
            "  (func (export \"{op}\") (param {i} {i} {i}) (result {i}) ({i}.reinterpret_{f} ({f}.{op} {} {})))\n",
            load(0),
            load(1)
        );
    }
    for op in ["sqrt", "nearest", "ceil", "floor", "trunc"] {
        text += &format!(
            "  (func (export \"{op}\") (param {i} {i} {i}) (result {i}) ({i}.reinterpret_{f} ({f}.{op} {})))\n",
            load(0)
        );
    }
    // The product and the sum are rounded separately.
    text += &format!(
        "  (func (export \"mul-add\") (param {i} {i} {i}) (result {i}) ({i}.reinterpret_{f} ({f}.add ({f}.mul {} {}) {}))))",
        load(0),
        load(1),
        load(2)
    );
    text
}

type Float = (&'static str, &'static str, &'static str, f64, f64, f64);

const FLOATS: &[Float] = &[
    (
        "FLOAT-1",
        "add",
        "tie-to-even-down",
        9_007_199_254_740_992.0,
        1.0,
        0.0,
    ),
    (
        "FLOAT-1",
        "add",
        "tie-to-even-up",
        9_007_199_254_740_994.0,
        1.0,
        0.0,
    ),
    ("FLOAT-1", "add", "tie-32", 16_777_216.0, 1.0, 0.0),
    ("FLOAT-1", "add", "tie-32-up", 16_777_218.0, 1.0, 0.0),
    ("FLOAT-1", "add", "tenths", 0.1, 0.2, 0.0),
    ("FLOAT-1", "sub", "cancellation", 1.000_000_1, 1.0, 0.0),
    ("FLOAT-1", "mul", "tenths", 0.1, 0.1, 0.0),
    ("FLOAT-1", "mul", "overflow", 1e38, 1e300, 0.0),
    ("FLOAT-1", "div", "third", 1.0, 3.0, 0.0),
    ("FLOAT-1", "div", "by-zero", 1.0, 0.0, 0.0),
    ("FLOAT-1", "div", "by-negative-zero", 1.0, -0.0, 0.0),
    ("FLOAT-1", "sqrt", "two", 2.0, 0.0, 0.0),
    ("FLOAT-1", "sqrt", "negative-zero", -0.0, 0.0, 0.0),
    (
        "FLOAT-1",
        "mul-add",
        "not-fused",
        1.000_000_119_209_289_6,
        1.000_000_119_209_289_6,
        -1.000_000_238_418_579,
    ),
    ("FLOAT-1", "mul-add", "not-fused-tenths", 0.1, 10.0, -1.0),
    ("FLOAT-1", "nearest", "half", 0.5, 0.0, 0.0),
    ("FLOAT-1", "nearest", "one-and-half", 1.5, 0.0, 0.0),
    ("FLOAT-1", "nearest", "two-and-half", 2.5, 0.0, 0.0),
    ("FLOAT-1", "nearest", "negative-half", -0.5, 0.0, 0.0),
    ("FLOAT-1", "ceil", "negative-half", -0.5, 0.0, 0.0),
    ("FLOAT-1", "floor", "negative-zero", -0.0, 0.0, 0.0),
    ("FLOAT-1", "trunc", "negative-half", -0.5, 0.0, 0.0),
    ("FLOAT-5", "min", "zeros", 0.0, -0.0, 0.0),
    ("FLOAT-5", "min", "zeros-reversed", -0.0, 0.0, 0.0),
    ("FLOAT-5", "max", "zeros", 0.0, -0.0, 0.0),
    ("FLOAT-5", "max", "zeros-reversed", -0.0, 0.0, 0.0),
    (
        "FLOAT-5",
        "min",
        "infinities",
        f64::NEG_INFINITY,
        f64::INFINITY,
        0.0,
    ),
    ("FLOAT-5", "max", "numbers", 3.0, -7.0, 0.0),
    ("FLOAT-5", "add", "zeros", 0.0, -0.0, 0.0),
    ("FLOAT-5", "add", "negative-zeros", -0.0, -0.0, 0.0),
    ("FLOAT-5", "sub", "equal", 5.0, 5.0, 0.0),
];

macro_rules! compute {
    ($op:expr, $a:expr, $b:expr, $c:expr) => {
        match $op {
            "add" => $a + $b,
            "sub" => $a - $b,
            "mul" => $a * $b,
            "div" => $a / $b,
            "sqrt" => $a.sqrt(),
            "nearest" => $a.round_ties_even(),
            "ceil" => $a.ceil(),
            "floor" => $a.floor(),
            "trunc" => $a.trunc(),
            "mul-add" => ($a * $b) + $c,
            // Zeros: -0 is less than +0. The operands are not NaN here.
            "min" if $a == $b => {
                if $a.is_sign_negative() {
                    $a
                } else {
                    $b
                }
            }
            "max" if $a == $b => {
                if $a.is_sign_negative() {
                    $b
                } else {
                    $a
                }
            }
            "min" => {
                if $a < $b {
                    $a
                } else {
                    $b
                }
            }
            _ => {
                if $a > $b {
                    $a
                } else {
                    $b
                }
            }
        }
    };
}

fn floats(suite: &mut Suite) {
    suite.text("float-32", &float_module(32));
    suite.text("float-64", &float_module(64));
    let mut both = |rule: &'static str, op: &str, what: &str, a: f64, b: f64, c: f64| {
        let (a32, b32, c32) = (a as f32, b as f32, c as f32);
        let narrow: f32 = compute!(op, a32, b32, c32);
        let wide: f64 = compute!(op, a, b, c);
        let case = |width: u32| {
            Case::new("core", rule, format!("f{width}.{op}/{what}"))
                .polkadot()
                .module(&format!("float-{width}"))
        };
        let arguments = [a32, b32, c32].map(|value| i32(value.to_bits() as i32));
        suite.push(
            case(32)
                .invoke(op, &arguments)
                .valid(&[i32(narrow.to_bits() as i32)]),
        );
        let arguments = [a, b, c].map(|value| i64(value.to_bits() as i64));
        suite.push(
            case(64)
                .invoke(op, &arguments)
                .valid(&[i64(wide.to_bits() as i64)]),
        );
    };
    for &(rule, op, what, a, b, c) in FLOATS {
        both(rule, op, what, a, b, c);
    }
    subnormals(suite);
}

/// Subnormal numbers as operands and results, as bit patterns.
fn subnormals(suite: &mut Suite) {
    for (op, what, a, b) in [
        ("add", "sum", 1e-45_f32, 1e-45_f32),
        ("add", "up-to-normal", SMALL_32 / 2.0, SMALL_32 / 2.0),
        ("sub", "difference", SMALL_32 * 1.5, SMALL_32),
        ("mul", "underflow", SMALL_32, 0.5),
        ("mul", "operand", 1e-45, 2.0),
        ("div", "underflow", SMALL_32, 3.0),
        ("div", "operand", 1e-45, 1e-45),
        ("sqrt", "operand", 1e-45, 0.0),
        ("min", "operand", 1e-45, 0.0),
    ] {
        let result: f32 = compute!(op, a, b, 0.0_f32);
        let arguments = [a, b, 0.0].map(|value| i32(value.to_bits() as i32));
        suite.push(
            Case::new("core", "FLOAT-2", format!("f32.{op}/{what}"))
                .polkadot()
                .also(&["FLOAT-3"])
                .module("float-32")
                .invoke(op, &arguments)
                .valid(&[i32(result.to_bits() as i32)]),
        );
    }
    for (op, what, a, b) in [
        ("add", "sum", 5e-324_f64, 5e-324_f64),
        ("sub", "difference", SMALL_64 * 1.5, SMALL_64),
        ("mul", "underflow", SMALL_64, 0.5),
        ("mul", "to-zero-tie", 5e-324, 0.5),
        ("div", "underflow", SMALL_64, 3.0),
        ("sqrt", "operand", 5e-324, 0.0),
    ] {
        let result: f64 = compute!(op, a, b, 0.0_f64);
        let arguments = [a, b, 0.0].map(|value| i64(value.to_bits() as i64));
        suite.push(
            Case::new("core", "FLOAT-2", format!("f64.{op}/{what}"))
                .polkadot()
                .also(&["FLOAT-3"])
                .module("float-64")
                .invoke(op, &arguments)
                .valid(&[i64(result.to_bits() as i64)]),
        );
    }
}

fn conversions(suite: &mut Suite) {
    let mut text = String::from("(module\n");
    for (name, from, to) in [
        ("f32.convert_i32_s", "i32", "f32"),
        ("f32.convert_i32_u", "i32", "f32"),
        ("f32.convert_i64_s", "i64", "f32"),
        ("f32.convert_i64_u", "i64", "f32"),
        ("f64.convert_i64_s", "i64", "f64"),
        ("f64.convert_i64_u", "i64", "f64"),
    ] {
        let out = to.replace('f', "i");
        text += &format!(
            "  (func (export \"{name}\") (param {from}) (result {out}) ({out}.reinterpret_{to} ({name} (local.get 0))))\n"
        );
    }
    text += "  (func (export \"f32.demote_f64\") (param i64) (result i32) (i32.reinterpret_f32 (f32.demote_f64 (f64.reinterpret_i64 (local.get 0)))))\n";
    for into in ["i32", "i64"] {
        for from in ["f32", "f64"] {
            for sign in ["s", "u"] {
                let bits = from.replace('f', "i");
                text += &format!(
                    "  (func (export \"{into}.trunc_{from}_{sign}\") (param {bits}) (result {into}) ({into}.trunc_{from}_{sign} ({from}.reinterpret_{bits} (local.get 0))))\n"
                );
            }
        }
    }
    suite.text("convert", &(text + ")"));
    let case = |rule, name: &str, what: &str| {
        Case::new("core", rule, format!("{name}/{what}"))
            .polkadot()
            .module("convert")
    };
    for value in [
        16_777_217_i64,
        16_777_219,
        9_007_199_254_740_993,
        i64::MAX,
        i64::MIN,
        -1,
        0x7fff_ffbf_ffff_ffff,
    ] {
        let argument = [i64(value)];
        let what = format!("{value}");
        let narrow = |value: f32| [i32(value.to_bits() as i32)];
        let wide = |value: f64| [i64(value.to_bits() as i64)];
        suite.push(
            case("FLOAT-1", "f32.convert_i64_s", &what)
                .invoke("f32.convert_i64_s", &argument)
                .valid(&narrow(value as f32)),
        );
        suite.push(
            case("FLOAT-1", "f32.convert_i64_u", &what)
                .invoke("f32.convert_i64_u", &argument)
                .valid(&narrow(value as u64 as f32)),
        );
        suite.push(
            case("FLOAT-1", "f64.convert_i64_s", &what)
                .invoke("f64.convert_i64_s", &argument)
                .valid(&wide(value as f64)),
        );
        suite.push(
            case("FLOAT-1", "f64.convert_i64_u", &what)
                .invoke("f64.convert_i64_u", &argument)
                .valid(&wide(value as u64 as f64)),
        );
    }
    for value in [-1_i32, i32::MIN, i32::MAX, 16_777_217] {
        for (name, result) in [
            ("f32.convert_i32_s", value as f32),
            ("f32.convert_i32_u", value as u32 as f32),
        ] {
            suite.push(
                case("FLOAT-1", name, &value.to_string())
                    .invoke(name, &[i32(value)])
                    .valid(&[i32(result.to_bits() as i32)]),
            );
        }
    }
    for (what, value) in [
        ("tie", 1.0 + f64::from(f32::EPSILON) / 2.0),
        ("above-tie", 1.0 + f64::from(f32::EPSILON) * 0.500_000_001),
        ("overflow", 3.5e38),
        ("subnormal", 1e-40),
        ("to-zero", 1e-46),
        ("largest", 3.402_823_5e38),
    ] {
        suite.push(
            case("FLOAT-1", "f32.demote_f64", what)
                .invoke("f32.demote_f64", &[i64(value.to_bits() as i64)])
                .valid(&[i32((value as f32).to_bits() as i32)]),
        );
    }
    truncations(suite, &case);
}

/// Truncation at the limits: the last value that fits and the first that does not.
fn truncations(suite: &mut Suite, case: &impl Fn(&'static str, &str, &str) -> Case) {
    let narrow = |value: f32| i32(value.to_bits() as i32);
    let wide = |value: f64| i64(value.to_bits() as i64);
    let table: [(&str, String, Option<String>); 24] = [
        (
            "i32.trunc_f32_s",
            narrow(2_147_483_520.0),
            Some(i32(2_147_483_520)),
        ),
        ("i32.trunc_f32_s", narrow(2_147_483_648.0), None),
        (
            "i32.trunc_f32_s",
            narrow(-2_147_483_648.0),
            Some(i32(i32::MIN)),
        ),
        ("i32.trunc_f32_s", narrow(-2_147_483_904.0), None),
        ("i32.trunc_f32_u", narrow(4_294_967_040.0), Some(i32(-256))),
        ("i32.trunc_f32_u", narrow(4_294_967_296.0), None),
        ("i32.trunc_f32_u", narrow(-0.99), Some(i32(0))),
        ("i32.trunc_f32_u", narrow(-1.0), None),
        (
            "i32.trunc_f64_s",
            wide(2_147_483_647.9),
            Some(i32(i32::MAX)),
        ),
        ("i32.trunc_f64_s", wide(2_147_483_648.0), None),
        (
            "i32.trunc_f64_s",
            wide(-2_147_483_648.9),
            Some(i32(i32::MIN)),
        ),
        ("i32.trunc_f64_s", wide(-2_147_483_649.0), None),
        ("i32.trunc_f64_u", wide(4_294_967_295.9), Some(i32(-1))),
        ("i32.trunc_f64_u", wide(4_294_967_296.0), None),
        (
            "i64.trunc_f32_s",
            narrow(9_223_371_500_000_000_000.0),
            Some(i64(9_223_371_487_098_961_920)),
        ),
        ("i64.trunc_f32_s", narrow(9_223_372_036_854_775_808.0), None),
        (
            "i64.trunc_f32_u",
            narrow(9_223_372_036_854_775_808.0),
            Some(i64(i64::MIN)),
        ),
        (
            "i64.trunc_f32_u",
            narrow(18_446_744_073_709_551_616.0),
            None,
        ),
        (
            "i64.trunc_f64_s",
            wide(9_223_372_036_854_774_784.0),
            Some(i64(9_223_372_036_854_774_784)),
        ),
        ("i64.trunc_f64_s", wide(9_223_372_036_854_775_808.0), None),
        (
            "i64.trunc_f64_s",
            wide(-9_223_372_036_854_775_808.0),
            Some(i64(i64::MIN)),
        ),
        ("i64.trunc_f64_s", wide(-9_223_372_036_854_777_856.0), None),
        (
            "i64.trunc_f64_u",
            wide(18_446_744_073_709_549_568.0),
            Some(i64(-2048)),
        ),
        ("i64.trunc_f64_u", wide(f64::INFINITY), None),
    ];
    for (export, argument, result) in table {
        let what = argument.replace(':', "-");
        let case = case("TRAP-5", export, &what).invoke(export, &[argument]);
        suite.push(match result {
            Some(result) => case.valid(&[result]),
            None => case.trap("integer_overflow").also(&["TRAP-1"]),
        });
    }
    for into in ["i32", "i64"] {
        for sign in ["s", "u"] {
            for (from, argument) in [("f32", i32(0x7fc0_0001)), ("f64", i64(-1))] {
                let export = format!("{into}.trunc_{from}_{sign}");
                suite.push(
                    case("TRAP-5", &export, "nan")
                        .invoke(&export, &[argument])
                        .trap("invalid_conversion_to_integer")
                        .also(&["TRAP-1"]),
                );
            }
        }
    }
}

fn integers(suite: &mut Suite) {
    let mut text = String::from("(module\n");
    for ty in ["i32", "i64"] {
        for op in [
            "div_s", "div_u", "rem_s", "rem_u", "shl", "shr_s", "shr_u", "rotl", "rotr",
        ] {
            text += &format!(
                "  (func (export \"{ty}.{op}\") (param {ty} {ty}) (result {ty}) ({ty}.{op} (local.get 0) (local.get 1)))\n"
            );
        }
        for op in ["clz", "ctz", "popcnt"] {
            text += &format!(
                "  (func (export \"{ty}.{op}\") (param {ty} {ty}) (result {ty}) ({ty}.{op} (local.get 0)))\n"
            );
        }
    }
    suite.text("integer", &(text + ")"));
    let case = |rule, name: &str, what: String| {
        Case::new("core", rule, format!("{name}/{what}"))
            .polkadot()
            .module("integer")
    };
    for (op, a, b, result) in [
        ("div_s", i32::MIN, 2, Some(i32::MIN / 2)),
        ("div_s", -7, 2, Some(-3)),
        ("div_u", -1, 2, Some(i32::MAX)),
        ("rem_s", i32::MIN, -1, Some(0)),
        ("rem_s", -7, 2, Some(-1)),
        ("rem_u", -1, 10, Some(5)),
        ("div_s", 1, 0, None),
        ("div_u", 1, 0, None),
        ("rem_s", 0, 0, None),
        ("rem_u", 1, 0, None),
    ] {
        let name = format!("i32.{op}");
        let case = case("INT-1", &name, format!("{a}-{b}")).invoke(&name, &[i32(a), i32(b)]);
        suite.push(match result {
            Some(it) => case.valid(&[i32(it)]),
            None => case
                .trap("integer_divide_by_zero")
                .also(&["TRAP-4", "TRAP-1"]),
        });
    }
    for (op, a, b, result) in [
        ("div_s", i64::MIN, 2, Some(i64::MIN / 2)),
        ("div_u", -1, 2, Some(i64::MAX)),
        ("rem_s", i64::MIN, -1, Some(0)),
        ("rem_s", -7, 2, Some(-1)),
        ("rem_u", -1, 10, Some(5)),
        ("div_s", 1, 0, None),
        ("div_u", 1, 0, None),
        ("rem_s", 0, 0, None),
        ("rem_u", 1, 0, None),
    ] {
        let name = format!("i64.{op}");
        let case = case("INT-1", &name, format!("{a}-{b}")).invoke(&name, &[i64(a), i64(b)]);
        suite.push(match result {
            Some(it) => case.valid(&[i64(it)]),
            None => case
                .trap("integer_divide_by_zero")
                .also(&["TRAP-4", "TRAP-1"]),
        });
    }
    suite.push(
        case("TRAP-4", "i32.div_s", "overflow".into())
            .also(&["INT-1"])
            .invoke("i32.div_s", &[i32(i32::MIN), i32(-1)])
            .trap("integer_overflow"),
    );
    suite.push(
        case("TRAP-4", "i64.div_s", "overflow".into())
            .also(&["INT-1"])
            .invoke("i64.div_s", &[i64(i64::MIN), i64(-1)])
            .trap("integer_overflow"),
    );
    let value = 0x8123_4567_u32 as i32;
    let long = 0x8123_4567_89ab_cdef_u64 as i64;
    for count in [0_i32, 1, 31, 32, 33, 63, 64, -1] {
        for (op, result) in [
            ("shl", value.wrapping_shl(count as u32)),
            ("shr_s", value.wrapping_shr(count as u32)),
            ("shr_u", (value as u32).wrapping_shr(count as u32) as i32),
            ("rotl", value.rotate_left(count as u32 % 32)),
            ("rotr", value.rotate_right(count as u32 % 32)),
        ] {
            let name = format!("i32.{op}");
            suite.push(
                case("INT-2", &name, count.to_string())
                    .invoke(&name, &[i32(value), i32(count)])
                    .valid(&[i32(result)]),
            );
        }
        for (op, result) in [
            ("shl", long.wrapping_shl(count as u32)),
            ("shr_s", long.wrapping_shr(count as u32)),
            ("shr_u", (long as u64).wrapping_shr(count as u32) as i64),
            ("rotl", long.rotate_left(count as u32 % 64)),
            ("rotr", long.rotate_right(count as u32 % 64)),
        ] {
            let name = format!("i64.{op}");
            suite.push(
                case("INT-2", &name, count.to_string())
                    .invoke(&name, &[i64(long), i64(count.into())])
                    .valid(&[i64(result)]),
            );
        }
    }
    for (value, long) in [(0_i32, 0_i64), (1, 1), (-1, -1), (i32::MIN, i64::MIN)] {
        for (op, narrow, wide) in [
            ("clz", value.leading_zeros(), long.leading_zeros()),
            ("ctz", value.trailing_zeros(), long.trailing_zeros()),
            ("popcnt", value.count_ones(), long.count_ones()),
        ] {
            suite.push(
                case("INT-2", &format!("i32.{op}"), value.to_string())
                    .invoke(&format!("i32.{op}"), &[i32(value), i32(0)])
                    .valid(&[i32(narrow as i32)]),
            );
            suite.push(
                case("INT-2", &format!("i64.{op}"), long.to_string())
                    .invoke(&format!("i64.{op}"), &[i64(long), i64(0)])
                    .valid(&[i64(wide.into())]),
            );
        }
    }
}

fn saturating(suite: &mut Suite) {
    let mut text = String::from("(module\n");
    for into in ["i32", "i64"] {
        for sign in ["s", "u"] {
            text += &format!(
                "  (func (export \"{into}-{sign}\") (param i64) (result {into}) ({into}.trunc_sat_f64_{sign} (f64.reinterpret_i64 (local.get 0))))\n"
            );
        }
    }
    suite.text("saturating", &(text + ")"));
    for value in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.5,
        1e10,
        -1e10,
        1e20,
        4_294_967_295.0,
        -0.5,
    ] {
        let argument = [i64(value.to_bits() as i64)];
        for (export, result) in [
            ("i32-s", i32(value as i32)),
            ("i32-u", i32(value as u32 as i32)),
            ("i64-s", i64(value as i64)),
            ("i64-u", i64(value as u64 as i64)),
        ] {
            suite.push(
                Case::new("core", "INT-3", format!("{export}/{value:?}"))
                    .module("saturating")
                    .needs("saturating-float-to-int")
                    .invoke(export, &argument)
                    .valid(&[result]),
            );
        }
    }
}

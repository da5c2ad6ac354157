//! Functions at the stack limits.
//!
//! Every shape states by hand how many locals its functions declare and how high their operands are at most: by the
//! native rule (reachable code) and by the logical one. The stack that a run uses is the sum over its active functions,
//! which is computed here without a compiler.

use crate::suite::{Case, Suite, i32};
use pvf_rules::frame_bytes;

/// A function's size: declared locals, greatest operand height over reachable code, greatest height under the logical
/// rule.
#[derive(Clone, Copy)]
struct Size {
    locals: u32,
    height: u32,
    logical: u32,
}

impl Size {
    fn frame(self) -> u64 {
        frame_bytes(self.locals, self.height)
    }

    /// The logical cost: declared locals, plus 2, plus the height.
    fn cost(self) -> u64 {
        u64::from(self.locals + 2 + self.logical)
    }
}

const fn size(locals: u32, height: u32, logical: u32) -> Size {
    Size {
        locals,
        height,
        logical,
    }
}

/// A recursive function `f` whose first parameter counts down, and the function that calls it.
struct Shape {
    name: &'static str,
    rule: &'static str,
    f: Size,
    run: Size,
    text: String,
    /// Whether it needs blocks with parameters or several results, which the oracle of the logical rule does not
    /// support.
    multi_value: bool,
}

/// Pushes and drops `n` operands.
fn push(n: u32) -> String {
    format!(
        "{} {}",
        "(i32.const 7) ".repeat(n as usize),
        "drop ".repeat(n as usize)
    )
}

/// Three operands that an `if` takes and returns, with this code in its branches.
fn parameters_and_branches(then: &str, other: &str) -> String {
    format!(
        "(i32.const 1) (i32.const 2) (i32.const 3) (i32.const 0)
         (if (param i32 i32 i32) (result i32 i32 i32) (then {then}) (else {other})) drop drop drop"
    )
}

/// A shape whose function runs `body` between the end of the recursion (height 1) and the recursive call (height 2).
fn shape(name: &'static str, rule: &'static str, f: Size, locals: &str, body: &str) -> Shape {
    custom(
        name,
        rule,
        f,
        "",
        &format!(
            "(func $f (param $n i32) {locals}
              (if (i32.eqz (local.get $n)) (then (return)))
              {body}
              (call $f (i32.sub (local.get $n) (i32.const 1))))"
        ),
    )
}

/// A shape whose function is given as text.
fn custom(name: &'static str, rule: &'static str, f: Size, around: &str, text: &str) -> Shape {
    Shape {
        name,
        rule,
        f,
        run: size(0, 1, 1),
        text: format!(
            "(module {around} {text}
              (func (export \"run\") (param i32) (call $f (local.get 0))))"
        ),
        multi_value: false,
    }
}

/// A shape whose function has more parameters besides the counter.
fn parameters(name: &'static str, types: &str, values: &str) -> Shape {
    let extra = types.split(' ').count() as u32;
    let f = size(0, (1 + extra).max(2), (1 + extra).max(2));
    Shape {
        name,
        rule: "STACK-2",
        f,
        run: size(0, 1 + extra, 1 + extra),
        text: format!(
            "(module (func $f (param $n i32) (param {types})
                (if (i32.eqz (local.get $n)) (then (return)))
                (call $f (i32.sub (local.get $n) (i32.const 1)) {values}))
              (func (export \"run\") (param i32) (call $f (local.get 0) {values})))"
        ),
        multi_value: false,
    }
}

fn shapes() -> Vec<Shape> {
    let mut shapes = vec![
        shape("bare", "STACK-1", size(0, 2, 2), "", ""),
        shape("local-1", "STACK-2", size(1, 2, 2), "(local i32)", ""),
        shape("local-2", "STACK-2", size(2, 2, 2), "(local i32 i32)", ""),
        shape("local-3", "STACK-2", size(3, 2, 2), "(local i32 i32 i32)", ""),
        shape("local-15", "STACK-2", size(15, 2, 2), &format!("(local{})", " i32".repeat(15)), ""),
        shape("local-256", "STACK-2", size(256, 2, 2), &format!("(local{})", " i64".repeat(256)), ""),
        shape("local-types", "STACK-2", size(4, 2, 2), "(local i32 i64 f32 f64)", ""),
        shape(
            "local-kept-over-call",
            "STACK-2",
            size(2, 2, 2),
            "(local $a i32) (local $b i64)",
            "(local.set $a (i32.const 3)) (local.set $b (i64.extend_i32_u (local.get $a)))",
        ),
        shape("push-3", "STACK-3", size(0, 3, 3), "", &push(3)),
        shape("push-4", "STACK-3", size(0, 4, 4), "", &push(4)),
        shape("push-5", "STACK-3", size(0, 5, 5), "", &push(5)),
        shape("push-9", "STACK-3", size(0, 9, 9), "", &push(9)),
        shape("push-100", "STACK-3", size(0, 100, 100), "", &push(100)),
        shape("local-1-push-3", "STACK-1", size(1, 3, 3), "(local i32)", &push(3)),
        shape("local-2-push-4", "STACK-1", size(2, 4, 4), "(local i32 f64)", &push(4)),
        shape("local-3-push-4", "STACK-1", size(3, 4, 4), "(local i64 i32 f64)", &push(4)),
        parameters("param-2", "i32", "(i32.const 1)"),
        parameters("param-3", "i64 f32", "(i64.const 1) (f32.const 1)"),
        parameters("param-6", "i32 i32 i32 i32 i32", &"(i32.const 1) ".repeat(5)),
        parameters("param-9", "i32 i32 i32 i32 i32 i32 i32 i32", &"(i32.const 1) ".repeat(8)),
        parameters("param-12-mixed", "i32 i64 f32 f64 i32 i64 f32 f64 i32 i64 f64",
            "(i32.const 1) (i64.const 1) (f32.const 1) (f64.const 1) (i32.const 1) (i64.const 1)
             (f32.const 1) (f64.const 1) (i32.const 1) (i64.const 1) (f64.const 1)"),
        shape("floats", "STACK-3", size(0, 3, 3), "",
            "(f64.const 1) (f32.const 2) (f64.const 3) drop drop drop"),
        shape("block-result", "STACK-3", size(0, 3, 3), "",
            "(i32.const 1) (i32.const 1) (block (result i32) (i32.const 1)) drop drop drop"),
        shape("block-under-operands", "STACK-3", size(0, 5, 5), "",
            &format!("(i32.const 1) (i32.const 1) (block {}) drop drop", push(3))),
        shape("loop-under-operands", "STACK-3", size(0, 4, 4), "",
            &format!("(i32.const 1) (loop {}) drop", push(3))),
        shape("nested-blocks", "STACK-3", size(0, 6, 6), "",
            "(i32.const 1) (block (i32.const 1) (block (i32.const 1) (block (i32.const 1) (block
             (i32.const 1) (i32.const 1) drop drop) drop) drop) drop) drop"),
        shape("then-higher", "STACK-3", size(0, 4, 4), "",
            &format!("(if (i32.const 0) (then {}) (else nop))", push(4))),
        shape("else-higher", "STACK-3", size(0, 4, 4), "",
            &format!("(if (i32.const 0) (then nop) (else {}))", push(4))),
        shape("if-under-operands", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (i32.const 1) (i32.const 1) (if (i32.const 0) (then nop)) drop drop drop"),
        shape("else-behind-unreachable", "STACK-4", size(0, 5, 2), "",
            &format!("(if (i32.const 0) (then unreachable) (else {}))", push(5))),
        shape("else-behind-return", "STACK-4", size(0, 6, 2), "",
            &format!("(if (i32.const 0) (then return) (else {}))", push(6))),
        shape("else-behind-br", "STACK-4", size(0, 7, 2), "",
            &format!("(if (i32.const 0) (then (br 0)) (else {}))", push(7))),
        shape("dead-behind-br", "STACK-4", size(0, 2, 2), "",
            &format!("(block (br 0) {})", push(7))),
        shape("dead-behind-unreachable", "STACK-4", size(0, 2, 2), "",
            &format!("(block (br_if 0 (i32.const 1)) unreachable {})", push(9))),
        // The logical rule counts a block inside dead code; the native rule does not.
        shape("dead-nested-block", "STACK-4", size(0, 2, 7), "",
            &format!("(block (br 0) (block {}))", push(7))),
        shape("dead-nested-loop", "STACK-4", size(0, 2, 5), "",
            &format!("(block (br 0) (loop {}))", push(5))),
        shape("after-dead-block", "STACK-4", size(0, 4, 4), "",
            &format!("(block (br 0) {}) {}", push(9), push(4))),
        shape("br-table", "STACK-3", size(0, 2, 2), "",
            "(block (block (br_table 0 1 (local.get $n))))"),
        shape("br-table-under-operands", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (i32.const 1) (block (result i32) (i32.const 1) (br_table 0 0 (local.get $n))) drop drop drop"),
        shape("br-if-with-value", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (i32.const 1) (block (result i32) (br_if 0 (i32.const 1) (i32.const 0))) drop drop drop"),
        shape("br-out-of-operands", "STACK-3", size(0, 5, 5), "",
            "(block (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (br 0))"),
        shape("select", "STACK-3", size(0, 3, 3), "",
            "(drop (select (i32.const 1) (i32.const 2) (local.get $n)))"),
        shape("i64-chain", "STACK-3", size(0, 3, 3), "",
            "(drop (i64.add (i64.const 1) (i64.mul (i64.const 2) (i64.extend_i32_u (local.get $n)))))"),
        shape("tee-chain", "STACK-3", size(1, 3, 3), "(local $t i32)",
            "(drop (i32.add (local.tee $t (local.get $n)) (i32.add (local.tee $t (i32.const 3)) (local.get $t))))"),
        custom("store-operands", "STACK-3", size(0, 3, 3), "(memory 1)",
            "(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
              (call $f (i32.sub (local.get $n) (i32.const 1))))"),
        custom("globals", "STACK-3", size(0, 3, 3), "(global $g (mut i64) (i64.const 0))",
            "(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (global.set $g (i64.add (global.get $g) (i64.sub (i64.const 2) (i64.const 1))))
              (call $f (i32.sub (local.get $n) (i32.const 1))))"),
        custom("call-indirect", "STACK-12", size(0, 2, 2),
            "(type $t (func (param i32))) (table 1 funcref) (elem (i32.const 0) func $f)",
            "(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (call_indirect (type $t) (i32.sub (local.get $n) (i32.const 1)) (i32.const 0)))"),
        custom("call-under-operands", "STACK-3", size(0, 6, 6), "",
            "(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1)
              (call $f (i32.sub (local.get $n) (i32.const 1)))
              drop drop drop drop)"),
        custom("call-in-loop", "STACK-12", size(1, 2, 2), "",
            "(func $f (param $n i32) (local $i i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (loop
                (call $f (i32.sub (local.get $n) (i32.const 1)))))"),
        custom("call-imported", "STACK-8", size(0, 4, 4), "(import \"host\" \"never\" (func $never (param i32 i32 i32 i32)))",
            "(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (if (i32.const 0) (then (call $never (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1))))
              (call $f (i32.sub (local.get $n) (i32.const 1))))"),
        // The leaf is not larger than `f`, so the stack is deepest at the end of the recursion of `f`.
        custom("calls-leaf", "STACK-12", size(0, 3, 3), "",
            "(func $leaf (param i32 i32 i32))
             (func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (call $leaf (i32.const 1) (i32.const 2) (i32.const 3))
              (call $f (i32.sub (local.get $n) (i32.const 1))))"),
    ];
    let mut result = custom(
        "result",
        "STACK-3",
        size(0, 2, 2),
        "",
        "(func $f (param $n i32) (result i32)
          (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
          (i32.add (call $f (i32.sub (local.get $n) (i32.const 1))) (i32.const 1)))",
    );
    result.text = result.text.replace(
        "(call $f (local.get 0))))",
        "(drop (call $f (local.get 0)))))",
    );
    shapes.push(result);
    let multi = [
        shape("multi-block-parameters", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (i32.const 2) (i32.const 3)
             (block (param i32 i32 i32) (result i32 i32) (i32.const 4) drop drop) drop drop"),
        shape("multi-loop-parameters", "STACK-3", size(0, 5, 5), "",
            "(i32.const 1) (i32.const 2) (i32.const 3)
             (loop (param i32 i32 i32) (result i32) (i32.const 4) (i32.const 5) drop drop drop drop) drop"),
        custom("multi-call-results", "STACK-3", size(0, 5, 5), "",
            "(func $five (result i32 i32 i32 i32 i32)
                (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1))
             (func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (call $five) drop drop drop drop drop
              (call $f (i32.sub (local.get $n) (i32.const 1))))"),
        shape("multi-if", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (if (result i32 i32 i32) (i32.const 0)
               (then (i32.const 1) (i32.const 1) (i32.const 1))
               (else (i32.const 1) (i32.const 1) (i32.const 1))) drop drop drop drop"),
        // Both branches begin with the parameters, whatever the other branch does.
        shape("multi-else-takes-parameters", "STACK-3", size(0, 4, 4), "",
            "(i32.const 1) (i32.const 2) (i32.const 3) (i32.const 0)
             (if (param i32 i32 i32) (then drop drop drop) (else drop drop drop))"),
        shape("multi-then-higher", "STACK-3", size(0, 8, 8), "",
            &parameters_and_branches(&push(5), "")),
        shape("multi-else-higher", "STACK-3", size(0, 8, 8), "",
            &parameters_and_branches("", &push(5))),
        shape("multi-else-behind-unreachable", "STACK-4", size(0, 9, 9), "",
            &parameters_and_branches("unreachable", &push(6))),
        shape("multi-else-behind-br", "STACK-4", size(0, 7, 7), "",
            &parameters_and_branches("(br 0)", &push(4))),
        shape("multi-results-behind-return", "STACK-4", size(0, 6, 6), "",
            &format!("(if (result i32 i32) (i32.const 0) (then return)
                (else {} (i32.const 1) (i32.const 1))) drop drop", push(6))),
        // A type index that names a type without parameters and with one result is equivalent to a block type of
        // WebAssembly 1.0.
        custom("multi-index-of-one-result", "STACK-4", size(0, 6, 2), "(type $one (func (result i32)))",
            &format!("(func $f (param $n i32)
              (if (i32.eqz (local.get $n)) (then (return)))
              (drop (if (type $one) (i32.const 0) (then unreachable) (else {} (i32.const 1))))
              (call $f (i32.sub (local.get $n) (i32.const 1))))", push(6))),
    ];
    shapes.extend(multi.into_iter().map(|it| Shape {
        multi_value: true,
        ..it
    }));
    shapes
}

/// The depths of recursion at which native limits are tested.
const DEPTHS: [u64; 2] = [0, 10];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for shape in shapes() {
        let module = format!("stack-{}", shape.name);
        suite.text(&module, &shape.text);
        native(suite, &shape, &module);
        logical(suite, &shape, &module);
    }
    leaves(suite);
    mutual(suite);
    special(suite);
}

fn with_needs(case: Case, shape: &Shape) -> Case {
    if shape.multi_value {
        case.needs("multi-value")
    } else {
        case
    }
}

fn native(suite: &mut Suite, shape: &Shape, module: &str) {
    for depth in DEPTHS {
        // `run`, then `f` for every number from `depth` to 0.
        let peak = shape.run.frame() + (depth + 1) * shape.f.frame();
        if shape.name == "call-in-loop" && depth > 0 {
            continue;
        }
        let case = |name: &str, limit: u64| {
            let case = Case::new(
                "determinism",
                shape.rule,
                format!("{}/{depth}/{name}", shape.name),
            )
            .also(&["STACK-5", "STACK-11"])
            .module(module)
            .parameter("stack_native_max", limit)
            .needs("stack-native")
            .invoke("run", &[i32(depth as i32)]);
            with_needs(case, shape)
        };
        suite.push(
            case("last-pass", peak)
                .valid(&[])
                .expect("stack_native_peak", peak)
                .also(&["STACK-10"]),
        );
        suite.push(case("first-fail", peak - 1).trap("stack_overflow"));
    }
}

fn logical(suite: &mut Suite, shape: &Shape, module: &str) {
    if shape.name == "call-in-loop" {
        return;
    }
    for limit in [1024_u64, 65_536, 131_072] {
        // The largest depth for which the entry and `depth + 1` calls of `f` cost no more than the limit.
        let depth = (limit - shape.run.cost()) / shape.f.cost() - 1;
        let peak = shape.run.cost() + (depth + 1) * shape.f.cost();
        let rule = if shape.f.logical == shape.f.height && !shape.multi_value {
            "LOGICAL-2"
        } else {
            "LOGICAL-3"
        };
        let case = |name: &str, depth: u64| {
            let case = Case::new("metering", rule, format!("{}/{limit}/{name}", shape.name))
                .also(&[
                    "LOGICAL-1",
                    "LOGICAL-2",
                    "LOGICAL-4",
                    "LOGICAL-5",
                    "LOGICAL-6",
                ])
                .module(module)
                .parameter("stack_logical_max", limit)
                .needs("stack-logical")
                .invoke("run", &[i32(depth as i32)]);
            match shape.multi_value {
                true => with_needs(case, shape).needs("stack-logical-multi-value"),
                false => case,
            }
        };
        let last = case("last-pass", depth).valid(&[]);
        suite.push(last.expect("stack_logical_peak", peak).also(&["LOGICAL-7"]));
        suite.push(case("first-fail", depth + 1).trap("stack_overflow"));
    }
}

/// Functions without calls: the smallest frames, one by one.
fn leaves(suite: &mut Suite) {
    for (locals, height) in [
        (0, 0),
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 1),
        (3, 3),
        (50, 7),
    ] {
        let module = format!("stack-leaf-{locals}-{height}");
        let declared = " i32".repeat(locals as usize);
        let text = format!(
            "(module (func (export \"run\") (local{declared}) {}))",
            push(height)
        );
        suite.text(&module, &text);
        let frame = frame_bytes(locals, height);
        let case = |name: &str, limit: u64| {
            Case::new(
                "determinism",
                "STACK-7",
                format!("leaf-{locals}-{height}/{name}"),
            )
            .also(&["STACK-1", "STACK-9", "STACK-11"])
            .module(&module)
            .parameter("stack_native_max", limit)
            .needs("stack-native")
            .invoke("run", &[])
        };
        suite.push(
            case("last-pass", frame)
                .valid(&[])
                .expect("stack_native_peak", frame),
        );
        suite.push(case("first-fail", frame - 1).trap("stack_overflow"));
        suite.push(case("nothing", 0).trap("stack_overflow"));
    }
}

/// Two functions of different frames that call each other.
fn mutual(suite: &mut Suite) {
    let (even, odd, run) = (size(3, 2, 2), size(0, 7, 7), size(0, 1, 1));
    suite.text(
        "stack-mutual",
        &format!(
            "(module
          (func $even (param $n i32) (local i32 i64 f64)
            (if (i32.eqz (local.get $n)) (then (return)))
            (call $odd (i32.sub (local.get $n) (i32.const 1))))
          (func $odd (param $n i32)
            (if (i32.eqz (local.get $n)) (then (return)))
            {}
            (call $even (i32.sub (local.get $n) (i32.const 1))))
          (func (export \"run\") (param i32) (call $even (local.get 0))))",
            push(7)
        ),
    );
    for depth in [0_u64, 1, 2, 9, 10] {
        let (evens, odds) = (depth / 2 + 1, depth.div_ceil(2));
        let peak = run.frame() + evens * even.frame() + odds * odd.frame();
        let units = run.cost() + evens * even.cost() + odds * odd.cost();
        let case = |rule, level, name: String| {
            Case::new(level, rule, name)
                .module("stack-mutual")
                .invoke("run", &[i32(depth as i32)])
        };
        for (name, limit) in [("last-pass", peak), ("first-fail", peak - 1)] {
            let case = case("STACK-5", "determinism", format!("mutual/{depth}/{name}"))
                .also(&["STACK-11", "STACK-12"])
                .parameter("stack_native_max", limit)
                .needs("stack-native");
            suite.push(if limit == peak {
                case.valid(&[]).expect("stack_native_peak", peak)
            } else {
                case.trap("stack_overflow")
            });
        }
        for (name, limit) in [("last-pass", units), ("first-fail", units - 1)] {
            let case = case("LOGICAL-4", "metering", format!("mutual/{depth}/{name}"))
                .also(&["LOGICAL-6"])
                .parameter("stack_logical_max", limit)
                .needs("stack-logical");
            suite.push(if limit == units {
                case.valid(&[]).expect("stack_logical_peak", units)
            } else {
                case.trap("stack_overflow")
            });
        }
    }
}

fn special(suite: &mut Suite) {
    // The default limit, used completely: 8,388,608 frames of 32 bytes.
    for (name, depth, fits) in [
        ("last-pass", 8_388_606, true),
        ("first-fail", 8_388_607, false),
    ] {
        let case = Case::new("determinism", "STACK-13", format!("default-limit/{name}"))
            .also(&["STACK-5", "STACK-11"])
            .module("stack-bare")
            .needs("stack-native")
            .invoke("run", &[i32(depth)]);
        suite.push(if fits {
            case.valid(&[]).expect("stack_native_peak", 268_435_456_u64)
        } else {
            case.trap("stack_overflow")
        });
    }
    // The check precedes all effects of the function and follows the caller's effects.
    suite.text(
        "stack-effects",
        "(module (memory 1)
        (func $callee (i32.store (i32.const 4) (i32.const 1)))
        (func (export \"run\") (i32.store (i32.const 0) (i32.const 1)) (call $callee))
        (func (export \"peek\") (param i32) (result i32) (i32.load (local.get 0))))",
    );
    for (at, value) in [(0, 1), (4, 0)] {
        suite.push(
            Case::new(
                "determinism",
                "STACK-6",
                format!("effects-before-overflow/{at}"),
            )
            .module("stack-effects")
            .parameter("stack_native_max", 63_u64)
            .needs("stack-native")
            .invoke("run", &[])
            .invoke("peek", &[i32(at)])
            .valid(&[i32(value)])
            .expect("steps", serde_json::json!(["stack_overflow", null])),
        );
    }
    // Endless recursion overflows under every rule that bounds the stack.
    suite.text(
        "stack-endless",
        "(module (func $f (export \"run\") (call $f))
        (func $g (export \"values\") (result i32) (i32.add (call $g) (i32.const 1))))",
    );
    for export in ["run", "values"] {
        suite.push(
            Case::new("core", "STACK-5", format!("endless/{export}"))
                .module("stack-endless")
                .also(&["STACK-12", "STACK-13"])
                .invoke(export, &[])
                .trap("stack_overflow"),
        );
    }
    // In this dead code the logical height would fall below zero, so the instrumentation refuses the module.
    suite.text("stack-no-logical-cost", "(module (func (export \"run\") (param i32) (block unreachable (i32.const 1) select drop drop)))");
    suite.push(
        Case::new("metering", "LOGICAL-8", "no-cost")
            .module("stack-no-logical-cost")
            .needs("stack-logical")
            .parameter("stack_logical_max", 65_536_u64)
            .invoke("run", &["i32:0".to_owned()])
            .rejected("prepare"),
    );
    // No operator is unreachable, so there is a cost: the second branch pops more operands than the first branch
    // leaves.
    suite.text(
        "stack-parameters-at-else",
        "(module (func (export \"run\") (param i32) (result i32)
            (i32.const 1) (i32.const 2) (local.get 0)
            (if (param i32 i32) (result i32) (then i32.add) (else drop drop (i32.const 7)))))",
    );
    for (argument, result) in [(0, 7), (1, 3)] {
        suite.push(
            Case::new(
                "metering",
                "LOGICAL-8",
                format!("parameters-at-else/{argument}"),
            )
            .also(&["LOGICAL-3"])
            .module("stack-parameters-at-else")
            .polkadot()
            .features(&["multi-value"])
            .needs("multi-value")
            .needs("stack-logical")
            .needs("stack-logical-multi-value")
            .parameter("stack_logical_max", 65_536_u64)
            .invoke("run", &[i32(argument)])
            .valid(&[i32(result)])
            .expect("stack_logical_peak", 5_u64),
        );
    }
    // The depth starts at 0 with every call from the host.
    suite.push(
        Case::new("determinism", "STACK-9", "after-overflow")
            .module("stack-bare")
            .parameter("stack_native_max", 384_u64)
            .needs("stack-native")
            .invoke("run", &[i32(1_000_000)])
            .invoke("run", &[i32(10)])
            .valid(&[])
            .expect("steps", serde_json::json!(["stack_overflow", null])),
    );
}

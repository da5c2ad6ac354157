//! Shapes of calls at the boundaries of both stacks and of gas: an instrumented module ends as the
//! original does under the engine's own meters.

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use pvf_metering::{Costs, Schedule};
use pvf_rules::TrapKind;
use pvf_runtime::Value;
use support::{Ending, Limits, agree};

/// Each exports `f`, which takes the depth to go to, counts its calls in `depth`, and may start with `enter`.
const SHAPES: &[(&str, &str)] = &[
    (
        "direct",
        "(func $f (export \"f\") (param i32)
            (call $count) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))",
    ),
    (
        "locals",
        "(func $f (export \"f\") (param i32) (local i64 i64 f64) (local i32)
            (call $count) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))",
    ),
    (
        "one result",
        "(func $f (export \"f\") (param i32) (result i64) (call $count)
            (if (result i64) (local.get 0)
                (then (i64.add (i64.const 3) (call $f (i32.sub (local.get 0) (i32.const 1)))))
                (else (i64.const 1))))",
    ),
    (
        "indirect",
        "(type $t (func (param i32) (result f64))) (table funcref (elem $f))
         (func $f (export \"f\") (type $t) (call $count)
            (if (i32.eqz (local.get 0)) (then (return (f64.const 0.5))))
            (f64.add (f64.const 1) (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))",
    ),
    (
        "mutual",
        "(func $f (export \"f\") (param i32) (result f32) (call $count)
            (if (i32.eqz (local.get 0)) (then (return (f32.const 0.5))))
            (call $g (i64.const 7) (i32.sub (local.get 0) (i32.const 1))))
         (func $g (param i64 i32) (result f32) (local i64 i64 i64 i64 i64) (call $count)
            (i32.const 1) (i32.const 2) (i32.const 3) (drop) (drop) (drop)
            (if (i32.eqz (local.get 1)) (then (return (f32.const 1.5))))
            (call $f (i32.sub (local.get 1) (i32.const 1))))",
    ),
    (
        "return over operands",
        "(func $f (export \"f\") (param i32) (result i32) (call $count)
            (i32.const 11) (i64.const 12)
            (block (loop (block
                (if (local.get 0) (then (i32.const 5) (return (call $f (i32.sub (local.get 0) (i32.const 1)))))
                    (else (f32.const 1) (i32.const 9) (return)))
            )))
            (drop) (drop) (i32.const 3))",
    ),
    (
        "branches to the label of the function",
        "(func $f (export \"f\") (param i32) (result i32) (call $count)
            (i32.const 21)
            (block
                (br_if 1 (i32.const 4) (i32.eqz (local.get 0))) (drop)
                (br_if 0 (i32.and (local.get 0) (i32.const 1)))
                (br 1 (call $f (i32.sub (local.get 0) (i32.const 1)))))
            (drop) (call $f (i32.sub (local.get 0) (i32.const 1)))
            (br_table 0 0 0 (i32.const 1)))",
    ),
    (
        "branch by table",
        "(func $f (export \"f\") (param i32) (call $count)
            (loop
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (block (br_table 2 0 0 1 0 (i32.add (local.get 0) (i32.const 1))))
                (call $f (local.get 0)) (br 1)) (unreachable))",
    ),
    (
        "several results and parameters",
        "(type $two (func (result i32 i64)))
         (func $f (export \"f\") (param i32) (result i32 i64 f32) (call $count)
            (if (i32.eqz (local.get 0)) (then (return (i32.const 1) (i64.const 2) (f32.const 3))))
            (call $g (i32.sub (local.get 0) (i32.const 1)) (i64.const 5)) (f32.const 4))
         (func $g (param i32 i64) (result i32 i64) (call $count)
            (if (i32.eqz (local.get 0)) (then (br 1 (i32.const 1) (i64.const 2))))
            (call $f (i32.sub (local.get 0) (i32.const 1))) (drop))",
    ),
    (
        "branches that begin with parameters",
        "(func $f (export \"f\") (param i32) (result i32) (call $count)
            (i32.const 1) (i32.const 2) (i64.const 3) (local.get 0)
            (if (param i32 i32 i64) (result i32 i32)
                (then (drop) (drop) (call $f (i32.sub (local.get 0) (i32.const 1))))
                (else (drop) (i32.const 5) (i32.const 6) (i32.const 7) (i32.add) (i32.add) (i32.add)))
            (i32.add))",
    ),
    (
        "a branch with parameters behind a jump",
        "(func $f (export \"f\") (param i32) (call $count)
            (i32.const 1) (i64.const 3) (i32.eqz (local.get 0))
            (if (param i32 i64)
                (then (return))
                (else (i64.const 4) (i64.const 5) (i64.const 6) (drop) (drop) (drop) (drop) (drop)
                    (call $f (i32.sub (local.get 0) (i32.const 1))))))",
    ),
    (
        "leaf again and again",
        "(func $f (export \"f\") (param i32) (result i32) (local $sum i32)
            (loop
                (local.set $sum (i32.add (local.get $sum) (call $leaf (local.get 0) (i32.const 1))))
                (br_if 0 (i32.and (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0xff))))
            (local.get $sum))
         (func $leaf (param i32 i32) (result i32) (local i64)
            (call $count) (if (i32.and (local.get 0) (i32.const 1)) (then (return (i32.const 8))))
            (i32.mul (local.get 0) (local.get 1)))",
    ),
    (
        "operands in code that is not reached",
        "(func $f (export \"f\") (param i32) (call $count)
            (block (br 0) (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1) (drop) (drop) (drop) (drop))
            (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))) (return)) (else (return)))
            (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (drop) (drop) (drop) (drop))",
    ),
    (
        "twice down",
        "(func $f (export \"f\") (param i32) (call $g (local.get 0)) (call $g (local.get 0)))
         (func $g (param i32) (call $count)
            (if (local.get 0) (then (call $g (i32.sub (local.get 0) (i32.const 1))))))",
    ),
    (
        "memory.grow",
        "(memory 1 8)
         (func $f (export \"f\") (param i32) (result i32) (local i64) (call $count)
            (drop (memory.grow (i32.and (local.get 0) (i32.const 3))))
            (if (local.get 0) (then (drop (call $f (i32.sub (local.get 0) (i32.const 1))))))
            (memory.size))",
    ),
    (
        "grow in code that is not reached",
        "(memory 1 8)
         (func $f (export \"f\") (param i32) (result i32) (call $count)
            (if (local.get 0) (then (return (call $f (i32.sub (local.get 0) (i32.const 1))))))
            (return (memory.grow (i32.const -1))) (memory.grow) (drop) (memory.grow))",
    ),
    (
        "start function",
        "(start $s) (func $s (call $g (i32.const 6)))
         (func $f (export \"f\") (param i32) (call $g (local.get 0)))
         (func $g (param i32) (call $count)
            (if (local.get 0) (then (call $g (i32.sub (local.get 0) (i32.const 1))))))",
    ),
    (
        "trap of its own",
        "(func $f (export \"f\") (param i32) (result i32) (call $count)
            (if (result i32) (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))
                (else (i32.div_u (i32.const 1) (local.get 0)))))",
    ),
];

fn module(shape: &str) -> Vec<u8> {
    let text = format!(
        "(module {shape}
            (global $depth (export \"depth\") (mut i32) (i32.const 0))
            (func $count (global.set $depth (i32.add (global.get $depth) (i32.const 1)))))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn schedules() -> [Costs; 2] {
    let dear = "default = 3\nper_local = 5\nmemory_grow_per_page = 1000\n[class]\ndivision = 8";
    [
        Costs::default(),
        Schedule::parse(dear).unwrap().costs().unwrap(),
    ]
}

fn plenty(costs: &Costs) -> Limits {
    Limits {
        native: 1 << 20,
        logical: 100_000,
        gas: u64::MAX,
        costs: costs.clone(),
    }
}

const DEPTHS: [i32; 4] = [0, 1, 6, 50];
const OVERFLOW: Ending = Ending::Trap(TrapKind::StackOverflow);

#[test]
fn the_stacks_end_at_the_same_call() {
    let mut overflows = 0;
    for (name, shape) in SHAPES {
        let wasm = module(shape);
        for depth in DEPTHS {
            println!("{name} {depth}");
            let limits = plenty(&schedules()[0]);
            let arguments = [Value::I32(depth)];
            let (run, peaks) = agree(&wasm, "f", &arguments, &limits).unwrap();
            for native in [peaks.native, peaks.native + 1, peaks.native - 1, 0, 100] {
                let limits = Limits {
                    native,
                    ..limits.clone()
                };
                let (limited, _) = agree(&wasm, "f", &arguments, &limits).unwrap();
                let fits = native >= peaks.native;
                assert_eq!(limited == run, fits, "{limited:?}");
                overflows += u32::from(limited.ending == OVERFLOW);
            }
            for logical in [peaks.logical, peaks.logical + 1, peaks.logical - 1, 1, 7] {
                let limits = Limits {
                    logical,
                    ..limits.clone()
                };
                let (limited, _) = agree(&wasm, "f", &arguments, &limits).unwrap();
                let fits = logical >= peaks.logical;
                assert_eq!(limited == run, fits, "{limited:?}");
                overflows += u32::from(limited.ending == OVERFLOW);
            }
        }
    }
    assert!(overflows > 300, "{overflows}");
}

#[test]
fn gas_ends_before_the_same_block() {
    let mut exhausted = 0;
    for (name, shape) in SHAPES {
        let wasm = module(shape);
        for costs in schedules() {
            for depth in DEPTHS {
                println!("{name} {depth}");
                let limits = plenty(&costs);
                let arguments = [Value::I32(depth)];
                let (run, _) = agree(&wasm, "f", &arguments, &limits).unwrap();
                let used = run.gas_used.unwrap();
                for gas in [used, used + 1, used - 1, used / 2, used / 3, 1, 0] {
                    let limits = Limits {
                        gas,
                        ..limits.clone()
                    };
                    let (limited, _) = agree(&wasm, "f", &arguments, &limits).unwrap();
                    assert_eq!(limited == run, gas >= used, "{limited:?}");
                    exhausted += u32::from(limited.ending == Ending::Trap(TrapKind::OutOfGas));
                }
            }
        }
    }
    assert!(exhausted > 300, "{exhausted}");
}

#[test]
fn endless_recursion_ends_at_the_same_depth() {
    for (name, shape) in SHAPES {
        if ["leaf again and again", "grow in code that is not reached"].contains(name) {
            continue; // One does not recurse; the other is "direct" again.
        }
        let wasm = module(shape);
        for (native, logical) in [(1 << 18, 100_000), (1 << 20, 1024), (1 << 20, 16_384)] {
            let limits = Limits {
                native,
                logical,
                ..plenty(&schedules()[0])
            };
            let (run, _) = agree(&wasm, "f", &[Value::I32(-1)], &limits).unwrap();
            assert_eq!(run.ending, OVERFLOW, "{name}");
            assert!(run.depth.unwrap() > 100, "{name}");
        }
    }
}

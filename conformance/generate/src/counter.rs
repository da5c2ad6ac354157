//! The counter of the logical stack as a global: read, written, exported.
//!
//! Costs are stated by hand: a function without declared locals costs 2 plus its greatest operand height. A test
//! compares the expectations with the instrumented module on wasmi.

use crate::suite::{Case, Suite, i32};
use serde_json::json;

/// A module, and calls of its exports with their arguments and endings.
struct Program {
    name: &'static str,
    text: &'static str,
    limit: u32,
    calls: &'static [(&'static str, &'static [i32], Ending)],
    /// The greatest counter after a call that was admitted.
    peak: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Nothing,
    Value(i32),
    Overflow,
    Unreachable,
}

use Ending::{Nothing, Overflow, Unreachable, Value};

/// `get` and `set` cost 3 each.
const GET_AND_SET: &str = r#"(module
    (func (export "get") (result i32) (global.get 0))
    (func (export "set") (param i32) (global.set 0 (local.get 0))))"#;

/// `inner` and `run` cost 3 each, with one operand each.
const WRITES_AND_CALLS: &str = r#"(module
    (func $inner (result i32) (global.get 0))
    (func (export "run") (param i32) (result i32) (global.set 0 (local.get 0)) (call $inner))
    (func (export "get") (result i32) (global.get 0)))"#;

const PROGRAMS: &[Program] = &[
    Program {
        name: "own-cost",
        text: r#"(module (func (export "run") (result i32) (local i64 i64) (global.get 0)))"#,
        limit: 5,
        calls: &[("run", &[], Value(5)), ("run", &[], Value(5))],
        peak: 5,
    },
    Program {
        name: "behind-own-globals",
        text: r#"(module (global i64 (i64.const 7)) (global (mut i32) (i32.const 9))
            (func (export "run") (result i32) (i32.add (global.get 2) (global.get 1))))"#,
        limit: 100,
        calls: &[("run", &[], Value(13))],
        peak: 4,
    },
    Program {
        name: "callers-below",
        text: r#"(module (type $t (func (result i32))) (table 1 funcref) (elem (i32.const 0) $in)
            (func $in (type $t) (global.get 0))
            (func $middle (type $t) (local i32) (call $in))
            (func (export "run") (result i32) (local f32 f32) (call $middle))
            (func (export "table") (result i32) (call_indirect (type $t) (i32.const 0))))"#,
        limit: 100,
        calls: &[("run", &[], Value(5 + 4 + 3)), ("table", &[], Value(3 + 3))],
        peak: 12,
    },
    Program {
        name: "imported-functions-add-nothing",
        text: r#"(module (import "host" "never" (func $never (param i32 i32 i32 i32)))
            (func (export "run") (param i32) (result i32)
              (if (local.get 0) (then (call $never (i32.const 1) (i32.const 1) (i32.const 1) (i32.const 1))))
              (global.get 0)))"#,
        limit: 100,
        calls: &[("run", &[0], Value(6))],
        peak: 6,
    },
    Program {
        name: "written",
        text: WRITES_AND_CALLS,
        limit: 103,
        calls: &[("run", &[100], Value(103)), ("get", &[], Value(100))],
        peak: 103,
    },
    Program {
        name: "written-above-the-limit",
        text: WRITES_AND_CALLS,
        limit: 103,
        calls: &[("run", &[101], Overflow)],
        peak: 3,
    },
    Program {
        name: "kept-from-call-to-call",
        text: GET_AND_SET,
        limit: 1000,
        // When `set` returns, it subtracts its cost of 3 from the value that it wrote.
        calls: &[("set", &[50], Nothing), ("get", &[], Value(50))],
        peak: 50,
    },
    Program {
        name: "below-zero",
        text: GET_AND_SET,
        limit: 1000,
        // `set` leaves 0 - 3 in the counter. `get` adds its cost of 3, reads 0, and leaves 0 - 3 again.
        calls: &[
            ("set", &[0], Nothing),
            ("get", &[], Value(0)),
            ("get", &[], Value(0)),
        ],
        peak: 3,
    },
    Program {
        name: "far-below-zero",
        text: GET_AND_SET,
        limit: 1000,
        calls: &[("set", &[-5], Nothing), ("get", &[], Overflow)],
        peak: 3,
    },
    Program {
        name: "wraps-to-a-small-value",
        text: WRITES_AND_CALLS,
        limit: 10,
        calls: &[("run", &[-1], Value(2))],
        peak: 3,
    },
    Program {
        name: "without-sign",
        text: WRITES_AND_CALLS,
        limit: 0x8000_0002,
        calls: &[("run", &[i32::MAX], Value(i32::MIN + 2))],
        peak: 0x8000_0002,
    },
    Program {
        name: "without-sign-first-fail",
        text: WRITES_AND_CALLS,
        limit: 0x8000_0001,
        calls: &[("run", &[i32::MAX], Overflow)],
        peak: 3,
    },
    Program {
        name: "a-trap-gives-nothing-back",
        text: r#"(module
            (func $fails unreachable)
            (func (export "fail") (call $fails))
            (func (export "get") (result i32) (global.get 0)))"#,
        limit: 100,
        // The costs of two functions (2 each) remain after the trap.
        calls: &[("fail", &[], Unreachable), ("get", &[], Value(7))],
        peak: 7,
    },
    Program {
        name: "an-overflow-gives-nothing-back",
        text: r#"(module
            (func $f (export "run") (call $f))
            (func (export "get") (result i32) (global.get 0)))"#,
        limit: 9,
        calls: &[("run", &[], Overflow), ("get", &[], Overflow)],
        peak: 8,
    },
    Program {
        name: "start-function",
        text: r#"(module (start $s) (func $s (global.set 0 (i32.const 20)))
            (func (export "get") (result i32) (global.get 0)))"#,
        limit: 100,
        calls: &[("get", &[], Value(20))],
        peak: 20,
    },
    Program {
        name: "exported",
        text: r#"(module (export "counter" (global 0)) (func (export "run") (result i32) (i32.const 1)))"#,
        limit: 100,
        calls: &[("run", &[], Value(1))],
        peak: 3,
    },
    Program {
        name: "in-dead-code",
        text: r#"(module (func (export "run") (result i32) (return (i32.const 1)) (global.get 0)))"#,
        limit: 100,
        calls: &[("run", &[], Value(1))],
        peak: 3,
    },
];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    for program in PROGRAMS {
        let module = format!("counter-{}", program.name);
        suite.text(&module, program.text);
        let mut case = Case::new("metering", "LOGICAL-9", program.name)
            .polkadot()
            .module(&module)
            .parameter("stack_logical_max", program.limit)
            .needs("stack-logical")
            .needs("stack-logical-counter");
        let mut steps = Vec::new();
        for (export, arguments, ending) in program.calls {
            let arguments: Vec<String> = arguments.iter().map(|&it| i32(it)).collect();
            case = case.invoke(export, &arguments);
            steps.push(match ending {
                Overflow => json!("stack_overflow"),
                Unreachable => json!("unreachable"),
                Nothing | Value(_) => json!(null),
            });
        }
        let last = program.calls.last().map(|call| call.2);
        case = match last {
            Some(Overflow) => case.trap("stack_overflow"),
            Some(Unreachable) => case.trap("unreachable"),
            Some(Value(value)) => case.valid(&[i32(value)]),
            Some(Nothing) | None => case.valid(&[]),
        };
        if steps.len() > 1 {
            case = case.expect("steps", steps);
        }
        suite.push(case.expect("stack_logical_peak", program.peak));
    }
    refused(suite);
}

/// The index names the counter only if it names a mutable `i32`, and only under the rules by which the network reads
/// modules.
fn refused(suite: &mut Suite) {
    for (name, text) in [
        (
            "as-i64",
            "(func (export \"f\") (drop (i64.eqz (global.get 0))))",
        ),
        ("next-index", "(func (export \"f\") (drop (global.get 1)))"),
        (
            "next-index-exported",
            "(export \"g\" (global 1)) (func (export \"f\"))",
        ),
        (
            "in-a-constant",
            "(global i32 (global.get 1)) (func (export \"f\"))",
        ),
    ] {
        let module = format!("counter-{name}");
        suite.text(&module, &format!("(module {text})"));
        suite.push(
            Case::new("metering", "LOGICAL-9", name)
                .polkadot()
                .module(&module)
                .parameter("stack_logical_max", 100_u64)
                .needs("stack-logical-counter")
                .invoke("f", &[])
                .rejected("prepare"),
        );
    }
    suite.push(
        Case::new("metering", "LOGICAL-9", "of-webassembly-alone")
            .module("counter-own-cost")
            .needs("language")
            .invoke("run", &[])
            .rejected("prepare"),
    );
}

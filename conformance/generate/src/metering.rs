//! Gas: the use of the programs below, computed by an oracle: `wasm-instrument`'s gas metering, run by wasmi.

use crate::oracle::{Run, gas};
use crate::suite::{Case, Suite, i32};
use serde_json::json;

/// The costs of an instruction, of a page grown, and of a local of a called function.
const SCHEDULES: [(u32, u32, u32); 3] = [(1, 0, 1), (1, 1000, 1), (3, 7, 5)];

/// Adds the cases.
pub fn add(suite: &mut Suite) {
    let programs: [(&str, &str, &[i32]); 22] = [
        ("GAS-4", "(func (export \"f\"))", &[]),
        (
            "GAS-4",
            "(func (export \"f\") nop nop (drop (i32.const 1)))",
            &[],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (result i32) (if (result i32) (local.get 0) (then nop nop (i32.const 1)) (else (i32.const 2))))",
            &[0],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (result i32) (if (result i32) (local.get 0) (then nop nop (i32.const 1)) (else (i32.const 2))))",
            &[1],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (result i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 5))",
            &[100],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (block (br_if 0 (local.get 0)) nop nop nop) nop)",
            &[0],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (block (br_if 0 (local.get 0)) nop nop nop) nop)",
            &[1],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (block (block (block (br_table 0 1 2 (local.get 0))) nop) nop nop) nop)",
            &[0],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (block (block (block (br_table 0 1 2 (local.get 0))) nop) nop nop) nop)",
            &[2],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (if (local.get 0) (then return)) nop nop nop)",
            &[1],
        ),
        (
            "GAS-3",
            "(func (export \"f\") (param i32) (if (local.get 0) (then return)) nop nop nop)",
            &[0],
        ),
        (
            "GAS-9",
            "(func (export \"f\") (block (br 0) nop nop nop nop) nop)",
            &[],
        ),
        (
            "GAS-9",
            "(func (export \"f\") (block (block (block (block)))) (loop))",
            &[],
        ),
        (
            "GAS-7",
            "(func (export \"f\") (call $g)) (func $g (local i32 i32 i64 f64))",
            &[],
        ),
        (
            "GAS-7",
            "(func (export \"f\") (param i32) (local i32) (if (local.get 0) (then (call $g))) (call $g)) (func $g (local i32 i32 i64 f64))",
            &[1],
        ),
        (
            "GAS-4",
            "(func $r (export \"f\") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 1)))) (i32.mul (local.get 0) (call $r (i32.sub (local.get 0) (i32.const 1)))))",
            &[10],
        ),
        (
            "GAS-4",
            "(table 1 funcref) (elem (i32.const 0) func $g) (func $g (local i32)) (func (export \"f\") (call_indirect (i32.const 0)) nop)",
            &[],
        ),
        (
            "GAS-6",
            "(memory 1) (func (export \"f\") (param i32) (result i32) nop (memory.grow (local.get 0)))",
            &[3],
        ),
        (
            "GAS-6",
            "(memory 1 2) (func (export \"f\") (param i32) (result i32) nop (memory.grow (local.get 0)))",
            &[5],
        ),
        ("GAS-5", "(func (export \"f\") nop nop unreachable)", &[]),
        (
            "GAS-5",
            "(memory 1) (func (export \"f\") nop (drop (i32.load (i32.const -1))) nop nop nop)",
            &[],
        ),
        (
            "GAS-5",
            "(global $z (mut i32) (i32.const 0)) (func (export \"f\") (block (drop (i32.div_s (i32.const 1) (global.get $z))) nop) nop nop)",
            &[],
        ),
    ];
    for (number, (rule, body, arguments)) in programs.into_iter().enumerate() {
        let source = format!("gas-{number}");
        suite.text(&source, &format!("(module {body})"));
        let wasm = suite.modules[&source].wasm.clone();
        for (instruction, page, local) in SCHEDULES {
            let (used, run) = gas(&wasm, instruction, page, local, arguments);
            let case = |what: &str, limit: serde_json::Value| {
                let arguments: Vec<String> = arguments.iter().copied().map(i32).collect();
                Case::new("metering", rule, format!("program-{number}/{instruction}-{page}-{local}/{what}")).also(&["GAS-1", "GAS-2"])
                    .module(&source).needs("gas").parameter("gas_limit", limit)
                    .parameter("gas_schedule", json!({"instruction": instruction, "memory_grow": page, "call_per_local": local}))
                    .invoke("f", &arguments)
            };
            let ended = |case: Case| match &run {
                Run::Returned(values) => case.valid(values),
                Run::Trapped(kind) => case.trap(kind),
            };
            suite.push(
                ended(case("unlimited", "unlimited".into()))
                    .also(&["GAS-10"])
                    .expect("gas_used", used),
            );
            suite.push(ended(case("exact", used.into())).expect("gas_used", used));
            if let Some(less) = used.checked_sub(1) {
                suite.push(
                    case("one-less", less.into())
                        .also(&["GAS-8"])
                        .trap("out_of_gas"),
                );
            }
        }
    }
    effects(suite);
}

/// A block whose charge exceeds the limit has no effects, and gas counts over the whole life of an instance.
fn effects(suite: &mut Suite) {
    suite.text("gas-effects", "(module (memory 1) (func (export \"f\") (i32.store8 (i32.const 0) (i32.const 1))
        (if (i32.load8_u (i32.const 0)) (then (i32.store8 (i32.const 1) (i32.const 1)) nop nop nop nop nop nop nop nop))))");
    let (used, _) = gas(&suite.modules["gas-effects"].wasm.clone(), 1, 0, 1, &[]);
    for less in [0_u64, 1, 3, 9] {
        let case = Case::new("metering", "GAS-5", format!("effects/less-{less}"))
            .also(&["GAS-8"])
            .module("gas-effects")
            .needs("gas")
            .parameter("gas_limit", used - less)
            .parameter(
                "gas_schedule",
                json!({"instruction": 1, "memory_grow": 0, "call_per_local": 1}),
            )
            .invoke("f", &[]);
        let memory = if less == 0 { "0x0101" } else { "0x0100" };
        let case = case
            .parameter("peek", json!([0, 2]))
            .expect("memory", memory);
        suite.push(if less == 0 {
            case.valid(&[])
        } else {
            case.trap("out_of_gas")
        });
    }
    // The start function uses gas of the same limit.
    suite.text(
        "gas-start",
        "(module (start $s) (func $s nop nop) (func (export \"f\") nop))",
    );
    let (used, _) = gas(&suite.modules["gas-start"].wasm.clone(), 1, 0, 1, &[]);
    for (limit, fits) in [(used, true), (used - 1, false)] {
        let case = Case::new("metering", "GAS-11", format!("start/{limit}"))
            .module("gas-start")
            .needs("gas")
            .parameter("gas_limit", limit)
            .parameter(
                "gas_schedule",
                json!({"instruction": 1, "memory_grow": 0, "call_per_local": 1}),
            )
            .invoke("f", &[]);
        suite.push(if fits {
            case.valid(&[]).expect("gas_used", limit)
        } else {
            case.trap("out_of_gas")
        });
    }
}

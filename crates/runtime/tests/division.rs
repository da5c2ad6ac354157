//! Divisions by constants, compiled without division instructions: equal to Rust's for all tested
//! divisors and numbers.

use pvf_compiler::{CompileOptions, compile};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, Linker, Module, Value};
use std::fmt::Write;

const OPERATORS: [&str; 4] = ["div_u", "div_s", "rem_u", "rem_s"];

fn divisors() -> Vec<i64> {
    let powers = (0..64).map(|shift| 1i64 << shift);
    let around = powers.flat_map(|power| [power.wrapping_sub(1), power, power.wrapping_add(1)]);
    let known = [
        3,
        5,
        7,
        10,
        11,
        25,
        100,
        125,
        641,
        1000,
        10_000,
        1_000_000_007,
    ];
    let all: Vec<i64> = around.chain(known).collect();
    all.iter().flat_map(|&it| [it, it.wrapping_neg()]).collect()
}

fn numbers(divisor: i64) -> Vec<i64> {
    let mut numbers = vec![
        0,
        1,
        -1,
        i64::MAX,
        i64::MIN,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
    ];
    for factor in [
        1,
        2,
        1000,
        i64::MAX / divisor.checked_abs().unwrap_or(2).max(1),
    ] {
        let multiple = divisor.wrapping_mul(factor);
        numbers.extend([multiple, multiple.wrapping_sub(1), multiple.wrapping_add(1)]);
    }
    numbers
}

fn expected_64(operator: &str, a: i64, b: i64) -> Option<i64> {
    match operator {
        "div_u" => (a as u64).checked_div(b as u64).map(|it| it as i64),
        "rem_u" => (a as u64).checked_rem(b as u64).map(|it| it as i64),
        "div_s" => a.checked_div(b),
        _ if b == 0 => None,
        _ => Some(a.wrapping_rem(b)),
    }
}

fn expected_32(operator: &str, a: i32, b: i32) -> Option<i32> {
    match operator {
        "div_u" => (a as u32).checked_div(b as u32).map(|it| it as i32),
        "rem_u" => (a as u32).checked_rem(b as u32).map(|it| it as i32),
        "div_s" => a.checked_div(b),
        _ if b == 0 => None,
        _ => Some(a.wrapping_rem(b)),
    }
}

/// Functions with several live values around the division, so that other values occupy the fixed
/// registers.
fn module(divisors: &[i64]) -> Vec<u8> {
    let mut text = String::from("(module");
    for (index, divisor) in divisors.iter().enumerate() {
        for operator in OPERATORS {
            for (ty, divisor) in [("i32", i64::from(*divisor as i32)), ("i64", *divisor)] {
                write!(
                    text,
                    "(func (export \"{ty}.{operator}.{index}\") (param {ty} {ty} {ty}) (result {ty})
                       ({ty}.xor (local.get 1)
                         ({ty}.xor (local.get 2)
                           ({ty}.{operator} (local.get 0) ({ty}.const {divisor})))))"
                )
                .unwrap();
            }
        }
    }
    text.push(')');
    wat::parse_str(text).unwrap()
}

#[test]
fn divisions_by_constants_are_exact() {
    let divisors = divisors();
    let artifact = compile(&module(&divisors), &CompileOptions::new(Features::POLKADOT)).unwrap();
    let module = Module::new(artifact).unwrap();
    let parameters = ExecutionParameters::WASM;
    let mut instance = Instance::new(&module, &Linker::new(), &parameters, ()).unwrap();
    let mut check = |name: String, arguments: [Value; 3], expected: Option<Value>| match (
        instance.call_export(&name, &arguments),
        expected,
    ) {
        (Ok(result), Some(value)) => assert_eq!(result, [value], "{name} {arguments:?}"),
        (Err(CallError::Trap(trap)), None) => assert!(matches!(
            trap.kind,
            TrapKind::IntegerDivideByZero | TrapKind::IntegerOverflow
        )),
        (result, expected) => panic!("{name} {arguments:?}: {result:?}, not {expected:?}"),
    };
    for (index, &divisor) in divisors.iter().enumerate() {
        for number in numbers(divisor) {
            for operator in OPERATORS {
                let expected = expected_64(operator, number, divisor);
                check(
                    format!("i64.{operator}.{index}"),
                    [Value::I64(number), Value::I64(5), Value::I64(9)],
                    expected.map(|it| Value::I64(it ^ 5 ^ 9)),
                );
                let expected = expected_32(operator, number as i32, divisor as i32);
                check(
                    format!("i32.{operator}.{index}"),
                    [Value::I32(number as i32), Value::I32(5), Value::I32(9)],
                    expected.map(|it| Value::I32(it ^ 5 ^ 9)),
                );
            }
        }
    }
}

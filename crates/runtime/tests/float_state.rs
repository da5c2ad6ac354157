//! FLOAT-4: a host function runs with the host's floating-point control state, and the state that
//! it sets does not affect the module, for every kind of host call.

mod support;

use pvf_compiler::{CompileOptions, compile};
use pvf_compiler::{FuncType, ValType};
use pvf_rules::{ExecutionParameters, Features};
use pvf_runtime::{CallError, Caller, HostError, Instance, Linker, Module, Value};
use support::float::{self, set_state, state};

/// The states that host functions saw, and the state that they set.
#[derive(Default)]
struct Host {
    seen: Vec<u32>,
    sets: u32,
}

/// The control bits of a state, without the flags that operations set.
fn control(state: u32) -> u32 {
    state & float::CONTROL
}

fn visit(caller: &mut Caller<'_, Host>) {
    let host = caller.data_mut();
    host.seen.push(state());
    // SAFETY: only integer code follows in the host function, and `run` restores the state.
    unsafe { set_state(host.sets) };
}

fn failed() -> HostError {
    HostError::Trap("on purpose".to_owned())
}

/// The kinds of host call, each with an expression that makes it.
const WAYS: [(&str, &str); 6] = [
    ("typed", "(call $typed)"),
    (
        "typed with parameters",
        "(drop (call $typed4 (i32.const 1) (i64.const 2) (i32.const 3) (i64.const 4)))",
    ),
    ("plain", "(drop (call $plain (i32.const 1)))"),
    ("slots", "(drop (call $slots (f64.const 1)))"),
    ("typed, indirectly", "(call_indirect (i32.const 0))"),
    ("nothing of the host", "(drop (memory.grow (i32.const 0)))"),
];

/// Number of [`WAYS`] that call a host function.
const HOST_CALLS: usize = 5;

/// Stores results of operations: a quotient that rounds up in `f32` and down in `f64`, a denormal
/// result and a denormal operand. Called before and after each host call.
const COMPUTE: &str = "
    (func $compute (param $at i32)
        (f64.store (local.get $at) (f64.div (f64.const 1) (global.get $three)))
        (f32.store offset=8 (local.get $at) (f32.div (f32.const 2) (global.get $three32)))
        (f64.store offset=16 (local.get $at) (f64.mul (global.get $least) (f64.const 0.5)))
        (f64.store offset=24 (local.get $at) (f64.mul (global.get $denormal) (f64.const 4)))
        (i64.store offset=32 (local.get $at) (i64.trunc_f64_s (f64.nearest (f64.const 2.5)))))";

fn module() -> Module {
    let mut text = format!(
        r#"(module
        (import "h" "typed" (func $typed))
        (import "h" "typed4" (func $typed4 (param i32 i64 i32 i64) (result i32)))
        (import "h" "plain" (func $plain (param i32) (result i32)))
        (import "h" "slots" (func $slots (param f64) (result f64)))
        (import "h" "fails" (func $fails (param i32)))
        (memory (export "memory") 1) (table 1 funcref) (elem (i32.const 0) $typed)
        (global $three (mut f64) (f64.const 3)) (global $three32 (mut f32) (f32.const 3))
        (global $least (mut f64) (f64.const 2.2250738585072014e-308))
        (global $denormal (mut f64) (f64.const 5e-324))
        {COMPUTE}
        (func (export "fails") (param i32) (call $fails (local.get 0)))"#
    );
    for (name, call) in WAYS {
        text += &format!(
            r#"(func (export "{name}")
                (call $compute (i32.const 0)) {call} (call $compute (i32.const 64)))"#
        );
    }
    text.push(')');
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let artifact = compile(&wasm, &CompileOptions::new(Features::ALL)).expect("valid");
    Module::new(artifact).expect("an artifact of this machine")
}

fn linker() -> Linker<Host> {
    let ty = |params: &[_], results: &[_]| FuncType {
        params: params.to_vec(),
        results: results.to_vec(),
    };
    let mut linker = Linker::new();
    linker.typed("h", "typed", |caller: &mut Caller<'_, Host>| {
        visit(caller);
        Ok(())
    });
    linker.typed(
        "h",
        "typed4",
        |caller: &mut Caller<'_, Host>, a: i32, _: i64, _: u32, _: u64| {
            visit(caller);
            Ok(a)
        },
    );
    linker.func(
        "h",
        "plain",
        ty(&[ValType::I32], &[ValType::I32]),
        |caller, _| {
            visit(caller);
            Ok(())
        },
    );
    linker.func(
        "h",
        "slots",
        ty(&[ValType::F64], &[ValType::F64]),
        |caller, _| {
            visit(caller);
            Ok(())
        },
    );
    linker.typed(
        "h",
        "fails",
        |caller: &mut Caller<'_, Host>, how: i32| -> Result<(), HostError> {
            visit(caller);
            match how {
                0 => Err(failed()),
                _ => panic!("on purpose"),
            }
        },
    );
    linker
}

/// Calls an export while the host has state `hosts`. Returns the result and the state afterwards.
fn run(
    instance: &mut Instance<Host>,
    hosts: u32,
    name: &str,
    arguments: &[Value],
) -> (Result<Vec<Value>, CallError>, u32) {
    let before = state();
    // SAFETY: the state is restored below; only the call runs in between.
    unsafe { set_state(hosts) };
    let result = instance.call_export(name, arguments);
    let after = state();
    // SAFETY: restores the state that the test began with.
    unsafe { set_state(before) };
    (result, after)
}

#[test]
fn the_host_keeps_its_state_and_the_module_its_own() {
    let module = module();
    let parameters = ExecutionParameters::WASM;
    let mut instance =
        Instance::new(&module, &linker(), &parameters, Host::default()).expect("links");
    // The results that every run has to compute.
    let usual = state();
    instance.data_mut().sets = usual;
    run(&mut instance, usual, WAYS[0].0, &[])
        .0
        .expect("returns");
    let expected = instance.memory()[..40].to_vec();
    for hosts in float::STATES {
        for sets in float::STATES {
            for (way, (name, _)) in WAYS.into_iter().enumerate() {
                let host = instance.data_mut();
                (host.seen, host.sets) = (Vec::new(), sets);
                let (result, after) = run(&mut instance, hosts, name, &[]);
                let case = format!("{name}: the host has {hosts:#x} and sets {sets:#x}");
                result.unwrap_or_else(|error| panic!("{case}: {error}"));
                let seen = instance.data().seen.iter().map(|&seen| control(seen));
                let calls = usize::from(way < HOST_CALLS);
                assert_eq!(
                    seen.collect::<Vec<_>>(),
                    vec![control(hosts); calls],
                    "{case}"
                );
                assert_eq!(control(after), control(hosts), "{case}");
                assert_eq!(instance.memory()[..40], expected, "before, {case}");
                assert_eq!(instance.memory()[64..104], expected, "after, {case}");
            }
        }
    }
}

#[test]
fn a_call_that_ends_the_run_leaves_the_host_its_state() {
    let module = module();
    let parameters = ExecutionParameters::WASM;
    let mut instance =
        Instance::new(&module, &linker(), &parameters, Host::default()).expect("links");
    for hosts in float::STATES {
        for sets in float::STATES {
            for how in [0, 1] {
                let host = instance.data_mut();
                (host.seen, host.sets) = (Vec::new(), sets);
                // The panic message is printed while the state that the host function set is
                // active.
                let (result, after) = run(&mut instance, hosts, "fails", &[Value::I32(how)]);
                assert!(matches!(result, Err(CallError::Trap(_))), "{result:?}");
                assert_eq!(control(instance.data().seen[0]), control(hosts));
                assert_eq!(control(after), control(hosts));
            }
        }
    }
}

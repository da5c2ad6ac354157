//! The frame rule against the machine: audited code counts in software the frame bytes that the
//! rule prescribes, and at every call compares the count with the stack pointer.

use pvf_compiler::{CompileOptions, NativeStack, compile};
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, Linker, Module, StackAudit, Value};

fn instance(text: &str, native_stack: NativeStack) -> Instance<()> {
    let options = CompileOptions {
        native_stack,
        ..CompileOptions::new(Features::ALL)
    };
    let artifact = compile(&wat::parse_str(text).unwrap(), &options).unwrap();
    let parameters = ExecutionParameters {
        stack_native_max: 1 << 16,
        ..ExecutionParameters::WASM
    };
    Instance::new(
        &Module::new(artifact).unwrap(),
        &Linker::new(),
        &parameters,
        (),
    )
    .unwrap()
}

/// Direct and indirect calls, many arguments and results, host calls by builtins, early returns,
/// traps.
const CALLS: &str = r#"(module
    (memory 1)
    (table 2 funcref)
    (elem (i32.const 0) $fib $many)
    (type $one (func (param i32) (result i32)))
    (func $fib (export "fib") (type $one)
        (if (i32.lt_u (local.get 0) (i32.const 2)) (then (return (local.get 0))))
        (i32.add
            (call $fib (i32.sub (local.get 0) (i32.const 1)))
            (call_indirect (type $one) (i32.sub (local.get 0) (i32.const 2)) (i32.const 0))))
    (func $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 f64) (result i32 i64 f32)
        (local i64 i64 i64)
        (memory.fill (i32.const 0) (i32.const 1) (local.get 8))
        (i32.add (local.get 0) (local.get 8)) (local.get 9) (f32.demote_f64 (local.get 10)))
    (func (export "many") (param i32) (result i32)
        (call $many (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
            (i32.const 5) (i32.const 6) (i32.const 7) (local.get 0) (i64.const 9) (f64.const 10))
        drop drop
        (i32.add (call $fib (i32.const 5))))
    (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
            (else unreachable))))"#;

#[test]
fn the_count_agrees_with_the_stack_pointer_at_every_call() {
    let mut instance = instance(CALLS, NativeStack::Audited);
    let run = |instance: &mut Instance<()>, name: &str, argument| {
        instance.call_export(name, &[Value::I32(argument)])
    };
    assert_eq!(run(&mut instance, "fib", 15).unwrap(), [Value::I32(610)]);
    // fib(n) makes 2 * fib(n + 1) - 1 calls, itself included.
    let calls = 2 * 987 - 1;
    assert_eq!(
        instance.stack_audit(),
        StackAudit {
            calls,
            difference: 0
        }
    );
    assert_eq!(run(&mut instance, "many", 3).unwrap(), [Value::I32(11)]);
    // After a trap the next run counts from depth 0 again.
    for _ in 0..2 {
        match run(&mut instance, "deep", 10) {
            Err(CallError::Trap(trap)) => assert_eq!(trap.kind, TrapKind::Unreachable),
            other => panic!("{other:?}"),
        }
    }
    match run(&mut instance, "deep", 1 << 20) {
        Err(CallError::Trap(trap)) => assert_eq!(trap.kind, TrapKind::StackOverflow),
        other => panic!("{other:?}"),
    }
    let audit = instance.stack_audit();
    assert_eq!(audit.difference, 0);
    // `many`, `$many` and the 15 calls of fib(5); 11 calls of `deep`, twice; as many calls of
    // `deep` as fit into the stack.
    let frame = pvf_rules::frame_bytes(0, 2);
    assert_eq!(audit.calls, calls + 2 + 15 + 22 + (1 << 16) / frame);
}

#[test]
fn unaudited_code_reports_no_audit_and_computes_the_same() {
    for native_stack in [NativeStack::Enforced, NativeStack::Unchecked] {
        let mut instance = instance(CALLS, native_stack);
        let result = instance.call_export("fib", &[Value::I32(10)]);
        assert_eq!(result.unwrap(), [Value::I32(55)]);
        let nothing = StackAudit {
            calls: 0,
            difference: 0,
        };
        assert_eq!(instance.stack_audit(), nothing);
    }
}

/// The guard of the stack's region protects the host even in code without the check.
#[test]
fn without_the_stack_check_a_deep_recursion_is_a_host_failure() {
    let mut instance = instance(CALLS, NativeStack::Unchecked);
    let result = instance.call_export("deep", &[Value::I32(1 << 20)]);
    assert!(matches!(result, Err(CallError::Failure(_))), "{result:?}");
}

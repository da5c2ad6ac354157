//! Profiles of modules, beside runs of the same modules as they are.

use pvf_executor::{
    CallError, CompileOptions, FuncType, Instance, Linker, Metering, Module, ValType, Value,
    compile,
};
use pvf_instrument::profile::{
    By, CallTree, ENTER, EXIT, HOOK_MODULE, ProfileError, Recorder, instrument,
};
use pvf_instrument::{GasLimit, InstrumentOptions};
use pvf_metering::Costs;
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use std::sync::Arc;

/// How a call ended: with results, or with a trap that its meters or its instructions made.
type Ended = Result<Vec<Value>, TrapKind>;

const NAMES: [&str; 6] = ["host", "main", "middle", "leaf", "other", "start"];

fn name(function: u32) -> String {
    NAMES
        .get(function as usize)
        .map_or(format!("f{function}"), |name| (*name).to_owned())
}

fn host(linker: &mut Linker<()>) {
    let ty = FuncType {
        params: vec![ValType::I32],
        results: vec![ValType::I32],
    };
    linker.func("env", "double", ty, |_, slots| {
        slots[0] = u64::from((slots[0] as u32).wrapping_mul(2));
        Ok(())
    });
}

fn parameters(gas: Option<u64>) -> ExecutionParameters {
    ExecutionParameters {
        gas_limit: gas,
        ..ExecutionParameters::WASM
    }
}

/// The run of the module as it is: how it ended, and the gas used.
fn plain(wasm: &[u8], argument: i32, limit: u64) -> (Ended, u64) {
    let options = CompileOptions {
        metering: Metering {
            gas: Some(Arc::new(Costs::default())),
            ..Metering::default()
        },
        ..CompileOptions::new(Features::ALL)
    };
    let module = Module::new(compile(wasm, &options).unwrap()).unwrap();
    let mut linker = Linker::new();
    host(&mut linker);
    let mut instance = Instance::new(&module, &linker, &parameters(Some(limit)), ()).unwrap();
    let ended = match instance.call_export("main", &[Value::I32(argument)]) {
        Ok(values) => Ok(values),
        Err(CallError::Trap(trap)) => Err(trap.kind),
        Err(error) => panic!("{error}"),
    };
    (ended, instance.gas_used().unwrap())
}

/// The same with a profile.
fn profiled(wasm: &[u8], argument: i32, limit: u64) -> (Ended, u64, CallTree) {
    let (expected, gas) = plain(wasm, argument, limit);
    let options = InstrumentOptions {
        stack_native_max: Some(ExecutionParameters::WASM.stack_native_max),
        gas: Some(GasLimit {
            costs: Costs::default(),
            limit,
        }),
        ..InstrumentOptions::new(Features::ALL)
    };
    let hooked = instrument(wasm, &options).unwrap();
    let module = Module::new(compile(&hooked, &CompileOptions::new(Features::ALL)).unwrap());
    let module = module.unwrap();
    let recorder = Recorder::new(module.info().functions.len(), limit);
    let mut linker = Linker::new();
    host(&mut linker);
    let ty = |params: &[ValType]| FuncType {
        params: params.to_vec(),
        results: Vec::new(),
    };
    let heard = recorder.clone();
    linker.func(
        HOOK_MODULE,
        ENTER,
        ty(&[ValType::I32, ValType::I64]),
        move |_, slots| {
            heard.enter(slots[0] as u32, slots[1]);
            Ok(())
        },
    );
    let heard = recorder.clone();
    linker.func(HOOK_MODULE, EXIT, ty(&[ValType::I64]), move |_, slots| {
        heard.exit(slots[0]);
        Ok(())
    });
    let wide = ExecutionParameters {
        stack_native_max: 8 * ExecutionParameters::WASM.stack_native_max,
        ..parameters(None)
    };
    let mut instance = Instance::new(&module, &linker, &wide, ()).unwrap();
    let ended = match instance.call_export("main", &[Value::I32(argument)]) {
        Ok(values) => Ok(values),
        Err(CallError::Trap(trap)) => {
            let Some(pvf_executor::artifact::ExportKind::Global(index)) =
                module.info().export(pvf_instrument::TRAP)
            else {
                panic!("the meters' trap is exported");
            };
            match instance.global(index) {
                Some(Value::I32(0)) => Err(trap.kind),
                Some(Value::I32(1)) => Err(TrapKind::StackOverflow),
                Some(Value::I32(2)) => Err(TrapKind::OutOfGas),
                other => panic!("{other:?}"),
            }
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(ended, expected);
    let tree = recorder.finish(gas);
    assert_eq!(tree.gas(), gas, "the sum is the gas used");
    (ended, gas, tree)
}

const CALLS: &str = r#"(module
    (import "env" "double" (func $host (param i32) (result i32)))
    (type $unary (func (param i32) (result i32)))
    (table funcref (elem $leaf $host))
    (memory 1)
    (start $start)
    (func $main (export "main") (param i32) (result i32)
        (i32.add
            (call $middle (local.get 0))
            (call_indirect (type $unary) (i32.const 7) (i32.const 1))))
    (func $middle (param i32) (result i32)
        (loop $again
            (i32.store (i32.const 0) (call_indirect (type $unary) (local.get 0) (i32.const 0)))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (return (call $host (call $other (local.get 0)))))
    (func $leaf (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func $other (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 21)) (else unreachable)))
    (func $start (i32.store (i32.const 8) (i32.const 1))))"#;

#[test]
fn gas_and_calls_are_those_of_the_source() {
    let wasm = wat::parse_str(CALLS).unwrap();
    let (ended, gas, tree) = profiled(&wasm, 5, u64::MAX);
    assert_eq!(ended, Ok(vec![Value::I32(42 + 14)]));
    let expected = "main 6\n\
        main;middle 55\n\
        main;middle;leaf 15\n\
        main;middle;other 4\n\
        start 3\n";
    assert_eq!(tree.folded(By::Gas, &name), expected);
    assert_eq!(gas, 6 + 55 + 15 + 4 + 3);
    let expected = "main 1\n\
        main;host 1\n\
        main;middle 1\n\
        main;middle;host 1\n\
        main;middle;leaf 5\n\
        main;middle;other 1\n\
        start 1\n";
    assert_eq!(tree.folded(By::Calls, &name), expected);
}

#[test]
fn traps_and_limits_end_where_they_do_without_a_profile() {
    let wasm = wat::parse_str(CALLS).unwrap();
    let (_, all, _) = profiled(&wasm, 5, u64::MAX);
    for limit in 3..all {
        let (ended, gas, _) = profiled(&wasm, 5, limit);
        assert_eq!(ended, Err(TrapKind::OutOfGas));
        assert!(gas <= limit);
    }
    profiled(&wasm, 5, all).0.unwrap();
    let text = r#"(module (func (export "main") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then unreachable))
        (i32.div_u (i32.const 1) (i32.const 0))))"#;
    let wasm = wat::parse_str(text).unwrap();
    assert_eq!(profiled(&wasm, 0, 100).0, Err(TrapKind::Unreachable));
    let (ended, gas, tree) = profiled(&wasm, 1, 100);
    assert_eq!(ended, Err(TrapKind::IntegerDivideByZero));
    assert_eq!(tree.folded(By::Gas, &name), format!("host {gas}\n"));
}

#[test]
fn a_recursion_is_one_frame() {
    let text = r#"(module
        (func $unused)
        (func $main (export "main") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (call $middle (i32.sub (local.get 0) (i32.const 1))))
                (else (i32.const 9))))
        (func $middle (param i32) (result i32) (call $main (local.get 0))))"#;
    let wasm = wat::parse_str(text).unwrap();
    let (ended, _, tree) = profiled(&wasm, 1_000_000, u64::MAX);
    assert_eq!(ended, Ok(vec![Value::I32(9)]));
    assert_eq!(
        tree.folded(By::Calls, &name),
        "main 1000001\nmain;middle 1000000\n"
    );
    // Without an end, the stack's end is that of the module as it is.
    let endless = text.replace(
        "(if (result i32) (local.get 0)",
        "(if (result i32) (i32.const 1)",
    );
    let wasm = wat::parse_str(endless).unwrap();
    assert_eq!(profiled(&wasm, 0, u64::MAX).0, Err(TrapKind::StackOverflow));
}

#[test]
fn names_cannot_break_the_form() {
    let wasm =
        wat::parse_str(r#"(module (func (export "main") (param i32) (result i32) (i32.const 1)))"#);
    let (_, _, tree) = profiled(&wasm.unwrap(), 0, u64::MAX);
    assert_eq!(
        tree.folded(By::Gas, &|_| "a;b\nc d".to_owned()),
        "a:b?c d 1\n"
    );
}

#[test]
fn what_the_hooks_need_is_said() {
    let options = InstrumentOptions::new(Features::ALL);
    let wasm = wat::parse_str("(module)").unwrap();
    assert!(matches!(
        instrument(&wasm, &options),
        Err(ProfileError::NoGas)
    ));
    let options = InstrumentOptions {
        gas: Some(GasLimit {
            costs: Costs::default(),
            limit: 1,
        }),
        ..options
    };
    instrument(&wasm, &options).unwrap();
    let wasm = wat::parse_str(format!(
        r#"(module (import "{HOOK_MODULE}" "{EXIT}" (func)))"#
    ));
    let error = instrument(&wasm.unwrap(), &options).unwrap_err();
    assert!(
        matches!(error, ProfileError::Reserved { name } if name == EXIT),
        "{error}"
    );
    assert!(matches!(
        instrument(b"\0asm", &options),
        Err(ProfileError::Instrument(_))
    ));
}

//! Host functions bound by their Rust type, called from compiled code.

use pvf_compiler::{CompileOptions, Metering, compile};
use pvf_rules::{ExecutionParameters, Features, Trap, TrapKind};
use pvf_runtime::{CallError, Caller, HostError, Instance, LinkError, Linker, Module, Value};

fn module(text: &str) -> Module {
    let options = CompileOptions {
        metering: Metering {
            logical_stack: true,
            gas: Some(Default::default()),
        },
        ..CompileOptions::new(Features::ALL)
    };
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Module::new(compile(&wasm, &options).unwrap()).unwrap()
}

/// The arguments of all host calls, in order.
type Seen = Vec<u64>;

const IMPORTS: &str = r#"
    (import "h" "none" (func $none))
    (import "h" "one" (func $one (param i32) (result i32)))
    (import "h" "two" (func $two (param i64 i32) (result i64)))
    (import "h" "three" (func $three (param i32 i64 i32)))
    (import "h" "four" (func $four (param i32 i32 i64 i64) (result i32)))
    (import "h" "grow" (func $grow (param i32) (result i32)))
    (import "h" "fail" (func $fail (param i32) (result i64)))
    (import "h" "slots" (func $slots (param i32 i64 i32 i64) (result i32)))
    (import "h" "float" (func $float (param i32 f64) (result f64)))
    (import "h" "five" (func $five (param i32 i32 i32 i32 i32) (result i32)))"#;

fn fail(caller: &mut Caller<'_, Seen>, how: u32) -> Result<u64, HostError> {
    caller.data_mut().push(how.into());
    match how {
        0 => Ok(u64::MAX - 1),
        1 => Err(HostError::Trap("on purpose".to_owned())),
        2 => Err(HostError::TrapKind(
            TrapKind::OutOfGas,
            "of a kind".to_owned(),
        )),
        _ => panic!("panic {how}"),
    }
}

fn linker() -> Linker<Seen> {
    use pvf_compiler::{FuncType, ValType::*};
    type C<'a> = Caller<'a, Seen>;
    let mut linker = Linker::new();
    linker.typed("h", "none", |caller: &mut C<'_>| {
        caller.data_mut().push(0);
        Ok(())
    });
    linker.typed("h", "one", |caller: &mut C<'_>, a: i32| {
        caller.data_mut().push(a as u64);
        Ok(-a)
    });
    linker.typed("h", "two", |caller: &mut C<'_>, a: u64, b: u32| {
        caller.data_mut().extend([a, b.into()]);
        Ok(a.wrapping_sub(b.into()))
    });
    linker.typed(
        "h",
        "three",
        |caller: &mut C<'_>, a: u32, b: i64, c: u32| {
            let index = caller.function_index();
            caller
                .data_mut()
                .extend([a.into(), b as u64, c.into(), index.into()]);
            Ok(())
        },
    );
    linker.typed(
        "h",
        "four",
        |caller: &mut C<'_>, a: u32, b: u32, c: u64, d: u64| {
            caller.data_mut().extend([a.into(), b.into(), c, d]);
            Ok(a ^ b ^ c as u32 ^ d as u32)
        },
    );
    linker.typed("h", "grow", |caller: &mut C<'_>, pages: u32| {
        let (mut memory, seen) = caller.split();
        seen.push(memory.pages().into());
        let old = memory.grow(pages)?;
        if let Some(last) = memory.bytes_mut().last_mut() {
            *last = 7;
        }
        Ok(old.unwrap_or(u32::MAX))
    });
    linker.typed("h", "fail", fail);
    let ty = |params: &[_], results: &[_]| FuncType {
        params: params.to_vec(),
        results: results.to_vec(),
    };
    linker.func(
        "h",
        "slots",
        ty(&[I32, I64, I32, I64], &[I32]),
        |caller, slots| {
            let low = |slot: u64| u64::from(slot as u32);
            caller
                .data_mut()
                .extend([low(slots[0]), slots[1], low(slots[2]), slots[3]]);
            // The host may leave anything in the high half of the slot of an i32.
            slots[0] = 0xdead_beef_0000_0000 | low(slots[2]);
            Ok(())
        },
    );
    linker.func("h", "float", ty(&[I32, F64], &[F64]), |_, slots| {
        slots[0] = (f64::from_bits(slots[1]) + f64::from(slots[0] as u32)).to_bits();
        Ok(())
    });
    linker.func("h", "five", ty(&[I32; 5], &[I32]), |_, slots| {
        slots[0] = slots
            .iter()
            .map(|&slot| slot as u32)
            .fold(0, |a, b| a * 10 + b)
            .into();
        Ok(())
    });
    linker
}

fn instance(body: &str) -> Instance<Seen> {
    let text = format!(r#"(module {IMPORTS} (memory (export "memory") 1 3) {body})"#);
    let parameters = ExecutionParameters {
        gas_limit: Some(1 << 40),
        ..ExecutionParameters::WASM
    };
    Instance::new(&module(&text), &linker(), &parameters, Seen::new()).unwrap()
}

#[test]
fn parameters_and_results_pass_in_both_directions() {
    let mut instance = instance(
        r#"(func (export "run") (param i32 i64) (result i32 i64 i32 i64)
            (local $x i32)
            (call $none)
            (local.set $x (call $one (local.get 0)))
            (call $three (local.get $x) (local.get 1) (i32.const -3))
            (call $four (local.get $x) (i32.const -1) (local.get 1) (i64.const -2))
            (call $two (local.get 1) (local.get $x))
            (call $slots (i32.const -1) (local.get 1) (i32.const -5) (i64.const 9))
            ;; Were the high half of the result not zero, this would show it.
            (i64.extend_i32_u (call $one (i32.const 1))))
        (func (export "wide") (result i64) (local $r i32)
            (i64.extend_i32_u (call $slots (i32.const 1) (i64.const 2) (i32.const 3) (i64.const 4))))
        (func (export "others") (result i32 f64)
            (call $five (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5))
            (call $float (i32.const 2) (f64.const 0.5)))"#,
    );
    let wide = -(1_i64 << 40);
    let results = instance.call_export("run", &[Value::I32(5), Value::I64(wide)]);
    assert_eq!(
        results.unwrap(),
        [
            Value::I32(-5 ^ -1 ^ wide as i32 ^ -2),
            Value::I64(wide.wrapping_sub(i64::from(-5_i32 as u32))),
            Value::I32(-5),
            Value::I64(0xffff_ffff),
        ]
    );
    let low = |value: i32| u64::from(value as u32);
    let expected = [
        vec![0, 5],
        vec![low(-5), wide as u64, low(-3), 3],
        vec![low(-5), low(-1), wide as u64, -2_i64 as u64],
        vec![wide as u64, low(-5)],
        vec![low(-1), wide as u64, low(-5), 9],
        vec![1],
    ];
    assert_eq!(*instance.data(), expected.concat());
    let results = instance.call_export("wide", &[]).unwrap();
    assert_eq!(results, [Value::I64(3)]);
    let results = instance.call_export("others", &[]).unwrap();
    assert_eq!(results, [Value::I32(12_345), Value::F64(2.5_f64.to_bits())]);
}

#[test]
fn memory_grows_in_a_call_and_does_not_move() {
    let mut instance = instance(
        r#"(func (export "run") (result i32 i32 i32 i32)
            (call $grow (i32.const 2))
            (i32.load8_u (i32.const 196607))
            (memory.size)
            (call $grow (i32.const 1)))"#,
    );
    let results = instance.call_export("run", &[]).unwrap();
    assert_eq!(results, [1, 7, 3, -1].map(Value::I32));
    assert_eq!(*instance.data(), [1, 3]);
}

fn trap(result: Result<Vec<Value>, CallError>) -> Trap {
    match result {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_and_panics_are_traps_at_the_call() {
    let mut instance = instance(
        r#"(func (export "run") (param i32) (result i64) (nop) (call $fail (local.get 0)))
           (func (export "mixed") (param i32) (result i64)
             (drop (call $five (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)))
             (call $fail (local.get 0)))"#,
    );
    let ten = 10;
    for name in ["run", "mixed"] {
        let call =
            |instance: &mut Instance<Seen>, how| instance.call_export(name, &[Value::I32(how)]);
        let function = if name == "run" { ten } else { ten + 1 };
        let good = call(&mut instance, 0).unwrap();
        assert_eq!(good, [Value::I64(-2)]);
        for (how, kind, message) in [
            (1, TrapKind::HostError, "on purpose"),
            (2, TrapKind::OutOfGas, "of a kind"),
            (3, TrapKind::HostError, "host function panicked: panic 3"),
        ] {
            let gas = instance.gas_used().unwrap();
            let trap = trap(call(&mut instance, how));
            assert_eq!(trap.kind, kind);
            assert_eq!(trap.message.as_deref(), Some(message));
            assert_eq!(trap.function, Some(function));
            assert!(trap.offset.is_some());
            assert!(
                instance.gas_used().unwrap() > gas,
                "the failed call was charged"
            );
            assert_eq!(
                call(&mut instance, 0).unwrap(),
                good,
                "the instance can be called again"
            );
        }
    }
}

#[test]
fn the_host_can_call_an_imported_function_directly() {
    let mut instance = instance(r#"(export "two" (func 2)) (export "fail" (func 6))"#);
    let two = instance.call(2, &[Value::I64(10), Value::I32(3)]).unwrap();
    assert_eq!(two, [Value::I64(7)]);
    let trap = trap(instance.call(6, &[Value::I32(1)]));
    assert_eq!((trap.function, trap.offset), (None, None));
}

#[test]
fn a_host_function_runs_another_instance() {
    let inner = r#"(module
        (import "h" "fail" (func $fail (param i32) (result i64)))
        (func (export "run") (param i32) (result i64) (call $fail (local.get 0))))"#;
    let outer = r#"(module
        (import "h" "nest" (func $nest (param i32) (result i64)))
        (func (export "run") (param i32) (result i64)
            (i64.add (call $nest (local.get 0)) (call $nest (local.get 0)))))"#;
    type Inner = Instance<Seen>;
    let inner = Instance::new(
        &module(inner),
        &linker(),
        &ExecutionParameters::WASM,
        Seen::new(),
    );
    let mut linker = Linker::<Inner>::new();
    linker.typed(
        "h",
        "nest",
        |caller: &mut Caller<'_, Inner>, how: i32| match caller
            .data_mut()
            .call_export("run", &[Value::I32(how)])
        {
            Ok(results) => match results[..] {
                [Value::I64(value)] => Ok(value),
                _ => Err(HostError::Trap(format!("{results:?}"))),
            },
            Err(error) => Err(HostError::Trap(error.to_string())),
        },
    );
    let mut instance = Instance::new(
        &module(outer),
        &linker,
        &ExecutionParameters::WASM,
        inner.unwrap(),
    )
    .unwrap();
    let run = |instance: &mut Instance<Inner>, how| instance.call_export("run", &[Value::I32(how)]);
    assert_eq!(run(&mut instance, 0).unwrap(), [Value::I64(-4)]);
    let trap = trap(run(&mut instance, 3));
    let message = trap.message.unwrap();
    assert!(message.contains("panic 3"), "{message}");
    assert_eq!(run(&mut instance, 0).unwrap(), [Value::I64(-4)]);
}

#[test]
fn an_import_of_another_type_does_not_link() {
    let module = module(r#"(module (import "h" "one" (func (param i64) (result i32))))"#);
    match linker().link(&module) {
        Err(LinkError::Type {
            expected, found, ..
        }) => {
            assert_eq!((&*expected, &*found), ("[i64] -> [i32]", "[i32] -> [i32]"));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("links"),
    }
}

/// A function with a short way: even numbers go the short way, odd ones the other, which gets every
/// argument, and 99 panics in the short way.
#[test]
fn what_the_short_way_leaves_is_done_by_the_function() {
    type C<'a> = Caller<'a, Seen>;
    let text = r#"(module
        (import "h" "one" (func $one (param i32) (result i32)))
        (import "h" "four" (func $four (param i32 i64 i32 i64) (result i64)))
        (import "h" "none" (func $none))
        (func (export "one") (param i32) (result i32) (call $one (local.get 0)))
        (func (export "four") (param i32 i64 i32 i64) (result i64)
            (call $four (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
        (func (export "none") (call $none)))"#;
    let mut linker = Linker::<Seen>::new();
    linker.quick(
        "h",
        "one",
        |caller: &mut C<'_>, a: i32| {
            assert_ne!(a, 99, "panic in the short way");
            (a % 2 == 0).then(|| {
                caller.data_mut().push(1);
                a + 1
            })
        },
        |caller: &mut C<'_>, a: i32| match a {
            7 => Err(HostError::Trap("seven".to_owned())),
            _ => {
                caller.data_mut().push(2);
                Ok(-a)
            }
        },
    );
    linker.quick(
        "h",
        "four",
        |_: &mut C<'_>, a: u32, b: u64, c: u32, d: u64| (a == 0).then(|| b ^ u64::from(c) ^ d),
        |caller: &mut C<'_>, a: u32, b: u64, c: u32, d: u64| {
            let index = caller.function_index();
            let data = caller.data_mut();
            data.extend([a.into(), b, c.into(), d, index.into()]);
            Ok(b)
        },
    );
    linker.quick(
        "h",
        "none",
        |caller: &mut C<'_>| caller.data().is_empty().then_some(()),
        |caller: &mut C<'_>| {
            caller.data_mut().push(3);
            Ok(())
        },
    );
    let module = module(text);
    let mut instance =
        Instance::new(&module, &linker, &ExecutionParameters::WASM, Seen::new()).unwrap();
    let i32s = |value: i32| vec![Value::I32(value)];
    assert_eq!(instance.call_export("none", &[]).unwrap(), []);
    assert!(instance.data().is_empty());
    assert_eq!(instance.call_export("one", &i32s(-4)).unwrap(), i32s(-3));
    assert_eq!(instance.call_export("one", &i32s(5)).unwrap(), i32s(-5));
    assert_eq!(instance.call_export("none", &[]).unwrap(), []);
    assert_eq!(*instance.data(), [1, 2, 3]);
    let trapped = trap(instance.call_export("one", &i32s(7)));
    assert_eq!(trapped.kind, TrapKind::HostError);
    assert_eq!(trapped.message.as_deref(), Some("seven"));
    let trapped = trap(instance.call_export("one", &i32s(99)));
    let message = trapped.message.unwrap();
    assert!(message.contains("panic in the short way"), "{message}");
    let four = |a: i32| {
        [
            Value::I32(a),
            Value::I64(-2),
            Value::I32(-3),
            Value::I64(i64::MIN),
        ]
    };
    let quick = !1 ^ u64::from(u32::MAX - 2) ^ 1 << 63;
    assert_eq!(
        instance.call_export("four", &four(0)).unwrap(),
        [Value::I64(quick as i64)]
    );
    instance.data_mut().clear();
    assert_eq!(
        instance.call_export("four", &four(-1)).unwrap(),
        [Value::I64(-2)]
    );
    let seen = [
        u32::MAX.into(),
        u64::MAX - 1,
        u64::from(u32::MAX - 2),
        1 << 63,
        1,
    ];
    assert_eq!(*instance.data(), seen);
}

//! Calls, traps and host functions.

mod support;

use pvf_compiler::artifact::{ConstExpr, DataSegment};
use pvf_runtime::{
    CallError, Caller, HostFailure, Instance, InstantiateError, Linker, Module, Value,
};
use pvf_spec::{ExecutionParameters, Trap, TrapKind};
use support::{F, PARAMETERS, State, artifact, linker};

fn instance() -> Instance<State> {
    let module = Module::new(artifact()).unwrap();
    Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap()
}

fn trap(result: Result<Vec<Value>, CallError>) -> Trap {
    match result {
        Err(CallError::Trap(trap)) => trap,
        other => panic!("a trap was expected, not {other:?}"),
    }
}

#[track_caller]
fn assert_trap(result: Result<Vec<Value>, CallError>, kind: TrapKind, function: F, site: u32) {
    let expected = Trap {
        function: Some(function.index()),
        offset: Some(site),
        ..Trap::new(kind)
    };
    assert_eq!(trap(result), expected);
}

fn i32s(values: &[i32]) -> Vec<Value> {
    values.iter().map(|&value| Value::I32(value)).collect()
}

#[test]
fn values_pass_in_slots() {
    let mut instance = instance();
    let add = |a: i64, b: i64| [Value::I64(a), Value::I64(b)];
    let sum = |value: i64| vec![Value::I64(value)];
    assert_eq!(instance.call(F::Add.index(), &add(40, 2)).unwrap(), sum(42));
    assert_eq!(
        instance.call_export("add", &add(i64::MAX, 1)).unwrap(),
        sum(i64::MIN)
    );
    assert_eq!(
        instance.call(F::DivU.index(), &i32s(&[-1, 2])).unwrap(),
        i32s(&[i32::MAX])
    );
    assert_eq!(
        instance.call(F::DivS.index(), &i32s(&[-9, 2])).unwrap(),
        i32s(&[-4])
    );
}

#[test]
fn wrong_calls_are_told_apart() {
    let mut instance = instance();
    let error = instance.call(F::Add.index(), &i32s(&[1, 2])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "arguments [I32, I32] for a function of type [i64 i64] -> [i64]"
    );
    assert!(matches!(
        instance.call(1000, &[]),
        Err(CallError::NoSuchFunction(1000))
    ));
    assert!(matches!(
        instance.call_export("sub", &[]),
        Err(CallError::NoSuchExport(_))
    ));
    assert!(matches!(
        instance.call_export("memory", &[]),
        Err(CallError::NotAFunction(_))
    ));
}

#[test]
fn ud2_and_division_trap_with_their_place() {
    let mut instance = instance();
    for _ in 0..3 {
        assert_trap(
            instance.call(F::Unreachable.index(), &[]),
            TrapKind::Unreachable,
            F::Unreachable,
            100,
        );
        let result = instance.call(F::DivU.index(), &i32s(&[1, 0]));
        assert_trap(result, TrapKind::IntegerDivideByZero, F::DivU, 110);
        let result = instance.call(F::DivS.index(), &i32s(&[i32::MIN, -1]));
        assert_trap(result, TrapKind::IntegerOverflow, F::DivS, 120);
        assert_eq!(
            flags() & (1 << 10),
            0,
            "the direction flag is clear for the host"
        );
    }
}

fn flags() -> u64 {
    let flags;
    // SAFETY: reads the flags.
    unsafe { std::arch::asm!("pushfq", "pop {}", out(reg) flags) };
    flags
}

#[test]
fn memory_traps_at_its_edges_and_nowhere_else() {
    let mut instance = instance();
    let load8 = |instance: &mut Instance<State>, at: u32| {
        instance.call(F::Load8.index(), &i32s(&[at as i32]))
    };
    let load64 = |instance: &mut Instance<State>, at: u32| {
        instance.call(F::Load64.index(), &i32s(&[at as i32]))
    };
    let out_of_bounds = TrapKind::MemoryOutOfBounds;
    assert_eq!(load8(&mut instance, 16).unwrap(), i32s(&[i32::from(b'h')]));
    assert_eq!(load8(&mut instance, 65_535).unwrap(), i32s(&[6]));
    assert_trap(load8(&mut instance, 65_536), out_of_bounds, F::Load8, 130);
    assert_trap(load8(&mut instance, 1 << 31), out_of_bounds, F::Load8, 130);
    assert_trap(load8(&mut instance, u32::MAX), out_of_bounds, F::Load8, 130);
    assert_eq!(
        load64(&mut instance, 65_528).unwrap(),
        vec![Value::I64(0x0605_0403_0201_0000)]
    );
    for at in 65_529..=65_536 {
        assert_trap(load64(&mut instance, at), out_of_bounds, F::Load64, 140);
    }
    // 16 bytes at 4 GiB - 1 + index.
    for at in [0, 1, 65_535, 1 << 31, u32::MAX - 7, u32::MAX] {
        let result = instance.call(F::Load64Far.index(), &i32s(&[at as i32]));
        assert_trap(result, out_of_bounds, F::Load64Far, 150);
    }
    assert_trap(
        instance.call(F::Negative.index(), &[]),
        out_of_bounds,
        F::Negative,
        320,
    );
}

#[test]
fn a_store_over_the_edge_writes_nothing() {
    let mut instance = instance();
    let before = instance.memory().to_vec();
    let store = |instance: &mut Instance<State>, at: i32| {
        instance.call(F::Store64.index(), &[Value::I32(at), Value::I64(-1)])
    };
    for at in 65_529..65_536 {
        assert_trap(
            store(&mut instance, at),
            TrapKind::MemoryOutOfBounds,
            F::Store64,
            160,
        );
    }
    assert!(instance.memory() == before);
    store(&mut instance, 65_528).unwrap();
    assert_eq!(instance.memory()[65_528..], [0xff; 8]);
}

#[test]
fn a_grown_memory_is_accessible_up_to_its_new_edge() {
    let mut instance = instance();
    let grow = |instance: &mut Instance<State>, pages: i32| {
        instance.call(F::Grow.index(), &i32s(&[pages])).unwrap()
    };
    assert_eq!(instance.memory_limit_pages(), 4);
    assert_eq!(grow(&mut instance, 0), i32s(&[1]));
    assert_eq!(grow(&mut instance, 4), i32s(&[-1]));
    assert_eq!(grow(&mut instance, -1), i32s(&[-1]));
    assert_eq!(grow(&mut instance, 2), i32s(&[1]));
    assert_eq!(instance.memory().len(), 3 * 65_536);
    assert_eq!(
        instance
            .call(F::Load8.index(), &i32s(&[3 * 65_536 - 1]))
            .unwrap(),
        i32s(&[0])
    );
    let result = instance.call(F::Load8.index(), &i32s(&[3 * 65_536]));
    assert_trap(result, TrapKind::MemoryOutOfBounds, F::Load8, 130);
    assert_eq!(grow(&mut instance, 2), i32s(&[-1]));
    assert_eq!(grow(&mut instance, 1), i32s(&[3]));
    assert_eq!(instance.memory_pages_peak(), 4);
}

#[test]
fn the_declared_maximum_can_be_ignored_and_the_limit_lowers_it() {
    let module = Module::new(artifact()).unwrap();
    let limit = |max_memory_pages, ignore_declared_maximum| {
        let parameters = ExecutionParameters {
            max_memory_pages,
            ignore_declared_maximum,
            ..PARAMETERS
        };
        Instance::new(&module, &linker(), &parameters, State::default())
            .map(|instance| instance.memory_limit_pages())
    };
    assert_eq!(limit(10, false).unwrap(), 4);
    assert_eq!(limit(10, true).unwrap(), 10);
    assert_eq!(limit(2, false).unwrap(), 2);
    assert_eq!(limit(2, true).unwrap(), 2);
    assert_eq!(limit(u32::MAX, true).unwrap(), 65_536);
    let too_large = limit(0, true);
    assert!(matches!(
        too_large,
        Err(InstantiateError::MemoryTooLarge {
            minimum: 1,
            limit: 0
        })
    ));
}

#[test]
fn a_memory_grows_to_four_gigabytes() {
    let module = Module::new(artifact()).unwrap();
    let parameters = ExecutionParameters {
        ignore_declared_maximum: true,
        ..PARAMETERS
    };
    let mut instance = Instance::new(&module, &linker(), &parameters, State::default()).unwrap();
    assert_eq!(
        instance.call(F::Grow.index(), &i32s(&[65_535])).unwrap(),
        i32s(&[1])
    );
    assert_eq!(
        instance.call(F::Load64.index(), &i32s(&[-8])).unwrap(),
        vec![Value::I64(0)]
    );
    let result = instance.call(F::Load64.index(), &i32s(&[-7]));
    assert_trap(result, TrapKind::MemoryOutOfBounds, F::Load64, 140);
    instance
        .call(F::Store64.index(), &[Value::I32(-8), Value::I64(7)])
        .unwrap();
    assert_eq!(instance.memory()[(1 << 32) - 8], 7);
    assert_eq!(
        instance.call(F::Grow.index(), &i32s(&[1])).unwrap(),
        i32s(&[-1])
    );
}

#[test]
fn host_functions_get_parameters_and_leave_results() {
    let mut instance = instance();
    let arguments = [Value::I64(-5), Value::I64(7)];
    for function in [F::CallAdd, F::ImportAdd, F::ImportAddSelf] {
        assert_eq!(
            instance.call(function.index(), &arguments).unwrap(),
            vec![Value::I64(2)]
        );
    }
    instance.call(F::NopLoop.index(), &i32s(&[1000])).unwrap();
    assert_eq!(instance.data().calls, 1003);
}

#[test]
fn failing_host_functions_are_traps_at_the_caller() {
    let mut instance = instance();
    let mut fail = |with: i64| {
        let trap = trap(instance.call(F::CallAdd.index(), &[Value::I64(with), Value::I64(3)]));
        assert_eq!(
            (trap.function, trap.offset),
            (Some(F::CallAdd.index()), Some(170))
        );
        (trap.kind, trap.message.unwrap())
    };
    assert_eq!(fail(13), (TrapKind::HostError, "thirteen".into()));
    assert_eq!(fail(14), (TrapKind::OutOfGas, "fourteen".into()));
    assert_eq!(
        fail(15),
        (
            TrapKind::HostError,
            "host function panicked: fifteen of 3".into()
        )
    );
    assert_eq!(
        fail(16),
        (
            TrapKind::HostError,
            "host function panicked: (no message)".into()
        )
    );

    let direct = trap(instance.call(F::ImportAdd.index(), &[Value::I64(13), Value::I64(0)]));
    assert_eq!((direct.function, direct.offset), (None, None));
    let missing = trap(instance.call(F::CallMissing.index(), &[]));
    assert_eq!(
        missing.message.as_deref(),
        Some("call to a missing function env:missing")
    );
    assert_eq!(
        (missing.function, missing.offset),
        (Some(F::CallMissing.index()), Some(190))
    );
    assert_eq!(
        instance
            .call(F::CallAdd.index(), &[Value::I64(1), Value::I64(2)])
            .unwrap(),
        vec![Value::I64(3)]
    );
}

#[test]
fn a_failure_of_the_host_is_no_trap() {
    let mut linker = linker();
    let ty = support::signatures()[0].clone();
    linker.func("env", "nop", ty, |_: &mut Caller<'_, State>, _| {
        Err(HostFailure::Internal("disk on fire".into()).into())
    });
    let module = Module::new(artifact()).unwrap();
    let mut instance = Instance::new(&module, &linker, &PARAMETERS, State::default()).unwrap();
    let error = instance.call(F::CallNop.index(), &[]).unwrap_err();
    assert!(
        matches!(error, CallError::Failure(HostFailure::Internal(ref text)) if text == "disk on fire")
    );
}

#[test]
fn the_caller_offers_the_instance() {
    let mut linker = Linker::new();
    let signatures = support::signatures();
    linker.unknown_functions(None);
    linker.func(
        "env",
        "add",
        signatures[3].clone(),
        |caller: &mut Caller<'_, State>, slots| {
            assert_eq!((caller.memory_pages(), caller.memory_limit_pages()), (1, 4));
            assert_eq!(caller.function_index(), 0);
            assert_eq!(
                (
                    caller.import().module.as_str(),
                    caller.import().name.as_str()
                ),
                ("env", "add")
            );
            assert_eq!(&caller.memory()[16..21], b"hello");
            caller.memory_mut()[0] = 99;
            assert_eq!(caller.grow_memory(2)?, Some(1));
            assert_eq!(caller.grow_memory(2)?, None);
            let (memory, state) = caller.memory_and_data_mut();
            memory[3 * 65_536 - 1] = 98;
            state.calls += 5;
            slots[0] = caller.data().calls;
            Ok(())
        },
    );
    let module = Module::new(artifact()).unwrap();
    let mut instance = Instance::new(&module, &linker, &PARAMETERS, State { calls: 1 }).unwrap();
    assert_eq!(
        instance
            .call(F::CallAdd.index(), &[Value::I64(0); 2])
            .unwrap(),
        vec![Value::I64(6)]
    );
    assert_eq!(
        instance.call(F::Load8.index(), &i32s(&[0])).unwrap(),
        i32s(&[99])
    );
    assert_eq!(
        instance
            .call(F::Load8.index(), &i32s(&[3 * 65_536 - 1]))
            .unwrap(),
        i32s(&[98])
    );
    assert_eq!(instance.into_data(), State { calls: 6 });
}

#[test]
fn frames_are_counted_to_the_byte() {
    let module = Module::new(artifact()).unwrap();
    for (native_max, deepest) in [
        (1 << 20, 32_768),
        (3200, 100),
        (3231, 100),
        (3232, 101),
        (32, 1),
    ] {
        let parameters = ExecutionParameters {
            stack_native_max: native_max,
            ..PARAMETERS
        };
        let mut instance =
            Instance::new(&module, &linker(), &parameters, State::default()).unwrap();
        // `recurse` with n calls itself n times, so n + 1 frames are active.
        instance
            .call(F::Recurse.index(), &i32s(&[deepest - 1]))
            .unwrap();
        assert_eq!(instance.stack_native_peak(), 32 * deepest as u64);
        let result = instance.call(F::Recurse.index(), &i32s(&[deepest]));
        assert_trap(result, TrapKind::StackOverflow, F::Recurse, 200);
        assert_eq!(instance.stack_native_peak(), 32 * deepest as u64);
        instance.call(F::Recurse.index(), &i32s(&[0])).unwrap();
        assert_eq!(instance.stack_native_peak(), 32 * deepest as u64);
        instance.reset(State::default()).unwrap();
        assert_eq!(instance.stack_native_peak(), 0);
    }
    let parameters = ExecutionParameters {
        stack_native_max: 31,
        ..PARAMETERS
    };
    let mut instance = Instance::new(&module, &linker(), &parameters, State::default()).unwrap();
    let result = instance.call(F::Recurse.index(), &i32s(&[0]));
    assert_trap(result, TrapKind::StackOverflow, F::Recurse, 200);
}

#[test]
fn a_stack_that_cannot_be_had_is_a_failure() {
    let module = Module::new(artifact()).unwrap();
    for stack_native_max in [1 << 50, u64::MAX - 4096, u64::MAX] {
        let parameters = ExecutionParameters {
            stack_native_max,
            ..PARAMETERS
        };
        let result = Instance::new(&module, &linker(), &parameters, State::default());
        assert!(matches!(
            result,
            Err(InstantiateError::Failure(HostFailure::Memory { .. }))
        ));
    }
}

#[test]
fn leaving_the_stack_is_an_internal_failure() {
    let error = instance().call(F::LeaveStack.index(), &[]).unwrap_err();
    assert!(
        matches!(error, CallError::Failure(HostFailure::Internal(ref text)) if text.contains("left the Wasm stack"))
    );
}

#[test]
fn floating_point_state_is_separate() {
    const FLUSH: u32 = 0x9fc0;
    let before = support::mxcsr();
    let mut instance = instance();
    // SAFETY: flush-to-zero for this test's own code, put back below.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &FLUSH) };
    let wasm = instance.call(F::Mxcsr.index(), &[]);
    let host = instance.call(F::ImportFloat.index(), &[]);
    let trapped = instance.call(F::Unreachable.index(), &[]);
    let after = support::mxcsr();
    // SAFETY: as above.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &before) };
    assert_eq!(wasm.unwrap(), i32s(&[0x1f80]));
    assert_eq!(host.unwrap(), i32s(&[FLUSH as i32]));
    assert_eq!(trap(trapped).kind, TrapKind::Unreachable);
    assert_eq!(after, FLUSH);
}

#[test]
fn host_functions_run_other_instances() {
    let mut linker = Linker::new();
    let signatures = support::signatures();
    linker.unknown_functions(None);
    linker.func(
        "env",
        "add",
        signatures[3].clone(),
        |caller: &mut Caller<'_, Option<Instance<State>>>, slots| {
            let inner = caller.data_mut().as_mut().unwrap();
            let at = Value::I32(slots[0] as i32);
            match inner.call(F::Load8.index(), &[at]) {
                Ok(_) => slots[0] = 1,
                Err(CallError::Trap(trap)) if trap.kind == TrapKind::MemoryOutOfBounds => {
                    slots[0] = 2
                }
                Err(error) => panic!("{error}"),
            }
            assert_eq!(
                inner.call(F::CallAdd.index(), &[Value::I64(1); 2]).unwrap(),
                [Value::I64(2)]
            );
            Ok(())
        },
    );
    let module = Module::new(artifact()).unwrap();
    let mut outer = Instance::new(&module, &linker, &PARAMETERS, Some(instance())).unwrap();
    let mut call = |at: i64| {
        outer
            .call(F::CallAdd.index(), &[Value::I64(at), Value::I64(0)])
            .unwrap()
    };
    assert_eq!(call(0), [Value::I64(1)]);
    assert_eq!(call(65_536), [Value::I64(2)]);
    assert_eq!(call(65_535), [Value::I64(1)]);
    assert_trap(
        outer.call(F::Unreachable.index(), &[]),
        TrapKind::Unreachable,
        F::Unreachable,
        100,
    );
}

#[test]
fn a_start_function_runs_at_instantiation_and_reset() {
    let mut artifact = artifact();
    artifact.module.start = Some(F::CallNop.index());
    let module = Module::new(artifact.clone()).unwrap();
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_eq!(instance.data().calls, 1);
    instance.reset(State { calls: 10 }).unwrap();
    assert_eq!(instance.data().calls, 11);

    artifact.module.start = Some(F::Unreachable.index());
    let module = Module::new(artifact).unwrap();
    let result = Instance::new(&module, &linker(), &PARAMETERS, State::default());
    assert!(matches!(
        result,
        Err(InstantiateError::Start(Trap {
            kind: TrapKind::Unreachable,
            ..
        }))
    ));
}

#[test]
fn threads_trap_independently() {
    let module = Module::new(artifact()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..32_i64 {
            let module = &module;
            scope.spawn(move || {
                let mut instance =
                    Instance::new(module, &linker(), &PARAMETERS, State::default()).unwrap();
                for round in 0..500 {
                    let sum = instance.call(
                        F::CallAdd.index(),
                        &[Value::I64(thread * 1000), Value::I64(round)],
                    );
                    assert_eq!(sum.unwrap(), [Value::I64(thread * 1000 + round)]);
                    assert_trap(
                        instance.call(F::Unreachable.index(), &[]),
                        TrapKind::Unreachable,
                        F::Unreachable,
                        100,
                    );
                    let result = instance.call(F::Load8.index(), &i32s(&[65_536]));
                    assert_trap(result, TrapKind::MemoryOutOfBounds, F::Load8, 130);
                }
            });
        }
    });
}

#[test]
fn an_instance_moves_between_threads() {
    let mut instance = instance();
    for expected in 42..50 {
        instance = std::thread::spawn(move || {
            assert_eq!(
                instance.call(F::Bump.index(), &[]).unwrap(),
                i32s(&[expected])
            );
            assert_trap(
                instance.call(F::Unreachable.index(), &[]),
                TrapKind::Unreachable,
                F::Unreachable,
                100,
            );
            instance
        })
        .join()
        .unwrap();
    }
}

#[test]
fn a_module_without_a_memory_runs() {
    let mut artifact = artifact();
    artifact.module.memory = None;
    artifact.module.exports.clear();
    artifact.module.data_segments.clear();
    let module = Module::new(artifact).unwrap();
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_eq!(
        instance.call(F::Add.index(), &[Value::I64(1); 2]).unwrap(),
        [Value::I64(2)]
    );
    assert_eq!(
        instance.call(F::Grow.index(), &i32s(&[1])).unwrap(),
        i32s(&[-1])
    );
    assert!(instance.memory().is_empty());
}

#[test]
fn passive_segments_do_not_count_as_active() {
    let mut artifact = artifact();
    artifact.module.data_segments[0] = DataSegment {
        offset: None,
        bytes: 0..12,
    };
    artifact.module.data_segments[1].offset = Some(ConstExpr::Const(0));
    let module = Module::new(artifact).unwrap();
    let instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_eq!(instance.memory()[..8], [1, 2, 3, 4, 5, 6, 0, 0]);
}

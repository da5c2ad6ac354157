//! Calls, host functions, memory.grow, nesting, threads.

mod support;

use pvf_compiler::artifact::{ConstExpr, DataSegment};
use pvf_rules::{ExecutionParameters, Trap, TrapKind};
use pvf_runtime::{
    CallError, Caller, HostFailure, Instance, InstantiateError, Linker, Module, Value,
};
use support::{
    F, PARAMETERS, State, artifact, artifact_of, assert_trap, i32s, instance, linker, trap,
};

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
fn each_kind_of_wrong_call_has_its_own_error() {
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
fn a_grown_memory_is_accessible_up_to_its_new_end() {
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
fn host_functions_get_parameters_and_return_results() {
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
fn a_host_function_accesses_its_callers_instance() {
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
fn floating_point_state_is_separate() {
    use support::float::{FLUSH, WASM, set_state, state};
    let before = state();
    let mut instance = instance();
    // SAFETY: sets flush-to-zero for this test's own code; the state is restored below.
    unsafe { set_state(FLUSH) };
    let wasm = instance.call(F::FloatState.index(), &[]);
    let host = instance.call(F::ImportFloat.index(), &[]);
    let trapped = instance.call(F::Unreachable.index(), &[]);
    let after = state();
    // SAFETY: restores the state that the test began with.
    unsafe { set_state(before) };
    assert_eq!(wasm.unwrap(), i32s(&[WASM as i32]));
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
    let mut artifact = artifact().into_contents();
    artifact.module.start = Some(F::CallNop.index());
    let module = Module::new(artifact_of(artifact.clone())).unwrap();
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_eq!(instance.data().calls, 1);
    instance.reset(State { calls: 10 }).unwrap();
    assert_eq!(instance.data().calls, 11);

    artifact.module.start = Some(F::Unreachable.index());
    let module = Module::new(artifact_of(artifact)).unwrap();
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
fn an_instance_can_move_between_threads() {
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
    let mut artifact = artifact().into_contents();
    artifact.module.memory = None;
    artifact.module.exports.clear();
    artifact.module.data_segments.clear();
    let module = Module::new(artifact_of(artifact)).unwrap();
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
fn passive_segments_are_not_applied_at_instantiation() {
    let mut artifact = artifact().into_contents();
    artifact.module.data_segments[0] = DataSegment {
        offset: None,
        bytes: 0..12,
    };
    artifact.module.data_segments[1].offset = Some(ConstExpr::Const(0));
    let module = Module::new(artifact_of(artifact)).unwrap();
    let instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_eq!(instance.memory()[..8], [1, 2, 3, 4, 5, 6, 0, 0]);
}

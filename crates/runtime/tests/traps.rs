//! Traps of generated code: kind and location, at every boundary of memory and stack.

mod support;

use pvf_rules::{ExecutionParameters, TrapKind};
use pvf_runtime::{CallError, HostFailure, Instance, InstantiateError, Module, Value};
use support::{F, PARAMETERS, State, artifact, assert_trap, i32s, instance, linker};

#[test]
fn instructions_trap_with_their_location() {
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
        assert!(
            !direction_flag(),
            "the direction flag is clear for the host"
        );
    }
}

/// Whether string instructions go downwards in memory.
#[cfg(target_arch = "x86_64")]
fn direction_flag() -> bool {
    let flags: u64;
    // SAFETY: pushes and pops the flags, which changes no other state.
    unsafe { std::arch::asm!("pushfq", "pop {}", out(reg) flags) };
    flags & 1 << 10 != 0
}

/// aarch64 has no such flag.
#[cfg(target_arch = "aarch64")]
fn direction_flag() -> bool {
    false
}

#[test]
fn accesses_trap_outside_of_memory_and_nowhere_else() {
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
    // 16 bytes at index + 4 GiB - 1.
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
fn a_store_across_the_end_of_memory_writes_nothing() {
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
        // `recurse` with argument n calls itself n times, so n + 1 frames are active.
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
fn leaving_the_stack_is_an_internal_failure() {
    let error = instance().call(F::LeaveStack.index(), &[]).unwrap_err();
    assert!(
        matches!(error, CallError::Failure(HostFailure::Internal(ref text)) if text.contains("left the Wasm stack"))
    );
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
fn traps_need_neither_the_wasm_stack_nor_rusts_alternate_stack() {
    let trap = || {
        let disable = libc::stack_t {
            ss_sp: std::ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: the thread is not running on the alternate stack that Rust gave it.
        let status = unsafe { libc::sigaltstack(&disable, std::ptr::null_mut()) };
        assert_eq!(status, 0);
        let mut instance = instance();
        for _ in 0..3 {
            assert_trap(
                instance.call(F::NoStack.index(), &[]),
                TrapKind::Unreachable,
                F::NoStack,
                330,
            );
        }
    };
    std::thread::spawn(trap).join().unwrap();
}

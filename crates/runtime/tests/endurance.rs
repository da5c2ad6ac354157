//! Resources do not grow over many traps, runs and instances. The tests compare the process's
//! mappings, resident memory and descriptors before and after.

mod support;

use pvf_rules::TrapKind;
use pvf_runtime::{CallError, Instance, Module, Value};
use std::sync::Mutex;
use support::{F, PARAMETERS, State, artifact, linker};

/// Held by each test, since the counts are of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Debug builds run fewer rounds.
const fn rounds(release: u32) -> u32 {
    if cfg!(debug_assertions) {
        release / 10
    } else {
        release
    }
}

/// Resources that the process holds.
#[derive(Debug)]
struct Holdings {
    mappings: usize,
    resident_kib: usize,
    descriptors: usize,
}

fn holdings() -> Holdings {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    // Unlike the counters in `statm`, `smaps_rollup` is exact.
    let memory = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let resident = memory.lines().find_map(|line| line.strip_prefix("Rss:"));
    let resident = resident.unwrap().trim_end_matches(" kB").trim();
    Holdings {
        mappings: maps.lines().count(),
        resident_kib: resident.parse().unwrap(),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
    }
}

/// Runs `round` a few times to warm up, then `count` times, and compares the process's resources.
fn assert_nothing_grows(count: u32, mut round: impl FnMut(u32)) {
    (0..count / 50).for_each(&mut round);
    let before = holdings();
    (0..count).for_each(&mut round);
    let after = holdings();
    // A leak of 3 KiB per round exceeds this in the shortest test, a leak of 2 bytes in the
    // longest.
    assert!(grown_kib(&before, &after) < 1024, "{before:?} {after:?}");
    assert!(
        after.mappings <= before.mappings + 8,
        "{before:?} {after:?}"
    );
    assert_eq!(after.descriptors, before.descriptors);
}

/// Growth of resident memory. 0 under an emulator, whose cache of translated code grows too.
fn grown_kib(before: &Holdings, after: &Holdings) -> usize {
    match support::emulated() {
        true => 0,
        false => after.resident_kib.saturating_sub(before.resident_kib),
    }
}

fn assert_trap(result: Result<Vec<Value>, CallError>, kind: TrapKind) {
    assert!(
        matches!(result, Err(CallError::Trap(ref trap)) if trap.kind == kind),
        "{result:?}"
    );
}

#[test]
fn a_million_traps_leak_nothing() {
    let _alone = ALONE.lock();
    let module = Module::new(artifact()).unwrap();
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_nothing_grows(rounds(1_000_000), |round| {
        let (function, arguments, kind) = match round % 4 {
            0 => (F::Unreachable, vec![], TrapKind::Unreachable),
            1 => (
                F::DivU,
                vec![Value::I32(1), Value::I32(0)],
                TrapKind::IntegerDivideByZero,
            ),
            2 => (F::Load8, vec![Value::I32(-1)], TrapKind::MemoryOutOfBounds),
            _ => (
                F::CallAdd,
                vec![Value::I64(13), Value::I64(0)],
                TrapKind::HostError,
            ),
        };
        assert_trap(instance.call(function.index(), &arguments), kind);
        let sum = instance.call(
            F::Add.index(),
            &[Value::I64(i64::from(round)), Value::I64(1)],
        );
        assert_eq!(sum.unwrap(), [Value::I64(i64::from(round) + 1)]);
    });
}

#[test]
fn many_instances_leak_nothing() {
    let _alone = ALONE.lock();
    let module = Module::new(artifact()).unwrap();
    let linker = linker();
    assert_nothing_grows(rounds(100_000), |round| {
        let mut instance = Instance::new(&module, &linker, &PARAMETERS, State::default()).unwrap();
        instance.memory_mut()[round as usize % 65_536] = 1;
        assert_eq!(
            instance.call(F::Bump.index(), &[]).unwrap(),
            [Value::I32(42)]
        );
    });
}

#[test]
fn many_modules_leak_nothing() {
    let _alone = ALONE.lock();
    let artifact = artifact();
    assert_nothing_grows(rounds(20_000), |_| {
        let module = Module::new(artifact.clone()).unwrap();
        let mut instance =
            Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
        assert_trap(
            instance.call(F::Unreachable.index(), &[]),
            TrapKind::Unreachable,
        );
    });
}

#[test]
fn many_resets_leak_nothing() {
    let _alone = ALONE.lock();
    let module = Module::new(artifact()).unwrap();
    let mut instance = Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
    assert_nothing_grows(rounds(100_000), |_| {
        instance.call(F::Grow.index(), &[Value::I32(2)]).unwrap();
        instance.memory_mut()[100_000] = 1;
        assert_eq!(
            instance.call(F::Bump.index(), &[]).unwrap(),
            [Value::I32(42)]
        );
        instance.reset(State::default()).unwrap();
    });
}

#[test]
fn a_deep_run_releases_its_stack() {
    let _alone = ALONE.lock();
    let module = Module::new(artifact()).unwrap();
    let parameters = pvf_rules::ExecutionParameters {
        stack_native_max: 64 << 20,
        ..PARAMETERS
    };
    let mut instance = Instance::new(&module, &linker(), &parameters, State::default()).unwrap();
    instance
        .call(F::Recurse.index(), &[Value::I32(10)])
        .unwrap();
    let before = holdings();
    assert_trap(
        instance.call(F::Recurse.index(), &[Value::I32(i32::MAX)]),
        TrapKind::StackOverflow,
    );
    assert_eq!(instance.stack_native_peak(), 64 << 20);
    let after = holdings();
    assert!(
        grown_kib(&before, &after) < 1024,
        "64 MiB were used and released: {before:?} {after:?}"
    );
}

#[test]
fn many_threads_leak_nothing() {
    let _alone = ALONE.lock();
    let module = Module::new(artifact()).unwrap();
    assert_nothing_grows(rounds(5_000), |_| {
        let module = module.clone();
        let run = move || {
            let mut instance =
                Instance::new(&module, &linker(), &PARAMETERS, State::default()).unwrap();
            assert_trap(
                instance.call(F::Unreachable.index(), &[]),
                TrapKind::Unreachable,
            );
        };
        std::thread::spawn(run).join().unwrap();
    });
}

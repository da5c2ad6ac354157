//! Runs can be ended from outside at any point, and then have no outcome.

use pvf_compiler::FuncType;
use pvf_compiler::{CompileOptions, Metering, compile};
use pvf_rules::{ExecutionParameters, Features, Trap, TrapKind};
use pvf_runtime::{
    CallError, HostError, HostFailure, Instance, InstantiateError, Interrupt, Linker, Module, Value,
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn module(text: &str, metering: Metering) -> Module {
    let wasm = wat::parse_str(text).expect("the text is a module");
    let options = CompileOptions {
        metering,
        ..CompileOptions::new(Features::ALL)
    };
    Module::new(compile(&wasm, &options).expect("it compiles")).expect("it can be placed")
}

fn both_meters() -> Metering {
    Metering {
        logical_stack: true,
        gas: Some(Arc::default()),
    }
}

/// Host functions for both kinds of host call; `slots` and `typed` count their calls.
fn linker() -> Linker<u64> {
    let mut linker = Linker::new();
    linker.func("host", "slots", FuncType::default(), |caller, _| {
        *caller.data_mut() += 1;
        Ok(())
    });
    linker.typed(
        "host",
        "typed",
        |caller: &mut pvf_runtime::Caller<'_, u64>, a: u32| {
            *caller.data_mut() += 1;
            Ok::<u32, HostError>(a + 1)
        },
    );
    linker.typed("host", "slow", |_: &mut pvf_runtime::Caller<'_, u64>| {
        std::thread::sleep(Duration::from_millis(5));
        Ok::<(), HostError>(())
    });
    linker
}

/// Functions that never return, each in a different way. Some spend nearly all their time in the
/// host.
const ENDLESS: &str = r#"(module
    (import "host" "slots" (func $slots))
    (import "host" "typed" (func $typed (param i32) (result i32)))
    (import "host" "slow" (func $slow))
    (import "nobody" "knows" (func $missing (param f64)))
    (memory 64)
    (table 1 funcref)
    (elem (i32.const 0) $odd)
    (func (export "nothing") (loop (br 0)))
    (func (export "memory") (loop (i32.store (i32.const 8) (i32.load (i32.const 16))) (br 0)))
    (func (export "slots") (loop (call $slots) (br 0)))
    (func (export "typed") (local i32) (loop (local.set 0 (call $typed (local.get 0))) (br 0)))
    (func (export "slow") (loop (call $slow) (br 0)))
    (func (export "fill") (loop (memory.fill (i32.const 0) (i32.const 7) (i32.const 4194304)) (br 0)))
    (func (export "copy") (loop (memory.copy (i32.const 0) (i32.const 1) (i32.const 4194303)) (br 0)))
    (func (export "grow") (loop (drop (memory.grow (i32.const 0))) (br 0)))
    (func (export "floats") (local f64) (loop (local.set 0 (f64.sqrt (f64.add (local.get 0) (f64.const 1)))) (br 0)))
    (func (export "divide") (local i64) (loop (local.set 0 (i64.div_s (i64.const 9) (i64.const 7))) (br 0)))
    (func $odd (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
            (else (i32.const 0))))
    (func (export "calls") (loop (drop (call $odd (i32.const 1000))) (br 0)))
    (func (export "missing") (loop (br_if 0 (i32.const 1)) (call $missing (f64.const 0)))))"#;

const NAMES: [&str; 12] = [
    "nothing", "memory", "slots", "typed", "slow", "fill", "copy", "grow", "floats", "divide",
    "calls", "missing",
];

fn endless(metering: Metering) -> (Module, Linker<u64>) {
    let mut linker = linker();
    linker.unknown_functions(None);
    (module(ENDLESS, metering), linker)
}

fn assert_interrupted<R: std::fmt::Debug>(
    result: Result<Result<R, CallError>, HostFailure>,
    what: &str,
) {
    match result {
        Ok(Err(CallError::Failure(HostFailure::Interrupted))) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn every_endless_function_ends_at_its_time_limit() {
    for metering in [Metering::default(), both_meters()] {
        let (module, linker) = endless(metering);
        for name in NAMES {
            let mut instance = Instance::new(&module, &linker, &ExecutionParameters::WASM, 0)
                .expect("it instantiates");
            for round in 0..5 {
                let time = Some(Duration::from_micros(1 + 1500 * round));
                let ended = Interrupt::new().during(time, || instance.call_export(name, &[]));
                assert_interrupted(ended, name);
                instance.reset(0).expect("the instance can be used again");
            }
        }
    }
}

#[test]
fn another_thread_can_end_every_endless_function() {
    let (module, linker) = endless(Metering::default());
    for name in NAMES {
        let interrupt = Interrupt::new();
        let (running, wait) = mpsc::channel();
        std::thread::scope(|scope| {
            let (under, module, linker) = (interrupt.clone(), &module, &linker);
            let runner = scope.spawn(move || {
                let mut instance = Instance::new(module, linker, &ExecutionParameters::WASM, 0);
                let instance = instance.as_mut().expect("it instantiates");
                running.send(()).expect("the main thread is waiting");
                let ended = under.during(None, || instance.call_export(name, &[]));
                assert_interrupted(ended, name);
            });
            wait.recv().expect("it runs");
            if name.len() % 2 == 0 {
                std::thread::sleep(Duration::from_millis(3));
            }
            interrupt.raise();
            assert!(interrupt.is_raised());
            runner.join().expect("it was interrupted");
        });
        // The interrupt stays raised.
        let mut instance = Instance::new(&module, &linker, &ExecutionParameters::WASM, 0)
            .expect("it instantiates");
        assert_interrupted(
            interrupt.during(None, || instance.call_export(name, &[])),
            name,
        );
    }
}

#[test]
fn an_interrupt_ends_all_its_threads_and_no_others() {
    let (module, linker) = endless(Metering::default());
    let (interrupt, other) = (Interrupt::new(), Interrupt::new());
    let running = AtomicU32::new(0);
    let released = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let call = |under: &Interrupt, name: &'static str| {
            let mut instance = Instance::new(&module, &linker, &ExecutionParameters::WASM, 0)
                .expect("it instantiates");
            running.fetch_add(1, Ordering::SeqCst);
            let ended = under.during(None, || instance.call_export(name, &[]));
            assert_interrupted(ended, name);
        };
        for name in NAMES {
            let interrupt = &interrupt;
            scope.spawn(move || call(interrupt, name));
        }
        let (other, released) = (&other, &released);
        scope.spawn(move || {
            call(other, "nothing");
            assert!(
                released.load(Ordering::SeqCst),
                "the other interrupt was not raised yet"
            );
        });
        while running.load(Ordering::SeqCst) < 13 {
            std::thread::yield_now();
        }
        interrupt.raise();
        std::thread::sleep(Duration::from_millis(50));
        released.store(true, Ordering::SeqCst);
        other.raise();
    });
}

/// Makes host calls, accesses memory, and ends after a number of iterations.
const FINITE: &str = r#"(module
    (import "host" "slots" (func $slots))
    (import "host" "typed" (func $typed (param i32) (result i32)))
    (memory 1)
    (func (export "f") (param $turns i32) (result i32)
        (local $sum i32)
        (loop
            (call $slots)
            (local.set $sum (i32.add (local.get $sum) (call $typed (local.get $turns))))
            (memory.fill (i32.const 0) (local.get $sum) (i32.const 100))
            (local.set $sum (i32.xor (local.get $sum) (i32.load (i32.const 4))))
            (br_if 0 (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
        (local.get $sum))
    (func (export "trap") (param $turns i32) (result i32)
        (loop
            (call $slots)
            (br_if 0 (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
        (i32.load (i32.const -1))))"#;

#[test]
fn a_run_under_an_interrupt_has_the_right_outcome_or_none() {
    let module = module(FINITE, both_meters());
    let linker = linker();
    let mut instance =
        Instance::new(&module, &linker, &ExecutionParameters::WASM, 0).expect("it instantiates");
    let arguments = [Value::I32(2000)];
    let began = Instant::now();
    let expected = instance.call_export("f", &arguments).expect("it returns");
    let gas = instance.gas_used();
    let usual = began.elapsed();
    let (mut interrupted, mut ended) = (0, 0);
    for round in 0..3000u32 {
        let time = usual * (round % 40) / 25 + Duration::from_nanos(1);
        let name = ["f", "trap"][round as usize % 2];
        instance.reset(0).expect("the instance can be used again");
        let result = Interrupt::new().during(Some(time), || instance.call_export(name, &arguments));
        match result.expect("the system gives a timer") {
            Err(CallError::Failure(HostFailure::Interrupted)) => interrupted += 1,
            Ok(values) => {
                ended += 1;
                assert_eq!((name, &values), ("f", &expected));
                assert_eq!(instance.gas_used(), gas);
            }
            Err(CallError::Trap(Trap { kind, .. })) => {
                ended += 1;
                assert_eq!((name, kind), ("trap", TrapKind::MemoryOutOfBounds));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(interrupted > 0 && ended > 0, "{interrupted}, {ended}");
    // Without an interrupt the outcome is the same.
    instance.reset(0).expect("the instance can be used again");
    assert_eq!(
        instance.call_export("f", &arguments).expect("returns"),
        expected
    );
}

#[test]
fn an_interrupt_ends_a_start_function() {
    let module = module(
        "(module (func $s (loop (br 0))) (start $s))",
        Metering::default(),
    );
    let time = Some(Duration::from_millis(5));
    let made = Interrupt::new().during(time, || {
        Instance::new(&module, &Linker::new(), &ExecutionParameters::WASM, ()).err()
    });
    let error = made.expect("there is a timer").expect("no instance");
    assert!(matches!(
        error,
        InstantiateError::Failure(HostFailure::Interrupted)
    ));
}

/// A host function runs another instance under an interrupt of its own.
#[test]
fn an_inner_interrupt_ends_only_the_inner_run() {
    let (inner, linker) = endless(Metering::default());
    let mut outer = Linker::<u32>::new();
    outer.func("host", "inside", FuncType::default(), move |caller, _| {
        *caller.data_mut() += 1;
        let mut instance =
            Instance::new(&inner, &linker, &ExecutionParameters::WASM, 0).expect("it instantiates");
        let time = Some(Duration::from_millis(4));
        let name = NAMES[*caller.data() as usize % NAMES.len()];
        let ended = Interrupt::new().during(time, || instance.call_export(name, &[]));
        assert_interrupted(ended, name);
        Ok(())
    });
    let text = r#"(module (import "host" "inside" (func $inside))
        (func (export "often") (param i32)
            (loop (call $inside) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let module = module(text, Metering::default());
    let mut instance =
        Instance::new(&module, &outer, &ExecutionParameters::WASM, 0).expect("it instantiates");
    let calls = instance.call_export("often", &[Value::I32(24)]);
    assert_eq!(calls.expect("the outer run goes on"), []);
    assert_eq!(*instance.data(), 24);
    // An interrupt around both runs ends both.
    let time = Some(Duration::from_millis(30));
    let forever = [Value::I32(i32::MAX)];
    let ended = Interrupt::new().during(time, || instance.call_export("often", &forever));
    assert_interrupted(ended, "the outer one");
}

#[test]
fn an_interrupt_works_with_all_signals_blocked_and_restores_the_mask() {
    let (module, linker) = endless(Metering::default());
    let mut instance =
        Instance::new(&module, &linker, &ExecutionParameters::WASM, 0).expect("it instantiates");
    // A thread that blocks every signal.
    let mask = |how, set: &libc::sigset_t| {
        // SAFETY: both sets are local to this test.
        unsafe {
            let mut before = std::mem::zeroed();
            assert_eq!(libc::pthread_sigmask(how, set, &mut before), 0);
            before
        }
    };
    // SAFETY: `sigfillset` initialises the set.
    let all = unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        all
    };
    let before = mask(libc::SIG_SETMASK, &all);
    let time = Some(Duration::from_millis(5));
    assert_interrupted(
        Interrupt::new().during(time, || instance.call_export("nothing", &[])),
        "with all signals blocked",
    );
    let after = mask(libc::SIG_SETMASK, &before);
    for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: the set is initialised.
        assert_eq!(unsafe { libc::sigismember(&after, signal) }, 1, "{signal}");
    }
}

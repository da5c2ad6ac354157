//! Samples of runs: whole stacks, host functions by name, and no effect on outcomes.

use pvf_compiler::{CompileOptions, FuncType, ValType, compile};
use pvf_rules::{ExecutionParameters, Features};
use pvf_runtime::{
    Activity, CallError, Caller, HostError, HostFailure, Instance, Interrupt, Linker, Module,
    Sample, Sampler, Value,
};
use std::hint::black_box;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_micros(200);

/// Enough to tell shares apart, and few enough for a machine with much else to do.
const ENOUGH: usize = 300;

fn module(text: &str) -> Module {
    let wasm = wat::parse_str(text).expect("a module");
    let artifact = compile(&wasm, &CompileOptions::new(Features::POLKADOT)).expect("it compiles");
    Module::new(artifact).expect("it is placed")
}

/// Something that takes a while and is no function of the module.
fn spin(rounds: u64) -> u64 {
    (0..rounds).fold(1, |sum: u64, round| black_box(sum.rotate_left(5) ^ round))
}

fn linker() -> Linker<()> {
    let mut linker = Linker::new();
    linker.typed(
        "host",
        "typed",
        |_: &mut Caller<'_, ()>, rounds: u64| -> Result<u64, HostError> { Ok(spin(rounds)) },
    );
    let ty = FuncType {
        params: vec![ValType::F64],
        results: Vec::new(),
    };
    linker.func("host", "slots", ty, |_, slots| {
        black_box(spin(f64::from_bits(slots[0]) as u64));
        Ok(())
    });
    linker
}

/// Calls an export again and again until there are enough samples that `counts` counts.
fn samples(
    module: &Module,
    export: &str,
    arguments: &[Value],
    counts: impl Fn(&Sample) -> bool,
) -> Vec<Sample> {
    let parameters = ExecutionParameters::WASM;
    let mut instance = Instance::new(module, &linker(), &parameters, ()).expect("an instance");
    let mut sampler = Sampler::new(module, INTERVAL);
    for _ in 0..10_000 {
        let called = sampler.during(|| instance.call_export(export, arguments));
        called.expect("a timer").expect("it returns");
        let found = sampler.samples().filter(|sample| counts(sample)).count();
        if found >= ENOUGH {
            assert_eq!(sampler.lost(), 0);
            assert_eq!(sampler.taken(), sampler.samples().count() as u64);
            return sampler.samples().collect();
        }
    }
    panic!("{} samples, too few that count", sampler.taken());
}

fn share(samples: &[Sample], of: impl Fn(&Sample) -> bool) -> f64 {
    samples.iter().filter(|sample| of(sample)).count() as f64 / samples.len() as f64
}

const LOOPS: &str = r#"(module
    (import "host" "typed" (func $typed (param i64) (result i64)))
    (import "host" "slots" (func $slots (param f64)))
    (type $of_typed (func (param i64) (result i64)))
    (table 1 funcref)
    (elem (i32.const 0) $typed)
    (func $work (param i32)
        (local $sum i64)
        (loop
            (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.const 7)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func $little (call $work (i32.const 400000)))
    (func $much (call $work (i32.const 1200000)))
    (func (export "shares") (call $little) (call $much))
    (func (export "direct") (drop (call $typed (i64.const 1000000))))
    (func (export "by_slots") (call $slots (f64.const 1000000)))
    (func (export "by_table")
        (drop (call_indirect (type $of_typed) (i64.const 1000000) (i32.const 0))))
    (func $deep (export "deep") (param i32)
        (if (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (call $work (i32.const 2000000)))))
    (func (export "endless") (loop (br 0)))
    (func (export "trap") (call $work (i32.const 200000)) unreachable))"#;

/// Indices of the functions of `LOOPS`.
const WORK: u32 = 2;
const LITTLE: u32 = 3;
const MUCH: u32 = 4;
const SHARES: u32 = 5;
const DEEP: u32 = 9;

#[test]
fn stacks_are_whole_and_shares_right() {
    let module = module(LOOPS);
    let in_work = |sample: &Sample| sample.functions.last() == Some(&WORK);
    let samples = samples(&module, "shares", &[], in_work);
    let inside: Vec<Sample> = samples.into_iter().filter(in_work).collect();
    for sample in inside.iter().filter(|sample| sample.whole) {
        assert_eq!(sample.activity, Activity::Code);
        assert!(
            [[SHARES, LITTLE, WORK], [SHARES, MUCH, WORK]]
                .contains(&sample.functions[..].try_into().unwrap()),
            "{:?}",
            sample.functions
        );
    }
    assert!(share(&inside, |sample| sample.whole) > 0.98);
    // A quarter of the work; with 300 samples the error is 2.5 % in the middle.
    let little = share(&inside, |sample| sample.functions.contains(&LITTLE));
    assert!((0.1..0.4).contains(&little), "{little}");
}

#[test]
fn host_functions_are_named_by_their_callers() {
    let module = module(LOOPS);
    for (export, function, expected) in [
        ("direct", 6, Activity::Host(Some(0))),
        ("by_slots", 7, Activity::Host(Some(1))),
        ("by_table", 8, Activity::Host(None)),
    ] {
        let host = |sample: &Sample| matches!(sample.activity, Activity::Host(_));
        let samples = samples(&module, export, &[], host);
        let hosts: Vec<Sample> = samples.into_iter().filter(host).collect();
        let right = |sample: &Sample| sample.activity == expected && sample.functions == [function];
        assert!(share(&hosts, right) > 0.98, "{export}: {:?}", hosts.first());
    }
}

#[test]
fn deep_stacks_are_whole() {
    let module = module(LOOPS);
    let depth = 2000;
    let in_work = |sample: &Sample| sample.functions.last() == Some(&WORK);
    let samples = samples(&module, "deep", &[Value::I32(depth)], in_work);
    let inside: Vec<Sample> = samples.into_iter().filter(in_work).collect();
    let right = |sample: &Sample| {
        let (work, deep) = sample.functions.split_last().expect("it is not empty");
        *work == WORK && deep.len() == depth as usize + 1 && deep.iter().all(|it| *it == DEEP)
    };
    assert!(share(&inside, right) > 0.98);
}

#[test]
fn ends_of_runs_are_as_without_samples() {
    let module = module(LOOPS);
    let parameters = ExecutionParameters::WASM;
    let mut instance = Instance::new(&module, &linker(), &parameters, ()).expect("an instance");
    let mut sampler = Sampler::new(&module, Duration::from_micros(100));
    let plain = instance.call_export("trap", &[]);
    let sampled = sampler
        .during(|| instance.call_export("trap", &[]))
        .expect("a timer");
    match (plain, sampled) {
        (Err(CallError::Trap(plain)), Err(CallError::Trap(sampled))) => assert_eq!(plain, sampled),
        other => panic!("{other:?}"),
    }
    // The timer of an interrupt and that of the sampler are two.
    let time = Some(Duration::from_millis(50));
    let ended =
        sampler.during(|| Interrupt::new().during(time, || instance.call_export("endless", &[])));
    let ended = ended.expect("a timer").expect("a timer");
    assert!(
        matches!(ended, Err(CallError::Failure(HostFailure::Interrupted))),
        "{ended:?}"
    );
    assert!(sampler.taken() > 0);
    // Another module's runs are outside.
    let other = self::module(
        r#"(module (func (export "f") (local i32)
        (loop (br_if 0 (i32.ne (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 50000000))))))"#,
    );
    let mut instance = Instance::new(&other, &Linker::new(), &parameters, ()).expect("an instance");
    let mut sampler = Sampler::new(&module, INTERVAL);
    sampler
        .during(|| instance.call_export("f", &[]))
        .expect("a timer")
        .expect("it returns");
    assert!(sampler.taken() > 0);
    for sample in sampler.samples() {
        assert_eq!(
            (sample.activity, sample.functions),
            (Activity::Outside, Vec::new())
        );
    }
}

/// Several threads at once, each with its own sampler, sample themselves alone.
#[test]
fn threads_sample_themselves() {
    let module = module(LOOPS);
    std::thread::scope(|scope| {
        for export in ["shares", "direct"] {
            let module = &module;
            scope.spawn(move || {
                let counts = |sample: &Sample| sample.activity != Activity::Outside;
                let samples = samples(module, export, &[], counts);
                let hosts = share(&samples, |it| {
                    matches!(it.activity, Activity::Host(Some(0)))
                });
                match export {
                    "direct" => assert!(hosts > 0.5, "{hosts}"),
                    _ => assert!(hosts < 0.01, "{hosts}"),
                }
            });
        }
    });
}

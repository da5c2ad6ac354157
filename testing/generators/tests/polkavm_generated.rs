//! Generated modules on PolkaVM: each call as on this machine's processor, with traps, memory, globals, calls of host
//! functions, gas and the peaks of both stacks.
//!
//! `PVF_POLKAVM_MODULES` is the number of modules, `PVF_POLKAVM_FIRST` the first seed, `PVF_POLKAVM_ENGINES` selects engines.
#![cfg(feature = "polkavm")]

use pvf_compiler::artifact::ImportKind;
use pvf_compiler::{CompileOptions, Costs, Metering, Target, ValType as OurType, compile};
use pvf_generators::observe::{MAX_MEMORY_PAGES, global_value, hash_memory};
use pvf_generators::{
    Ending, Generator, HostFunctions, Limits, Mode, Observation, Ours, Plan, Step, Subject,
};
use pvf_polkavm::{Engine, HostFunction, Imports, Instance, Module};
use pvf_rules::ExecutionParameters;
use pvf_runtime::{CallError, HostError, InstantiateError, Value};
use std::env;
use std::sync::Arc;
use wasmparser::ValType;

const LIMITS: Limits = Limits {
    stack: 20_000,
    gas: 400_000,
};

fn parameters() -> ExecutionParameters {
    ExecutionParameters {
        max_memory_pages: MAX_MEMORY_PAGES,
        stack_logical_max: Some(LIMITS.stack),
        gas_limit: Some(LIMITS.gas),
        stack_native_max: 1 << 18,
        ..ExecutionParameters::WASM
    }
}

fn options(subject: &Subject, target: Target) -> CompileOptions {
    CompileOptions {
        target,
        metering: Metering {
            logical_stack: true,
            gas: Some(Arc::new(Costs::default())),
        },
        ..CompileOptions::new(subject.features)
    }
}

fn their_type(ty: OurType) -> ValType {
    match ty {
        OurType::I32 => ValType::I32,
        OurType::I64 => ValType::I64,
        OurType::F32 => ValType::F32,
        OurType::F64 => ValType::F64,
    }
}

fn our_type(ty: ValType) -> OurType {
    match ty {
        ValType::I32 => OurType::I32,
        ValType::I64 => OurType::I64,
        ValType::F32 => OurType::F32,
        _ => OurType::F64,
    }
}

fn imports(module: &Module) -> Imports<HostFunctions> {
    let info = module.info();
    let mut imports = Imports::none(info);
    for import in &info.imports {
        match import.kind {
            ImportKind::Function(signature) => {
                let ty = info.signatures[signature as usize].clone();
                let index = imports.functions.len() as u32;
                let results: Vec<ValType> = ty.results.iter().map(|&ty| their_type(ty)).collect();
                let body: HostFunction<HostFunctions> = Arc::new(move |caller, slots| {
                    let arguments: Vec<u64> = ty
                        .params
                        .iter()
                        .zip(&*slots)
                        .map(|(&ty, &bits)| Value::from_bits(ty, bits).to_bits())
                        .collect();
                    let called = caller.data_mut().call(index, &arguments, &results);
                    let values = called
                        .ok_or_else(|| HostError::Trap(format!("host function {index} failed")))?;
                    for (slot, bits) in slots.iter_mut().zip(values) {
                        *slot = bits;
                    }
                    Ok(())
                });
                imports.functions.push(Some(body));
            }
            ImportKind::Global(ty) => {
                let number = imports.globals.len() as u64;
                imports
                    .globals
                    .push(global_value(number, their_type(ty.value)));
            }
            ImportKind::Memory(ty) => imports.memory = Some(ty),
            ImportKind::Table(ty) => imports.table_entries = ty.minimum,
        }
    }
    imports
}

/// Observations, the native peak, the logical peak.
type Seen = (Vec<Observation>, u64, Option<u64>);

fn run(module: &Module, plan: &Plan, step: &Step) -> Seen {
    let host = HostFunctions::default();
    let mut instance = match Instance::new(module, imports(module), &parameters(), host) {
        Ok(instance) => instance,
        Err(InstantiateError::SegmentOutOfBounds { trap, .. } | InstantiateError::Start(trap)) => {
            let ending = Ending::Trapped(trap.kind);
            return (vec![Observation::without_instance(ending)], 0, None);
        }
        Err(InstantiateError::MemoryTooLarge { .. }) => {
            let ending = Ending::NotInstantiated;
            return (vec![Observation::without_instance(ending)], 0, None);
        }
        Err(error) => panic!("{error}"),
    };
    let mut observations = Vec::new();
    for (number, call) in step.calls.iter().enumerate() {
        let function = &plan.functions[call.function];
        let arguments: Vec<Value> = call
            .arguments
            .iter()
            .zip(&function.parameters)
            .map(|(&bits, &ty)| Value::from_bits(our_type(ty), bits))
            .collect();
        let ending = match instance.call_export(&function.name, &arguments) {
            Ok(results) => Ending::Returned(results.iter().map(|it| it.to_bits()).collect()),
            Err(CallError::Trap(trap)) => Ending::Trapped(trap.kind),
            Err(error) => panic!("{error}"),
        };
        let memory = plan
            .memory
            .as_ref()
            .filter(|_| plan.observes_memory(step, number));
        let memory = memory.map(|_| {
            let bytes = instance.memory().unwrap();
            (instance.memory_pages(), hash_memory(&bytes))
        });
        let info = module.info();
        let globals = plan.globals.iter().map(|name| match info.export(name) {
            Some(pvf_compiler::artifact::ExportKind::Global(index)) => {
                instance.global(index).unwrap().unwrap().to_bits()
            }
            other => panic!("{other:?}"),
        });
        let globals = globals.collect();
        observations.push(Observation {
            ending,
            memory,
            globals,
            host_calls: instance.data().trace(),
            gas_used: instance.gas_used().unwrap(),
        });
    }
    let peaks = (instance.stack_native_peak(), instance.stack_logical_peak());
    (observations, peaks.0, peaks.1)
}

/// Compares a module; the number of its calls.
fn compare(subject: &Subject, engines: &[Engine]) -> usize {
    let Ok(plan) = Plan::new(&subject.wasm, subject.seed) else {
        return 0;
    };
    let Ok(artifact) = compile(&subject.wasm, &options(subject, Target::HOST)) else {
        return 0;
    };
    let native = Ours::link(artifact).unwrap();
    let artifact = compile(&subject.wasm, &options(subject, Target::PolkaVm)).unwrap();
    let expected: Vec<Seen> = plan
        .steps
        .iter()
        .map(|step| {
            let run = Ours
                .run_within(&native, &plan, step, &parameters())
                .unwrap();
            (run.observations, run.native_peak, run.peak)
        })
        .collect();
    for &engine in engines {
        let module = Module::new(artifact.clone(), engine).unwrap();
        for (number, (step, expected)) in plan.steps.iter().zip(&expected).enumerate() {
            let found = run(&module, &plan, step);
            assert_eq!(
                &found,
                expected,
                "seed {:#x}, step {number}, {}",
                subject.seed,
                engine.name()
            );
        }
    }
    expected.iter().map(|(seen, ..)| seen.len()).sum()
}

fn variable(name: &str, default: u64) -> u64 {
    let text = env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn generated_modules_are_as_on_hardware() {
    let names = env::var("PVF_POLKAVM_ENGINES").unwrap_or_else(|_| "interpreter,in-process".into());
    let engines = names.split(',').filter_map(Engine::from_name);
    let engines: Vec<Engine> = engines.filter(|engine| engine.is_supported()).collect();
    let generator = Generator::new().unwrap();
    let first = variable("PVF_POLKAVM_FIRST", 1);
    let (mut modules, mut calls) = (0, 0);
    for seed in first..first + variable("PVF_POLKAVM_MODULES", 150) {
        let Ok(subject) = generator.generate(seed, Mode::All) else {
            continue;
        };
        calls += compare(&subject, &engines);
        modules += 1;
    }
    println!("{modules} modules, {calls} calls");
    assert!(calls > modules, "most modules export functions");
}

//! The same call three times: our engine with meters on a module, and our engine and wasmi without
//! meters on the module instrumented.

use pvf_compiler::artifact::ExportKind;
use pvf_compiler::{CompileOptions, Metering, compile};
use pvf_instrument::{GAS_LEFT, GasLimit, InstrumentOptions, TRAP, instrument};
use pvf_metering::Costs;
use pvf_rules::{ExecutionParameters, Features, TrapKind};
use pvf_runtime::{CallError, Instance, InstantiateError, Linker, Module, Value};
use std::sync::Arc;

/// Limits of a run.
#[derive(Clone, Debug)]
pub struct Limits {
    pub native: u64,
    pub logical: u32,
    pub gas: u64,
    pub costs: Costs,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Bits of the results.
    Results(Vec<u64>),
    Trap(TrapKind),
    /// The start function trapped: there is no instance to ask why.
    StartTrapped,
}

/// What a run shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub ending: Ending,
    pub gas_used: Option<u64>,
    /// The exported global `depth`, if there is one.
    pub depth: Option<u64>,
}

/// Peaks of a run with meters.
pub struct Peaks {
    pub native: u64,
    pub logical: u32,
}

/// What a run may take if nothing else is said.
pub const PLENTY: ExecutionParameters = ExecutionParameters {
    max_memory_pages: 64,
    stack_native_max: 256 << 20,
    ..ExecutionParameters::WASM
};

pub fn options(limits: &Limits) -> InstrumentOptions {
    InstrumentOptions {
        features: Features::ALL,
        stack_native_max: Some(limits.native),
        stack_logical_max: Some(limits.logical),
        gas: Some(GasLimit {
            costs: limits.costs.clone(),
            limit: limits.gas,
        }),
    }
}

/// Runs on our engine with meters; `None` if the module cannot be instantiated.
pub fn metered(
    wasm: &[u8],
    export: &str,
    arguments: &[Value],
    limits: &Limits,
) -> Option<(Run, Peaks)> {
    let mut options = CompileOptions::new(Features::ALL);
    options.metering = Metering {
        logical_stack: true,
        gas: Some(Arc::new(limits.costs.clone())),
    };
    let parameters = ExecutionParameters {
        stack_native_max: limits.native,
        stack_logical_max: Some(limits.logical),
        gas_limit: Some(limits.gas),
        ..PLENTY
    };
    let mut instance = match ours(wasm, &options, &parameters) {
        Ok(instance) => instance,
        Err(ending) => return ending.map(|ending| (start_trapped(ending), no_peaks())),
    };
    let ending = call(&mut instance, export, arguments);
    let run = Run {
        ending,
        gas_used: instance.gas_used(),
        depth: global(&instance, "depth").map(Value::to_bits),
    };
    let peaks = Peaks {
        native: instance.stack_native_peak(),
        logical: instance.stack_logical_peak().unwrap() as u32,
    };
    Some((run, peaks))
}

/// Runs an instrumented module on our engine without meters.
pub fn instrumented_on_ours(
    wasm: &[u8],
    export: &str,
    arguments: &[Value],
    limits: &Limits,
) -> Option<Run> {
    let wasm = instrument(wasm, &options(limits)).unwrap();
    let mut instance = match ours(&wasm, &CompileOptions::new(Features::ALL), &PLENTY) {
        Ok(instance) => instance,
        Err(ending) => return ending.map(start_trapped),
    };
    let ending = call(&mut instance, export, arguments);
    let code = global(&instance, TRAP).unwrap().to_bits();
    let left = global(&instance, GAS_LEFT).unwrap().to_bits();
    Some(Run {
        ending: by_meter(ending, code),
        gas_used: Some(limits.gas - left),
        depth: global(&instance, "depth").map(Value::to_bits),
    })
}

fn start_trapped(ending: Ending) -> Run {
    Run {
        ending,
        gas_used: None,
        depth: None,
    }
}

fn no_peaks() -> Peaks {
    Peaks {
        native: 0,
        logical: 0,
    }
}

/// A trap of a meter is an `unreachable` with a code.
fn by_meter(ending: Ending, code: u64) -> Ending {
    match code {
        0 => {
            // An engine that runs out of its own stack would hide what is compared.
            assert_ne!(ending, Ending::Trap(TrapKind::StackOverflow));
            ending
        }
        code => {
            assert_eq!(ending, Ending::Trap(TrapKind::Unreachable));
            Ending::Trap(TrapKind::from_code(code as u8).unwrap())
        }
    }
}

fn ours(
    wasm: &[u8],
    options: &CompileOptions,
    parameters: &ExecutionParameters,
) -> Result<Instance<()>, Option<Ending>> {
    let artifact = compile(wasm, options).unwrap_or_else(|error| panic!("{error}"));
    let module = Module::new(artifact).unwrap();
    let mut linker = Linker::new();
    linker.unknown_functions(None);
    match Instance::new(&module, &linker, parameters, ()) {
        Ok(instance) => Ok(instance),
        Err(InstantiateError::Start(_)) => Err(Some(Ending::StartTrapped)),
        Err(InstantiateError::Failure(failure)) => panic!("{failure}"),
        Err(_) => Err(None),
    }
}

fn call(instance: &mut Instance<()>, export: &str, arguments: &[Value]) -> Ending {
    match instance.call_export(export, arguments) {
        Ok(results) => Ending::Results(results.into_iter().map(Value::to_bits).collect()),
        Err(CallError::Trap(trap)) => Ending::Trap(trap.kind),
        Err(error) => panic!("{error}"),
    }
}

fn global(instance: &Instance<()>, name: &str) -> Option<Value> {
    match instance.module().info().export(name)? {
        ExportKind::Global(index) => instance.global(index),
        _ => None,
    }
}

/// Runs an instrumented module on wasmi.
pub fn instrumented_on_wasmi(
    wasm: &[u8],
    export: &str,
    arguments: &[Value],
    limits: &Limits,
) -> Option<Run> {
    let wasm = instrument(wasm, &options(limits)).unwrap();
    let mut config = wasmi::Config::default();
    config.set_max_recursion_depth(1_000_000);
    config.set_max_stack_height(256 << 20);
    let engine = wasmi::Engine::new(&config);
    let module = wasmi::Module::new(&engine, &wasm[..]).unwrap();
    let pages = wasmi::StoreLimitsBuilder::new()
        .memory_size(PLENTY.max_memory_pages as usize * 65_536)
        .build();
    let mut store = wasmi::Store::new(&engine, pages);
    store.limiter(|limits| limits);
    let mut linker = wasmi::Linker::new(&engine);
    for import in module.imports() {
        if let wasmi::ExternType::Func(ty) = import.ty() {
            let missing = wasmi::Func::new(&mut store, ty.clone(), |_, _, _| {
                Err(wasmi::Error::new("missing"))
            });
            // The same name may be imported twice.
            let _ = linker.define(import.module(), import.name(), missing);
        }
    }
    let instance = match linker.instantiate_and_start(&mut store, &module) {
        Ok(instance) => instance,
        // Where it is not the start function that failed, our engine has no such ending.
        Err(_) => return Some(start_trapped(Ending::StartTrapped)),
    };
    let function = instance.get_func(&store, export).unwrap();
    let arguments: Vec<_> = arguments.iter().copied().map(to_wasmi).collect();
    let ty = function.ty(&store);
    let defaults = ty.results().iter().copied();
    let mut results: Vec<_> = defaults.map(wasmi::Val::default_for_ty).collect();
    let ending = match function.call(&mut store, &arguments, &mut results) {
        Ok(()) => Ending::Results(results.iter().map(bits).collect()),
        Err(error) => Ending::Trap(error.as_trap_code().map_or(TrapKind::HostError, kind)),
    };
    let value = |name: &str| {
        let global = instance.get_global(&store, name)?;
        Some(bits(&global.get(&store)))
    };
    Some(Run {
        ending: by_meter(ending, value(TRAP).unwrap()),
        gas_used: Some(limits.gas - value(GAS_LEFT).unwrap()),
        depth: value("depth"),
    })
}

fn to_wasmi(value: Value) -> wasmi::Val {
    match value {
        Value::I32(value) => wasmi::Val::I32(value),
        Value::I64(value) => wasmi::Val::I64(value),
        Value::F32(bits) => wasmi::Val::F32(wasmi::F32::from_bits(bits)),
        Value::F64(bits) => wasmi::Val::F64(wasmi::F64::from_bits(bits)),
    }
}

fn bits(value: &wasmi::Val) -> u64 {
    match value {
        wasmi::Val::I32(value) => u64::from(*value as u32),
        wasmi::Val::I64(value) => *value as u64,
        wasmi::Val::F32(value) => u64::from(value.to_bits()),
        wasmi::Val::F64(value) => value.to_bits(),
        other => panic!("outside the language: {other:?}"),
    }
}

fn kind(code: wasmi::TrapCode) -> TrapKind {
    use wasmi::TrapCode;
    match code {
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => TrapKind::TableOutOfBounds,
        TrapCode::IndirectCallToNull => TrapKind::UndefinedElement,
        TrapCode::IntegerDivisionByZero => TrapKind::IntegerDivideByZero,
        TrapCode::IntegerOverflow => TrapKind::IntegerOverflow,
        TrapCode::BadConversionToInteger => TrapKind::InvalidConversionToInteger,
        TrapCode::BadSignature => TrapKind::IndirectCallTypeMismatch,
        TrapCode::StackOverflow => TrapKind::StackOverflow,
        other => panic!("not expected: {other:?}"),
    }
}

/// Runs a call in all three ways; they must agree. `None` if the module cannot be instantiated.
pub fn agree(
    wasm: &[u8],
    export: &str,
    arguments: &[Value],
    limits: &Limits,
) -> Option<(Run, Peaks)> {
    let (run, peaks) = metered(wasm, export, arguments, limits)?;
    let on_ours = instrumented_on_ours(wasm, export, arguments, limits).unwrap();
    assert_eq!(run, on_ours, "our engine, {export}, {limits:?}");
    let on_wasmi = instrumented_on_wasmi(wasm, export, arguments, limits).unwrap();
    assert_eq!(run, on_wasmi, "wasmi, {export}, {limits:?}");
    Some((run, peaks))
}

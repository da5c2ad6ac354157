//! wasmi as an adapter for the protocol of the conformance suite (`conformance/README.md`).
//!
//! wasmi does not count the stack in the suite's units, so this adapter declares no stack limit. The accepted language
//! is limited to what wasmi's configuration supports.
#![forbid(unsafe_code)]

use pvf_adapter_protocol::{Answer, Hello, Number, Question, Step, serve};
use pvf_rules::{Features, PAGE_BYTES, RejectionStage, TrapKind};
use std::io;
use wasmi::{
    Config, Engine, Error, ExternType, Func, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, Val,
};

const FEATURES: [&str; 9] = [
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory",
    "language",
    "memory-limit",
    "nan-bits-at-boundary",
    "limits",
    "large",
];

fn main() -> io::Result<()> {
    let hello = Hello {
        engine: "wasmi",
        version: "2",
        features: FEATURES.to_vec(),
    };
    serve(&hello, io::stdin().lock(), io::stdout().lock(), ask)
}

/// The configuration of wasmi that is closest to the accepted language.
fn config(features: Features) -> Config {
    let mut config = Config::default();
    config
        .wasm_sign_extension(features.sign_extension)
        .wasm_saturating_float_to_int(features.saturating_float_to_int)
        .wasm_multi_value(features.multi_value)
        .wasm_bulk_memory(features.bulk_memory)
        .wasm_reference_types(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config.compilation_mode(wasmi::CompilationMode::Eager);
    config
}

fn ask(question: &Question) -> Result<Answer, String> {
    let wasm = std::fs::read(&question.wasm).map_err(|error| error.to_string())?;
    let engine = Engine::new(&config(question.features));
    let module = match Module::new(&engine, &wasm) {
        Ok(module) => module,
        Err(error) => return Ok(Answer::rejected(RejectionStage::Prepare, error.to_string())),
    };
    let bytes = u64::from(question.parameters.max_memory_pages) * PAGE_BYTES;
    let limits = StoreLimitsBuilder::new()
        .memory_size(bytes as usize)
        .build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    let linked = link(&mut store, &module);
    let instance = match linked.and_then(|it| it.instantiate_and_start(&mut store, &module)) {
        Ok(instance) => instance,
        Err(error) => {
            return Ok(Answer::rejected(
                RejectionStage::Construct,
                error.to_string(),
            ));
        }
    };
    let mut answer = Answer::new();
    for step in &question.steps {
        let Step::Invoke { export, args } = step else {
            return Err("wasmi's adapter only calls exports".to_owned());
        };
        call(&mut store, &instance, export, args, &mut answer)?;
    }
    Ok(answer)
}

/// Defines imported functions that trap, and a memory for an imported one.
fn link(store: &mut Store<StoreLimits>, module: &Module) -> Result<Linker<StoreLimits>, Error> {
    let mut linker = Linker::new(store.engine());
    for import in module.imports() {
        let defined = match import.ty() {
            ExternType::Func(ty) => {
                let missing = Func::new(&mut *store, ty.clone(), |_, _, _| {
                    Err(Error::new("missing function"))
                });
                linker.define(import.module(), import.name(), missing)
            }
            ExternType::Memory(ty) => {
                let memory = Memory::new(&mut *store, *ty)?;
                linker.define(import.module(), import.name(), memory)
            }
            _ => continue,
        };
        // A name that is imported twice is already defined, which is no error.
        let _ = defined;
    }
    Ok(linker)
}

fn call(
    store: &mut Store<StoreLimits>,
    instance: &Instance,
    export: &str,
    args: &[Number],
    answer: &mut Answer,
) -> Result<(), String> {
    let function = instance
        .get_func(&*store, export)
        .ok_or_else(|| format!("no function {export}"))?;
    let args: Vec<Val> = args.iter().map(|it| value(*it)).collect();
    let ty = function.ty(&*store);
    let types = ty.results().iter();
    let mut results: Vec<Val> = types.map(|ty| Val::default_for_ty(*ty)).collect();
    match function.call(&mut *store, &args, &mut results) {
        Ok(()) => {
            let numbers = results.iter().map(number);
            answer.returned(numbers.collect::<Result<Vec<_>, _>>()?);
        }
        Err(error) => answer.invalid(Some(kind(&error)?), error.to_string()),
    }
    Ok(())
}

fn kind(error: &Error) -> Result<TrapKind, String> {
    let Some(code) = error.as_trap_code() else {
        return Ok(TrapKind::HostError);
    };
    Ok(match code {
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => TrapKind::TableOutOfBounds,
        TrapCode::IndirectCallToNull => TrapKind::UndefinedElement,
        TrapCode::IntegerDivisionByZero => TrapKind::IntegerDivideByZero,
        TrapCode::IntegerOverflow => TrapKind::IntegerOverflow,
        TrapCode::BadConversionToInteger => TrapKind::InvalidConversionToInteger,
        TrapCode::StackOverflow => TrapKind::StackOverflow,
        TrapCode::BadSignature => TrapKind::IndirectCallTypeMismatch,
        TrapCode::OutOfFuel => TrapKind::OutOfGas,
        code => return Err(format!("a trap outside of the suite's language: {code}")),
    })
}

fn value(number: Number) -> Val {
    match number {
        Number::I32(value) => Val::I32(value),
        Number::I64(value) => Val::I64(value),
        Number::F32(bits) => Val::F32(wasmi::F32::from_bits(bits)),
        Number::F64(bits) => Val::F64(wasmi::F64::from_bits(bits)),
    }
}

fn number(value: &Val) -> Result<Number, String> {
    Ok(match value {
        Val::I32(value) => Number::I32(*value),
        Val::I64(value) => Number::I64(*value),
        Val::F32(value) => Number::F32(value.to_bits()),
        Val::F64(value) => Number::F64(value.to_bits()),
        other => {
            return Err(format!(
                "a result outside of the suite's language: {other:?}"
            ));
        }
    })
}

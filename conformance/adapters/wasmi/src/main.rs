//! wasmi behind the protocol of the conformance suite (`conformance/README.md`).
//!
//! It counts no stack in the suite's units and knows no limits by count, so it declares neither; the
//! language is what its switches can be set to.
#![forbid(unsafe_code)]

use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use wasmi::{
    Config, Engine, Error, ExternType, Func, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, Val, ValType,
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
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Value>(&line?) {
            Ok(question) if question.get("hello").is_some() => {
                json!({"engine": "wasmi", "version": "2", "features": FEATURES})
            }
            Ok(question) => ask(&question).unwrap_or_else(|failure| json!({"failure": failure})),
            Err(error) => json!({"failure": error.to_string()}),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// The accepted language, as far as it can be set.
fn config(question: &Value) -> Config {
    let on = |name: &str| {
        question["features"]
            .as_array()
            .is_some_and(|list| list.iter().any(|it| it == name))
    };
    let mut config = Config::default();
    config
        .wasm_sign_extension(on("sign-extension"))
        .wasm_saturating_float_to_int(on("saturating-float-to-int"))
        .wasm_multi_value(on("multi-value"))
        .wasm_bulk_memory(on("bulk-memory"))
        .wasm_reference_types(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config.compilation_mode(wasmi::CompilationMode::Eager);
    config
}

fn rejected(stage: &str, error: &Error) -> Value {
    json!({"outcome": "rejected", "stage": stage, "reason": error.to_string()})
}

fn ask(question: &Value) -> Result<Value, String> {
    let path = question["wasm"].as_str().ok_or("wasm is missing")?;
    let wasm = std::fs::read(path).map_err(|error| error.to_string())?;
    let engine = Engine::new(&config(question));
    let module = match Module::new(&engine, &wasm) {
        Ok(module) => module,
        Err(error) => return Ok(rejected("prepare", &error)),
    };
    let pages = question["max_memory_pages"].as_u64().unwrap_or(65_536);
    let limits = StoreLimitsBuilder::new()
        .memory_size(pages as usize * 65_536)
        .build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    let instance = match link(&mut store, &module)
        .and_then(|linker| linker.instantiate_and_start(&mut store, &module))
    {
        Ok(instance) => instance,
        Err(error) => return Ok(rejected("construct", &error)),
    };
    let mut steps = Vec::new();
    let mut last = json!({"outcome": "valid"});
    for step in question["steps"].as_array().into_iter().flatten() {
        last = call(&mut store, &instance, step)?;
        steps.push(last["trap"].clone());
    }
    last["steps"] = steps.into();
    Ok(last)
}

/// Functions that nobody defined trap; an imported memory is the instance's own.
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
        // The same name may be imported twice.
        let _ = defined;
    }
    Ok(linker)
}

fn call(
    store: &mut Store<StoreLimits>,
    instance: &Instance,
    step: &Value,
) -> Result<Value, String> {
    let export = step["invoke"].as_str().ok_or("only calls are known here")?;
    let function = instance
        .get_func(&*store, export)
        .ok_or_else(|| format!("no function {export}"))?;
    let texts = step["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let arguments: Vec<Val> = texts.map(argument).collect::<Result<_, _>>()?;
    let ty = function.ty(&*store);
    let mut results: Vec<Val> = ty
        .results()
        .iter()
        .map(|ty| Val::default_for_ty(*ty))
        .collect();
    debug_assert!(
        ty.results().iter().all(|ty| !matches!(ty, ValType::V128)),
        "outside the language"
    );
    match function.call(&mut *store, &arguments, &mut results) {
        Ok(()) => Ok(
            json!({"outcome": "valid", "result": results.iter().map(show).collect::<Vec<_>>(), "trap": null}),
        ),
        Err(error) => Ok(
            json!({"outcome": "invalid", "result": null, "trap": kind(&error), "reason": error.to_string()}),
        ),
    }
}

fn kind(error: &Error) -> &'static str {
    match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => "unreachable",
        Some(TrapCode::MemoryOutOfBounds) => "memory_out_of_bounds",
        Some(TrapCode::TableOutOfBounds) => "table_out_of_bounds",
        Some(TrapCode::IndirectCallToNull) => "undefined_element",
        Some(TrapCode::IntegerDivisionByZero) => "integer_divide_by_zero",
        Some(TrapCode::IntegerOverflow) => "integer_overflow",
        Some(TrapCode::BadConversionToInteger) => "invalid_conversion_to_integer",
        Some(TrapCode::StackOverflow) => "stack_overflow",
        Some(TrapCode::BadSignature) => "indirect_call_type_mismatch",
        Some(TrapCode::OutOfFuel) => "out_of_gas",
        _ => "host_error",
    }
}

/// `i32:-1`, `i64:5`, floats as bits.
fn argument(text: &str) -> Result<Val, String> {
    let (ty, value) = text.split_once(':').ok_or("an argument is TYPE:VALUE")?;
    let bits = || {
        u64::from_str_radix(value.trim_start_matches("0x"), 16).map_err(|error| error.to_string())
    };
    Ok(match ty {
        "i32" => Val::I32(value.parse().map_err(|_| text)?),
        "i64" => Val::I64(value.parse().map_err(|_| text)?),
        "f32" => Val::F32(wasmi::F32::from_bits(bits()? as u32)),
        "f64" => Val::F64(wasmi::F64::from_bits(bits()?)),
        _ => return Err(format!("no argument: {text}")),
    })
}

fn show(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32:{value}"),
        Val::I64(value) => format!("i64:{value}"),
        Val::F32(value) => format!("f32:0x{:08x}", value.to_bits()),
        Val::F64(value) => format!("f64:0x{:016x}", value.to_bits()),
        other => format!("{other:?}"),
    }
}

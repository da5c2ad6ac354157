//! Wasmtime behind the protocol of the conformance suite (`conformance/README.md`).
//!
//! With `--instrument` modules go through `wasm-instrument` first, as in Polkadot's workers, and its
//! two meters can be asked for; with `--instrument=ours` they go through this repository's instrumenter, and all three
//! can. Without, Wasmtime takes modules as they are.
#![forbid(unsafe_code)]

mod instrument;
mod meters;
mod ours;

use meters::Meters;
use pvf_meter_oracle::{GAS, HostGas};
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use wasmtime::{
    Config, Engine, Error, ExternType, Func, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, Trap, Val,
};

/// Not `large`: a million functions take it longer than a runner waits.
const FEATURES: [&str; 8] = [
    "sign-extension",
    "saturating-float-to-int",
    "multi-value",
    "bulk-memory",
    "language",
    "limits",
    "memory-limit",
    "nan-bits-at-boundary",
];

/// Bytes of stack for Wasm; the thread has more. Pages of it that nothing touches take no memory.
const STACK_BYTES: usize = 512 << 20;

/// What an instance keeps beside its memory.
struct State {
    limits: StoreLimits,
    gas: HostGas,
}

/// What happens to a module before Wasmtime sees it.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    WasmInstrument,
    Ours,
}

impl Before {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "Wasmtime",
            Self::WasmInstrument => "Wasmtime after wasm-instrument 0.4",
            Self::Ours => "Wasmtime after pvf instrument",
        }
    }

    fn meters(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::WasmInstrument => &["stack-logical", "stack-logical-counter", "gas"],
            Self::Ours => &[
                "stack-native",
                "stack-logical",
                "stack-logical-multi-value",
                "gas",
            ],
        }
    }

    /// The module to run and its meters, or why it is turned down.
    fn rewrite(self, wasm: Vec<u8>, question: &Value) -> Result<(Vec<u8>, Meters), String> {
        match self {
            Self::Nothing => Ok((wasm, Meters::None)),
            Self::WasmInstrument => instrument::instrument(wasm, question),
            Self::Ours => ours::instrument(&wasm, question),
        }
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let before = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Before::Nothing,
        ["--instrument"] => Before::WasmInstrument,
        ["--instrument=ours"] => Before::Ours,
        _ => {
            return Err(io::Error::other(format!(
                "usage: [--instrument[=ours]], not {arguments:?}"
            )));
        }
    };
    let work = std::thread::Builder::new()
        .stack_size(STACK_BYTES + (16 << 20))
        .spawn(move || serve(before))?;
    work.join()
        .unwrap_or_else(|_| Err(io::Error::other("the adapter panicked")))
}

fn serve(before: Before) -> io::Result<()> {
    let mut answers = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str::<Value>(&line?) {
            Ok(question) if question.get("hello").is_some() => hello(before),
            Ok(question) => {
                ask(&question, before).unwrap_or_else(|failure| json!({"failure": failure}))
            }
            Err(error) => json!({"failure": error.to_string()}),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn hello(before: Before) -> Value {
    let features = [&FEATURES[..], before.meters()].concat();
    json!({"engine": before.name(), "version": "48.0.8", "features": features})
}

/// Polkadot's configuration, with the language of the question as far as it can be set.
fn config(question: &Value) -> Config {
    let on = |name: &str| {
        question["features"]
            .as_array()
            .is_some_and(|list| list.iter().any(|it| it == name))
    };
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .wasm_multi_value(on("multi-value"))
        .wasm_bulk_memory(on("bulk-memory"))
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_extended_const(false);
    config
}

fn rejected(stage: &str, reason: &str) -> Value {
    json!({"outcome": "rejected", "stage": stage, "reason": reason})
}

fn ask(question: &Value, before: Before) -> Result<Value, String> {
    let path = question["wasm"].as_str().ok_or("wasm is missing")?;
    let wasm = std::fs::read(path).map_err(|error| error.to_string())?;
    let (wasm, meters) = match before.rewrite(wasm, question) {
        Ok(rewritten) => rewritten,
        Err(reason) => return Ok(rejected("prepare", &reason)),
    };
    let engine = Engine::new(&config(question)).map_err(|error| error.to_string())?;
    let module = match Module::from_binary(&engine, &wasm) {
        Ok(module) => module,
        Err(error) => return Ok(rejected("prepare", &format!("{error:#}"))),
    };
    let pages = question["max_memory_pages"].as_u64().unwrap_or(65_536);
    let state = State {
        limits: StoreLimitsBuilder::new()
            .memory_size(pages as usize * 65_536)
            .build(),
        gas: HostGas::new(question["gas_limit"].as_u64().unwrap_or(u64::MAX)),
    };
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limits);
    let instance = match link(&mut store, &module)
        .and_then(|linker| linker.instantiate(&mut store, &module))
    {
        Ok(instance) => instance,
        Err(error) => return Ok(rejected("construct", &format!("{error:#}"))),
    };
    let mut steps = Vec::new();
    let mut last = json!({"outcome": "valid"});
    for step in question["steps"].as_array().into_iter().flatten() {
        meters.begin_call(&mut store, &instance);
        last = call(&mut store, &instance, step, &meters)?;
        steps.push(last["trap"].clone());
    }
    last["steps"] = steps.into();
    last["gas_used"] = meters.gas_used(&mut store, &instance).into();
    Ok(last)
}

/// Functions that nobody defined trap; an imported memory is the instance's own.
fn link(store: &mut Store<State>, module: &Module) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
    for import in module.imports() {
        match import.ty() {
            ExternType::Func(_) if (import.module(), import.name()) == GAS => {
                linker.func_wrap(
                    GAS.0,
                    GAS.1,
                    |mut caller: wasmtime::Caller<'_, State>, amount: u64| {
                        let charged = caller.data_mut().gas.charge(amount);
                        charged.ok_or_else(|| Error::msg("out of gas"))
                    },
                )?;
            }
            ExternType::Func(ty) => {
                let missing = Func::new(&mut *store, ty, |_, _, _| {
                    Err(Error::msg("missing function"))
                });
                linker.define(&mut *store, import.module(), import.name(), missing)?;
            }
            ExternType::Memory(ty) => {
                let memory = Memory::new(&mut *store, ty)?;
                linker.define(&mut *store, import.module(), import.name(), memory)?;
            }
            _ => {}
        }
    }
    Ok(linker)
}

fn call(
    store: &mut Store<State>,
    instance: &Instance,
    step: &Value,
    meters: &Meters,
) -> Result<Value, String> {
    let export = step["invoke"].as_str().ok_or("only calls are known here")?;
    let function = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| format!("no function {export}"))?;
    let texts = step["args"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let arguments: Vec<Val> = texts.map(argument).collect::<Result<_, _>>()?;
    let count = function.ty(&*store).results().len();
    let mut results = vec![Val::I32(0); count];
    let error = match function.call(&mut *store, &arguments, &mut results) {
        Ok(()) => {
            let results: Vec<String> = results.iter().map(show).collect();
            return Ok(json!({"outcome": "valid", "result": results, "trap": null}));
        }
        Err(error) => error,
    };
    let by_meter = meters.trap(store, instance);
    let kind = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => by_meter.unwrap_or("unreachable"),
        Some(trap) => kind(*trap),
        None if store.data().gas.exhausted => "out_of_gas",
        None => "host_error",
    };
    Ok(json!({"outcome": "invalid", "result": null, "trap": kind, "reason": format!("{error:#}")}))
}

fn kind(trap: Trap) -> &'static str {
    match trap {
        Trap::UnreachableCodeReached => "unreachable",
        Trap::StackOverflow => "stack_overflow",
        Trap::MemoryOutOfBounds => "memory_out_of_bounds",
        Trap::TableOutOfBounds => "table_out_of_bounds",
        Trap::BadSignature => "indirect_call_type_mismatch",
        Trap::IndirectCallToNull => "undefined_element",
        Trap::IntegerDivisionByZero => "integer_divide_by_zero",
        Trap::IntegerOverflow => "integer_overflow",
        Trap::BadConversionToInteger => "invalid_conversion_to_integer",
        _ => "another",
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
        "f32" => Val::F32(bits()? as u32),
        "f64" => Val::F64(bits()?),
        _ => return Err(format!("no argument: {text}")),
    })
}

fn show(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32:{value}"),
        Val::I64(value) => format!("i64:{value}"),
        Val::F32(bits) => format!("f32:0x{bits:08x}"),
        Val::F64(bits) => format!("f64:0x{bits:016x}"),
        other => format!("{other:?}"),
    }
}

//! Wasmtime as an adapter for the protocol of the conformance suite (`conformance/README.md`).
//!
//! - Without an argument, modules run unchanged.
//! - With `--instrument`, `wasm-instrument` adds its two meters first, as in Polkadot's workers, and the adapter
//!   validates candidates. `pvf arbitrate --against wasmtime` uses this mode.
//! - With `--instrument=ours`, this repository's instrumenter adds all three meters.
#![forbid(unsafe_code)]

mod candidate;
mod instrument;
mod meters;

use meters::Meters;
use pvf_adapter_protocol::{Answer, Hello, Number, Question, Step, serve};
use pvf_meter_oracle::{GAS, HostGas};
use pvf_rules::{Features, PAGE_BYTES, RejectionStage, TrapKind};
use pvf_wasmtime::trap_kind;
use std::io::{self, BufReader};
use wasmtime::{
    Config, Engine, Error, ExternType, Func, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, Trap, Val,
};

/// The features of Wasmtime without meters. `large` is missing: compiling a million functions exceeds the runner's time
/// limit.
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

/// Bytes of stack for Wasm. The thread's stack is larger. Untouched pages use no memory.
const STACK_BYTES: usize = 512 << 20;

/// The state of an instance besides its memory.
struct State {
    limits: StoreLimits,
    gas: HostGas,
}

/// How a module is rewritten before Wasmtime compiles it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    WasmInstrument,
    Ours,
}

impl Before {
    fn engine(self) -> &'static str {
        match self {
            Self::Nothing => "Wasmtime",
            Self::WasmInstrument => "Wasmtime after wasm-instrument 0.4",
            Self::Ours => "Wasmtime after pvf instrument",
        }
    }

    /// The features beyond [`FEATURES`].
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::WasmInstrument => &[
                "stack-logical",
                "stack-logical-counter",
                "gas",
                "pvf",
                "host-functions",
            ],
            Self::Ours => &[
                "stack-native",
                "stack-logical",
                "stack-logical-multi-value",
                "gas",
            ],
        }
    }

    /// The module to run and its meters, or the answer that rejects it.
    fn rewrite(self, wasm: Vec<u8>, question: &Question) -> Result<(Vec<u8>, Meters), String> {
        match self {
            Self::Nothing => Ok((wasm, Meters::None)),
            Self::WasmInstrument => instrument::wasm_instrument(wasm, question),
            Self::Ours => instrument::ours(&wasm, question),
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
    // Host functions panic by design; the panic becomes a trap.
    std::panic::set_hook(Box::new(|_| {}));
    let hello = Hello {
        engine: before.engine(),
        version: "48.0.8",
        features: [&FEATURES[..], before.features()].concat(),
    };
    let work: io::Result<_> = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES + (16 << 20))
            .spawn_scoped(scope, || {
                let questions = BufReader::new(io::stdin());
                serve(&hello, questions, io::stdout().lock(), |question| {
                    ask(question, before)
                })
            })?;
        Ok(thread.join())
    });
    work?.unwrap_or_else(|_| Err(io::Error::other("the adapter panicked")))
}

/// Polkadot's configuration with the question's language, where Wasmtime has a switch for it.
fn config(features: Features) -> Config {
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(true)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .wasm_multi_value(features.multi_value)
        .wasm_bulk_memory(features.bulk_memory)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_extended_const(false);
    config
}

fn ask(question: &Question, before: Before) -> Result<Answer, String> {
    let wasm = std::fs::read(&question.wasm).map_err(|error| error.to_string())?;
    match question.validates() {
        true if before == Before::WasmInstrument => candidates(&wasm, question),
        true => Err("only --instrument has Polkadot's host functions".to_owned()),
        false => calls(wasm, question, before),
    }
}

/// Validates the candidates of a question.
fn candidates(wasm: &[u8], question: &Question) -> Result<Answer, String> {
    let prepared = match candidate::prepare(wasm, question) {
        Ok(prepared) => prepared,
        Err(rejected) => return Ok(*rejected),
    };
    let mut answer = Answer::new();
    for step in &question.steps {
        let Step::Validate(candidate) = step else {
            return Err("a question either validates candidates or calls exports".to_owned());
        };
        candidate::validate(&prepared, question, candidate, &mut answer)?;
    }
    Ok(answer)
}

/// Calls exports, all in one instance.
fn calls(wasm: Vec<u8>, question: &Question, before: Before) -> Result<Answer, String> {
    let rejected = |stage, reason: String| Ok(Answer::rejected(stage, reason));
    let (wasm, meters) = match before.rewrite(wasm, question) {
        Ok(rewritten) => rewritten,
        Err(reason) => return rejected(RejectionStage::Prepare, reason),
    };
    let engine = Engine::new(&config(question.features)).map_err(|error| error.to_string())?;
    let module = match Module::from_binary(&engine, &wasm) {
        Ok(module) => module,
        Err(error) => return rejected(RejectionStage::Prepare, format!("{error:#}")),
    };
    let bytes = u64::from(question.parameters.max_memory_pages) * PAGE_BYTES;
    let state = State {
        limits: StoreLimitsBuilder::new()
            .memory_size(bytes as usize)
            .build(),
        gas: HostGas::new(question.parameters.gas_limit.unwrap_or(u64::MAX)),
    };
    let mut store = Store::new(&engine, state);
    store.limiter(|state| &mut state.limits);
    let linked = link(&mut store, &module);
    let instance = match linked.and_then(|linker| linker.instantiate(&mut store, &module)) {
        Ok(instance) => instance,
        Err(error) => return rejected(RejectionStage::Construct, format!("{error:#}")),
    };
    let mut answer = Answer::new();
    for step in &question.steps {
        let Step::Invoke { export, args } = step else {
            return Err("Wasmtime's adapter makes no artifacts".to_owned());
        };
        meters.begin_call(&mut store, &instance);
        call(&mut store, &instance, export, args, &meters, &mut answer)?;
    }
    answer.gas_used = meters.gas_used(&mut store, &instance);
    Ok(answer)
}

/// Defines imported functions that trap, and a memory for an imported one.
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
    export: &str,
    args: &[Number],
    meters: &Meters,
    answer: &mut Answer,
) -> Result<(), String> {
    let function = instance
        .get_func(&mut *store, export)
        .ok_or_else(|| format!("no function {export}"))?;
    let args: Vec<Val> = args.iter().map(|it| value(*it)).collect();
    let count = function.ty(&*store).results().len();
    let mut results = vec![Val::I32(0); count];
    let error = match function.call(&mut *store, &args, &mut results) {
        Ok(()) => {
            let numbers = results.iter().map(number);
            answer.returned(numbers.collect::<Result<Vec<_>, _>>()?);
            return Ok(());
        }
        Err(error) => error,
    };
    let kind = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => meters
            .trap(store, instance)
            .unwrap_or(TrapKind::Unreachable),
        Some(trap) => trap_kind(*trap)
            .ok_or_else(|| format!("a trap outside of the suite's language: {trap}"))?,
        None if store.data().gas.exhausted => TrapKind::OutOfGas,
        None => TrapKind::HostError,
    };
    answer.invalid(Some(kind), format!("{error:#}"));
    Ok(())
}

fn value(number: Number) -> Val {
    match number {
        Number::I32(value) => Val::I32(value),
        Number::I64(value) => Val::I64(value),
        Number::F32(bits) => Val::F32(bits),
        Number::F64(bits) => Val::F64(bits),
    }
}

fn number(value: &Val) -> Result<Number, String> {
    Ok(match value {
        Val::I32(value) => Number::I32(*value),
        Val::I64(value) => Number::I64(*value),
        Val::F32(bits) => Number::F32(*bits),
        Val::F64(bits) => Number::F64(*bits),
        other => {
            return Err(format!(
                "a result outside of the suite's language: {other:?}"
            ));
        }
    })
}

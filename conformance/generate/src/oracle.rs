//! The oracle of gas and of the logical limit: `wasm-instrument` 0.4 rewrites modules, wasmi runs them.

use pvf_meter_oracle::{GAS, Meters, OracleError, instrument};
use pvf_metering::Schedule;
use wasmi::{Caller, Engine, Func, Instance, Linker, Module, Store, TrapCode, Val};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// The call returned these values.
    Returned(Vec<String>),
    /// The call trapped with this kind.
    Trapped(String),
}

/// The gas that a call of `f` uses without a limit, and its ending.
pub fn gas(wasm: &[u8], instruction: u32, page: u32, local: u32, arguments: &[i32]) -> (u64, Run) {
    let schedule = Schedule {
        default: instruction,
        per_local: local,
        memory_grow_per_page: page,
        ..Schedule::default()
    };
    let costs = schedule.costs().expect("it names no instruction");
    let meters = Meters {
        gas: Some(&costs),
        ..Meters::default()
    };
    let wasm = instrument(wasm, &meters).expect("the oracle reads WebAssembly 1.0");
    let mut store = Store::new(&Engine::default(), 0_u64);
    let run = call(&mut store, &wasm, arguments);
    (*store.data(), run)
}

/// Whether a call of `run` stays within a logical limit; false if the module cannot be instrumented.
pub fn fits(wasm: &[u8], limit: u32, depth: i32) -> bool {
    let meters = Meters {
        stack_logical_max: Some(limit),
        ..Meters::default()
    };
    let wasm = match instrument(wasm, &meters) {
        Ok(wasm) => wasm,
        Err(OracleError::Stack(_)) => return false,
        Err(error) => unreachable!("the oracle reads WebAssembly 1.0: {error}"),
    };
    let mut config = wasmi::Config::default();
    config.set_max_recursion_depth(1 << 20);
    config.set_max_stack_height(1 << 30);
    let mut store = Store::new(&Engine::new(&config), 0_u64);
    match named(&mut store, &wasm, "run", &[depth]) {
        Run::Returned(_) => true,
        Run::Trapped(kind) => {
            assert_eq!(kind, "unreachable", "the limiter's trap");
            false
        }
    }
}

/// The endings of consecutive calls of exports in one instance of a module with this logical limit.
pub fn runs(wasm: &[u8], limit: u32, calls: &[(String, Vec<i32>)]) -> Vec<Run> {
    let meters = Meters {
        stack_logical_max: Some(limit),
        ..Meters::default()
    };
    let wasm = instrument(wasm, &meters).expect("oracle programs have costs");
    let mut store = Store::new(&Engine::default(), 0_u64);
    let instance = instantiate(&mut store, &wasm);
    calls
        .iter()
        .map(|(export, arguments)| invoke(&mut store, instance, export, arguments))
        .collect()
}

fn call(store: &mut Store<u64>, wasm: &[u8], arguments: &[i32]) -> Run {
    named(store, wasm, "f", arguments)
}

fn named(store: &mut Store<u64>, wasm: &[u8], export: &str, arguments: &[i32]) -> Run {
    let instance = instantiate(store, wasm);
    invoke(store, instance, export, arguments)
}

fn instantiate(store: &mut Store<u64>, wasm: &[u8]) -> Instance {
    let module = Module::new(store.engine(), wasm).expect("what was instrumented is valid");
    let mut linker = Linker::new(store.engine());
    let charge = Func::wrap(&mut *store, |mut caller: Caller<'_, u64>, amount: i64| {
        *caller.data_mut() += amount as u64
    });
    let never = Func::wrap(&mut *store, |_: i32, _: i32, _: i32, _: i32| {});
    linker.define(GAS.0, GAS.1, charge).expect("defined once");
    linker.define("host", "never", never).expect("defined once");
    linker
        .instantiate_and_start(store, &module)
        .expect("oracle programs start")
}

fn invoke(store: &mut Store<u64>, instance: Instance, export: &str, arguments: &[i32]) -> Run {
    let function = instance
        .get_func(&*store, export)
        .expect("the export is there");
    let arguments: Vec<Val> = arguments.iter().map(|&value| Val::I32(value)).collect();
    let count = function.ty(&*store).results().len();
    let mut results = vec![Val::I32(0); count];
    match function.call(&mut *store, &arguments, &mut results) {
        Ok(()) => Run::Returned(
            results
                .iter()
                .map(|value| match value {
                    Val::I32(value) => crate::suite::i32(*value),
                    Val::I64(value) => crate::suite::i64(*value),
                    other => unreachable!("oracle programs return integers, not {other:?}"),
                })
                .collect(),
        ),
        Err(error) => Run::Trapped(
            match error.as_trap_code() {
                Some(TrapCode::UnreachableCodeReached) => "unreachable",
                Some(TrapCode::MemoryOutOfBounds) => "memory_out_of_bounds",
                Some(TrapCode::IntegerDivisionByZero) => "integer_divide_by_zero",
                other => unreachable!("oracle programs do not trap by {other:?}: {error}"),
            }
            .to_owned(),
        ),
    }
}

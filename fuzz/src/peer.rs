//! Runs a plan in Wasmtime on a module that meters itself.

use crate::guest::{self, Called, Guest, Host, MAX_MEMORY_BYTES};
use crate::instrumented::{GAS, Globals, Instrumented, Meters};
use crate::observe::{Bits, Ending, Limits, Observation, Plan, Step, global_value, hash_memory};
use wasmparser::ValType;
use wasmtime::{
    Caller, Engine, Extern, ExternType, Func, Global, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, Table, Trap, Val, format_err,
};

/// Wasmtime, configured as in the benchmarks.
pub struct Peer(Engine);

/// A compiled module.
pub struct Compiled {
    module: Module,
    meters: Meters,
}

struct State {
    host: Host,
    memory: StoreLimits,
}

impl Peer {
    /// A peer, whose engine serves any number of modules.
    pub fn new() -> wasmtime::Result<Self> {
        Ok(Self(pvf_wasmtime::engine()?))
    }

    /// Compiles.
    pub fn compile(&self, module: &Instrumented) -> wasmtime::Result<Compiled> {
        Ok(Compiled {
            module: Module::new(&self.0, &module.wasm)?,
            meters: module.meters,
        })
    }

    /// Runs one step of a plan in a fresh instance. Returns one observation per call, or a single one if the module
    /// cannot be instantiated.
    pub fn run(
        &self,
        compiled: &Compiled,
        plan: &Plan,
        step: &Step,
        limits: Limits,
    ) -> Result<Vec<Observation>, String> {
        let state = State {
            host: Host::new(limits),
            memory: StoreLimitsBuilder::new()
                .memory_size(MAX_MEMORY_BYTES)
                .build(),
        };
        let mut store = Store::new(&self.0, state);
        store.limiter(|state| &mut state.memory);
        let module = &compiled.module;
        let imports = imports(&mut store, module);
        let instance =
            imports.and_then(|imports| wasmtime::Instance::new(&mut store, module, &imports));
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                let ending = match error.downcast_ref::<Trap>() {
                    Some(&trap) => Ending::Trapped(kind(trap).map_err(text)?),
                    None => Ending::NotInstantiated,
                };
                return Ok(vec![Observation::without_instance(ending)]);
            }
        };
        let mut instance = Instance { store, instance };
        guest::run(&mut instance, compiled.meters, plan, step, limits)
    }
}

fn text(error: wasmtime::Error) -> String {
    format!("{error:#}")
}

struct Instance {
    store: Store<State>,
    instance: wasmtime::Instance,
}

impl Guest for Instance {
    type Function = Func;

    fn function(&mut self, name: &str) -> Option<Func> {
        self.instance.get_func(&mut self.store, name)
    }

    fn call(
        &mut self,
        function: Func,
        arguments: &[(ValType, Bits)],
        results: usize,
    ) -> Result<Called, String> {
        let arguments: Vec<Val> = arguments.iter().map(|&(ty, bits)| val(ty, bits)).collect();
        let mut results = vec![Val::I32(0); results];
        let error = match function.call(&mut self.store, &arguments, &mut results) {
            Ok(()) => return Ok(Called::Returned(results.iter().map(bits).collect())),
            Err(error) => error,
        };
        Ok(match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Called::NativeStack,
            Some(&trap) => Called::Trapped(Some(kind(trap).map_err(text)?)),
            None => Called::Trapped(None),
        })
    }

    fn memory(&mut self, name: &str) -> Option<(u32, u64)> {
        let memory = self.instance.get_memory(&mut self.store, name)?;
        let pages = memory.size(&self.store) as u32;
        Some((pages, hash_memory(memory.data(&self.store))))
    }

    fn host(&mut self) -> &mut Host {
        &mut self.store.data_mut().host
    }
}

impl Globals for Instance {
    fn get(&mut self, name: &str) -> Option<Bits> {
        let global = self.instance.get_global(&mut self.store, name)?;
        Some(bits(&global.get(&mut self.store)))
    }

    fn set(&mut self, name: &str, bits: Bits) -> Result<(), String> {
        let global = self
            .instance
            .get_global(&mut self.store, name)
            .ok_or_else(|| format!("no global {name:?}"))?;
        let ty = number_type(global.ty(&self.store).content());
        global
            .set(&mut self.store, val(ty, bits))
            .map_err(|error| error.to_string())
    }
}

fn kind(trap: Trap) -> wasmtime::Result<pvf_rules::TrapKind> {
    pvf_wasmtime::trap_kind(trap).ok_or_else(|| format_err!("a trap outside the language: {trap}"))
}

/// Defines every import: the gas counter, functions according to [`Host::functions`], globals with values that follow
/// from their index, a memory and a table of the minimum size.
fn imports(store: &mut Store<State>, module: &Module) -> wasmtime::Result<Vec<Extern>> {
    let mut functions = 0;
    let mut globals = 0;
    let mut externs = Vec::new();
    for import in module.imports() {
        externs.push(match import.ty() {
            ExternType::Func(_) if (import.module(), import.name()) == GAS => {
                Func::wrap(&mut *store, |mut caller: Caller<'_, State>, amount: u64| {
                    let charged = caller.data_mut().host.gas.charge(amount);
                    charged.ok_or_else(|| format_err!("out of gas"))
                })
                .into()
            }
            ExternType::Func(ty) => {
                let index = functions;
                functions += 1;
                let types: Vec<ValType> = ty.results().map(|ty| number_type(&ty)).collect();
                Func::new(&mut *store, ty, move |mut caller, arguments, results| {
                    let arguments: Vec<Bits> = arguments.iter().map(bits).collect();
                    let host = &mut caller.data_mut().host.functions;
                    let values = host
                        .call(index, &arguments, &types)
                        .ok_or_else(|| format_err!("host function {index} failed"))?;
                    for ((result, bits), &ty) in results.iter_mut().zip(values).zip(&types) {
                        *result = val(ty, bits);
                    }
                    Ok(())
                })
                .into()
            }
            ExternType::Global(ty) => {
                let kind = number_type(ty.content());
                let value = val(kind, global_value(globals, kind));
                globals += 1;
                Global::new(&mut *store, ty, value)?.into()
            }
            ExternType::Memory(ty) => Memory::new(&mut *store, ty)?.into(),
            ExternType::Table(ty) => Table::new(&mut *store, ty, wasmtime::Ref::Func(None))?.into(),
            other => return Err(format_err!("an import outside the language: {other:?}")),
        });
    }
    Ok(externs)
}

fn number_type(ty: &wasmtime::ValType) -> ValType {
    match ty {
        wasmtime::ValType::I32 => ValType::I32,
        wasmtime::ValType::I64 => ValType::I64,
        wasmtime::ValType::F32 => ValType::F32,
        wasmtime::ValType::F64 => ValType::F64,
        other => unreachable!("{other} is outside the language the module was checked against"),
    }
}

fn val(ty: ValType, bits: Bits) -> Val {
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        _ => Val::F64(bits),
    }
}

fn bits(val: &Val) -> Bits {
    match *val {
        Val::I32(value) => u64::from(value as u32),
        Val::I64(value) => value as u64,
        Val::F32(bits) => u64::from(bits),
        Val::F64(bits) => bits,
        _ => unreachable!("references are outside the language"),
    }
}

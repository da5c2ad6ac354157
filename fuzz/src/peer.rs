//! A plan in Wasmtime.

use crate::observe::{
    Bits, Ending, HostFunctions, MAX_MEMORY_PAGES, Observation, Plan, Step, global_value,
    hash_memory,
};
use wasmparser::ValType;
use wasmtime::{
    Engine, Extern, ExternType, Func, Global, Instance, Memory, Module, Mutability, Store,
    StoreLimits, StoreLimitsBuilder, Table, Val, format_err,
};

/// Wasmtime, configured as the yardstick.
pub struct Peer {
    engine: Engine,
    fuelled: Engine,
}

/// What a run gets that might not end.
const FUEL: u64 = 3_000_000;

struct State {
    host: HostFunctions,
    limits: StoreLimits,
}

impl Peer {
    /// One engine serves any number of modules.
    pub fn new() -> wasmtime::Result<Self> {
        Ok(Self {
            engine: pvf_peer::engine()?,
            fuelled: Engine::new(pvf_peer::config().consume_fuel(true))?,
        })
    }

    /// Compiles, with fuel or without.
    pub fn compile(&self, wasm: &[u8], fuel: bool) -> wasmtime::Result<Module> {
        Module::new(if fuel { &self.fuelled } else { &self.engine }, wasm)
    }

    /// Runs one step of a plan in a fresh instance; one observation per call, or
    /// one in all if it cannot be instantiated. `fuel` as it was compiled.
    pub fn run(
        &self,
        module: &Module,
        plan: &Plan,
        step: &Step,
        fuel: bool,
    ) -> wasmtime::Result<Vec<Observation>> {
        let state = State {
            host: HostFunctions::default(),
            limits: StoreLimitsBuilder::new()
                .memory_size(MAX_MEMORY_PAGES as usize * 65_536)
                .build(),
        };
        let mut store = Store::new(module.engine(), state);
        if fuel {
            store.set_fuel(FUEL)?;
        }
        store.limiter(|state| &mut state.limits);
        let imports = imports(&mut store, module);
        let instance = match imports.and_then(|imports| Instance::new(&mut store, module, &imports))
        {
            Ok(instance) => instance,
            Err(error) => {
                let ending = match error.downcast_ref::<wasmtime::Trap>() {
                    Some(_) => trapped(&error)?,
                    None => Ending::NotInstantiated,
                };
                return Ok(vec![Observation {
                    ending,
                    memory: None,
                    globals: Vec::new(),
                    host_calls: 0,
                }]);
            }
        };
        let function = instance
            .get_func(&mut store, &step.function)
            .ok_or_else(|| format_err!("no export {:?}", step.function))?;
        let mut observations = Vec::new();
        for arguments in &step.calls {
            let arguments: Vec<Val> = arguments
                .iter()
                .zip(&step.parameters)
                .map(|(&bits, &ty)| val(ty, bits))
                .collect();
            let mut results = vec![Val::I32(0); step.results.len()];
            let ending = match function.call(&mut store, &arguments, &mut results) {
                Ok(()) => Ending::Returned(results.iter().map(bits).collect()),
                Err(error) => trapped(&error)?,
            };
            observations.push(observe(&mut store, &instance, plan, ending)?);
        }
        Ok(observations)
    }
}

fn observe(
    store: &mut Store<State>,
    instance: &Instance,
    plan: &Plan,
    ending: Ending,
) -> wasmtime::Result<Observation> {
    let memory = plan.memory.as_ref().and_then(|name| {
        let memory = instance.get_memory(&mut *store, name)?;
        Some((
            memory.size(&*store) as u32,
            hash_memory(memory.data(&*store)),
        ))
    });
    let mut globals = Vec::new();
    for name in &plan.globals {
        let global = instance
            .get_global(&mut *store, name)
            .ok_or_else(|| format_err!("no global {name:?}"))?;
        globals.push(bits(&global.get(&mut *store)));
    }
    Ok(Observation {
        ending,
        memory,
        globals,
        host_calls: store.data().host.trace(),
    })
}

fn trapped(error: &wasmtime::Error) -> wasmtime::Result<Ending> {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(trap) => pvf_peer::trap_kind(*trap)
            .map(Ending::Trapped)
            .ok_or_else(|| format_err!("a trap outside the language: {trap}")),
        None => Ok(Ending::Trapped(pvf_spec::TrapKind::HostError)),
    }
}

/// Something for every import: functions as [`HostFunctions`] says, globals with
/// numbers that follow from their index, a memory and a table of the least size.
fn imports(store: &mut Store<State>, module: &Module) -> wasmtime::Result<Vec<Extern>> {
    let mut functions = 0;
    let mut globals = 0;
    let mut externs = Vec::new();
    for import in module.imports() {
        externs.push(match import.ty() {
            ExternType::Func(ty) => {
                let index = functions;
                functions += 1;
                let types: Vec<ValType> = ty.results().map(|ty| number_type(&ty)).collect();
                Func::new(&mut *store, ty, move |mut caller, arguments, results| {
                    let arguments: Vec<Bits> = arguments.iter().map(bits).collect();
                    let host = &mut caller.data_mut().host;
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
                debug_assert!(matches!(
                    ty.mutability(),
                    Mutability::Const | Mutability::Var
                ));
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

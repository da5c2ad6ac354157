//! Runs a plan in wasmi on a module that meters itself.

use crate::guest::{self, Called, Guest, Host, MAX_MEMORY_BYTES};
use crate::instrumented::{GAS, Globals, Instrumented, Meters};
use crate::keep_apart::selects_kept_apart;
use crate::observe::{Bits, Ending, Limits, Observation, Plan, Step, global_value, hash_memory};
use pvf_rules::TrapKind;
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    Caller, CompilationMode, Config, Engine, Error, Extern, ExternType, Func, Global, Memory,
    Module, Store, StoreLimits, StoreLimitsBuilder, Table, TrapCode, Val,
};
use wasmparser::ValType;

/// Bytes of wasmi's own stack, and the number of calls on it. Both exceed everything that the limits of the rules
/// allow.
const STACK_BYTES: usize = 64 << 20;
const MOST_CALLS: usize = 1 << 20;

/// wasmi with canonical NaNs (its feature `deterministic`).
pub struct Interpreter(Config);

/// A compiled module.
pub struct Compiled {
    module: Module,
    meters: Meters,
}

struct State {
    host: Host,
    memory: StoreLimits,
}

impl Default for Interpreter {
    /// The configuration of the oracle.
    fn default() -> Self {
        let mut config = Config::default();
        config
            // Eager mode reports functions that wasmi cannot translate before any function runs.
            .compilation_mode(CompilationMode::Eager)
            .set_max_recursion_depth(MOST_CALLS)
            .set_max_stack_height(STACK_BYTES);
        Self(config)
    }
}

impl Interpreter {
    /// Compiles in an engine of its own, because an engine keeps the code of all its modules.
    pub fn compile(&self, module: &Instrumented) -> Result<Compiled, Error> {
        let wasm = selects_kept_apart(&module.wasm).map_err(Error::new)?;
        Ok(Compiled {
            module: Module::new(&Engine::new(&self.0), &wasm)?,
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
        let mut store = Store::new(compiled.module.engine(), state);
        store.limiter(|state| &mut state.memory);
        let module = &compiled.module;
        let imports = imports(&mut store, module);
        let instance =
            imports.and_then(|imports| wasmi::Instance::new(&mut store, module, &imports));
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => {
                let ending = match (error.as_trap_code(), error.kind()) {
                    (Some(code), _) => Ending::Trapped(kind(code)?),
                    (
                        None,
                        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit {
                            ..
                        }),
                    ) => Ending::Trapped(TrapKind::TableOutOfBounds),
                    _ => Ending::NotInstantiated,
                };
                return Ok(vec![Observation::without_instance(ending)]);
            }
        };
        let mut instance = Instance { store, instance };
        guest::run(&mut instance, compiled.meters, plan, step, limits)
    }
}

struct Instance {
    store: Store<State>,
    instance: wasmi::Instance,
}

impl Guest for Instance {
    type Function = Func;

    fn function(&mut self, name: &str) -> Option<Func> {
        self.instance.get_func(&self.store, name)
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
        Ok(match (error.as_trap_code(), error.kind()) {
            (Some(TrapCode::StackOverflow), _) => Called::NativeStack,
            (Some(code), _) => Called::Trapped(Some(kind(code)?)),
            // A host function of `imports` fails with a message.
            (None, ErrorKind::Message(_)) => Called::Trapped(None),
            _ => return Err(error.to_string()),
        })
    }

    fn memory(&mut self, name: &str) -> Option<(u32, u64)> {
        let memory = self.instance.get_memory(&self.store, name)?;
        let pages = memory.size(&self.store) as u32;
        Some((pages, hash_memory(memory.data(&self.store))))
    }

    fn host(&mut self) -> &mut Host {
        &mut self.store.data_mut().host
    }
}

impl Globals for Instance {
    fn get(&mut self, name: &str) -> Option<Bits> {
        let global = self.instance.get_global(&self.store, name)?;
        Some(bits(&global.get(&self.store)))
    }

    fn set(&mut self, name: &str, bits: Bits) -> Result<(), String> {
        let global = self
            .instance
            .get_global(&self.store, name)
            .ok_or_else(|| format!("no global {name:?}"))?;
        let ty = number_type(&global.ty(&self.store).content());
        global
            .set(&mut self.store, val(ty, bits))
            .map_err(|error| error.to_string())
    }
}

fn kind(code: TrapCode) -> Result<TrapKind, String> {
    Ok(match code {
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => TrapKind::TableOutOfBounds,
        TrapCode::IndirectCallToNull => TrapKind::UndefinedElement,
        TrapCode::IntegerDivisionByZero => TrapKind::IntegerDivideByZero,
        TrapCode::IntegerOverflow => TrapKind::IntegerOverflow,
        TrapCode::BadConversionToInteger => TrapKind::InvalidConversionToInteger,
        TrapCode::BadSignature => TrapKind::IndirectCallTypeMismatch,
        other => return Err(format!("a trap outside of the language: {other:?}")),
    })
}

/// Defines every import: the gas counter, functions according to [`Host::functions`], globals with values that follow
/// from their index, a memory and a table of the minimum size.
fn imports(store: &mut Store<State>, module: &Module) -> Result<Vec<Extern>, Error> {
    let mut functions = 0;
    let mut globals = 0;
    let mut externs = Vec::new();
    for import in module.imports() {
        externs.push(match import.ty() {
            ExternType::Func(_) if (import.module(), import.name()) == GAS => {
                Func::wrap(&mut *store, |mut caller: Caller<'_, State>, amount: u64| {
                    let charged = caller.data_mut().host.gas.charge(amount);
                    charged.ok_or_else(|| Error::new("out of gas"))
                })
                .into()
            }
            ExternType::Func(ty) => {
                let index = functions;
                functions += 1;
                let types: Vec<ValType> = ty.results().iter().map(number_type).collect();
                Func::new(
                    &mut *store,
                    ty.clone(),
                    move |mut caller: Caller<'_, State>, arguments: &[Val], results: &mut [Val]| {
                        let arguments: Vec<Bits> = arguments.iter().map(bits).collect();
                        let host = &mut caller.data_mut().host.functions;
                        let values = host
                            .call(index, &arguments, &types)
                            .ok_or_else(|| Error::new(format!("host function {index} failed")))?;
                        for ((result, bits), &ty) in results.iter_mut().zip(values).zip(&types) {
                            *result = val(ty, bits);
                        }
                        Ok(())
                    },
                )
                .into()
            }
            ExternType::Global(ty) => {
                let kind = number_type(&ty.content());
                let value = val(kind, global_value(globals, kind));
                globals += 1;
                Global::new(&mut *store, value, ty.mutability()).into()
            }
            ExternType::Memory(ty) => Memory::new(&mut *store, *ty)?.into(),
            ExternType::Table(ty) => {
                Table::new(&mut *store, *ty, wasmi::Ref::default_for_ty(ty.element()))?.into()
            }
        });
    }
    Ok(externs)
}

fn number_type(ty: &wasmi::ValType) -> ValType {
    match ty {
        wasmi::ValType::I32 => ValType::I32,
        wasmi::ValType::I64 => ValType::I64,
        wasmi::ValType::F32 => ValType::F32,
        wasmi::ValType::F64 => ValType::F64,
        other => unreachable!("{other:?} is outside the language the module was checked against"),
    }
}

fn val(ty: ValType, bits: Bits) -> Val {
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(wasmi::F32::from_bits(bits as u32)),
        _ => Val::F64(wasmi::F64::from_bits(bits)),
    }
}

fn bits(val: &Val) -> Bits {
    match val {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        Val::F32(value) => u64::from(value.to_bits()),
        Val::F64(value) => value.to_bits(),
        _ => unreachable!("references are outside the language"),
    }
}

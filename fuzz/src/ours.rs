//! A plan in this repository's engine.

use crate::generate::Subject;
use crate::observe::{
    Bits, Ending, HostFunctions, MAX_MEMORY_PAGES, Observation, Plan, Step, global_value,
    hash_memory,
};
use pvf_compiler::artifact::{ExportKind, GlobalType, ImportKind};
use pvf_compiler::{CompileError, CompileOptions, Metering, artifact};
use pvf_metering::Costs;
use pvf_runtime::{
    CallError, Caller, HostError, Instance, InstantiateError, Linked, Linker, Module, Value,
};
use pvf_spec::ExecutionParameters;
use std::sync::Arc;
use wasmparser::ValType;

const PARAMETERS: ExecutionParameters = ExecutionParameters {
    max_memory_pages: MAX_MEMORY_PAGES,
    ..ExecutionParameters::WASM
};

/// This repository's engine.
pub struct Ours;

/// A module, prepared and linked.
pub struct Prepared {
    linked: Linked<HostFunctions>,
    module: Module,
}

impl Ours {
    /// Compiles, takes the artifact through its bytes, links.
    pub fn compile(&self, subject: &Subject) -> Result<Prepared, String> {
        let options = CompileOptions {
            metering: metering(subject),
            ..CompileOptions::new(subject.features)
        };
        let artifact = match pvf_compiler::compile(&subject.wasm, &options) {
            // The rules of the meters refuse some valid modules.
            Err(CompileError::Meter { .. }) => {
                pvf_compiler::compile(&subject.wasm, &CompileOptions::new(subject.features))
            }
            compiled => compiled,
        };
        let artifact = artifact.map_err(|error| error.to_string())?;
        let artifact = pvf_compiler::Artifact::from_bytes(&artifact.to_bytes())
            .map_err(|error| error.to_string())?;
        let module = Module::new(artifact).map_err(|error| error.to_string())?;
        let linked = linker(&module)
            .link(&module)
            .map_err(|error| error.to_string())?;
        Ok(Prepared { linked, module })
    }

    /// Runs one step of a plan in a fresh instance; one observation per call, or
    /// one in all if it cannot be instantiated.
    pub fn run(
        &self,
        prepared: &Prepared,
        plan: &Plan,
        step: &Step,
    ) -> Result<Vec<Observation>, String> {
        let host = HostFunctions::default();
        let mut instance = match Instance::from_linked(&prepared.linked, &PARAMETERS, host) {
            Ok(instance) => instance,
            Err(error) => return not_instantiated(error).map(|observation| vec![observation]),
        };
        let info = prepared.module.info();
        let Some(ExportKind::Function(function)) = info.export(&step.function) else {
            return Err(format!("no function {:?}", step.function));
        };
        let mut observations = Vec::new();
        for arguments in &step.calls {
            let arguments: Vec<Value> = arguments
                .iter()
                .zip(&step.parameters)
                .map(|(&bits, &ty)| Value::from_bits(ours_type(ty), bits))
                .collect();
            let ending = match instance.call(function, &arguments) {
                Ok(results) => {
                    Ending::Returned(results.iter().map(|result| result.to_bits()).collect())
                }
                Err(CallError::Trap(trap)) => Ending::Trapped(trap.kind),
                Err(error) => return Err(error.to_string()),
            };
            observations.push(observe(&instance, plan, ending)?);
        }
        Ok(observations)
    }
}

/// Meters that follow from the seed: without limits they may change nothing.
fn metering(subject: &Subject) -> Metering {
    let gas = subject.seed.is_multiple_of(4);
    Metering {
        logical_stack: subject.seed.is_multiple_of(3),
        gas: gas.then(|| Arc::new(Costs::default())),
    }
}

fn observe(
    instance: &Instance<HostFunctions>,
    plan: &Plan,
    ending: Ending,
) -> Result<Observation, String> {
    let info = instance.module().info();
    let memory = plan.memory.as_ref().map(|_| {
        let bytes = instance.memory();
        (instance.memory_pages(), hash_memory(bytes))
    });
    let globals = plan.globals.iter().map(|name| match info.export(name) {
        Some(ExportKind::Global(index)) => instance
            .global(index)
            .map(Value::to_bits)
            .ok_or_else(|| format!("no global {index}")),
        other => Err(format!("{name:?} is {other:?}")),
    });
    Ok(Observation {
        ending,
        memory,
        globals: globals.collect::<Result<_, String>>()?,
        host_calls: instance.data().trace(),
    })
}

/// An instantiation that ended in a trap counts as that trap, as it does in the peer.
/// What host functions it called is not known: the state is gone.
fn not_instantiated(error: InstantiateError) -> Result<Observation, String> {
    let ending = match error {
        InstantiateError::SegmentOutOfBounds { trap, .. } | InstantiateError::Start(trap) => {
            Ending::Trapped(trap.kind)
        }
        InstantiateError::MemoryTooLarge { .. } => Ending::NotInstantiated,
        other => return Err(other.to_string()),
    };
    Ok(Observation {
        ending,
        memory: None,
        globals: Vec::new(),
        host_calls: 0,
    })
}

/// Defines whatever the module imports, as the peer does.
fn linker(module: &Module) -> Linker<HostFunctions> {
    let info = module.info();
    let mut linker = Linker::<HostFunctions>::new();
    let mut globals = 0;
    for import in &info.imports {
        let (from, name) = (&import.module, &import.name);
        match import.kind {
            ImportKind::Function(signature) => {
                let ty = info.signatures[signature as usize].clone();
                let parameters = ty.params.clone();
                let results: Vec<ValType> = ty.results.iter().map(|&ty| their_type(ty)).collect();
                linker.func(
                    from,
                    name,
                    ty,
                    move |caller: &mut Caller<'_, HostFunctions>, slots| {
                        let index = caller.function_index();
                        let arguments: Vec<Bits> = parameters
                            .iter()
                            .zip(slots.iter())
                            .map(|(&ty, &bits)| Value::from_bits(ty, bits).to_bits())
                            .collect();
                        let values = caller
                            .data_mut()
                            .call(index, &arguments, &results)
                            .ok_or_else(|| {
                                HostError::Trap(format!("host function {index} failed"))
                            })?;
                        for (slot, bits) in slots.iter_mut().zip(values) {
                            *slot = bits;
                        }
                        Ok(())
                    },
                );
            }
            ImportKind::Global(GlobalType { value, mutable }) => {
                let bits = global_value(globals, their_type(value));
                globals += 1;
                let ty = GlobalType { value, mutable };
                linker.global(from, name, ty, Value::from_bits(value, bits));
            }
            ImportKind::Memory(ty) => linker.memory(from, name, ty),
            ImportKind::Table(ty) => linker.table(from, name, ty),
        }
    }
    linker
}

fn ours_type(ty: ValType) -> artifact::ValType {
    match ty {
        ValType::I32 => artifact::ValType::I32,
        ValType::I64 => artifact::ValType::I64,
        ValType::F32 => artifact::ValType::F32,
        _ => artifact::ValType::F64,
    }
}

fn their_type(ty: artifact::ValType) -> ValType {
    match ty {
        artifact::ValType::I32 => ValType::I32,
        artifact::ValType::I64 => ValType::I64,
        artifact::ValType::F32 => ValType::F32,
        artifact::ValType::F64 => ValType::F64,
    }
}

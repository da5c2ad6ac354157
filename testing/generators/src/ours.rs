//! Executes a plan in this repository's executor.

use crate::observe::{
    Bits, Ending, HostFunctions, Limits, MAX_MEMORY_PAGES, Observation, Plan, Step, global_value,
    hash_memory,
};
use crate::sharing::Sharing;
use pvf_compiler::GlobalType;
use pvf_compiler::artifact::{ExportKind, ImportKind};
use pvf_compiler::{CompileError, CompileOptions, Metering, Refusal, ValType as OurType};
use pvf_rules::{ExecutionParameters, Features};
use pvf_runtime::{
    CallError, Caller, HostError, Instance, InstantiateError, Linked, Linker, Module, Value,
};
use wasmparser::ValType;

/// This repository's executor.
pub struct Ours;

/// A prepared and linked module.
pub struct Prepared {
    linked: Linked<HostFunctions>,
    module: Module,
}

impl Prepared {
    /// Whether the code counts the logical stack.
    pub fn counts_logical_stack(&self) -> bool {
        self.module.info().meters.logical_stack
    }
}

/// Why a module cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPrepared {
    /// The module is valid, but the rules of the meters refuse it.
    ByMeter(String),
    /// The module exceeds a limit by count. The oracles have no such limits.
    BeyondLimit(String),
    /// Any other reason.
    Otherwise(String),
}

/// The result of a step.
pub struct Run {
    /// One observation for each call, or a single one if there is no instance.
    pub observations: Vec<Observation>,
    /// Greatest height of the logical stack, if it is counted and there is an instance.
    pub peak: Option<u64>,
    /// Greatest sum of frames, in bytes.
    pub native_peak: u64,
}

impl Ours {
    /// Compiles the module, serializes and reads the artifact, and links it. Preparing with other numbers of threads
    /// must give the same artifact for every target.
    pub fn compile(
        &self,
        wasm: &[u8],
        features: Features,
        metering: Metering,
        sharing: Sharing,
    ) -> Result<Prepared, NotPrepared> {
        let options = CompileOptions {
            metering,
            ..CompileOptions::new(features)
        };
        let artifact = sharing
            .compile(wasm, &options)
            .map_err(NotPrepared::Otherwise)?;
        let artifact = artifact.map_err(|error| {
            let text = error.to_string();
            match error {
                CompileError::Refused(Refusal::Meter { .. }) => NotPrepared::ByMeter(text),
                CompileError::Refused(Refusal::Limit { .. }) => NotPrepared::BeyondLimit(text),
                _ => NotPrepared::Otherwise(text),
            }
        })?;
        Self::load(&artifact.to_bytes()).map_err(NotPrepared::Otherwise)
    }

    /// Loads an artifact from its bytes and links it.
    pub fn load(artifact: &[u8]) -> Result<Prepared, String> {
        // SAFETY: the callers load only artifacts that they compiled themselves.
        #[allow(unsafe_code, reason = "artifacts are read back on purpose")]
        let artifact = unsafe { pvf_compiler::Artifact::from_bytes(artifact) };
        Self::link(artifact.map_err(|error| error.to_string())?)
    }

    /// Loads an artifact and links it.
    pub fn link(artifact: pvf_compiler::Artifact) -> Result<Prepared, String> {
        let module = Module::new(artifact).map_err(|error| error.to_string())?;
        let linked = linker(&module)
            .link(&module)
            .map_err(|error| error.to_string())?;
        Ok(Prepared { linked, module })
    }

    /// Runs one step of a plan in a fresh instance. Limits that the code does not count have no effect.
    pub fn run(
        &self,
        prepared: &Prepared,
        plan: &Plan,
        step: &Step,
        limits: Limits,
    ) -> Result<Run, String> {
        let meters = &prepared.module.info().meters;
        let parameters = ExecutionParameters {
            max_memory_pages: MAX_MEMORY_PAGES,
            stack_logical_max: meters.logical_stack.then_some(limits.stack),
            gas_limit: meters.gas.then_some(limits.gas),
            ..ExecutionParameters::WASM
        };
        self.run_within(prepared, plan, step, &parameters)
    }

    /// As [`Self::run`], with any execution parameters.
    pub fn run_within(
        &self,
        prepared: &Prepared,
        plan: &Plan,
        step: &Step,
        parameters: &ExecutionParameters,
    ) -> Result<Run, String> {
        let host = HostFunctions::default();
        let mut instance = match Instance::from_linked(&prepared.linked, parameters, host) {
            Ok(instance) => instance,
            Err(error) => {
                return Ok(Run {
                    observations: vec![not_instantiated(error)?],
                    peak: None,
                    native_peak: 0,
                });
            }
        };
        let mut observations = Vec::new();
        for (number, call) in step.calls.iter().enumerate() {
            let function = &plan.functions[call.function];
            let info = prepared.module.info();
            let Some(ExportKind::Function(index)) = info.export(&function.name) else {
                return Err(format!("no function {:?}", function.name));
            };
            let arguments: Vec<Value> = call
                .arguments
                .iter()
                .zip(&function.parameters)
                .map(|(&bits, &ty)| Value::from_bits(ours_type(ty), bits))
                .collect();
            let ending = match instance.call(index, &arguments) {
                Ok(results) => {
                    Ending::Returned(results.iter().map(|result| result.to_bits()).collect())
                }
                Err(CallError::Trap(trap)) => Ending::Trapped(trap.kind),
                Err(error) => return Err(error.to_string()),
            };
            let memory = plan.observes_memory(step, number);
            observations.push(observe(&instance, plan, memory, ending)?);
        }
        Ok(Run {
            observations,
            peak: instance.stack_logical_peak(),
            native_peak: instance.stack_native_peak(),
        })
    }
}

fn observe(
    instance: &Instance<HostFunctions>,
    plan: &Plan,
    memory: bool,
    ending: Ending,
) -> Result<Observation, String> {
    let info = instance.module().info();
    let memory = plan.memory.as_ref().filter(|_| memory).map(|_| {
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
        gas_used: instance.gas_used(),
    })
}

/// A trap during instantiation becomes an observation of that trap, as in the oracles. Its calls of host functions are
/// unknown, because the state of the instance is gone.
fn not_instantiated(error: InstantiateError) -> Result<Observation, String> {
    let ending = match error {
        InstantiateError::SegmentOutOfBounds { trap, .. } | InstantiateError::Start(trap) => {
            Ending::Trapped(trap.kind)
        }
        InstantiateError::MemoryTooLarge { .. } => Ending::NotInstantiated,
        other => return Err(other.to_string()),
    };
    Ok(Observation::without_instance(ending))
}

/// Defines every import of the module as the oracles define it.
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

fn ours_type(ty: ValType) -> OurType {
    match ty {
        ValType::I32 => OurType::I32,
        ValType::I64 => OurType::I64,
        ValType::F32 => OurType::F32,
        _ => OurType::F64,
    }
}

fn their_type(ty: OurType) -> ValType {
    match ty {
        OurType::I32 => ValType::I32,
        OurType::I64 => ValType::I64,
        OurType::F32 => ValType::F32,
        OurType::F64 => ValType::F64,
    }
}

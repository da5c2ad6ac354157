//! This repository's engine, with and without its meters.

use crate::engine::{Compiled, Ended, Engine, Instance, Pvf, next};
use pvf_compiler::artifact::{ExportKind, FuncType, ValType};
use pvf_compiler::{Artifact, CompileOptions, Metering};
use pvf_host::{HostParameters, Outcome};
use pvf_metering::Costs;
use pvf_runtime::{Linker, Module, Value};
use pvf_spec::{DEFAULT_STACK_LOGICAL_MAX, ExecutionParameters, Features};
use std::sync::Arc;

/// The engine with the meters it drives.
pub struct Ours {
    metering: Metering,
    features: Features,
}

impl Ours {
    /// Without meters.
    pub fn plain() -> Self {
        Self {
            metering: Metering::default(),
            features: Features::POLKADOT,
        }
    }

    /// Without meters, for all of the language.
    pub fn every_feature() -> Self {
        Self {
            features: Features::ALL,
            ..Self::plain()
        }
    }

    /// Counting the logical stack, with Polkadot's limit.
    pub fn logical_stack() -> Self {
        Self {
            metering: Metering {
                logical_stack: true,
                gas: None,
            },
            ..Self::plain()
        }
    }

    /// Counting gas by the default schedule, without a limit that is ever reached.
    pub fn gas() -> Self {
        Self {
            metering: Metering {
                logical_stack: false,
                gas: Some(Arc::new(Costs::default())),
            },
            ..Self::plain()
        }
    }

    fn artifact(&self, wasm: &[u8]) -> Result<Artifact, String> {
        let options = CompileOptions {
            metering: self.metering.clone(),
            ..CompileOptions::new(self.features)
        };
        pvf_compiler::compile(wasm, &options).map_err(|error| error.to_string())
    }

    fn parameters(&self, base: ExecutionParameters) -> ExecutionParameters {
        ExecutionParameters {
            stack_logical_max: self
                .metering
                .logical_stack
                .then_some(DEFAULT_STACK_LOGICAL_MAX),
            ..base
        }
    }
}

impl Engine for Ours {
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String> {
        let artifact = self.artifact(wasm)?;
        Ok(Box::new(OursCompiled {
            code_bytes: artifact.code.len(),
            module: Module::new(artifact).map_err(|error| error.to_string())?,
            parameters: self.parameters(ExecutionParameters::WASM),
        }))
    }

    fn prepare(&self, wasm: &[u8]) -> Option<Result<Box<dyn Pvf>, String>> {
        let prepare = || {
            let module = Module::new(self.artifact(wasm)?).map_err(|error| error.to_string())?;
            let parameters = HostParameters {
                execution: self.parameters(ExecutionParameters::POLKADOT),
                ..HostParameters::default()
            };
            Ok(Box::new(pvf_host::Pvf::new(module, parameters)) as Box<dyn Pvf>)
        };
        Some(prepare())
    }
}

struct OursCompiled {
    module: Module,
    code_bytes: usize,
    parameters: ExecutionParameters,
}

impl Compiled for OursCompiled {
    fn code_bytes(&self) -> Option<usize> {
        Some(self.code_bytes)
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, String> {
        let mut linker = Linker::new();
        linker.memory_any(None);
        linker.unknown_functions(None);
        let ty = FuncType {
            params: vec![ValType::I64],
            results: vec![ValType::I64],
        };
        linker.func("env", "next", ty, |_, slots| {
            slots[0] = next(slots[0]);
            Ok(())
        });
        let instance = pvf_runtime::Instance::new(&self.module, &linker, &self.parameters, ());
        Ok(Box::new(OursInstance(
            instance.map_err(|error| error.to_string())?,
        )))
    }
}

struct OursInstance(pvf_runtime::Instance<()>);

impl Instance for OursInstance {
    fn call(&mut self, export: &str) -> Result<Option<u64>, String> {
        let results = self.0.call_export(export, &[]);
        match results.map_err(|error| error.to_string())?[..] {
            [] => Ok(None),
            [Value::I64(result)] => Ok(Some(result as u64)),
            ref other => Err(format!("{export} returned {other:?}")),
        }
    }

    fn has(&mut self, export: &str) -> bool {
        let kind = self.0.module().info().export(export);
        matches!(kind, Some(ExportKind::Function(_)))
    }
}

impl Pvf for pvf_host::Pvf {
    fn execute(&self, candidate: &[u8]) -> Result<Ended, String> {
        let run = self.run(candidate).map_err(|error| error.to_string())?;
        match run.execution.outcome {
            Outcome::Valid(result) => Ok(Ended::Returned(result)),
            Outcome::Invalid {
                trap: Some(trap), ..
            } => Ok(Ended::Trapped(trap.kind)),
            other => Err(format!("{other:?}")),
        }
    }
}

//! This repository's engine, with and without its meters.

use crate::engine::{Compiled, Ended, Engine, Files, Instance, Linked, Loaded, Pvf, next};
use pvf_compiler::artifact::ExportKind;
use pvf_compiler::{Artifact, CompileOptions, Metering};
use pvf_executor::{Verification, open_module, verify, write_artifact};
use pvf_metering::Costs;
use pvf_rules::{DEFAULT_STACK_LOGICAL_MAX, ExecutionParameters, Features};
use pvf_runtime::{Caller, Linker, Module, Value};
use pvf_validation::{HostParameters, Outcome};
use std::path::Path;
use std::sync::Arc;

/// The engine with its compile options.
pub struct Ours {
    options: CompileOptions,
    verified: bool,
}

impl Ours {
    /// Compiles with these options.
    pub fn new(options: CompileOptions) -> Self {
        Self {
            options,
            verified: false,
        }
    }

    /// The same, which verifies the machine code after it has compiled it.
    pub fn verified(self) -> Self {
        Self {
            verified: true,
            ..self
        }
    }

    /// The engine with these meters.
    pub fn metered(logical_stack: bool, gas: bool) -> Self {
        // Gas uses the default schedule, with a limit that no run reaches.
        let gas = gas.then(|| Arc::new(Costs::default()));
        Self::new(CompileOptions {
            metering: Metering { logical_stack, gas },
            ..CompileOptions::new(Features::POLKADOT)
        })
    }

    /// The engine without meters.
    pub fn plain() -> Self {
        Self::metered(false, false)
    }

    /// The engine without meters, for the whole language.
    pub fn every_feature() -> Self {
        Self::new(CompileOptions::new(Features::ALL))
    }

    fn artifact(&self, wasm: &[u8]) -> Result<Artifact, String> {
        let (artifact, loops) = pvf_compiler::compile_with_loops(wasm, &self.options)
            .map_err(|error| error.to_string())?;
        if self.verified {
            let verification = Verification {
                costs: self.options.metering.gas.as_deref(),
                loops: Some(&loops),
                ..Verification::default()
            };
            verify(wasm, &artifact, &verification).map_err(|error| error.to_string())?;
        }
        Ok(artifact)
    }

    /// The module with the values that a run needs.
    fn loaded(&self, module: Module) -> OursLoaded {
        OursLoaded {
            module,
            stack_logical_max: self
                .options
                .metering
                .logical_stack
                .then_some(DEFAULT_STACK_LOGICAL_MAX),
        }
    }
}

impl Engine for Ours {
    fn compile(&self, wasm: &[u8]) -> Result<Box<dyn Compiled>, String> {
        let artifact = self.artifact(wasm)?;
        let code_bytes = artifact.code.len();
        let module = Module::new(artifact).map_err(|error| error.to_string())?;
        Ok(Box::new(OursCompiled {
            code_bytes,
            loaded: self.loaded(module),
        }))
    }

    fn prepare(&self, wasm: &[u8]) -> Option<Result<Box<dyn Pvf>, String>> {
        let prepare = || {
            let module = Module::new(self.artifact(wasm)?).map_err(|error| error.to_string())?;
            self.loaded(module).bind()
        };
        Some(prepare())
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }
}

impl Files for Ours {
    fn store(&self, wasm: &[u8], file: &Path) -> Result<(), String> {
        let written = write_artifact(&self.artifact(wasm)?, file);
        written.map(drop).map_err(|error| error.to_string())
    }

    fn load(&self, file: &Path) -> Result<Box<dyn Loaded>, String> {
        // SAFETY: the benchmark wrote the file, and no other program changes it.
        #[allow(unsafe_code, reason = "loading an artifact is measured")]
        let module = unsafe { open_module(file) }.map_err(|error| error.to_string())?;
        Ok(Box::new(self.loaded(module)))
    }
}

struct OursLoaded {
    module: Module,
    stack_logical_max: Option<u32>,
}

impl OursLoaded {
    fn parameters(&self, base: ExecutionParameters) -> ExecutionParameters {
        ExecutionParameters {
            stack_logical_max: self.stack_logical_max,
            ..base
        }
    }
}

impl Loaded for OursLoaded {
    fn bind(&self) -> Result<Box<dyn Pvf>, String> {
        let parameters = HostParameters {
            execution: self.parameters(ExecutionParameters::POLKADOT),
            ..HostParameters::default()
        };
        let pvf = pvf_validation::Pvf::new(self.module.clone(), parameters);
        Ok(Box::new(pvf))
    }

    fn link(&self) -> Result<Box<dyn Linked>, String> {
        let linked = stubs().link(&self.module);
        Ok(Box::new(OursLinked {
            linked: linked.map_err(|error| error.to_string())?,
            parameters: self.parameters(ExecutionParameters::POLKADOT),
        }))
    }
}

struct OursLinked {
    linked: pvf_runtime::Linked<()>,
    parameters: ExecutionParameters,
}

impl Linked for OursLinked {
    fn instantiate(&self) -> Result<(), String> {
        let instance = pvf_runtime::Instance::from_linked(&self.linked, &self.parameters, ());
        instance.map(drop).map_err(|error| error.to_string())
    }
}

/// Defines functions that trap, and a memory for an imported one.
fn stubs() -> Linker<()> {
    let mut linker = Linker::new();
    linker.memory_any(None);
    linker.unknown_functions(None);
    linker
}

struct OursCompiled {
    loaded: OursLoaded,
    code_bytes: usize,
}

impl Compiled for OursCompiled {
    fn code_bytes(&self) -> Option<usize> {
        Some(self.code_bytes)
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, String> {
        let mut linker = stubs();
        linker.typed("env", "next", |_: &mut Caller<'_, ()>, x: u64| Ok(next(x)));
        let parameters = self.loaded.parameters(ExecutionParameters::WASM);
        let instance = pvf_runtime::Instance::new(&self.loaded.module, &linker, &parameters, ());
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

impl Pvf for pvf_validation::Pvf {
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

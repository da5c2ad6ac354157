//! Calls of a runtime's API outside validation, as a node makes them when it builds a block.
//!
//! A validation function is a complete runtime, so it also exports the functions with which a
//! collator builds blocks. They use Substrate's whole set of host functions, above all storage. The
//! caller passes the [`Externalities`] on which these functions work.
//!
//! Nothing here decides an outcome: candidates are judged by [`Pvf`](crate::Pvf) alone.

use crate::context::range;
use crate::functions;
use crate::heap::Heap;
use crate::hot_functions;
use crate::link;
use crate::parameters::HostParameters;
use crate::pvf::place;
use crate::runtime_version::EmbeddedVersion;
use crate::state::HostState;
use pvf_executor::check_linkable;
use pvf_rules::Rejection;
use pvf_runtime::{
    CallError, HostFailure, Instance, InstantiateError, Linked, Linker, Module, Value,
};
use sp_core::traits::ReadRuntimeVersionExt;
use sp_externalities::{Extensions, Externalities, set_and_run_with_externalities};
use sp_wasm_interface::Function;

/// A runtime whose API can be called.
pub struct RuntimeApi {
    parameters: HostParameters,
    linked: Linked<HostState>,
    heap_base: u32,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeApiError {
    /// The runtime has no such function.
    #[error("the runtime has no function `{0}`")]
    NoSuchFunction(String),
    /// The call ended in a trap.
    #[error("`{function}` trapped: {reason}")]
    Trapped {
        /// The function that was called.
        function: String,
        /// The message of the panic, if the runtime gave one, otherwise the kind of the trap.
        reason: String,
    },
    /// The function does not take bytes and return bytes, or its result is not in memory.
    #[error("`{function}` is no function of a runtime: {reason}")]
    Shape {
        /// The function that was called.
        function: String,
        /// What is wrong.
        reason: String,
    },
    /// This machine failed.
    #[error(transparent)]
    Host(#[from] HostFailure),
}

/// Why a module is no runtime whose API can be called.
#[derive(Debug, thiserror::Error)]
pub enum NotARuntime {
    /// An import has another type than the host's function.
    #[error("{}", .0.message)]
    Rejected(Rejection),
    /// An export that every runtime has is missing.
    #[error("{0}")]
    Export(String),
}

impl RuntimeApi {
    /// Links a module. `additional` are host functions beside those of `sp-io`.
    ///
    /// Functions that nobody defines trap when they are called.
    ///
    /// # Errors
    /// The module is no runtime.
    pub fn new(
        module: &Module,
        parameters: HostParameters,
        additional: &[&'static dyn Function],
    ) -> Result<Self, NotARuntime> {
        let types = functions::all_types(additional);
        check_linkable(module.info(), &types).map_err(NotARuntime::Rejected)?;
        let heap_base = link::heap_base(module.info()).map_err(NotARuntime::Export)?;
        let mut linker = Linker::new();
        linker.memory_any(None);
        linker.unknown_functions(Some(functions::MODULE));
        functions::define_all(&mut linker, parameters.ecc_rfc163);
        functions::define_outside_validation(&mut linker, additional);
        hot_functions::define_all(&mut linker);
        let linked = linker.link(module);
        Ok(Self {
            linked: linked.map_err(|error| NotARuntime::Rejected(error.rejection()))?,
            parameters,
            heap_base,
        })
    }

    /// Extensions with what a node registers for every call: reading the version of another
    /// runtime.
    pub fn extensions() -> Extensions {
        let mut extensions = Extensions::new();
        extensions.register(ReadRuntimeVersionExt::new(EmbeddedVersion));
        extensions
    }

    /// Calls a function in a fresh instance and returns the bytes of its result.
    ///
    /// # Errors
    /// The function does not exist, or it trapped, or this machine failed. What the function did to
    /// `externalities` before is not undone.
    pub fn call(
        &self,
        externalities: &mut dyn Externalities,
        function: &str,
        input: &[u8],
    ) -> Result<Vec<u8>, RuntimeApiError> {
        set_and_run_with_externalities(externalities, || self.run(function, input))
    }

    fn run(&self, function: &str, input: &[u8]) -> Result<Vec<u8>, RuntimeApiError> {
        let shape = |reason: String| RuntimeApiError::Shape {
            function: function.to_owned(),
            reason,
        };
        let trapped = |reason: String| RuntimeApiError::Trapped {
            function: function.to_owned(),
            reason,
        };
        let state = HostState::new(self.parameters.log.clone(), None);
        let mut instance = Instance::from_linked(&self.linked, &self.parameters.execution, state)
            .map_err(|error| match error {
            InstantiateError::Failure(failure) => RuntimeApiError::Host(failure),
            other => trapped(other.to_string()),
        })?;
        let Some(Value::I32(heap_base)) = instance.global(self.heap_base) else {
            return Err(shape("the global `__heap_base` does not exist".to_owned()));
        };
        let mut heap = Heap::new(heap_base as u32);
        let address = place(&mut heap, &mut instance, input)
            .map_err(|error| trapped(format!("no room for the arguments: {error}")))?;
        instance.data_mut().heap = Some(heap);
        let arguments = [Value::I32(address as i32), Value::I32(input.len() as i32)];
        match instance.call_export(function, &arguments) {
            Ok(results) => match results[..] {
                [Value::I64(result)] => {
                    let (address, bytes) = (result as u32, (result as u64 >> 32) as usize);
                    let memory = instance.memory();
                    match range(memory.len(), address, bytes) {
                        Some(range) => Ok(memory[range].to_vec()),
                        None => Err(shape("the result is out of bounds".to_owned())),
                    }
                }
                _ => Err(shape(format!("it returned {results:?}"))),
            },
            Err(CallError::Trap(trap)) => {
                let panic = instance.data_mut().panic_message.take();
                Err(trapped(panic.unwrap_or_else(|| trap.to_string())))
            }
            Err(CallError::Failure(failure)) => Err(failure.into()),
            Err(CallError::NoSuchExport(_)) => {
                Err(RuntimeApiError::NoSuchFunction(function.to_owned()))
            }
            Err(error) => Err(shape(error.to_string())),
        }
    }
}

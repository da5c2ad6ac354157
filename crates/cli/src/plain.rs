//! Runs functions of plain modules: own memory, no host functions.

use crate::failure::Failure;
use pvf_executor::{
    CallError, Execution, ExecutionParameters, Instance, Linker, Module, Outcome, Rejection,
    StackPeaks, Value,
};
use pvf_validation::Observer;

/// An instance of a module without a host.
pub struct Plain {
    instance: Instance<()>,
}

/// Why there is no instance.
pub enum NoInstance {
    /// The module is rejected, which is an outcome.
    Rejected(Rejection),
    /// The command cannot do its work.
    Failed(Failure),
}

/// The outcome of a function of a plain module, with its results if it returned.
pub fn outcome_of(
    called: Result<Vec<Value>, CallError>,
) -> Result<(Outcome, Option<Vec<Value>>), Failure> {
    match called {
        Ok(values) => {
            let bits = values.iter().map(|value| value.to_bits());
            let bytes = bits.flat_map(u64::to_le_bytes).collect();
            Ok((Outcome::Valid(bytes), Some(values)))
        }
        Err(CallError::Trap(trap)) => {
            let reason = trap.to_string();
            let trap = Some(trap);
            Ok((Outcome::Invalid { trap, reason }, None))
        }
        Err(CallError::Failure(failure)) => Err(failure.into()),
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

impl Plain {
    /// Instantiates. An imported memory is the instance's own; imported functions link and trap
    /// when they are called.
    pub fn new(module: &Module, parameters: &ExecutionParameters) -> Result<Self, NoInstance> {
        Self::with_observers(module, parameters, &[])
    }

    /// As [`Self::new`], with functions that do exist.
    pub fn with_observers(
        module: &Module,
        parameters: &ExecutionParameters,
        observers: &[Observer],
    ) -> Result<Self, NoInstance> {
        let mut linker = Linker::new();
        linker.memory_any(None);
        linker.unknown_functions(None);
        for observer in observers {
            observer.define(&mut linker);
        }
        match Instance::new(module, &linker, parameters, ()) {
            Ok(instance) => Ok(Self { instance }),
            Err(error) => Err(match error.rejection() {
                Ok(rejection) => NoInstance::Rejected(rejection),
                Err(failure) => NoInstance::Failed(failure.into()),
            }),
        }
    }

    /// Calls a function; the results, if it returned.
    pub fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
    ) -> Result<(Execution, Option<Vec<Value>>), Failure> {
        let (outcome, values) = outcome_of(self.instance.call(function, arguments))?;
        let execution = Execution {
            outcome,
            gas_used: self.instance.gas_used(),
            stack: StackPeaks {
                native: self.instance.stack_native_peak(),
                logical: self.instance.stack_logical_peak(),
            },
            memory_pages_peak: self.instance.memory_pages_peak(),
        };
        Ok((execution, values))
    }
}

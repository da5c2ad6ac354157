//! The machines that scripts can be run on.

use crate::instance::{Links, define};
use crate::link::Binding;
use crate::script::Options;
use pvf_executor::artifact::ModuleInfo;
use pvf_executor::{Artifact, CallError, InstantiateError, Linker, LoadError, Target, Value};
use std::borrow::Cow;

/// What executes the modules of a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMachine {
    /// This machine's processor.
    #[default]
    Hardware,
    /// PolkaVM, by one of its engines.
    #[cfg(feature = "polkavm")]
    PolkaVm(pvf_polkavm::Engine),
}

impl OnMachine {
    /// The target to compile for.
    pub fn target(self) -> Target {
        match self {
            Self::Hardware => Target::HOST,
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(_) => Target::PolkaVm,
        }
    }
}

/// A compiled module.
#[derive(Clone)]
pub(crate) enum Module {
    Hardware(pvf_executor::Module),
    #[cfg(feature = "polkavm")]
    PolkaVm(pvf_polkavm::Module),
}

impl Module {
    pub fn new(artifact: Artifact, machine: OnMachine) -> Result<Self, LoadError> {
        match machine {
            OnMachine::Hardware => pvf_executor::Module::new(artifact).map(Self::Hardware),
            #[cfg(feature = "polkavm")]
            OnMachine::PolkaVm(engine) => {
                pvf_polkavm::Module::new(artifact, engine).map(Self::PolkaVm)
            }
        }
    }

    pub fn info(&self) -> &ModuleInfo {
        match self {
            Self::Hardware(module) => module.info(),
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(module) => module.info(),
        }
    }
}

/// An instance.
pub(crate) enum Machine {
    Hardware(pvf_executor::Instance<Links>),
    #[cfg(feature = "polkavm")]
    PolkaVm(Box<pvf_polkavm::Instance<Links>>),
}

/// What an observer is shown of an instance.
pub(crate) struct Observed<'a> {
    pub gas_used: Option<u64>,
    pub stack_native_peak: u64,
    pub stack_logical_peak: Option<u64>,
    pub memory: Cow<'a, [u8]>,
}

impl Machine {
    pub fn new(
        module: &Module,
        bindings: Vec<Binding>,
        options: &Options,
    ) -> Result<Self, InstantiateError> {
        match module {
            Module::Hardware(module) => {
                let info = module.info();
                let mut linker = Linker::new();
                let mut instances = Vec::new();
                for (import, binding) in info.imports.iter().zip(bindings) {
                    define(&mut linker, info, import, binding, &mut instances);
                }
                let links = Links {
                    instances,
                    skipped: None,
                };
                pvf_executor::Instance::new(module, &linker, &options.parameters, links)
                    .map(Self::Hardware)
            }
            #[cfg(feature = "polkavm")]
            Module::PolkaVm(module) => {
                let (imports, links) = crate::polkavm::imports(module, bindings);
                pvf_polkavm::Instance::new(module, imports, &options.parameters, links)
                    .map(|instance| Self::PolkaVm(Box::new(instance)))
            }
        }
    }

    pub fn call_export(
        &mut self,
        export: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, CallError> {
        match self {
            Self::Hardware(instance) => instance.call_export(export, arguments),
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(instance) => instance.call_export(export, arguments),
        }
    }

    pub fn links(&mut self) -> &mut Links {
        match self {
            Self::Hardware(instance) => instance.data_mut(),
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(instance) => instance.data_mut(),
        }
    }

    pub fn memory_pages(&self) -> u32 {
        match self {
            Self::Hardware(instance) => instance.memory_pages(),
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(instance) => instance.memory_pages(),
        }
    }

    pub fn global(&mut self, index: u32) -> Option<Value> {
        match self {
            Self::Hardware(instance) => instance.global(index),
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(instance) => instance.global(index).ok().flatten(),
        }
    }

    pub fn observed(&mut self) -> Observed<'_> {
        match self {
            Self::Hardware(instance) => Observed {
                gas_used: instance.gas_used(),
                stack_native_peak: instance.stack_native_peak(),
                stack_logical_peak: instance.stack_logical_peak(),
                memory: Cow::Borrowed(instance.memory()),
            },
            #[cfg(feature = "polkavm")]
            Self::PolkaVm(instance) => Observed {
                gas_used: instance.gas_used().ok().flatten(),
                stack_native_peak: instance.stack_native_peak(),
                stack_logical_peak: instance.stack_logical_peak(),
                memory: Cow::Owned(instance.memory().unwrap_or_default()),
            },
        }
    }
}

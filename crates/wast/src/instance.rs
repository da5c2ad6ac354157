//! Modules and instances of a script: compiled, linked with each other, called.

use crate::Feature;
use crate::language::{Standing, standing};
use crate::link::{Binding, LinkFailure, Registry};
use crate::machine::{Machine, Module};
use crate::nan::NanSources;
use crate::observer::{Called, Observer};
use crate::reason::SkipReason;
use crate::script::Options;
use pvf_executor::FuncType;
use pvf_executor::artifact::{ExportKind, Import, ImportKind, ModuleInfo};
use pvf_executor::{
    CallError, CompileOptions, HostError, InstantiateError, Linker, LoadError, Value, compile,
};
use pvf_rules::Trap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Why a module is not there to be instantiated.
pub enum LoadFailure {
    /// It needs this proposal, which is not accepted.
    Outside(Feature),
    /// The module was rejected for any other reason.
    Rejected(String),
    /// The machine could not do its part.
    Host(String),
}

/// Compiles a module.
pub fn load(wasm: &[u8], options: &Options) -> Result<Module, LoadFailure> {
    let prepare_options = CompileOptions {
        metering: options.metering.clone(),
        target: options.machine.target(),
        ..CompileOptions::new(options.features)
    };
    let artifact = match &options.sharing {
        Some(sharing) => sharing.prepare(wasm, &prepare_options)?,
        None => compile(wasm, &prepare_options),
    };
    let artifact = artifact.map_err(|error| {
        let refusal = match error.refusal() {
            Ok(refusal) => refusal,
            Err(failure) => return LoadFailure::Host(failure.to_string()),
        };
        match standing(wasm, options.features) {
            Standing::Outside(feature) => LoadFailure::Outside(feature),
            Standing::Valid | Standing::Invalid => LoadFailure::Rejected(refusal.to_string()),
        }
    })?;
    Module::new(artifact, options.machine).map_err(|error| match error {
        LoadError::Failure(failure) => LoadFailure::Host(failure.to_string()),
        error => LoadFailure::Host(error.to_string()),
    })
}

/// Why a module could not be instantiated.
pub enum NotInstantiated {
    /// It would have to share something.
    Skipped(SkipReason),
    /// Its imports cannot be satisfied.
    Unlinkable(String),
    /// An active segment is out of bounds.
    Segment(Trap),
    /// The start function trapped.
    Start(Trap),
    /// Anything else.
    Other(String),
}

/// Why a call gave no results.
pub enum CallFailure {
    /// It trapped.
    Trap(Trap),
    /// It cannot be said what it would have done.
    Skipped(SkipReason),
    /// Anything else.
    Other(String),
}

/// What host functions find beside their arguments.
pub(crate) struct Links {
    /// The instances this one imports functions from.
    pub instances: Vec<Rc<Instance>>,
    /// Why it cannot be said what the call that is running would have done.
    pub skipped: Option<SkipReason>,
}

/// An instance that other instances can import functions from.
pub struct Instance {
    module: Module,
    nan_sources: NanSources,
    inner: RefCell<Machine>,
    diverged: Cell<Option<SkipReason>>,
    observer: Option<Observer>,
}

impl Instance {
    /// Links and instantiates.
    pub fn new(
        module: &Module,
        wasm: &[u8],
        registry: &Registry,
        options: &Options,
    ) -> Result<Self, NotInstantiated> {
        let info = module.info();
        let bindings = registry.resolve(info).map_err(|failure| match failure {
            LinkFailure::Unlinkable(message) => NotInstantiated::Unlinkable(message),
            LinkFailure::Skipped(reason) => NotInstantiated::Skipped(reason),
            LinkFailure::Broken(message) => NotInstantiated::Other(message),
        })?;
        let instance = Machine::new(module, bindings, options).map_err(not_instantiated)?;
        Ok(Self {
            module: module.clone(),
            nan_sources: NanSources::of(wasm),
            inner: RefCell::new(instance),
            diverged: Cell::new(None),
            observer: options.observer.clone(),
        })
    }

    /// What the module consists of.
    pub fn info(&self) -> &ModuleInfo {
        self.module.info()
    }

    /// Notes that an instance that would share memory, table or a mutable global with this one
    /// was not made: from here on, this one may hold something else than the script expects.
    pub fn diverge(&self, reason: SkipReason) {
        self.diverged.set(self.diverged.get().or(Some(reason)));
    }

    /// Why it may hold something else than the script expects.
    pub fn diverged(&self) -> Option<SkipReason> {
        self.diverged.get()
    }

    /// Whether an exported function can only return NaNs it was given.
    pub fn moves_bits_only(&self, export: &str) -> bool {
        match self.info().export(export) {
            Some(ExportKind::Function(function)) => self.nan_sources.moves_bits_only(function),
            _ => false,
        }
    }

    /// Size of the memory in pages; 0 without one, or while it runs.
    pub fn memory_pages(&self) -> u32 {
        self.inner
            .try_borrow()
            .map_or(0, |machine| machine.memory_pages())
    }

    /// The value of an exported global.
    pub fn global(&self, export: &str) -> Option<Value> {
        match self.info().export(export)? {
            ExportKind::Global(global) => self.inner.try_borrow_mut().ok()?.global(global),
            _ => None,
        }
    }

    /// Calls an exported function.
    pub fn call(&self, export: &str, arguments: &[Value]) -> Result<Vec<Value>, CallFailure> {
        if let Some(reason) = self.diverged() {
            return Err(CallFailure::Skipped(reason));
        }
        let Ok(mut instance) = self.inner.try_borrow_mut() else {
            // Instances only import from instances made before them and share no table.
            debug_assert!(
                false,
                "a call cannot come back to an instance that is running"
            );
            return Err(CallFailure::Other("the instance is running".into()));
        };
        let result = instance.call_export(export, arguments);
        if let Some(reason) = instance.links().skipped.take() {
            return Err(CallFailure::Skipped(reason));
        }
        let ending = match &result {
            Ok(results) => Some(Ok(&results[..])),
            Err(CallError::Trap(trap)) => Some(Err(trap.kind)),
            Err(_) => None,
        };
        if let (Some(observer), Some(ending)) = (&self.observer, ending) {
            let observed = instance.observed();
            observer.observe(&Called {
                export,
                ending,
                gas_used: observed.gas_used,
                stack_native_peak: observed.stack_native_peak,
                stack_logical_peak: observed.stack_logical_peak,
                memory: &observed.memory,
            });
        }
        result.map_err(|error| match error {
            CallError::Trap(trap) => CallFailure::Trap(trap),
            CallError::Failure(failure) => CallFailure::Other(format!("host failure: {failure}")),
            error => CallFailure::Other(error.to_string()),
        })
    }
}

fn not_instantiated(error: InstantiateError) -> NotInstantiated {
    match error {
        InstantiateError::Link(error) => NotInstantiated::Unlinkable(error.to_string()),
        InstantiateError::SegmentOutOfBounds { trap, .. } => NotInstantiated::Segment(trap),
        InstantiateError::Start(trap) => NotInstantiated::Start(trap),
        InstantiateError::Failure(failure) => {
            NotInstantiated::Other(format!("host failure: {failure}"))
        }
        error => NotInstantiated::Other(error.to_string()),
    }
}

/// Tells the linker what satisfies an import.
pub(crate) fn define(
    linker: &mut Linker<Links>,
    info: &ModuleInfo,
    import: &Import,
    binding: Binding,
    instances: &mut Vec<Rc<Instance>>,
) {
    let (module, name) = (&*import.module, &*import.name);
    match (binding, import.kind) {
        (Binding::Print, ImportKind::Function(signature)) => {
            let ty = info.signatures[signature as usize].clone();
            linker.func(module, name, ty, |_, _| Ok(()));
        }
        (Binding::Function { instance, export }, ImportKind::Function(signature)) => {
            let ty = info.signatures[signature as usize].clone();
            let link = instances.len();
            instances.push(instance);
            linker.func(module, name, ty.clone(), move |caller, slots| {
                forward(caller.data_mut(), link, &export, &ty, slots)
            });
        }
        (Binding::Global(value), ImportKind::Global(ty)) => linker.global(module, name, ty, value),
        (Binding::Table(ty), _) => linker.table(module, name, ty),
        (Binding::Memory(ty), _) => linker.memory(module, name, ty),
        (Binding::Print | Binding::Function { .. } | Binding::Global(_), _) => {
            debug_assert!(false, "the registry binds imports by their kind");
        }
    }
}

/// Calls the function of another instance that satisfies an import.
pub(crate) fn forward(
    links: &mut Links,
    link: usize,
    export: &str,
    ty: &FuncType,
    slots: &mut [u64],
) -> Result<(), HostError> {
    let arguments: Vec<Value> = ty
        .params
        .iter()
        .zip(&*slots)
        .map(|(&ty, &bits)| Value::from_bits(ty, bits))
        .collect();
    let instance = Rc::clone(&links.instances[link]);
    match instance.call(export, &arguments) {
        Ok(results) => {
            for (slot, result) in slots.iter_mut().zip(results) {
                *slot = result.to_bits();
            }
            Ok(())
        }
        Err(CallFailure::Trap(trap)) => Err(HostError::TrapKind(trap.kind, trap.to_string())),
        Err(CallFailure::Skipped(reason)) => {
            links.skipped = Some(reason);
            Err(HostError::Trap(reason.to_string()))
        }
        Err(CallFailure::Other(message)) => Err(HostError::Trap(message)),
    }
}

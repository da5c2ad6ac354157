//! [`Instance`], the public interface to an instance.

use crate::error::FuncTypeDisplay;
use crate::host::dispatchers;
use crate::linker::Linked;
use crate::store::{Core, Store};
use crate::{CallError, HostFailure, InstantiateError, Linker, Module, Value, call, traps};
use pvf_compiler::FuncType;
use pvf_compiler::abi::context;
use pvf_compiler::artifact::ExportKind;
use pvf_rules::ExecutionParameters;

/// The findings of [`Audited`](pvf_compiler::NativeStack::Audited) code since the instance was
/// created or reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackAudit {
    /// Calls at which the depth counted in software was compared with the stack pointer.
    pub calls: u64,
    /// The bits in which the two differed at any call; 0 if they always agreed.
    pub difference: u64,
}

/// A module with its own memory, globals, table and stack, over a host state `T`.
///
/// Calls take `&mut self`, so an instance cannot be re-entered while it runs. A host function may
/// run another instance on the same thread.
pub struct Instance<T: 'static> {
    store: Box<Store<T>>,
}

impl<T: 'static> Instance<T> {
    /// Resolves the imports and instantiates the module.
    pub fn new(
        module: &Module,
        linker: &Linker<T>,
        parameters: &ExecutionParameters,
        data: T,
    ) -> Result<Self, InstantiateError> {
        Self::from_linked(&linker.link(module)?, parameters, data)
    }

    /// Instantiates a module with resolved imports: allocates its regions, applies the active
    /// segments and runs the start function.
    pub fn from_linked(
        linked: &Linked<T>,
        parameters: &ExecutionParameters,
        data: T,
    ) -> Result<Self, InstantiateError> {
        traps::install()?;
        let core = Core::new(&linked.0, parameters)?;
        let store = Box::new(Store {
            linked: linked.clone(),
            core,
            data,
        });
        let mut instance = Self { store };
        instance.initialise()?;
        Ok(instance)
    }

    /// Restores the state of a new instance, with another host state. After an error the instance
    /// may only be reset again or dropped.
    pub fn reset(&mut self, data: T) -> Result<(), InstantiateError> {
        self.store.data = data;
        self.store.core.clear()?;
        self.initialise()
    }

    fn initialise(&mut self) -> Result<(), InstantiateError> {
        let store = &mut *self.store;
        store.core.initialise(&store.linked.0.globals)?;
        let Some(start) = store.core.module.info().start else {
            return Ok(());
        };
        match self.run(start, &mut []) {
            Ok(()) => Ok(()),
            Err(CallError::Trap(trap)) => Err(InstantiateError::Start(trap)),
            Err(CallError::Failure(failure)) => Err(failure.into()),
            Err(other) => Err(HostFailure::Internal(other.to_string()).into()),
        }
    }

    /// Calls a function by its index in the function index space, which includes imported
    /// functions. After a trap the instance keeps the effects of the run and can be called again.
    pub fn call(&mut self, function: u32, arguments: &[Value]) -> Result<Vec<Value>, CallError> {
        let module = self.store.core.module.clone();
        let ty = module
            .info()
            .function_type(function)
            .ok_or(CallError::NoSuchFunction(function))?;
        check_arguments(ty, arguments)?;
        let mut slots = std::mem::take(&mut self.store.core.slots);
        slots.clear();
        slots.extend(arguments.iter().map(|argument| argument.to_bits()));
        slots.resize(ty.params.len().max(ty.results.len()), 0);
        let outcome = self.run(function, &mut slots);
        let results = ty.results.iter().zip(&slots);
        let results = outcome.map(|()| {
            results
                .map(|(&ty, &bits)| Value::from_bits(ty, bits))
                .collect()
        });
        self.store.core.slots = slots;
        results
    }

    /// Calls an exported function.
    pub fn call_export(
        &mut self,
        name: &str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, CallError> {
        match self.module().info().export(name) {
            Some(ExportKind::Function(function)) => self.call(function, arguments),
            Some(_) => Err(CallError::NotAFunction(name.to_owned())),
            None => Err(CallError::NoSuchExport(name.to_owned())),
        }
    }

    fn run(&mut self, function: u32, slots: &mut [u64]) -> Result<(), CallError> {
        let dispatchers = dispatchers(&self.store.linked.0);
        let store: *mut Store<T> = &mut *self.store;
        // SAFETY: `store` is a `Store<T>`, as the dispatchers require. `&mut self` borrows it
        // exclusively, and it is used only through this pointer until `run` returns.
        unsafe {
            call::run(
                &raw mut (*store).core,
                store.cast(),
                dispatchers,
                function,
                slots,
            )
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.store.core.module
    }

    /// The greatest sum of the frames of active functions in all calls since the instance was
    /// created or reset, in bytes.
    pub fn stack_native_peak(&self) -> u64 {
        self.store.core.stack_peak
    }

    /// The greatest logical stack height in all calls since the instance was created or reset, in
    /// units of the stack limiter. `None` if the code does not count it.
    pub fn stack_logical_peak(&self) -> Option<u64> {
        let core = &self.store.core;
        core.module
            .info()
            .meters
            .logical_stack
            .then_some(core.logical_peak)
    }

    /// The findings of audited code; zeros for other code.
    pub fn stack_audit(&self) -> StackAudit {
        let fields = &self.store.core.regions.context;
        StackAudit {
            calls: fields.get(context::AUDIT_CALLS),
            difference: fields.get(context::AUDIT_DIFFERENCE),
        }
    }

    /// Gas charged since the instance was created or reset; `None` if the code does not count it.
    pub fn gas_used(&self) -> Option<u64> {
        let core = &self.store.core;
        core.module.info().meters.gas.then(|| core.gas_used())
    }

    /// The contents of linear memory; empty if the module has none.
    pub fn memory(&self) -> &[u8] {
        self.store.core.memory_slice()
    }

    /// The contents of linear memory, mutable.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.store.core.memory_slice_mut()
    }

    /// Size of linear memory in pages.
    pub fn memory_pages(&self) -> u32 {
        self.store
            .core
            .regions
            .memory
            .as_ref()
            .map_or(0, |memory| memory.pages())
    }

    /// The greatest size of linear memory since the instance was created or reset, in pages. This
    /// is the current size, since memory never shrinks.
    pub fn memory_pages_peak(&self) -> u32 {
        self.memory_pages()
    }

    /// The limit in pages, beyond which linear memory cannot grow.
    pub fn memory_limit_pages(&self) -> u32 {
        self.store
            .core
            .regions
            .memory
            .as_ref()
            .map_or(0, |memory| memory.limit_pages())
    }

    /// Grows linear memory and returns its previous size in pages, or `None` if the new size would
    /// exceed the limit.
    pub fn grow_memory(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.store.core.grow_memory(pages)
    }

    /// Announces that `bytes` bytes from `address` on will be written soon. This affects only
    /// speed: the system may supply the memory in larger pieces.
    pub fn expect_use(&mut self, address: u32, bytes: u32) {
        self.store.core.expect_use(address, bytes);
    }

    /// The value of a global by its index in the global index space, which includes imported
    /// globals.
    pub fn global(&self, index: u32) -> Option<Value> {
        let core = &self.store.core;
        let ty = core.module.info().globals.get(index as usize)?.ty.value;
        Some(Value::from_bits(ty, core.regions.context.global(index)?))
    }

    /// Sets a mutable global. Returns false and changes nothing if there is no mutable global of
    /// this index and type.
    pub fn set_global(&mut self, index: u32, value: Value) -> bool {
        let core = &mut self.store.core;
        let global = core.module.info().globals.get(index as usize);
        let settable = global.is_some_and(|it| it.ty.mutable && it.ty.value == value.ty());
        if settable {
            core.regions.context.set_global(index, value.to_bits());
        }
        settable
    }

    /// The function to which an entry of the table refers: `None` if there is no such entry,
    /// `Some(None)` for a null reference.
    pub fn table_entry(&self, index: u32) -> Option<Option<u32>> {
        let entry = self.store.core.regions.context.table_entry(index)?;
        Some((entry.signature != 0).then_some(entry.function))
    }

    /// The host's state.
    pub fn data(&self) -> &T {
        &self.store.data
    }

    /// The host's state, mutable.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.store.data
    }

    /// Returns the host's state.
    pub fn into_data(self) -> T {
        self.store.data
    }
}

fn check_arguments(ty: &FuncType, arguments: &[Value]) -> Result<(), CallError> {
    let given = arguments.iter().map(|argument| argument.ty());
    if given.clone().eq(ty.params.iter().copied()) {
        return Ok(());
    }
    Err(CallError::Arguments {
        expected: FuncTypeDisplay(ty.clone()),
        given: given.collect(),
    })
}

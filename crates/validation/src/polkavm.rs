//! Validation functions on PolkaVM: the same host functions, the same outcomes.
//!
//! What differs from [`Pvf`](crate::Pvf) is how host functions reach memory: by copies, since the module may run in another
//! process.

use crate::context::{HostContext, out_of_bounds};
use crate::externalities::ValidationExternalities;
use crate::functions::{self, Definitions, MODULE};
use crate::heap::{Heap, HeapError, LinearMemory};
use crate::link::EntryPoint;
use crate::parameters::HostParameters;
use crate::pvf::{
    HeapUse, Run, Timings, expect_functions, failed, invalid, judge_result, nanoseconds, place,
    rejected, result_out_of_bounds, result_place,
};
use crate::state::HostState;
use pvf_compiler::artifact::{Import, ImportKind};
use pvf_compiler::{Artifact, FuncType, ModuleInfo, ValType};
use pvf_executor::check_linkable;
use pvf_polkavm::{Allocator, Caller, Engine, Guest, HostFunction, Imports, Instance, Module};
use pvf_rules::{Execution, Outcome, Rejection, StackPeaks};
use pvf_runtime::{FuncTypeDisplay, HostFailure, LinkError, LoadError, Value};
use sp_externalities::set_and_run_with_externalities;
use sp_wasm_interface::{Function, FunctionContext, Pointer, Result as HostResult, WordSize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A validation function on PolkaVM with its environment. It validates any number of candidates, each in a fresh
/// instance.
pub struct PolkaVmPvf {
    parameters: HostParameters,
    module: Module,
    imports: Result<Imports<HostState>, Rejection>,
    entry: Result<EntryPoint, String>,
}

impl PolkaVmPvf {
    /// A validation function of an artifact for PolkaVM, with this environment. Its program has the allocator in it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn new(
        artifact: Artifact,
        engine: Engine,
        parameters: HostParameters,
    ) -> Result<Self, LoadError> {
        let module = Module::with_allocator(artifact, engine, allocator)?;
        Ok(Self::with_module(module, parameters))
    }

    /// A validation function of a module, with this environment.
    pub fn with_module(module: Module, parameters: HostParameters) -> Self {
        Self {
            imports: link(&module, parameters.ecc_rfc163),
            entry: EntryPoint::find(module.info()),
            module,
            parameters,
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Validates a candidate: as [`Pvf::validate`](crate::Pvf::validate).
    ///
    /// # Errors
    /// A failure of the machine or the operating system, or something that PolkaVM does not support. Every behaviour of
    /// module and candidate is an outcome.
    pub fn validate(&self, candidate: &[u8]) -> Result<Execution, HostFailure> {
        self.run(candidate).map(|run| run.execution)
    }

    /// As [`Self::validate`], with measurements.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn run(&self, candidate: &[u8]) -> Result<Run, HostFailure> {
        expect_functions(&self.parameters)?;
        let imports = match &self.imports {
            Ok(imports) => imports,
            Err(rejection) => return Ok(rejected(rejection.clone(), 0)),
        };
        // Set for the whole run, since the start function may call host functions that need it.
        let mut externalities = ValidationExternalities::new();
        set_and_run_with_externalities(&mut externalities, || {
            self.instantiate_and_call(imports.clone(), candidate)
        })
    }

    fn instantiate_and_call(
        &self,
        imports: Imports<HostState>,
        candidate: &[u8],
    ) -> Result<Run, HostFailure> {
        let start = Instant::now();
        let state = HostState::new(self.parameters.log.clone(), None);
        let instance = Instance::new(&self.module, imports, &self.parameters.execution, state);
        let instantiate_ns = nanoseconds(start);
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(error) => return Ok(rejected(error.rejection()?, instantiate_ns)),
        };
        let start = Instant::now();
        let outcome = self.call(&mut instance, candidate)?;
        let execute_ns = nanoseconds(start);
        let shared = instance.guest().allocator()?;
        let stats = instance.data_mut().heap.as_mut().map(|heap| {
            heap.take_over(&shared);
            heap.stats()
        });
        Ok(Run {
            execution: Execution {
                outcome,
                gas_used: instance.gas_used()?,
                stack: StackPeaks {
                    native: instance.stack_native_peak(),
                    logical: instance.stack_logical_peak(),
                },
                memory_pages_peak: instance.memory_pages(),
            },
            memory_pages: instance.memory_pages(),
            heap: stats.map(|stats| HeapUse {
                peak_bytes: stats.peak,
                address_space_bytes: stats.address_space,
            }),
            timings: Timings {
                instantiate_ns,
                execute_ns,
            },
        })
    }

    /// Passes the candidate to `validate_block` and decodes the result.
    fn call(
        &self,
        instance: &mut Instance<HostState>,
        candidate: &[u8],
    ) -> Result<Outcome, HostFailure> {
        let entry = match &self.entry {
            Ok(entry) => entry,
            Err(reason) => return Ok(invalid(reason.clone())),
        };
        let Some(Value::I32(heap_base)) = instance.global(entry.heap_base)? else {
            return Err(HostFailure::Internal(
                "the global `__heap_base` does not exist".to_owned(),
            ));
        };
        let mut heap = Heap::new(heap_base as u32);
        let address = match place(&mut heap, instance.guest(), candidate) {
            Ok(address) => address,
            Err(HeapError::Host(failure)) => return Err(failure),
            Err(error) => {
                return Ok(invalid(format!("no room for the candidate: {error}")));
            }
        };
        instance.guest().set_allocator(heap.shared())?;
        instance.data_mut().heap = Some(heap);
        let arguments = [
            Value::I32(address as i32),
            Value::I32(candidate.len() as i32),
        ];
        match instance.call(entry.validate_block, &arguments) {
            Ok(results) => match results[..] {
                [Value::I64(result)] => judge(instance.guest(), result as u64),
                _ => Err(HostFailure::Internal(format!(
                    "`validate_block` returned {results:?}"
                ))),
            },
            Err(error) => failed(error, self.parameters.ecc_rfc163, instance.data_mut()),
        }
    }
}

/// Decodes the result. Its address is in the low half, its length in the high half.
fn judge(guest: &mut Guest, result: u64) -> Result<Outcome, HostFailure> {
    let (address, bytes) = result_place(result);
    // Checked before a buffer of that size is made.
    if address as u64 + bytes as u64 > guest.bytes() {
        return Ok(result_out_of_bounds(address, bytes));
    }
    let mut result = vec![0; bytes];
    match guest.read(address, &mut result)? {
        true => Ok(judge_result(&result)),
        false => Ok(result_out_of_bounds(address, bytes)),
    }
}

/// The bodies of all host functions by name.
#[derive(Default)]
struct Bodies(HashMap<&'static str, (FuncType, HostFunction<HostState>)>);

impl Definitions for Bodies {
    fn define(
        &mut self,
        function: &'static dyn Function,
        body: impl Fn(&mut dyn HostContext, &mut [u64]) -> Result<(), String> + Send + Sync + 'static,
    ) {
        let name = function.name();
        let ty = functions::func_type(&function.signature());
        let body: HostFunction<HostState> = Arc::new(move |caller, slots| {
            functions::guard(name, &body, &mut GuestContext(caller), slots)
        });
        self.0.insert(name, (ty, body));
    }
}

/// Satisfies the imports of a module as [`crate::link`] does: unknown functions of the host's module trap when they are
/// called.
fn link(module: &Module, ecc: bool) -> Result<Imports<HostState>, Rejection> {
    let info = module.info();
    check_linkable(info, &functions::function_types(ecc))?;
    let mut bodies = Bodies::default();
    functions::define_all(&mut bodies, ecc);
    let mut imports = Imports::none(info);
    for import in &info.imports {
        match import.kind {
            ImportKind::Function(signature) => {
                let ty = &info.signatures[signature as usize];
                let body = bodies.find(import, ty).map_err(|error| error.rejection())?;
                imports.functions.push(body);
            }
            ImportKind::Memory(ty) => imports.memory = Some(ty),
            ImportKind::Global(_) => return Err(unknown(import, "global").rejection()),
            ImportKind::Table(_) => return Err(unknown(import, "table").rejection()),
        }
    }
    Ok(imports)
}

fn unknown(import: &Import, kind: &'static str) -> LinkError {
    LinkError::Unknown {
        module: import.module.clone(),
        name: import.name.clone(),
        kind,
    }
}

impl Bodies {
    fn find(
        &self,
        import: &Import,
        ty: &FuncType,
    ) -> Result<Option<HostFunction<HostState>>, LinkError> {
        if import.module != MODULE {
            return Err(unknown(import, "function"));
        }
        match self.0.get(&*import.name) {
            Some((found, body)) if found == ty => Ok(Some(body.clone())),
            Some((found, _)) => Err(LinkError::Type {
                module: import.module.clone(),
                name: import.name.clone(),
                expected: FuncTypeDisplay(ty.clone()).to_string(),
                found: FuncTypeDisplay(found.clone()).to_string(),
            }),
            None => Ok(None),
        }
    }
}

/// Bytes of a header of the heap.
const HEADER: usize = 8;

impl LinearMemory for Guest {
    fn bytes(&self) -> u64 {
        self.bytes()
    }

    fn header(&mut self, address: u32) -> Result<u64, HeapError> {
        let mut header = [0; HEADER];
        match self.read(address, &mut header)? {
            true => Ok(u64::from_le_bytes(header)),
            false => Err(HeapError::Other("read out of heap bounds")),
        }
    }

    fn set_header(&mut self, address: u32, header: u64) -> Result<(), HeapError> {
        match self.write(address, &header.to_le_bytes())? {
            true => Ok(()),
            false => Err(HeapError::Other("write out of heap bounds")),
        }
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<bool, HostFailure> {
        self.write(address, bytes)
    }

    fn pages(&self) -> u32 {
        self.pages()
    }

    fn limit_pages(&self) -> u32 {
        self.limit_pages()
    }

    fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.grow(pages)
    }

    fn expect_use(&mut self, _: u32, _: u32) {}
}

/// Calls `work` with the heap as the program left it, and leaves to the program what `work` makes of it.
fn with_shared<R>(
    heap: &mut Heap,
    memory: &mut Guest,
    work: impl FnOnce(&mut Heap, &mut Guest) -> Result<R, HeapError>,
) -> Result<R, HeapError> {
    heap.take_over(&memory.allocator()?);
    let result = work(heap, memory);
    memory.set_allocator(heap.shared())?;
    result
}

/// The imported functions of a module that its program does itself.
pub(crate) fn allocator(info: &ModuleInfo) -> Allocator {
    let of_type = |name: &str, params: &[ValType], results: &[ValType]| -> Vec<u32> {
        let mut functions = Vec::new();
        let imported = info.imports.iter().filter_map(|import| match import.kind {
            ImportKind::Function(signature) => Some((import, signature)),
            _ => None,
        });
        for (index, (import, signature)) in (0..).zip(imported) {
            let ty = &info.signatures[signature as usize];
            if import.module == MODULE
                && import.name == name
                && ty.params == params
                && ty.results == results
            {
                functions.push(index);
            }
        }
        functions
    };
    Allocator {
        malloc: of_type(
            "ext_allocator_malloc_version_1",
            &[ValType::I32],
            &[ValType::I32],
        ),
        free: of_type("ext_allocator_free_version_1", &[ValType::I32], &[]),
    }
}

/// The calling module on PolkaVM, as the context of a host function.
struct GuestContext<'a, 'c>(&'a mut Caller<'c, HostState>);

impl GuestContext<'_, '_> {
    fn check_started(&self) -> HostResult<()> {
        match self.0.data().heap {
            Some(_) => Ok(()),
            None => Err(HeapError::NotStarted.to_string()),
        }
    }

    /// Calls `work` with the allocator and the memory.
    fn with_heap<R>(
        &mut self,
        work: impl FnOnce(&mut Heap, &mut Guest) -> Result<R, HeapError>,
    ) -> HostResult<R> {
        let (memory, state) = self.0.split();
        let result = match &mut state.heap {
            Some(heap) => with_shared(heap, memory, work),
            None => Err(HeapError::NotStarted),
        };
        result.map_err(|error| state.keep_failure(error))
    }

    /// What a failure of PolkaVM becomes: the run then ends with it, and has no outcome.
    fn failed(&mut self, failure: HostFailure) -> String {
        let text = failure.to_string();
        self.0.data_mut().failure = Some(failure);
        text
    }
}

impl HostContext for GuestContext<'_, '_> {
    fn state(&self) -> &HostState {
        self.0.data()
    }

    fn state_mut(&mut self) -> &mut HostState {
        self.0.data_mut()
    }

    fn expect_bytes(&self, address: u32, bytes: usize) -> HostResult<()> {
        self.check_started()?;
        match u64::from(address) + bytes as u64 <= self.0.memory_bytes() {
            true => Ok(()),
            false => Err(out_of_bounds("read", address, bytes)),
        }
    }
}

impl FunctionContext for GuestContext<'_, '_> {
    /// Checks the bounds before it allocates the result, unlike the default implementation.
    fn read_memory(&mut self, address: Pointer<u8>, size: WordSize) -> HostResult<Vec<u8>> {
        self.expect_bytes(address.into(), size as usize)?;
        let mut read = vec![0; size as usize];
        self.read_memory_into(address, &mut read)?;
        Ok(read)
    }

    fn read_memory_into(&mut self, address: Pointer<u8>, dest: &mut [u8]) -> HostResult<()> {
        self.expect_bytes(address.into(), dest.len())?;
        match self.0.guest().read(address.into(), dest) {
            Ok(true) => Ok(()),
            Ok(false) => Err(out_of_bounds("read", address.into(), dest.len())),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    fn write_memory(&mut self, address: Pointer<u8>, data: &[u8]) -> HostResult<()> {
        self.check_started()?;
        match self.0.guest().write(address.into(), data) {
            Ok(true) => Ok(()),
            Ok(false) => Err(out_of_bounds("write", address.into(), data.len())),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    fn allocate_memory(&mut self, size: WordSize) -> HostResult<Pointer<u8>> {
        let address = self.with_heap(|heap, memory| heap.allocate(memory, size))?;
        Ok(Pointer::new(address))
    }

    fn deallocate_memory(&mut self, ptr: Pointer<u8>) -> HostResult<()> {
        self.with_heap(|heap, memory| heap.deallocate(memory, ptr.into()))
    }

    fn register_panic_error_message(&mut self, message: &str) {
        self.0.data_mut().panic_message = Some(message.to_owned());
    }
}

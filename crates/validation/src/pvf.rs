//! A validation function, ready to validate candidates.

use crate::context::range;
use crate::externalities::ValidationExternalities;
use crate::functions::host_function_type;
use crate::heap::{self, Heap, HeapError, LinearMemory, taken};
use crate::link::{self, EntryPoint};
use crate::observer::Observer;
use crate::parameters::HostParameters;
use crate::state::{HostState, SharedTrace};
use crate::trace::Trace;
use pvf_compiler::ModuleInfo;
use pvf_primitives::ValidationResult;
use pvf_rules::{Execution, ExecutionParameters, Outcome, Rejection, StackPeaks, Trap};
use pvf_runtime::{CallError, HostFailure, Instance, Linked, Module, Value};
use sp_externalities::set_and_run_with_externalities;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// A prepared validation function with its environment. It validates any number of candidates, each
/// in a fresh instance, from any number of threads.
pub struct Pvf {
    parameters: HostParameters,
    module: Module,
    linked: Result<Linked<HostState>, Rejection>,
    /// Imports linked for runs with a trace; made at the first such run.
    watched: OnceLock<Result<Linked<HostState>, Rejection>>,
    observers: Vec<Observer>,
    entry: Result<EntryPoint, String>,
}

/// The result of a run, with measurements.
#[derive(Clone, Debug)]
pub struct Run {
    /// The outcome, and the measurements that the rules make deterministic.
    pub execution: Execution,
    /// Size of linear memory at the end, in pages; 0 if there was no instance.
    pub memory_pages: u32,
    /// The use of the heap; `None` if the run ended before the candidate was allocated.
    pub heap: Option<HeapUse>,
    /// The durations.
    pub timings: Timings,
}

/// The use of a run's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapUse {
    /// Maximum sum of live allocations in bytes, with their headers and rounded to their size in
    /// memory.
    pub peak_bytes: u32,
    /// Bytes from `__heap_base` to the highest address ever allocated.
    pub address_space_bytes: u32,
}

/// Durations of the parts of a run, in nanoseconds of wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Making the instance: segments and start function.
    pub instantiate_ns: u64,
    /// Passing the candidate, running `validate_block`, decoding the result.
    pub execute_ns: u64,
}

impl Pvf {
    /// A validation function with this environment.
    pub fn new(module: Module, parameters: HostParameters) -> Self {
        Self::with_observers(module, parameters, &[])
    }

    /// As [`Self::new`], with additional functions that the module can import, for instrumented
    /// modules.
    pub fn with_observers(
        module: Module,
        parameters: HostParameters,
        observers: &[Observer],
    ) -> Self {
        Self {
            linked: link::link(&module, parameters.ecc_rfc163, false, observers),
            watched: OnceLock::new(),
            observers: observers.to_vec(),
            entry: EntryPoint::find(module.info()),
            module,
            parameters,
        }
    }

    /// Why every candidate is invalid with this module, if it follows from the module alone: an
    /// export that `validate_block` needs is missing, or memory starts above its limit. A node
    /// finds this out only when it validates.
    pub fn why_all_fail(module: &ModuleInfo, parameters: &ExecutionParameters) -> Option<String> {
        let limit = parameters.max_memory_pages;
        match module.memory {
            Some(memory) if memory.minimum > limit => Some(format!(
                "memory starts with {} pages, the limit is {limit}",
                memory.minimum
            )),
            _ => EntryPoint::find(module).err(),
        }
    }

    /// Validates a candidate. `candidate` is the SCALE-encoded `ValidationParams`, which is passed
    /// on unchanged.
    ///
    /// # Errors
    /// A failure of the machine or the operating system. Every behaviour of module and candidate is
    /// an outcome.
    pub fn validate(&self, candidate: &[u8]) -> Result<Execution, HostFailure> {
        self.run(candidate).map(|run| run.execution)
    }

    /// As [`Self::validate`], with measurements.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn run(&self, candidate: &[u8]) -> Result<Run, HostFailure> {
        self.run_watched(candidate, None, &mut |_| {})
    }

    /// As [`Self::run`]. At the end `inspect` is called with the memory, if there was an instance.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn run_inspected(
        &self,
        candidate: &[u8],
        mut inspect: impl FnMut(&[u8]),
    ) -> Result<Run, HostFailure> {
        self.run_watched(candidate, None, &mut inspect)
    }

    /// As [`Self::run`], with a trace of the host calls, which is returned after the run.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn run_traced<W: Trace>(
        &self,
        candidate: &[u8],
        trace: W,
    ) -> Result<(Run, W), HostFailure> {
        let trace = Arc::new(Mutex::new(trace));
        let run = self.run_watched(candidate, Some(trace.clone()), &mut |_| {})?;
        match Arc::into_inner(trace) {
            Some(trace) => Ok((
                run,
                trace.into_inner().unwrap_or_else(PoisonError::into_inner),
            )),
            None => Err(HostFailure::Internal(
                "the trace of a run is still in use".to_owned(),
            )),
        }
    }

    fn run_watched(
        &self,
        candidate: &[u8],
        trace: Option<SharedTrace>,
        inspect: &mut dyn FnMut(&[u8]),
    ) -> Result<Run, HostFailure> {
        expect_functions(&self.parameters)?;
        let linked = match &trace {
            Some(_) => self.watched.get_or_init(|| {
                let ecc = self.parameters.ecc_rfc163;
                link::link(&self.module, ecc, true, &self.observers)
            }),
            None => &self.linked,
        };
        let linked = match linked {
            Ok(linked) => linked,
            Err(rejection) => return Ok(rejected(rejection.clone(), 0)),
        };
        // Set for the whole run, since the start function may call host functions that need it.
        let mut externalities = ValidationExternalities::new();
        set_and_run_with_externalities(&mut externalities, || {
            self.instantiate_and_call(linked, candidate, trace, inspect)
        })
    }

    fn instantiate_and_call(
        &self,
        linked: &Linked<HostState>,
        candidate: &[u8],
        trace: Option<SharedTrace>,
        inspect: &mut dyn FnMut(&[u8]),
    ) -> Result<Run, HostFailure> {
        let start = Instant::now();
        let state = HostState::new(self.parameters.log.clone(), trace);
        let instance = Instance::from_linked(linked, &self.parameters.execution, state);
        let instantiate_ns = nanoseconds(start);
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(error) => return Ok(rejected(error.rejection()?, instantiate_ns)),
        };

        let start = Instant::now();
        let outcome = self.call(&mut instance, candidate)?;
        let execute_ns = nanoseconds(start);
        inspect(instance.memory());
        let stats = instance.data().heap.as_ref().map(|heap| heap.stats());
        Ok(Run {
            execution: Execution {
                outcome,
                gas_used: instance.gas_used(),
                stack: StackPeaks {
                    native: instance.stack_native_peak(),
                    logical: instance.stack_logical_peak(),
                },
                memory_pages_peak: instance.memory_pages_peak(),
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
        let Some(Value::I32(heap_base)) = instance.global(entry.heap_base) else {
            return Err(HostFailure::Internal(
                "the global `__heap_base` does not exist".to_owned(),
            ));
        };
        let mut heap = Heap::new(heap_base as u32);
        let address = match place(&mut heap, instance, candidate) {
            Ok(address) => address,
            Err(HeapError::Host(failure)) => return Err(failure),
            Err(error) => {
                return Ok(invalid(format!("no room for the candidate: {error}")));
            }
        };
        instance.data_mut().heap = Some(heap);
        let bytes = candidate.len() as u32;
        let state = instance.data();
        state.watch(|trace| trace.allocated(address, bytes, taken(bytes)));

        let arguments = [
            Value::I32(address as i32),
            Value::I32(candidate.len() as i32),
        ];
        match instance.call(entry.validate_block, &arguments) {
            Ok(results) => match results[..] {
                [Value::I64(result)] => Ok(judge(instance.memory(), result as u64)),
                _ => Err(HostFailure::Internal(format!(
                    "`validate_block` returned {results:?}"
                ))),
            },
            Err(error) => failed(error, self.parameters.ecc_rfc163, instance.data_mut()),
        }
    }
}

/// The outcome of a call that did not return, if it is one.
pub(crate) fn failed(
    error: CallError,
    ecc_rfc163: bool,
    state: &mut HostState,
) -> Result<Outcome, HostFailure> {
    match error {
        CallError::Trap(mut trap) => {
            if let Some(message) = &mut trap.message {
                name_switch(message, ecc_rfc163);
            }
            Ok(trapped(trap, state.panic_message.take()))
        }
        CallError::Failure(failure) => Err(failure),
        error => Err(HostFailure::Internal(error.to_string())),
    }
}

/// Whether this build has the host functions that the parameters ask for.
pub(crate) fn expect_functions(parameters: &HostParameters) -> Result<(), HostFailure> {
    match parameters.ecc_rfc163 && !cfg!(feature = "ecc") {
        true => Err(HostFailure::Internal(
            "this build lacks the elliptic-curve functions that the parameters ask for".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Extends the message about a missing function with the parameter that would enable it. Texts are not
/// part of the outcome.
fn name_switch(message: &mut String, ecc_rfc163: bool) {
    let name = message.strip_prefix("call to a missing function env:");
    let with = |ecc| name.and_then(|name| host_function_type(name, ecc));
    if !ecc_rfc163 && with(true).is_some() && with(false).is_none() {
        message.push_str(
            ", an elliptic-curve function of RFC 163, which the parameters do not enable \
             (EnabledHostFunction(EccRfc163); --ecc-rfc163)",
        );
    }
}

impl LinearMemory for Instance<HostState> {
    fn bytes(&self) -> u64 {
        self.memory().len() as u64
    }

    fn header(&mut self, address: u32) -> Result<u64, HeapError> {
        heap::read(self.memory(), address)
    }

    fn set_header(&mut self, address: u32, header: u64) -> Result<(), HeapError> {
        heap::write(self.memory_mut(), address, header)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<bool, HostFailure> {
        Ok(heap::copy_into(self.memory_mut(), address, bytes))
    }

    fn pages(&self) -> u32 {
        self.memory_pages()
    }

    fn limit_pages(&self) -> u32 {
        self.memory_limit_pages()
    }

    fn grow(&mut self, pages: u32) -> Result<Option<u32>, HostFailure> {
        self.grow_memory(pages)
    }

    fn expect_use(&mut self, address: u32, bytes: u32) {
        Instance::expect_use(self, address, bytes);
    }
}

/// Allocates the candidate, as the first allocation of the run, and copies it into memory.
pub(crate) fn place(
    heap: &mut Heap,
    memory: &mut impl LinearMemory,
    candidate: &[u8],
) -> Result<u32, HeapError> {
    let bytes = u32::try_from(candidate.len()).map_err(|_| HeapError::TooLarge)?;
    let address = heap.allocate(memory, bytes)?;
    match memory.write(address, candidate)? {
        true => Ok(address),
        false => Err(HeapError::OutOfSpace),
    }
}

/// Decodes the result. Its address is in the low half, its length in the high half.
fn judge(memory: &[u8], result: u64) -> Outcome {
    let (address, bytes) = result_place(result);
    match range(memory.len(), address, bytes) {
        Some(range) => judge_result(&memory[range]),
        None => result_out_of_bounds(address, bytes),
    }
}

/// Address and length of a result.
pub(crate) fn result_place(result: u64) -> (u32, usize) {
    (result as u32, (result >> 32) as usize)
}

pub(crate) fn result_out_of_bounds(address: u32, bytes: usize) -> Outcome {
    invalid(format!(
        "the result, {bytes} bytes at {address:#x}, is out of bounds"
    ))
}

/// Decodes the bytes of a result.
pub(crate) fn judge_result(result: &[u8]) -> Outcome {
    match ValidationResult::from_bytes(result) {
        Ok(_) => Outcome::Valid(result.to_vec()),
        Err(error) => invalid(format!(
            "the result cannot be decoded: {}",
            one_line(&error.to_string())
        )),
    }
}

/// Joins the lines of an error text.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn invalid(reason: String) -> Outcome {
    Outcome::Invalid { trap: None, reason }
}

fn trapped(trap: Trap, panic_message: Option<String>) -> Outcome {
    Outcome::Invalid {
        reason: panic_message.unwrap_or_else(|| trap.to_string()),
        trap: Some(trap),
    }
}

pub(crate) fn rejected(rejection: Rejection, instantiate_ns: u64) -> Run {
    Run {
        execution: Execution::rejected(rejection),
        memory_pages: 0,
        heap: None,
        timings: Timings {
            instantiate_ns,
            execute_ns: 0,
        },
    }
}

pub(crate) fn nanoseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

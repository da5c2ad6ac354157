//! A validation function compiled by Wasmtime, and the execution of candidates with it.

use crate::externalities::NoStorage;
use crate::host::{self, Memory};
use crate::{trap_kind, with_own_memory};
use cpu_time::ThreadTime;
use pvf_meter_oracle::{HEIGHT, HostGas, WRITTEN_LIMIT};
use pvf_rules::{DEFAULT_MAX_MEMORY_PAGES, TrapKind};
use sc_allocator::FreeingBumpHeapAllocator;
use sp_externalities::set_and_run_with_externalities;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wasmtime::{Engine, InstancePre, Linker, Module, Store, Val, format_err};

/// The state of an execution besides the instance.
pub struct State {
    pub memory: Option<wasmtime::Memory>,
    /// Boxed, because a call of the allocator takes it out of the state.
    pub allocator: Option<Box<FreeingBumpHeapAllocator>>,
    /// Gas, if the module was instrumented.
    pub gas: HostGas,
}

/// The limits of a module that `pvf_meter_oracle` has instrumented for [`WRITTEN_LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest height of the logical stack, in units.
    pub stack: u32,
    /// Gas.
    pub gas: u64,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The function returned these bytes from `validate_block`.
    Returned(Vec<u8>),
    /// The function trapped.
    Trapped(TrapKind),
}

/// Why an execution has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The module cannot be instantiated.
    #[error("cannot be instantiated: {0}")]
    Instantiate(String),
    /// The module or its result does not follow the interface of validation functions.
    #[error("does not follow the interface: {0}")]
    Interface(String),
    /// Wasmtime failed.
    #[error("{0}")]
    Engine(String),
}

/// CPU time of the executing thread.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the fresh instance.
    pub instantiate: Duration,
    /// From writing the parameters to reading the result.
    pub call: Duration,
}

/// A compiled and linked validation function.
pub struct Prepared {
    engine: Engine,
    instance: InstancePre<State>,
}

impl Prepared {
    /// Compiles and links a module, which may be instrumented. The module gets a memory of its own
    /// ([`with_own_memory`]).
    pub fn new(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Self> {
        let own =
            with_own_memory(wasm, DEFAULT_MAX_MEMORY_PAGES).map_err(|e| format_err!("{e}"))?;
        Self::link(&Module::new(engine, own)?)
    }

    /// Links a module that has its own memory.
    pub fn link(module: &Module) -> wasmtime::Result<Self> {
        // Sets the value that ext_logging_max_level returns. This executor always returns the same one.
        log::set_max_level(log::LevelFilter::Error);
        let engine = module.engine();
        let mut linker = Linker::new(engine);
        host::link(&mut linker, module)?;
        Ok(Self {
            engine: engine.clone(),
            instance: linker.instantiate_pre(module)?,
        })
    }

    /// Executes a candidate in a fresh instance. `parameters` are SCALE-encoded
    /// `ValidationParams`.
    pub fn execute(&self, parameters: &[u8]) -> Result<(Ended, Times), ExecuteError> {
        let (ended, times, _) = self.run(parameters, None)?;
        Ok((ended, times))
    }

    /// Executes a candidate with an instrumented module within limits, and returns the gas used.
    pub fn execute_within(
        &self,
        parameters: &[u8],
        limits: Limits,
    ) -> Result<(Ended, u64), ExecuteError> {
        let (ended, _, gas) = self.run(parameters, Some(limits))?;
        Ok((ended, gas.used))
    }

    fn run(
        &self,
        parameters: &[u8],
        limits: Option<Limits>,
    ) -> Result<(Ended, Times, HostGas), ExecuteError> {
        let start = ThreadTime::now();
        let state = State {
            memory: None,
            allocator: None,
            gas: HostGas::new(limits.map_or(u64::MAX, |limits| limits.gas)),
        };
        let mut store = Store::new(&self.engine, state);
        // The call fails if this engine does not count fuel.
        let _ = store.set_fuel(u64::MAX);
        let interface = |what: &str| ExecuteError::Interface(what.to_owned());
        let instance = self
            .instance
            .instantiate(&mut store)
            .map_err(|error| ExecuteError::Instantiate(format!("{error:#}")))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| interface("no memory"))?;
        let heap_base = instance
            .get_global(&mut store, "__heap_base")
            .and_then(|global| global.get(&mut store).i32())
            .ok_or_else(|| interface("no __heap_base"))?;
        let function = instance
            .get_typed_func::<(u32, u32), u64>(&mut store, "validate_block")
            .map_err(|error| interface(&format!("{error:#}")))?;
        let height = instance.get_global(&mut store, HEIGHT);
        if let Some(limits) = limits {
            let start = pvf_meter_oracle::height_for(WRITTEN_LIMIT, limits.stack);
            height
                .ok_or_else(|| format_err!("not instrumented"))
                .and_then(|height| height.set(&mut store, Val::I32(start as i32)))
                .map_err(engine)?;
        }
        let instantiate = start.elapsed();

        let start = ThreadTime::now();
        let mut allocator = Box::new(FreeingBumpHeapAllocator::new(heap_base as u32));
        let view = &mut Memory {
            memory,
            store: &mut store,
        };
        let bytes = parameters.len() as u32;
        let mut ended = match allocator.allocate(view, bytes) {
            Err(_) => Ended::Trapped(TrapKind::HostError),
            Ok(pointer) => {
                let pointer = u32::from(pointer);
                memory
                    .write(&mut store, pointer as usize, parameters)
                    .map_err(|error| engine(error.into()))?;
                let state = store.data_mut();
                state.memory = Some(memory);
                state.allocator = Some(allocator);
                let called = catch_unwind(AssertUnwindSafe(|| {
                    set_and_run_with_externalities(&mut NoStorage::default(), || {
                        function.call(&mut store, (pointer, bytes))
                    })
                }));
                match called {
                    Ok(returned) => ended(returned, memory.data(&store))?,
                    // Host functions panic by design.
                    Err(_) => Ended::Trapped(TrapKind::HostError),
                }
            }
        };
        let times = Times {
            instantiate,
            call: start.elapsed(),
        };
        let gas = store.data().gas;
        if limits.is_some() && matches!(ended, Ended::Trapped(_)) {
            let height = height.and_then(|height| height.get(&mut store).i32());
            if gas.exhausted {
                ended = Ended::Trapped(TrapKind::OutOfGas);
            } else if height.is_some_and(|it| pvf_meter_oracle::overflown(it as u32, WRITTEN_LIMIT))
            {
                ended = Ended::Trapped(TrapKind::StackOverflow);
            }
        }
        Ok((ended, times, gas))
    }
}

fn engine(error: wasmtime::Error) -> ExecuteError {
    ExecuteError::Engine(format!("{error:#}"))
}

fn ended(returned: wasmtime::Result<u64>, memory: &[u8]) -> Result<Ended, ExecuteError> {
    match returned {
        Ok(packed) => {
            let (start, bytes) = (packed as u32 as usize, (packed >> 32) as usize);
            match memory.get(start..start + bytes) {
                Some(result) => Ok(Ended::Returned(result.to_vec())),
                None => Err(ExecuteError::Interface(
                    "the result lies outside the memory".to_owned(),
                )),
            }
        }
        Err(error) => {
            let kind = match error.downcast_ref::<wasmtime::Trap>() {
                Some(trap) => {
                    trap_kind(*trap).ok_or_else(|| ExecuteError::Engine(trap.to_string()))?
                }
                None => TrapKind::HostError,
            };
            Ok(Ended::Trapped(kind))
        }
    }
}

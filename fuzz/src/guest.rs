//! Runs a plan in an engine without meters on a module that meters itself: the part that Wasmtime and wasmi share.

use crate::instrumented::{self, Globals, HostGas, Meters, START};
use crate::observe::{
    Bits, Call, Ending, HostFunctions, Limits, MAX_MEMORY_PAGES, Observation, Plan, Step,
};
use pvf_rules::{PAGE_BYTES, TrapKind};
use wasmparser::ValType;

/// Largest size of a memory, in bytes.
pub const MAX_MEMORY_BYTES: usize = MAX_MEMORY_PAGES as usize * PAGE_BYTES as usize;

/// The state of an instance's host functions.
pub struct Host {
    /// The functions that modules import.
    pub functions: HostFunctions,
    /// Gas, if a host function charges it.
    pub gas: HostGas,
}

/// How a call ended, as the engine reports it.
pub enum Called {
    /// The call returned results with these bits.
    Returned(Vec<Bits>),
    /// The engine's own stack overflowed.
    NativeStack,
    /// The call ended with a trap of the engine, or because a host function failed (`None`).
    Trapped(Option<TrapKind>),
}

/// An instance of one engine. Errors are failures of the engine, not outcomes of calls.
pub trait Guest: Globals {
    /// A function of the instance.
    type Function;

    /// The function that is exported under a name.
    fn function(&mut self, name: &str) -> Option<Self::Function>;

    /// Calls a function that has this number of results.
    fn call(
        &mut self,
        function: Self::Function,
        arguments: &[(ValType, Bits)],
        results: usize,
    ) -> Result<Called, String>;

    /// The number of pages of an exported memory, and the hash of its bytes.
    fn memory(&mut self, name: &str) -> Option<(u32, u64)>;

    /// The state of the host functions.
    fn host(&mut self) -> &mut Host;
}

impl Host {
    /// The host of a fresh instance.
    pub fn new(limits: Limits) -> Self {
        Self {
            functions: HostFunctions::default(),
            gas: HostGas::new(limits.gas),
        }
    }
}

/// Runs one step of a plan in a fresh instance. Returns one observation per call, or a single one if the start function
/// traps.
pub fn run(
    guest: &mut impl Guest,
    meters: Meters,
    plan: &Plan,
    step: &Step,
    limits: Limits,
) -> Result<Vec<Observation>, String> {
    instrumented::give_gas(meters, guest, limits)?;
    if let Some(start) = guest.function(START) {
        let ending = call(guest, meters, limits, start, &[], 0)?;
        if !matches!(ending, Ending::Returned(_)) {
            return Ok(vec![Observation::without_instance(ending)]);
        }
    }
    let mut observations = Vec::new();
    let calls = step.calls.iter().enumerate();
    for (
        number,
        Call {
            function,
            arguments,
        },
    ) in calls
    {
        let function = &plan.functions[*function];
        let types = function.parameters.iter().copied();
        let arguments: Vec<_> = types.zip(arguments.iter().copied()).collect();
        let callee = guest
            .function(&function.name)
            .ok_or_else(|| format!("no export {:?}", function.name))?;
        let results = function.results.len();
        let ending = call(guest, meters, limits, callee, &arguments, results)?;
        let memory = plan.observes_memory(step, number);
        observations.push(observe(guest, meters, limits, plan, memory, ending)?);
    }
    Ok(observations)
}

fn call<G: Guest>(
    guest: &mut G,
    meters: Meters,
    limits: Limits,
    function: G::Function,
    arguments: &[(ValType, Bits)],
    results: usize,
) -> Result<Ending, String> {
    let mut gas = guest.host().gas;
    instrumented::before_call(meters, guest, &mut gas, limits)?;
    guest.host().gas = gas;
    Ok(match guest.call(function, arguments, results)? {
        Called::Returned(results) => Ending::Returned(results),
        Called::NativeStack => Ending::NativeStack,
        Called::Trapped(engine) => {
            let gas = guest.host().gas;
            Ending::Trapped(instrumented::trap_kind(meters, guest, &gas, engine))
        }
    })
}

fn observe(
    guest: &mut impl Guest,
    meters: Meters,
    limits: Limits,
    plan: &Plan,
    memory: bool,
    ending: Ending,
) -> Result<Observation, String> {
    let memory = plan.memory.as_ref().filter(|_| memory);
    let memory = memory.and_then(|name| guest.memory(name));
    let globals = plan
        .globals
        .iter()
        .map(|name| guest.get(name).ok_or_else(|| format!("no global {name:?}")));
    let globals = globals.collect::<Result<_, _>>()?;
    let gas = guest.host().gas;
    Ok(Observation {
        ending,
        memory,
        globals,
        host_calls: guest.host().functions.trace(),
        gas_used: instrumented::gas_used(meters, guest, &gas, limits),
    })
}

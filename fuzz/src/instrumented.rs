//! A module that meters itself, so that an engine without our meters is an oracle for them.
//!
//! [`Instrumented::new`] takes a module, its language and the prices of gas. It adds meters with `wasm-instrument`, or
//! with this repository's instrumenter if `wasm-instrument` cannot read the module. The functions below set the limits
//! and read the meters of an instance: limits are set from outside, so that one compilation of a module serves all
//! limits.

use crate::observe::Limits;
use pvf_instrument::{GAS_LEFT, GasLimit, InstrumentOptions, STACK_LOGICAL_LEFT, TRAP};
use pvf_meter_oracle::{HEIGHT, OracleError, WRITTEN_LIMIT};
use pvf_metering::Costs;
use pvf_rules::{Features, TrapKind};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{ExportKind, ExportSection, RawSection};
use wasmparser::{Parser, Payload};

pub use pvf_meter_oracle::{GAS, HostGas};

/// Name under which the start function is exported, because it must run after the limits are set.
pub const START: &str = "__start";

/// The instrumenter of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `wasm-instrument` 0.4, as Polkadot uses it.
    WasmInstrument,
    /// `pvf instrument`, for the languages that `wasm-instrument` cannot read.
    Ours,
}

/// The meters of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meters {
    /// The instrumenter that added them.
    pub by: By,
    /// Whether the logical stack is counted; gas always is.
    pub stack: bool,
}

/// A module with meters.
pub struct Instrumented {
    /// The module; [`START`] has to be called first, if it is there.
    pub wasm: Vec<u8>,
    /// The meters that it has.
    pub meters: Meters,
}

/// Why a module has no meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInstrumented {
    /// The rules of the meters refuse the module.
    ByRule(String),
    /// The instrumenters cannot handle the module.
    Unable(String),
}

impl Instrumented {
    /// Adds the meters; that of the logical stack only if `stack` asks for it.
    pub fn new(
        wasm: &[u8],
        features: Features,
        costs: &Costs,
        stack: bool,
    ) -> Result<Self, NotInstrumented> {
        let meters = pvf_meter_oracle::Meters {
            stack_logical_max: stack.then_some(WRITTEN_LIMIT),
            gas: Some(costs),
        };
        // It reads some sections of wider languages, but puts them in the wrong order.
        let instrumented = pvf_meter_oracle::instrument(wasm, &meters).and_then(|wasm| {
            let valid = wasmparser::validate(&wasm);
            valid.map_err(|error| OracleError::Unreadable(error.to_string()))?;
            Ok(wasm)
        });
        let (wasm, by) = match instrumented {
            Ok(wasm) => (wasm, By::WasmInstrument),
            Err(OracleError::Unreadable(_)) => (by_ours(wasm, features, costs, stack)?, By::Ours),
            Err(error @ OracleError::Shape) => {
                return Err(NotInstrumented::Unable(error.to_string()));
            }
            Err(error) => return Err(NotInstrumented::ByRule(error.to_string())),
        };
        let wasm = detach_start(&wasm).map_err(NotInstrumented::Unable)?;
        let meters = Meters { by, stack };
        Ok(Self { wasm, meters })
    }
}

fn by_ours(
    wasm: &[u8],
    features: Features,
    costs: &Costs,
    stack: bool,
) -> Result<Vec<u8>, NotInstrumented> {
    let options = InstrumentOptions {
        stack_logical_max: stack.then_some(WRITTEN_LIMIT),
        gas: Some(GasLimit {
            costs: costs.clone(),
            limit: u64::MAX,
        }),
        ..InstrumentOptions::new(features)
    };
    pvf_instrument::instrument(wasm, &options).map_err(|error| {
        let text = error.to_string();
        match error {
            pvf_instrument::InstrumentError::Meter { .. } => NotInstrumented::ByRule(text),
            _ => NotInstrumented::Unable(text),
        }
    })
}

/// The module with its start function exported as [`START`] instead.
fn detach_start(wasm: &[u8]) -> Result<Vec<u8>, String> {
    let mut start = None;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::StartSection { func, .. } = payload.map_err(|error| error.to_string())? {
            start = Some(func);
        }
    }
    let Some(start) = start else {
        return Ok(wasm.to_vec());
    };
    let mut module = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| error.to_string())? {
            Payload::StartSection { .. } => {}
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                RoundtripReencoder
                    .parse_export_section(&mut exports, section)
                    .map_err(|error| error.to_string())?;
                exports.export(START, ExportKind::Func, start);
                module.section(&exports);
            }
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    module.section(&RawSection {
                        id,
                        data: &wasm[range.start as usize..range.end as usize],
                    });
                }
            }
        }
    }
    Ok(module.finish())
}

/// The globals of an instance, by the names of exports; numbers as their bits.
pub trait Globals {
    /// The bits that a global holds.
    fn get(&mut self, name: &str) -> Option<u64>;
    /// Sets the bits of a global.
    fn set(&mut self, name: &str, bits: u64) -> Result<(), String>;
}

/// Sets the gas of a fresh instance.
pub fn give_gas(meters: Meters, globals: &mut impl Globals, limits: Limits) -> Result<(), String> {
    match meters.by {
        By::WasmInstrument => Ok(()),
        By::Ours => globals.set(GAS_LEFT, limits.gas),
    }
}

/// Resets the meters before a call.
pub fn before_call(
    meters: Meters,
    globals: &mut impl Globals,
    gas: &mut HostGas,
    limits: Limits,
) -> Result<(), String> {
    gas.exhausted = false;
    match meters.by {
        By::WasmInstrument if !meters.stack => Ok(()),
        By::WasmInstrument => {
            let height = pvf_meter_oracle::height_for(WRITTEN_LIMIT, limits.stack);
            globals.set(HEIGHT, u64::from(height))
        }
        By::Ours => {
            globals.set(TRAP, 0)?;
            match meters.stack {
                true => globals.set(STACK_LOGICAL_LEFT, u64::from(limits.stack)),
                false => Ok(()),
            }
        }
    }
}

/// The kind of a trap: a meter's if a meter trapped, otherwise the engine's. `None` is a failed host function.
pub fn trap_kind(
    meters: Meters,
    globals: &mut impl Globals,
    gas: &HostGas,
    engine: Option<TrapKind>,
) -> TrapKind {
    let engine = engine.unwrap_or(TrapKind::HostError);
    match meters.by {
        By::WasmInstrument if gas.exhausted => TrapKind::OutOfGas,
        By::WasmInstrument if engine == TrapKind::Unreachable => {
            let height = globals.get(HEIGHT).unwrap_or(0) as u32;
            match pvf_meter_oracle::overflown(height, WRITTEN_LIMIT) {
                true => TrapKind::StackOverflow,
                false => engine,
            }
        }
        By::Ours if engine == TrapKind::Unreachable => {
            // 0 means that the module itself trapped.
            match globals.get(TRAP).filter(|&code| code != 0) {
                Some(code) => TrapKind::from_code(code as u8).unwrap_or(engine),
                None => engine,
            }
        }
        _ => engine,
    }
}

/// Gas used so far.
pub fn gas_used(
    meters: Meters,
    globals: &mut impl Globals,
    gas: &HostGas,
    limits: Limits,
) -> Option<u64> {
    match meters.by {
        By::WasmInstrument => Some(gas.used),
        By::Ours => limits.gas.checked_sub(globals.get(GAS_LEFT)?),
    }
}

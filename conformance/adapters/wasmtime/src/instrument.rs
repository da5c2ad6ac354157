//! Modules rewritten as Polkadot's workers do it: by `wasm-instrument` 0.4.

use pvf_metering::Schedule;
use pvf_oracle::Meters;
use serde_json::Value;

pub(crate) use pvf_oracle::{GAS, HEIGHT};

/// Polkadot's limit where a question gives none.
const DEFAULT_LIMIT: u32 = 65_536;

/// A rewritten module.
pub(crate) struct Instrumented {
    pub(crate) wasm: Vec<u8>,
    /// The logical limit that is in it.
    pub(crate) limit: Option<u32>,
}

/// Rewrites, or says why the module is turned down. A module of a wider language than WebAssembly 1.0
/// cannot be read by the instrumentation and stays as it is.
pub(crate) fn instrument(wasm: Vec<u8>, question: &Value) -> Result<Instrumented, String> {
    let wider = question["features"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    let limit = question["stack_logical_max"]
        .as_u64()
        .and_then(|it| u32::try_from(it).ok());
    let gas = !question["gas_limit"].is_null();
    let limit = match (limit, wider || gas) {
        (None, true) => None,
        (limit, _) => Some(limit.unwrap_or(DEFAULT_LIMIT)),
    };
    if limit.is_none() && !gas {
        return Ok(Instrumented { wasm, limit });
    }
    let price = |name: &str| question["gas_schedule"][name].as_u64().unwrap_or(0) as u32;
    let schedule = Schedule {
        default: price("instruction"),
        per_local: price("call_per_local"),
        memory_grow_per_page: price("memory_grow"),
        ..Schedule::default()
    };
    let costs = schedule.costs().map_err(|error| error.to_string())?;
    let meters = Meters {
        stack_logical_max: limit,
        gas: gas.then_some(&costs),
    };
    let wasm = pvf_oracle::instrument(&wasm, &meters).map_err(|error| error.to_string())?;
    Ok(Instrumented { wasm, limit })
}

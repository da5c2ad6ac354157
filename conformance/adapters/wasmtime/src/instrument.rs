//! Modules rewritten as Polkadot's workers do it: by `wasm-instrument` 0.4.

use crate::meters::Meters;
use crate::ours::costs;
use serde_json::Value;

/// Polkadot's limit where a question gives none.
const DEFAULT_LIMIT: u32 = 65_536;

/// Rewrites, or says why the module is turned down. A module of a wider language than WebAssembly 1.0
/// cannot be read by the instrumentation and stays as it is.
pub(crate) fn instrument(wasm: Vec<u8>, question: &Value) -> Result<(Vec<u8>, Meters), String> {
    let wider = question["features"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    let limit = question["stack_logical_max"]
        .as_u64()
        .and_then(|it| u32::try_from(it).ok());
    let costs = match &question["gas_limit"] {
        Value::Null => None,
        _ => Some(costs(&question["gas_schedule"])?),
    };
    let limit = match (limit, wider || costs.is_some()) {
        (None, true) => None,
        (limit, _) => Some(limit.unwrap_or(DEFAULT_LIMIT)),
    };
    let meters = Meters::Imported { limit };
    if limit.is_none() && costs.is_none() {
        return Ok((wasm, meters));
    }
    let wanted = pvf_meter_oracle::Meters {
        stack_logical_max: limit,
        gas: costs.as_ref(),
    };
    let wasm = pvf_meter_oracle::instrument(&wasm, &wanted).map_err(|error| error.to_string())?;
    Ok((wasm, meters))
}

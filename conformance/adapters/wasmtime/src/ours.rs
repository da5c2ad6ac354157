//! Modules rewritten by this repository's instrumenter.

use crate::meters::Meters;
use pvf_instrument::{GasLimit, InstrumentOptions};
use pvf_metering::{Costs, Schedule};
use pvf_rules::{Dialect, Features};
use serde_json::Value;

/// Rewrites, or says why the module is turned down. The native stack always has a limit, and so a meter.
pub(crate) fn instrument(wasm: &[u8], question: &Value) -> Result<(Vec<u8>, Meters), String> {
    let on = |name: &str| {
        question["features"]
            .as_array()
            .is_some_and(|list| list.iter().any(|it| it == name))
    };
    let native = question["stack_native_max"]
        .as_u64()
        .ok_or("stack_native_max is missing")?;
    let logical = question["stack_logical_max"]
        .as_u64()
        .and_then(|it| u32::try_from(it).ok());
    let gas = match &question["gas_limit"] {
        Value::Null => None,
        limit => Some(GasLimit {
            costs: costs(&question["gas_schedule"])?,
            limit: limit.as_u64().unwrap_or(u64::MAX),
        }),
    };
    let meters = Meters::Exported {
        native,
        logical,
        gas: gas.as_ref().map(|gas| gas.limit),
    };
    let options = InstrumentOptions {
        features: Features {
            dialect: Dialect::WebAssembly,
            sign_extension: on("sign-extension"),
            saturating_float_to_int: on("saturating-float-to-int"),
            multi_value: on("multi-value"),
            bulk_memory: on("bulk-memory"),
        },
        stack_native_max: Some(native),
        stack_logical_max: logical,
        gas,
    };
    let wasm = pvf_instrument::instrument(wasm, &options).map_err(|error| error.to_string())?;
    Ok((wasm, meters))
}

/// The prices of a question.
pub(crate) fn costs(prices: &Value) -> Result<Costs, String> {
    let price = |name: &str| {
        prices[name]
            .as_u64()
            .and_then(|it| u32::try_from(it).ok())
            .ok_or_else(|| format!("no price of {name}"))
    };
    let schedule = Schedule {
        default: price("instruction")?,
        per_local: price("call_per_local")?,
        memory_grow_per_page: price("memory_grow")?,
        ..Schedule::default()
    };
    schedule.costs().map_err(|error| error.to_string())
}

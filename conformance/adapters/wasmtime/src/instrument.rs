//! Modules rewritten as Polkadot's workers do it: by `wasm-instrument` 0.4.

use crate::meters::Meters;
use parity_wasm::elements::{ExportEntry, Internal, Module};
use serde_json::Value;
use wasm_instrument::gas_metering::{self, ConstantCostRules, host_function};

/// Name under which the limiter's global is exported, so that its trap can be told from others.
pub(crate) const HEIGHT: &str = "__logical_stack_height";

/// Module and name of the function that is called to charge gas.
pub(crate) const GAS: (&str, &str) = ("__metering", "gas");

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
    let gas = !question["gas_limit"].is_null();
    let limit = match (limit, wider || gas) {
        (None, true) => None,
        (limit, _) => Some(limit.unwrap_or(DEFAULT_LIMIT)),
    };
    if limit.is_none() && !gas {
        return Ok((wasm, Meters::Imported { limit }));
    }
    let mut module: Module = parity_wasm::deserialize_buffer(&wasm)
        .map_err(|error: parity_wasm::elements::Error| error.to_string())?;
    if gas {
        let price = |name: &str| question["gas_schedule"][name].as_u64().unwrap_or(0) as u32;
        let rules = ConstantCostRules::new(
            price("instruction"),
            price("memory_grow"),
            price("call_per_local"),
        );
        module = gas_metering::inject(module, host_function::Injector::new(GAS.0, GAS.1), &rules)
            .map_err(|_| "the gas metering refuses the module".to_owned())?;
    }
    if let Some(limit) = limit {
        module = wasm_instrument::inject_stack_limiter(module, limit).map_err(str::to_owned)?;
        let globals = module
            .global_section()
            .map_or(0, |section| section.entries().len());
        if let (Some(exports), Some(height)) = (module.export_section_mut(), globals.checked_sub(1))
        {
            exports.entries_mut().push(ExportEntry::new(
                HEIGHT.to_owned(),
                Internal::Global(height as u32),
            ));
        }
    }
    let wasm = parity_wasm::serialize(module).map_err(|error| error.to_string())?;
    Ok((wasm, Meters::Imported { limit }))
}

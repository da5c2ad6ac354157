//! Adds meters to a module, with either instrumenter.

use crate::meters::Meters;
use pvf_adapter_protocol::Question;
use pvf_instrument::{GasLimit, InstrumentOptions};
use pvf_rules::DEFAULT_STACK_LOGICAL_MAX;

/// The module with `wasm-instrument`'s meters, as Polkadot's workers add them, or the reason for its rejection.
/// `wasm-instrument` cannot read a module of a wider language than WebAssembly 1.0. Such a module stays unchanged
/// unless the question requires a meter.
pub(crate) fn wasm_instrument(
    wasm: Vec<u8>,
    question: &Question,
) -> Result<(Vec<u8>, Meters), String> {
    let wider = pvf_rules::FeatureSwitch::ALL
        .iter()
        .any(|it| question.features.has(*it));
    let limit = match question.parameters.stack_logical_max {
        None if wider || question.gas.is_some() => None,
        limit => Some(limit.unwrap_or(DEFAULT_STACK_LOGICAL_MAX)),
    };
    let meters = Meters::Imported { limit };
    if limit.is_none() && question.gas.is_none() {
        return Ok((wasm, meters));
    }
    let wanted = pvf_meter_oracle::Meters {
        stack_logical_max: limit,
        gas: question.gas.as_ref(),
    };
    let wasm = pvf_meter_oracle::instrument(&wasm, &wanted).map_err(|error| error.to_string())?;
    Ok((wasm, meters))
}

/// The module with the meters of this repository's instrumenter, or the reason for its rejection. The native stack
/// always has a limit and therefore a meter.
pub(crate) fn ours(wasm: &[u8], question: &Question) -> Result<(Vec<u8>, Meters), String> {
    let parameters = &question.parameters;
    let gas = question.gas.clone().map(|costs| GasLimit {
        costs,
        limit: parameters.gas_limit.unwrap_or(u64::MAX),
    });
    let meters = Meters::Exported {
        native: parameters.stack_native_max,
        logical: parameters.stack_logical_max,
        gas: gas.as_ref().map(|gas| gas.limit),
    };
    let options = InstrumentOptions {
        features: question.features,
        stack_native_max: Some(parameters.stack_native_max),
        stack_logical_max: parameters.stack_logical_max,
        gas,
    };
    let wasm = pvf_instrument::instrument(wasm, &options).map_err(|error| error.to_string())?;
    Ok((wasm, meters))
}

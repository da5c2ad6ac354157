//! `pvf instrument`: rewrites a module so that any engine enforces the stack and gas rules.

use crate::Verdict;
use crate::args::InstrumentArgs;
use crate::engine::{For, Stop, Verification, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::outcome::printable;
use crate::output::{Output, size};
use pvf_executor::{CompileOptions, Dialect, Features, Metering, Profile, RuleId};
use pvf_instrument::{GasLimit, InstrumentOptions, instrument as rewrite};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct InstrumentJson {
    output: Option<String>,
    wasm_bytes: u64,
    instrumented_bytes: Option<u64>,
    stack_native_max: Option<u64>,
    stack_logical_max: Option<u32>,
    gas_limit: Option<u64>,
    outcome: Option<&'static str>,
    reason: Option<String>,
    /// The rule that rejects the module; null if the module is accepted but cannot be instrumented.
    rule: Option<RuleId>,
}

/// Rewrites a module, writes it, and prints the limits that it enforces.
pub fn instrument(args: &InstrumentArgs, output: &Output) -> Result<Verdict, Failure> {
    let options = options(args)?;
    let mut json = InstrumentJson {
        output: None,
        wasm_bytes: 0,
        instrumented_bytes: None,
        stack_native_max: options.stack_native_max,
        stack_logical_max: options.stack_logical_max,
        gas_limit: options.gas.as_ref().map(|gas| gas.limit),
        outcome: None,
        reason: None,
        rule: None,
    };
    let blob = read_blob_file(&args.code)?;
    let instrumented = match prepare_blob(
        &blob.bytes,
        &compile_options(&options),
        For::Calls,
        Verification::On,
    ) {
        Ok(compiled) => {
            json.wasm_bytes = compiled.wasm.len() as u64;
            let rewritten = rewrite(&compiled.wasm, &options);
            rewritten.map_err(
                |error| match read_by_the_network_alone(&blob.bytes, &options) {
                    Some((rule, reason)) => (Some(rule), reason),
                    None => (None, error.to_string()),
                },
            )
        }
        Err(Stop::Rejected(rejection, _)) => Err((Some(rejection.rule), rejection.reason())),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    match instrumented {
        Ok(wasm) => {
            let path = args.output.display().to_string();
            output.file(&args.output, &wasm)?;
            json.instrumented_bytes = Some(wasm.len() as u64);
            json.output = Some(path);
            text(&json, output)?;
            Ok(Verdict::Fine)
        }
        Err((rule, reason)) => {
            json.outcome = Some("rejected");
            json.reason = Some(reason);
            json.rule = rule;
            text(&json, output)?;
            Ok(Verdict::NotFine)
        }
    }
}

/// Why no other engine reads a module that the network's nodes read (rules NET-1 to NET-9), if that is so. Such a module cannot be
/// instrumented for other engines.
fn read_by_the_network_alone(blob: &[u8], options: &InstrumentOptions) -> Option<(RuleId, String)> {
    if !options.features.reads_as_network() {
        return None;
    }
    let features = Features {
        dialect: Dialect::WebAssembly,
        ..options.features
    };
    let strict = CompileOptions::new(features);
    match prepare_blob(blob, &strict, For::Calls, Verification::On) {
        Err(Stop::Rejected(rejection, _)) => Some((
            rejection.rule,
            format!(
                "the network's nodes read this module, but it is not WebAssembly 1.0 and other engines reject it: {}",
                rejection.reason()
            ),
        )),
        _ => None,
    }
}

/// How this executor would compile the module with the same meters. A module that it rejects is not instrumented.
fn compile_options(options: &InstrumentOptions) -> CompileOptions {
    let gas = options.gas.as_ref();
    CompileOptions {
        metering: Metering {
            logical_stack: options.stack_logical_max.is_some(),
            gas: gas.map(|gas| Arc::new(gas.costs.clone())),
        },
        ..CompileOptions::new(options.features)
    }
}

fn options(args: &InstrumentArgs) -> Result<InstrumentOptions, Failure> {
    let profile = args.language.profile(Profile::Polkadot);
    let parameters = args.meters.parameters(profile)?.execution;
    let costs = args.meters.metering(profile)?.gas;
    Ok(InstrumentOptions {
        features: args.language.features(Profile::Polkadot),
        stack_native_max: Some(parameters.stack_native_max),
        stack_logical_max: parameters.stack_logical_max,
        gas: costs.map(|costs| GasLimit {
            costs: Arc::unwrap_or_clone(costs),
            limit: parameters.gas_limit.unwrap_or(u64::MAX),
        }),
    })
}

fn text(json: &InstrumentJson, output: &Output) -> Result<(), Failure> {
    output.result(json, |out| {
        if let Some(reason) = &json.reason {
            let rule = json.rule.map_or(String::new(), |rule| format!("{rule}: "));
            return writeln!(out, "rejected: {rule}{}", printable(reason));
        }
        writeln!(out, "{}", json.output.as_deref().unwrap_or_default())?;
        let (before, after) = (json.wasm_bytes, json.instrumented_bytes.unwrap_or(0));
        writeln!(
            out,
            "  size           {}, was {}",
            size(after),
            size(before)
        )?;
        let limit = |limit: Option<u64>, unit: &str| match limit {
            Some(u64::MAX) => "counted only".to_owned(),
            Some(limit) => format!("{limit} {unit}"),
            None => "not counted".to_owned(),
        };
        let native = limit(json.stack_native_max, "bytes");
        let logical = limit(json.stack_logical_max.map(u64::from), "units");
        let gas = limit(json.gas_limit, "gas");
        writeln!(out, "  native stack   {native}")?;
        writeln!(out, "  logical stack  {logical}")?;
        writeln!(out, "  gas            {}", gas.trim_end_matches(" gas"))
    })
}

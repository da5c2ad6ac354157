//! Validates candidates as Polkadot's workers do: `wasm-instrument` adds both meters, then Wasmtime runs the module
//! with Polkadot's host functions.

use pvf_adapter_protocol::{Answer, Candidate, Question};
use pvf_meter_oracle::{Meters, WRITTEN_LIMIT};
use pvf_rules::RejectionStage;
use pvf_validation::ValidationResult;
use pvf_wasmtime::{Ended, ExecuteError, Limits, Prepared};

/// Validates a candidate in a fresh instance.
pub(crate) fn validate(
    prepared: &Prepared,
    question: &Question,
    candidate: &Candidate,
    answer: &mut Answer,
) -> Result<(), String> {
    let candidate = candidate.bytes().map_err(|error| error.to_string())?;
    let limits = Limits {
        stack: question
            .parameters
            .stack_logical_max
            .unwrap_or(WRITTEN_LIMIT),
        gas: question.parameters.gas_limit.unwrap_or(u64::MAX),
    };
    let (ended, gas) = match prepared.execute_within(&candidate, limits) {
        Ok(ended) => ended,
        Err(ExecuteError::Instantiate(reason)) => {
            *answer = Answer::rejected(RejectionStage::Construct, reason);
            return Ok(());
        }
        Err(ExecuteError::Interface(reason)) => {
            answer.invalid(None, reason);
            return Ok(());
        }
        Err(ExecuteError::Engine(failure)) => return Err(failure),
    };
    match ended {
        Ended::Returned(bytes) => match ValidationResult::from_bytes(&bytes) {
            Ok(_) => answer.validated(&bytes),
            Err(error) => answer.invalid(None, format!("the result cannot be decoded: {error}")),
        },
        Ended::Trapped(kind) => answer.invalid(Some(kind), kind.message()),
    }
    answer.gas_used = question.gas.is_some().then_some(gas);
    Ok(())
}

/// The compiled and linked validation function with its meters, or the answer that rejects it.
pub(crate) fn prepare(wasm: &[u8], question: &Question) -> Result<Prepared, Box<Answer>> {
    let rejected = |reason: String| Box::new(Answer::rejected(RejectionStage::Prepare, reason));
    let meters = Meters {
        stack_logical_max: Some(WRITTEN_LIMIT),
        gas: question.gas.as_ref(),
    };
    let wasm =
        pvf_meter_oracle::instrument(wasm, &meters).map_err(|it| rejected(it.to_string()))?;
    let pages = question.parameters.max_memory_pages;
    let wasm = pvf_wasmtime::with_own_memory(&wasm, pages).map_err(rejected)?;
    let module = pvf_wasmtime::engine()
        .and_then(|engine| wasmtime::Module::new(&engine, wasm))
        .map_err(|error| rejected(format!("{error:#}")))?;
    Prepared::link(&module).map_err(|error| {
        Box::new(Answer::rejected(
            RejectionStage::Construct,
            format!("{error:#}"),
        ))
    })
}

//! Prepares and executes modules as this repository's workers do, one after another: the work of
//! their jobs without the sandbox.

#![deny(unsafe_code)]

use pvf_executor::{Artifact, Module};
use pvf_language_protocol::{Class, Executed, Outcome, Parameters, Prepared, Side, serve};
use pvf_node_protocol::{JobResponse, PrepareError, PrepareJobKind, PrepareRequest, Verification};
use pvf_primitives::{ExecutorParam, ExecutorParams};
use pvf_validation::Pvf;
use pvf_worker::{Compilation, ExecuteJob, PrepareJob, Validation, parameters};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The same limit as in `stock`.
const BOMB_LIMIT: u32 = 50 << 20;

/// The artifact and parameters of the last preparation.
#[derive(Default)]
struct Ours {
    artifact: Vec<u8>,
    parameters: ExecutorParams,
}

fn executor_params(from: Parameters) -> ExecutorParams {
    let maximum = from.stack_logical_max.map(ExecutorParam::StackLogicalMax);
    let bulk = from.bulk_memory.then_some(ExecutorParam::WasmExtBulkMemory);
    ExecutorParams(maximum.into_iter().chain(bulk).collect())
}

/// The work of the prepare worker's job, as a preparation or as a precheck.
fn prepare(
    code: &[u8],
    executor_params: &ExecutorParams,
    prep_kind: PrepareJobKind,
) -> Result<Vec<u8>, (Class, String)> {
    let request = PrepareRequest {
        maybe_compressed_code: code.to_vec(),
        validation_code_bomb_limit: BOMB_LIMIT,
        code_hash: [0; 32],
        executor_params: executor_params.clone(),
        prep_timeout: Duration::from_secs(60),
        prep_kind,
    };
    let prepared = catch_unwind(AssertUnwindSafe(|| {
        Compilation.prepare(&request, Verification::default())
    }));
    match prepared {
        Ok(Ok(prepared)) => Ok(prepared.artifact),
        Ok(Err(error)) => Err(refusal(error)),
        Err(panic) => Err((Class::JobError, panic_message(&*panic))),
    }
}

fn refusal(error: PrepareError) -> (Class, String) {
    match error {
        PrepareError::CouldNotDecompressCodeBlob(why) => (Class::Decompression, why),
        PrepareError::Prevalidation(why) => (Class::Prevalidation, why),
        PrepareError::Preparation(why) => (Class::Preparation, why),
        PrepareError::RuntimeConstruction(why) => (Class::RuntimeConstruction, why),
        other => (Class::JobError, other.to_string()),
    }
}

fn execute(artifact: &[u8], executor_params: &ExecutorParams, candidate: &[u8]) -> Executed {
    let not_valid = |outcome, message: String| Executed {
        outcome,
        result: Vec::new(),
        message,
    };
    // SAFETY: this program prepared the artifact.
    #[allow(unsafe_code, reason = "artifacts are read back on purpose")]
    let module = unsafe { Artifact::from_bytes(artifact) }.map_err(|error| error.to_string());
    let module =
        module.and_then(|artifact| Module::new(artifact).map_err(|error| error.to_string()));
    let pvf = match module {
        Ok(module) => Pvf::new(module, parameters::host(executor_params)),
        Err(why) => return not_valid(Outcome::Failed, why),
    };
    match Validation.execute(&pvf, candidate) {
        // The job's response has only the decoded result, so the bytes come from a second
        // validation. They follow from the decoded result except for any bytes after it.
        Ok(JobResponse::Ok { .. }) => match pvf.validate(candidate) {
            Ok(execution) => match execution.outcome {
                pvf_validation::Outcome::Valid(result) => Executed {
                    outcome: Outcome::Valid,
                    result,
                    message: String::new(),
                },
                other => not_valid(Outcome::Failed, format!("the second time: {other:?}")),
            },
            Err(failure) => not_valid(Outcome::Failed, failure.to_string()),
        },
        Ok(JobResponse::InvalidCandidate(why)) => not_valid(Outcome::Invalid, why),
        Ok(JobResponse::RuntimeConstruction(why)) => not_valid(Outcome::RuntimeConstruction, why),
        Ok(other) => not_valid(Outcome::Failed, format!("{other:?}")),
        Err(error) => not_valid(Outcome::Failed, format!("{error:?}")),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

impl Side for Ours {
    fn prepare(&mut self, from: Parameters, code: &[u8]) -> Prepared {
        self.artifact.clear();
        self.parameters = executor_params(from);
        let compiled = prepare(code, &self.parameters, PrepareJobKind::Compilation);
        let artifact = match compiled {
            Ok(artifact) => artifact,
            Err((class, why)) => return Prepared::refused(class, why),
        };
        self.artifact = artifact;
        match prepare(code, &self.parameters, PrepareJobKind::Prechecking) {
            Ok(_) => Prepared::accepted(),
            Err((precheck, message)) => Prepared {
                class: Class::Ok,
                precheck,
                message,
            },
        }
    }

    fn execute(&mut self, candidate: &[u8]) -> Executed {
        let executed = catch_unwind(AssertUnwindSafe(|| {
            execute(&self.artifact, &self.parameters, candidate)
        }));
        executed.unwrap_or_else(|panic| Executed {
            outcome: Outcome::Failed,
            result: Vec::new(),
            message: panic_message(&*panic),
        })
    }
}

fn main() -> io::Result<()> {
    // Panics are reported as answers.
    std::panic::set_hook(Box::new(|_| {}));
    serve(&mut Ours::default())
}

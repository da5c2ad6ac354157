//! Prepares and executes modules with the stock workers' functions, one after another.
//!
//! The functions are those of `polkadot-node-core-pvf-common`, called in the worker's order and
//! with its mapping of failures to classes. As in the worker, each job runs on a thread of its own
//! with the standard library's stack size, and a panic is a `JobError`. The worker forks for each
//! job; here all jobs share this process, which a preparation cannot observe.

use parity_scale_codec::Decode;
use polkadot_node_core_pvf_common::error::ExecuteError;
use polkadot_node_core_pvf_common::executor_interface as stock;
use polkadot_parachain_primitives::primitives::ValidationResult;
use polkadot_primitives::executor_params::DEFAULT_NATIVE_STACK_MAX;
use polkadot_primitives::{ExecutorParam, ExecutorParams};
use pvf_language_protocol::{Class, Executed, Outcome, Parameters, Prepared, Side, serve};
use std::any::Any;
use std::io;
use std::thread;

/// Limit of decompressed code. A node derives it from the network's configuration: ten times the
/// maximum size of code.
const BOMB_LIMIT: usize = 50 << 20;

/// Stack that the execute worker adds to the native stack limit.
const DEFAULT_STACK: usize = 2 << 20;

/// The artifact and parameters of the last preparation.
#[derive(Default)]
struct Stock {
    artifact: Vec<u8>,
    parameters: ExecutorParams,
}

fn parameters(from: Parameters) -> ExecutorParams {
    let maximum = from.stack_logical_max.map(ExecutorParam::StackLogicalMax);
    let bulk = from.bulk_memory.then_some(ExecutorParam::WasmExtBulkMemory);
    let all: Vec<_> = maximum.into_iter().chain(bulk).collect();
    ExecutorParams::from(&all[..])
}

/// The work of the prepare worker's `prepare_artifact` and `runtime_construction_check`.
fn prepare(code: &[u8], parameters: &ExecutorParams) -> (Prepared, Vec<u8>) {
    let refused = |class, message| (Prepared::refused(class, message), Vec::new());
    let code = match sp_maybe_compressed_blob::decompress(code, BOMB_LIMIT) {
        Ok(code) => code,
        Err(error) => return refused(Class::Decompression, error.to_string()),
    };
    let blob = match stock::prevalidate(&code) {
        Ok(blob) => blob,
        Err(error) => return refused(Class::Prevalidation, format!("{error:?}")),
    };
    let artifact = match stock::prepare(blob, parameters) {
        Ok(artifact) => artifact,
        Err(error) => return refused(Class::Preparation, format!("{error:?}")),
    };
    // SAFETY: `stock::prepare` made the artifact just now.
    match unsafe { stock::create_runtime_from_artifact_bytes(&artifact, parameters) } {
        Ok(_) => (Prepared::accepted(), artifact),
        Err(error) => (Prepared::not_constructed(format!("{error:?}")), artifact),
    }
}

/// The work of the execute worker's job.
fn execute(artifact: &[u8], parameters: &ExecutorParams, candidate: &[u8]) -> Executed {
    let not_valid = |outcome, message| Executed {
        outcome,
        result: Vec::new(),
        message,
    };
    // SAFETY: `stock::prepare` made the artifact in this process, which has kept it.
    match unsafe { stock::execute_artifact(artifact, parameters, candidate) } {
        Err(ExecuteError::RuntimeConstruction(error)) => {
            let message = format!("{error:?}");
            // The table's entries are zeroed memory. Whether the system grants it depends on the
            // machine.
            let outcome = match message.contains("failed to allocate memory for table") {
                true => Outcome::BeyondMachine,
                false => Outcome::RuntimeConstruction,
            };
            not_valid(outcome, message)
        }
        Err(error) => not_valid(Outcome::Invalid, error.to_string()),
        Ok(result) => match ValidationResult::decode(&mut &result[..]) {
            Err(error) => not_valid(Outcome::Invalid, error.to_string()),
            Ok(_) => Executed {
                outcome: Outcome::Valid,
                result,
                message: String::new(),
            },
        },
    }
}

/// Runs a job on a thread with this stack size.
fn job<T: Send>(stack: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(stack);
        let job = builder.spawn_scoped(scope, work);
        let job = job.map_err(|error| error.to_string())?;
        job.join().map_err(|panic| panic_message(&*panic))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

impl Side for Stock {
    fn prepare(&mut self, from: Parameters, code: &[u8]) -> Prepared {
        self.artifact.clear();
        self.parameters = parameters(from);
        match job(DEFAULT_STACK, || prepare(code, &self.parameters)) {
            Ok((prepared, artifact)) => {
                self.artifact = artifact;
                prepared
            }
            Err(message) => Prepared::refused(Class::JobError, message),
        }
    }

    fn execute(&mut self, candidate: &[u8]) -> Executed {
        let stack = DEFAULT_STACK + DEFAULT_NATIVE_STACK_MAX as usize;
        let executed = job(stack, || {
            execute(&self.artifact, &self.parameters, candidate)
        });
        executed.unwrap_or_else(|message| Executed {
            outcome: Outcome::Failed,
            result: Vec::new(),
            message,
        })
    }
}

fn main() -> io::Result<()> {
    // A PVF can query the log level. This is the level of a node that is started without log
    // options.
    log::set_max_level(log::LevelFilter::Error);
    // Panics are reported as answers.
    std::panic::set_hook(Box::new(|_| {}));
    serve(&mut Stock::default())
}

//! `pvf validate`: prepares a PVF and judges a candidate with it.

use crate::Verdict;
use crate::args::ValidateArgs;
use crate::engine::{For, Stop, load_file};
use crate::failure::Failure;
use crate::input;
use crate::outcome::{self, Measured};
use crate::output::Output;
use crate::parameters::HostArgs;
use crate::progress::Progress;
use pvf_executor::{Execution, ExecutionParameters, Module, Profile, Target};
use pvf_host::{HostParameters, LogRecord, Pvf};
use std::io::Write;
use std::sync::Arc;

/// Prepares, executes, prints the outcome.
pub fn validate(args: &ValidateArgs, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args.executor.resolve(Profile::Polkadot, Target::HOST)?;
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate(&args.params)?;
    match load_file(&args.code, &options, For::Candidates, args.perf.perf) {
        Ok(loaded) => {
            let host = host_parameters(&args.host, parameters);
            judge(loaded.module, host, &candidate, loaded.measured, output)
        }
        Err(Stop::Rejected(rejection, measured)) => {
            outcome::report(output, &Execution::rejected(rejection), &measured, None)
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Judges a candidate and prints the outcome.
pub fn judge(
    module: Module,
    host: HostParameters,
    candidate: &[u8],
    mut measured: Measured,
    output: &Output,
) -> Result<Verdict, Failure> {
    let progress = Progress::start("executing");
    let run = Pvf::new(module, host)
        .run(candidate)
        .map_err(|failure| Failure::Host(failure.to_string()))?;
    drop(progress);
    measured.instantiate_ns = run.timings.instantiate_ns;
    measured.execute_ns = run.timings.execute_ns;
    outcome::report(output, &run.execution, &measured, None)
}

/// The environment of a PVF.
pub fn host_parameters(args: &HostArgs, execution: ExecutionParameters) -> HostParameters {
    let print = args.log;
    HostParameters {
        ecc_rfc163: args.functions.ecc_rfc163,
        execution,
        log: Some(Arc::new(move |record| {
            if print {
                log(record);
            }
        })),
    }
}

fn log(record: &LogRecord<'_>) {
    let LogRecord {
        level,
        target,
        message,
    } = record;
    let (target, message) = (outcome::printable(target), outcome::printable(message));
    // A log line that cannot be written changes nothing.
    let _ = writeln!(std::io::stderr().lock(), "{level:?} {target}: {message}");
}

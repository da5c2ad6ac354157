//! `pvf validate`: prepares a PVF and judges a candidate with it.

use crate::Verdict;
use crate::args::ValidateArgs;
use crate::engine::{For, Stop, load_file};
use crate::failure::Failure;
use crate::input;
use crate::network::Parameters;
use crate::outcome::{self, Measured};
use crate::output::Output;
use crate::parameters::HostArgs;
use crate::progress::Progress;
use crate::timeout::TimeoutArgs;
use pvf_executor::{Execution, Module, Profile, Target};
use pvf_validation::{HostParameters, LogRecord, Pvf};
use std::io::Write;
use std::sync::Arc;

/// Prepares, executes, prints the outcome.
pub fn validate(args: &ValidateArgs, output: &Output) -> Result<Verdict, Failure> {
    let (options, parameters) = args.executor.resolve(Profile::Polkadot, Target::HOST)?;
    let parameters = parameters.with_functions(&args.host.functions);
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate(&args.params, &args.candidate)?;
    match load_file(
        &args.code,
        &options,
        For::Candidates,
        args.executor.compile.verification(),
        args.perf.perf,
    ) {
        Ok(loaded) => {
            let host = host_parameters(&args.host, &parameters);
            let judged = Judged {
                host,
                parameters: &parameters,
                measured: loaded.measured,
                timeout: args.timeout,
            };
            judged.judge(loaded.module, &candidate, output)
        }
        Err(Stop::Rejected(rejection, measured)) => {
            let rejected = Execution::rejected(rejection);
            outcome::report(output, &rejected, &measured, &parameters, None)
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// A judgement to be made.
pub struct Judged<'a> {
    /// The environment.
    pub host: HostParameters,
    /// What it was made of.
    pub parameters: &'a Parameters,
    /// What was measured so far.
    pub measured: Measured,
    /// How long it may take.
    pub timeout: TimeoutArgs,
}

impl Judged<'_> {
    /// Judges a candidate and prints the outcome.
    pub fn judge(
        mut self,
        module: Module,
        candidate: &[u8],
        output: &Output,
    ) -> Result<Verdict, Failure> {
        let progress = Progress::start("executing");
        let pvf = Pvf::new(module, self.host);
        let run = self.timeout.bound(|| Ok(pvf.run(candidate)?))?;
        drop(progress);
        self.measured.instantiate_ns = run.timings.instantiate_ns;
        self.measured.execute_ns = run.timings.execute_ns;
        outcome::report(
            output,
            &run.execution,
            &self.measured,
            self.parameters,
            None,
        )
    }
}

/// The environment of a PVF.
pub fn host_parameters(args: &HostArgs, parameters: &Parameters) -> HostParameters {
    let print = args.log;
    HostParameters {
        ecc_rfc163: parameters.ecc_rfc163,
        execution: parameters.execution,
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

//! `pvf validate`: prepares a PVF and judges a candidate with it.

use crate::Verdict;
use crate::args::ValidateArgs;
use crate::backtrace::{BacktraceJson, Trapped};
use crate::clock::timed;
use crate::engine::{For, Stop, Verification, load_file};
use crate::failure::Failure;
use crate::input::{self, CandidateFile};
use crate::names::Names;
use crate::network::Parameters;
use crate::outcome::{self, Measured};
use crate::output::Output;
use crate::parameters::HostArgs;
use crate::progress::Progress;
use crate::timeout::TimeoutArgs;
use crate::verdict::{self, Details, Lines, Told};
use pvf_executor::{CompileOptions, Execution, Module, Outcome, Profile};
use pvf_validation::{HostParameters, LogRecord, LogSink, Pvf};
use std::io::Write;
use std::sync::Arc;

/// Prepares, executes, prints the outcome.
pub fn validate(args: &ValidateArgs, output: &Output) -> Result<Verdict, Failure> {
    #[cfg(feature = "polkavm")]
    if let Some(engine) = args.machine.engine()? {
        return crate::polkavm::validate(args, engine, output);
    }
    let (options, parameters) = args.judging.resolve(Profile::Polkadot)?;
    input::at_most_one_stdin(&[&args.code, &args.params])?;
    let candidate = input::read_candidate_file(&args.params, &args.judging.candidate)?;
    let verification = args.judging.verification();
    match load_file(
        &args.code,
        &options,
        For::Candidates,
        verification,
        args.perf.perf,
    ) {
        Ok(loaded) => {
            let judged = Judged {
                log: args.judging.host.log,
                parameters: &parameters,
                measured: loaded.measured,
                timeout: args.judging.timeout,
                source: Some(Source {
                    wasm: &loaded.wasm,
                    options: &options,
                    verification,
                    backtrace: !args.no_backtrace,
                }),
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
    /// Whether log lines are printed.
    pub log: bool,
    /// The parameters.
    pub parameters: &'a Parameters,
    /// What was measured so far.
    pub measured: Measured,
    /// How long it may take.
    pub timeout: TimeoutArgs,
    /// What the module was made from, if it is known.
    pub source: Option<Source<'a>>,
}

/// What a module was made from.
pub struct Source<'a> {
    /// The decompressed code.
    pub wasm: &'a [u8],
    /// How it was compiled.
    pub options: &'a CompileOptions,
    /// Whether machine code is verified.
    pub verification: Verification,
    /// Whether a trap is followed by a second run, for its backtrace.
    pub backtrace: bool,
}

impl Judged<'_> {
    /// Judges a candidate and prints the outcome.
    pub fn judge(
        mut self,
        module: Module,
        candidate: &CandidateFile,
        output: &Output,
    ) -> Result<Verdict, Failure> {
        if let Some(warning) = verdict::warning(candidate) {
            output.warn(warning);
        }
        let progress = Progress::start("executing");
        let lines = Lines::default();
        let host = HostParameters {
            log: Some(log_sink(self.log, lines.clone())),
            ..environment(self.parameters)
        };
        let info = module.clone();
        let pvf = Pvf::new(module, host);
        let (run, took) = self.timeout.bound(|| {
            let (run, took) = timed(|| pvf.run(&candidate.params))?;
            Ok((run?, took))
        })?;
        self.measured.instantiate_ns = run.timings.instantiate_ns;
        self.measured.execute_ns = run.timings.execute_ns;
        let execution = &run.execution;
        let (function_name, backtrace) = self.place(&info, candidate, execution);
        drop(progress);
        if let Outcome::Rejected(_) = &execution.outcome {
            return outcome::report(output, execution, &self.measured, self.parameters, None);
        }
        let details = Details::new(Told {
            execution,
            heap: run.heap,
            execute_cpu_ns: took.cpu_ns,
            candidate,
            parameters: self.parameters,
            lines: &lines,
            function_name,
            backtrace,
        });
        outcome::report_candidate(output, execution, &self.measured, self.parameters, &details)
    }

    /// Where a trap happened, by name: the function, and those that were active.
    fn place(
        &self,
        module: &Module,
        candidate: &CandidateFile,
        execution: &Execution,
    ) -> (Option<String>, Option<Result<BacktraceJson, String>>) {
        let Outcome::Invalid {
            trap: Some(trap), ..
        } = &execution.outcome
        else {
            return (None, None);
        };
        let wasm = self.source.as_ref().map(|source| source.wasm);
        let names = Names::of(module.info(), wasm);
        let name = trap.function.and_then(|function| names.get(function));
        let backtrace = match &self.source {
            None => Some(Err(
                "an artifact has no code to run once more: `pvf validate` shows one".to_owned(),
            )),
            Some(source) if source.backtrace => {
                let trapped = Trapped {
                    wasm: source.wasm,
                    options: source.options,
                    verification: source.verification,
                    parameters: &self.parameters.execution,
                    ecc_rfc163: self.parameters.ecc_rfc163,
                    candidate: &candidate.params,
                    timeout: self.timeout,
                    outcome: &execution.outcome,
                    names: &names,
                };
                Some(trapped.backtrace())
            }
            Some(_) => None,
        };
        (name.map(str::to_owned), backtrace)
    }
}

/// The environment by the parameters, without a log.
fn environment(parameters: &Parameters) -> HostParameters {
    HostParameters {
        ecc_rfc163: parameters.ecc_rfc163,
        execution: parameters.execution,
        log: None,
    }
}

/// A sink that keeps the last lines, and prints all if asked to.
fn log_sink(print: bool, lines: Lines) -> LogSink {
    Arc::new(move |record| {
        if print {
            log(record);
        }
        lines.keep(record);
    })
}

/// The environment of a PVF.
pub fn host_parameters(args: &HostArgs, parameters: &Parameters) -> HostParameters {
    let print = args.log;
    HostParameters {
        log: Some(Arc::new(move |record| {
            if print {
                log(record);
            }
        })),
        ..environment(parameters)
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

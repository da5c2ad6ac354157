//! A worker process of `pvf replay`: jobs come by the standard input, a line of JSON each, outcomes go to the standard output.

use super::ReplayArgs;
use super::items::Item;
use super::record::Outcome;
use crate::Verdict;
use crate::check::Against;
use crate::clock::{Took, timed};
use crate::decoded::blake2_256;
use crate::engine::{Compiled, For, Stop, prepare_blob, read_blob_file};
use crate::failure::Failure;
use crate::input::{self, CandidateArgs};
use crate::network::{ParameterSet, Parameters};
use crate::outcome;
use crate::output::{Output, hex};
use crate::validate::host_parameters;
use pvf_check::Status;
use pvf_executor::{CompileOptions, Module, Profile, Rejection, Target};
use pvf_primitives::ExecutorParams;
use pvf_validation::Pvf;
use std::io::BufRead;
use std::path::PathBuf;

/// What was prepared last: candidates of one code come one after the other.
struct Prepared {
    code: PathBuf,
    executor_params: Option<String>,
    code_hash: String,
    pvf: Result<Pvf, Rejection>,
    took: Took,
    code_bytes: u64,
    /// Whether an outcome says how long preparing took.
    told: bool,
}

/// Serves until the input ends.
pub fn serve(args: &ReplayArgs, output: &Output) -> Result<Verdict, Failure> {
    let mut prepared = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::Host(format!("no jobs: {error}")))?;
        let item: Item = serde_json::from_str(&line)
            .map_err(|error| Failure::Host(format!("a job is not JSON: {error}")))?;
        let mut outcome = Outcome {
            attempts: 1,
            ..Outcome::of(&item)
        };
        if let Err(failure) = judge(args, &item, &mut prepared, &mut outcome) {
            outcome.error = Some(failure.to_string());
        }
        let mut line = serde_json::to_vec(&outcome)
            .map_err(|error| Failure::Host(format!("the result is not JSON: {error}")))?;
        line.push(b'\n');
        output.bytes(&line)?;
    }
    Ok(Verdict::Fine)
}

fn judge(
    args: &ReplayArgs,
    item: &Item,
    last: &mut Option<Prepared>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let Some(candidate) = &item.candidate else {
        return check(args, item, outcome);
    };
    let fits =
        |last: &Prepared| last.code == item.code && last.executor_params == item.executor_params;
    if !last.as_ref().is_some_and(fits) {
        *last = None;
        *last = Some(prepare(args, item)?);
    }
    let Some(prepared) = last else {
        return Ok(());
    };
    outcome.code_hash = Some(prepared.code_hash.clone());
    if !std::mem::replace(&mut prepared.told, true) {
        outcome.prepare_ns = Some(prepared.took.wall_ns);
        outcome.prepare_cpu_ns = Some(prepared.took.cpu_ns);
        outcome.code_bytes = Some(prepared.code_bytes);
    }
    let pvf = match &prepared.pvf {
        Ok(pvf) => pvf,
        Err(rejection) => {
            outcome.outcome = Some("rejected".to_owned());
            outcome.reason = Some(rejection.reason());
            outcome.rule = Some(rejection.rule.to_string());
            outcome.agrees = item.expected.outcome.as_ref().map(|it| it == "rejected");
            return Ok(());
        }
    };
    // A recorded candidate may be none: that is for the code to say. A collator's export has to be one.
    let exported = candidate.extension().is_some_and(|it| it == "pov");
    let args_of_candidate = CandidateArgs {
        any_candidate: !exported,
    };
    let candidate = input::read_candidate(candidate, &args_of_candidate)?;
    let run = args.timeout.bound(|| Ok(pvf.run(&candidate)?))?;
    let execution = run.execution;
    outcome.outcome = Some(outcome::name(&execution.outcome).to_owned());
    outcome.reason = outcome::reason(&execution.outcome).map(std::borrow::Cow::into_owned);
    outcome.rule = outcome::rule(&execution.outcome).map(|rule| rule.to_string());
    outcome.outcome_digest = Some(hex(&execution.digest()));
    outcome.gas_used = execution.gas_used;
    outcome.stack_native_peak = Some(execution.stack.native);
    outcome.stack_logical_peak = execution.stack.logical;
    outcome.memory_pages_peak = Some(execution.memory_pages_peak);
    outcome.execute_ns = Some(run.timings.execute_ns);
    outcome.agrees = agrees(item, &execution.outcome)?;
    Ok(())
}

/// Whether an outcome is as expected, if something is.
fn agrees(item: &Item, outcome: &pvf_executor::Outcome) -> Result<Option<bool>, Failure> {
    let expected = &item.expected;
    let Some(name) = &expected.outcome else {
        return Ok(None);
    };
    if name != outcome::name(outcome) {
        return Ok(Some(false));
    }
    let pvf_executor::Outcome::Valid(result) = outcome else {
        return Ok(Some(true));
    };
    let of_file = expected
        .result_file
        .as_deref()
        .map(input::read)
        .transpose()?;
    let digits = expected.result.as_deref();
    let of_text = digits
        .map(|digits| hex::decode(digits.strip_prefix("0x").unwrap_or(digits)))
        .transpose()
        .map_err(|error| Failure::Usage(format!("the expected result: {error}")))?;
    let same = |known: Option<Vec<u8>>| known.is_none_or(|known| known == *result);
    Ok(Some(same(of_file) && same(of_text)))
}

/// Checks a runtime as `pvf check` does: prepared as a node that prechecks it, and what else happens to it before its
/// first block.
fn check(args: &ReplayArgs, item: &Item, outcome: &mut Outcome) -> Result<(), Failure> {
    let (_, parameters) = parameters(args, item)?;
    let against = Against::new(parameters, args.timeout)?;
    let against = against.with_threads(args.executor.compile.threads);
    let blob = read_blob_file(&item.code)?;
    let (report, took) = timed(|| against.report(&blob.bytes))?;
    let report = report?;
    outcome.code_hash = Some(hex(&blake2_256(&blob.bytes)));
    let used = |check| report.lines.iter().find(|line| line.check == check)?.used;
    outcome.prepare_ns = Some(took.wall_ns);
    outcome.prepare_cpu_ns = used("precheck_time");
    let failed = report.lines.iter().find(|it| it.status == Status::Fail);
    outcome.reason = failed.map(|line| format!("{}: {}", line.check.replace('_', " "), line.words));
    outcome.rule = failed
        .and_then(|line| line.rule)
        .map(|rule| rule.to_string());
    let name = match failed {
        Some(_) => "rejected",
        None => "accepted",
    };
    outcome.outcome = Some(name.to_owned());
    outcome.agrees = item.expected.outcome.as_ref().map(|it| it == name);
    let checks = serde_json::to_value(&report.lines);
    outcome.checks = Some(checks.map_err(|error| Failure::Host(format!("the checks: {error}")))?);
    Ok(())
}

/// The options and parameters of the command line, or with the item's own parameters.
fn parameters(args: &ReplayArgs, item: &Item) -> Result<(CompileOptions, Parameters), Failure> {
    let (options, parameters) = args.executor.resolve(Profile::Polkadot, Target::HOST)?;
    let parameters = match &item.executor_params {
        None => parameters.with_functions(&args.host.functions),
        Some(digits) => {
            let wrong = |what: String| Failure::Usage(format!("executor_params: {what}"));
            let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits));
            let bytes = bytes.map_err(|error| wrong(error.to_string()))?;
            let set = ParameterSet::Session(ExecutorParams::from_scale(&bytes).map_err(wrong)?);
            Parameters {
                execution: set.execution(),
                ecc_rfc163: set.ecc_rfc163(),
                set,
            }
        }
    };
    Ok((options, parameters))
}

fn prepare(args: &ReplayArgs, item: &Item) -> Result<Prepared, Failure> {
    let (options, parameters) = parameters(args, item)?;
    let blob = read_blob_file(&item.code)?;
    let verification = args.executor.compile.verification();
    let (compiled, took) =
        timed(|| prepare_blob(&blob.bytes, &options, For::Candidates, verification))?;
    let (pvf, code_bytes) = match compiled {
        Ok(Compiled { artifact, .. }) => {
            let code_bytes = artifact.code.len() as u64;
            let module = Module::new(artifact);
            let module = module.map_err(|error| Failure::Host(error.to_string()))?;
            let host = host_parameters(&args.host, &parameters);
            (Ok(Pvf::new(module, host)), code_bytes)
        }
        Err(Stop::Rejected(rejection, _)) => (Err(rejection), 0),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    Ok(Prepared {
        code: item.code.clone(),
        executor_params: item.executor_params.clone(),
        code_hash: hex(&blake2_256(&blob.bytes)),
        pvf,
        took,
        code_bytes,
        told: false,
    })
}

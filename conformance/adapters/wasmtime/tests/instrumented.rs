//! Runs the suite on Wasmtime after each of the two instrumenters: outcomes and gas must be equal, and the stack must
//! overflow at the same call.

use pvf_conformance::{Case, Engine, Options, Verdict, read_cases, run};
use std::path::Path;

/// The ids of the cases that differ in some levels, and the number of cases that ran.
fn differing(instrument: &str, levels: &[&str]) -> (Vec<String>, usize) {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the suite is there");
    let cases = read_cases(&suite, levels).expect("the suite can be read");
    let command = [env!("CARGO_BIN_EXE_pvf-adapter-wasmtime"), instrument].map(str::to_owned);
    let mut engine = Engine::start(&command).expect("the adapter starts");
    let scratch = tempfile::tempdir().expect("a folder for modules");
    let report = run(
        &suite,
        &cases,
        &mut engine,
        scratch.path(),
        &Options::default(),
        |_| (),
    )
    .expect("the modules can be read");
    let mut differ = Vec::new();
    let mut asked = 0;
    for (Case { id, .. }, verdict) in cases.iter().zip(&report.verdicts) {
        match verdict {
            Verdict::Skipped(_) => continue,
            Verdict::Passed => {}
            Verdict::Differs(how) => {
                println!("{id}: {how}");
                differ.push(id.clone());
            }
        }
        asked += 1;
    }
    (differ, asked)
}

#[test]
fn ours_enforces_every_meter() {
    let (differ, asked) = differing("--instrument=ours", &["core", "determinism", "metering"]);
    // The instrumenter leaves validation to the front end, and Wasmtime allows several tables.
    assert_eq!(differ, ["LANG-6/two-tables"]);
    assert!(asked > 2_000, "{asked}");
}

#[test]
fn wasm_instrument_meters_alike() {
    let (differ, asked) = differing("--instrument", &["metering"]);
    assert_eq!(differ, [""; 0]);
    assert!(asked > 500, "{asked}");
}

/// The fixtures and their candidates. `pvf arbitrate --against wasmtime` asks the same questions.
#[test]
fn every_candidate_of_the_fixtures_has_its_outcome() {
    let (differ, asked) = differing("--instrument", &["whole"]);
    assert_eq!(differ, [""; 0]);
    assert!(asked >= 80, "{asked}");
}

/// The interface of validation functions. `pvf-wasmtime` does not implement some rules: the modules that a node's
/// reader accepts (NET-8), imports that are not host functions (HOST-2, HOST-5), the stage of a rejection, and the size
/// of a candidate (PVF-6).
#[test]
fn the_interface_differs_only_where_it_is_left_to_others() {
    let (differ, asked) = differing("--instrument", &["pvf"]);
    let left_out = ["HOST-2/", "HOST-5/", "MEM-4/", "NET-8/", "PVF-6/"];
    let others = |id: &&String| !left_out.iter().any(|it| id.starts_with(it));
    assert_eq!(differ.iter().find(others), None);
    assert!(asked > 90 && differ.len() < 15, "{asked}, {}", differ.len());
}

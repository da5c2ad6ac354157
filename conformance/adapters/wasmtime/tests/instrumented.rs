//! The suite on Wasmtime after each of the two instrumenters: same outcomes, same gas, overflow at the same call.

use pvf_conformance::{Case, Engine, Options, Verdict, read_cases, run};
use std::path::Path;

/// Ids of the cases of some levels that differ, and how many were run.
fn differing(instrument: &str, levels: &[&str]) -> (Vec<String>, usize) {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the suite is there");
    let cases = read_cases(&suite, levels).expect("the suite can be read");
    let command = [env!("CARGO_BIN_EXE_pvf-adapter-wasmtime"), instrument].map(str::to_owned);
    let mut engine = Engine::start(&command).expect("the adapter starts");
    let scratch =
        std::env::temp_dir().join(format!("pvf-wasmtime{instrument}-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a folder for modules");
    let report = run(
        &suite,
        &cases,
        &mut engine,
        &scratch,
        &Options::default(),
        |_| (),
    )
    .expect("the modules can be read");
    std::fs::remove_dir_all(&scratch).expect("it was ours");
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
    // The instrumenter leaves this to a front end, and in Wasmtime there may be several tables.
    assert_eq!(differ, ["LANG-6/two-tables"]);
    assert!(asked > 2_000, "{asked}");
}

#[test]
fn wasm_instrument_meters_alike() {
    let (differ, asked) = differing("--instrument", &["metering"]);
    assert_eq!(differ, [""; 0]);
    assert!(asked > 500, "{asked}");
}

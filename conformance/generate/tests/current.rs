//! The committed suite is what the generator makes, covers every rule, and agrees with the oracle.

use pvf_conformance_cases::{fits, output, suite, uncovered};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn committed_files_are_current_and_cover_every_rule() {
    let suite = suite(&folder().join("../fixtures"));
    assert_eq!(output::check(&suite, &folder()), Vec::<String>::new());
    let rules = std::fs::read_to_string(folder().join("../spec/rules.json")).unwrap();
    let (without, unknown) = uncovered(&suite, &rules).unwrap();
    assert_eq!((without, unknown), (vec![], vec![]));
    let ids: Vec<String> = suite
        .cases
        .iter()
        .map(|case| case.to_json(&suite)["id"].to_string())
        .collect();
    let distinct: HashSet<&String> = ids.iter().collect();
    let twice: Vec<_> = ids
        .iter()
        .filter(|id| ids.iter().filter(|other| other == id).count() > 1)
        .collect();
    assert_eq!(distinct.len(), ids.len(), "{twice:?}");
    assert!(ids.len() >= 500);
}

/// The logical boundaries stated by hand are those of the instrumentation.
#[test]
fn logical_boundaries_are_the_oracles() {
    let suite = suite(&folder().join("../fixtures"));
    let mut shapes = 0;
    for case in &suite.cases {
        let line = case.to_json(&suite);
        let Some(limit) = line["parameters"]["stack_logical_max"].as_u64() else {
            continue;
        };
        let needs = line["needs"].as_array().into_iter().flatten();
        if needs.into_iter().any(|feature| feature == "multi-value") {
            // The oracle cannot read it.
            continue;
        }
        let Some(argument) = line["steps"][0]["args"][0].as_str() else {
            continue;
        };
        let depth: i32 = argument.strip_prefix("i32:").unwrap().parse().unwrap();
        let name = line["wat"]
            .as_str()
            .unwrap()
            .trim_start_matches("wat/")
            .trim_end_matches(".wat");
        let expected = line["expect"]["outcome"] == "valid";
        assert_eq!(
            fits(&suite.modules[name].wasm, limit as u32, depth),
            expected,
            "{}",
            line["id"]
        );
        shapes += 1;
    }
    assert!(shapes > 200);
}

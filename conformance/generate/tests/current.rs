//! The committed suite equals the generator's output, covers every rule, and agrees with the oracle.

use pvf_conformance_cases::{Run, fits, output, runs, suite, uncovered};
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

/// The logical limits stated by hand equal those of the instrumentation.
#[test]
fn logical_boundaries_are_the_oracles() {
    let suite = suite(&folder().join("../fixtures"));
    let mut shapes = 0;
    for case in &suite.cases {
        if case.rules().contains(&"LOGICAL-9") {
            // These cases name the counter; `counters_are_the_oracles` tests them.
            continue;
        }
        let line = case.to_json(&suite);
        let Some(limit) = line["parameters"]["stack_logical_max"].as_u64() else {
            continue;
        };
        let needs = line["needs"].as_array().into_iter().flatten();
        if needs
            .into_iter()
            .any(|feature| feature == "stack-logical-multi-value")
        {
            // The oracle cannot read this module.
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

/// Modules that name the counter of the logical stack observe the same values as the instrumented modules.
#[test]
fn counters_are_the_oracles() {
    let suite = suite(&folder().join("../fixtures"));
    let mut programs = 0;
    for case in &suite.cases {
        let line = case.to_json(&suite);
        let expect = &line["expect"];
        if !case.rules().contains(&"LOGICAL-9") || expect["outcome"] == "rejected" {
            continue;
        }
        let number = |value: &serde_json::Value| -> i32 {
            let text = value.as_str().and_then(|text| text.strip_prefix("i32:"));
            text.unwrap().parse().unwrap()
        };
        let steps = line["steps"].as_array().unwrap();
        let calls: Vec<(String, Vec<i32>)> = steps
            .iter()
            .map(|step| {
                let arguments = step["args"].as_array().unwrap();
                let name = step["invoke"].as_str().unwrap().to_owned();
                (name, arguments.iter().map(number).collect())
            })
            .collect();
        let module = line["wat"].as_str().unwrap();
        let module = module.trim_start_matches("wat/").trim_end_matches(".wat");
        let limit = line["parameters"]["stack_logical_max"].as_u64().unwrap() as u32;
        let found = runs(&suite.modules[module].wasm, limit, &calls);
        let traps: Vec<bool> = found
            .iter()
            .map(|run| matches!(run, Run::Trapped(_)))
            .collect();
        let expected: Vec<bool> = match expect["steps"].as_array() {
            Some(steps) => steps.iter().map(|trap| !trap.is_null()).collect(),
            None => vec![!expect["trap"].is_null()],
        };
        assert_eq!(traps, expected, "{}", line["id"]);
        if let (Some(Run::Returned(values)), true) = (found.last(), expect["outcome"] == "valid") {
            assert_eq!(
                &serde_json::json!(values),
                &expect["result"],
                "{}",
                line["id"]
            );
        }
        programs += 1;
    }
    assert!(programs > 10);
}

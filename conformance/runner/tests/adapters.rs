//! Tests the runner with adapters that misbehave, written as shell scripts.

use pvf_conformance::{
    Engine, EngineError, Options, Report, Verdict, html, json, junit, read_cases, read_rules, run,
    table,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

const HELLO: &str = r#"read line; echo '{"engine":"<odd>","version":"1","features":[]}';"#;

fn verdicts(script: &str, filter: &str) -> Vec<(String, Verdict)> {
    let cases = read_cases(&suite(), &["core", "determinism"]).unwrap();
    let mut engine = Engine::start(&shell(&format!("{HELLO} {script}"))).unwrap();
    let options = Options {
        limit: Duration::from_millis(300),
        filter: Some(filter.to_owned()),
    };
    let report = run(
        &suite(),
        &cases,
        &mut engine,
        &std::env::temp_dir(),
        &options,
        |_| (),
    )
    .unwrap();
    let ids = cases.iter().map(|case| case.id.clone());
    ids.zip(report.verdicts)
        .filter(|(id, _)| id.contains(filter))
        .collect()
}

#[test]
fn wrong_dead_silent_and_garbled_answers_differ() {
    let filter = "LANG-1/loop";
    let wrong = verdicts(
        r#"while read line; do echo '{"outcome":"valid","result":["i32:11"],"trap":null}'; done"#,
        filter,
    );
    assert!(
        matches!(&wrong[0].1, Verdict::Differs(how) if how.expected.contains("i32:10") && how.got.contains("i32:11")),
        "{wrong:?}"
    );
    let right = verdicts(
        r#"while read line; do echo '{"outcome":"valid","result":["i32:10"],"trap":null}'; done"#,
        filter,
    );
    assert_eq!(right[0].1, Verdict::Passed);
    for (script, what) in [
        ("exit 1", "died"),
        ("read line; read other", "no answer"),
        ("read line; echo nonsense", "not an answer"),
    ] {
        let verdicts = verdicts(script, filter);
        assert!(
            matches!(&verdicts[0].1, Verdict::Differs(how) if how.got.contains(what)),
            "{verdicts:?}"
        );
    }
}

#[test]
fn undeclared_features_are_skipped() {
    let verdicts = verdicts("exit 1", "STACK-7/leaf-0-0");
    assert_eq!(verdicts.len(), 3);
    assert!(
        verdicts
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Skipped("needs stack-native".to_owned()))
    );
}

#[test]
fn a_program_that_cannot_be_started_is_an_error() {
    let error = Engine::start(&["/nowhere/at/all".to_owned()])
        .map(|_| ())
        .unwrap_err();
    assert!(matches!(error, EngineError::Start { .. }));
}

#[test]
fn reports_name_the_rule_and_escape() {
    let cases = read_cases(&suite(), &["core"]).unwrap();
    let mut engine = Engine::start(&shell(&format!(
        "{HELLO} while read line; do echo '{{\"outcome\":\"<script>\"}}'; done"
    )))
    .unwrap();
    let options = Options {
        filter: Some("LANG-1/loop".to_owned()),
        ..Options::default()
    };
    let engine = run(
        &suite(),
        &cases,
        &mut engine,
        &std::env::temp_dir(),
        &options,
        |_| (),
    )
    .unwrap();
    let report = Report {
        cases: &cases,
        rules: read_rules(&suite().join("../spec/rules.json")),
        engines: vec![engine],
    };
    let page = html(&report, &suite());
    assert!(
        page.contains("LANG-1/loop")
            && page.contains("&lt;odd&gt;")
            && !page.contains("<odd>")
            && !page.contains("\"<script>\"")
            && page.contains("(module")
    );
    assert!(table(&report).contains("LANG-1 The base language"));
    assert!(junit(&report).contains("failures=\"1\""));
    let json = json(&report);
    assert_eq!(json["engines"][0]["differences"][0]["rules"][0], "LANG-1");
}

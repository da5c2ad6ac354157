//! One preparation: every command and library that prepares a blob gives the same verdict with the same rule.
//!
//! The corpus is every module of the conformance suite that some profile rejects, and modules on which users once disagreed. What
//! `pvf_executor::prepare` says is compared with the commands, the worker's job, the arbiter and the conformance adapter; the C library
//! and the service are held to it in their own tests.

mod common;

use common::{Ran, pvf, write};
use pvf_arbiter::{Question, arbitrate};
use pvf_executor::{
    COMPRESSED_MAGIC, NotPrepared, Outcome, Profile, Purpose, Rejection, RejectionClass, Rules,
    prepare,
};
use pvf_node_protocol::{PrepareError, PrepareJobKind, PrepareRequest, Verification};
use pvf_primitives::ExecutorParams;
use pvf_worker::{Compilation, PrepareJob};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// An empty candidate.
const CANDIDATE: &[u8] = &[0; 38];

/// Rules that can only reject when an instance is made.
const WHEN_INSTANTIATED: [&str; 3] = ["MEM-4", "SEG-2", "START-2"];

/// Blobs by what they are of.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let mut all = pvf_conformance::rejected_blobs(&suite).expect("the suite");
    assert!(all.len() > 200, "{} blobs", all.len());
    let texts = [
        r#"(module (import "env" "memory" (memory 1)) (func (export "memory")))"#,
        r#"(module (import "env" "g" (global i64)))"#,
        r#"(module (import "env" "g" (global i64)) (func (export "f")))"#,
        r#"(module (import "env" "g" (global (mut i32))) (func (export "f")))"#,
        r#"(module (import "env" "ext_allocator_malloc_version_1" (func)))"#,
        r#"(module (import "env" "t" (table 1 funcref)))"#,
        "(module (memory 3000))",
        "(module (func $s unreachable) (start $s))",
        "(module)",
    ];
    for text in texts {
        let wasm = wat::parse_str(text).expect("a module");
        let compressed = zstd::encode_all(&wasm[..], 3).expect("it can be compressed");
        all.push((text.to_owned(), wasm));
        let compressed = [&COMPRESSED_MAGIC[..], &compressed].concat();
        all.push((format!("compressed {text}"), compressed));
    }
    all.push((
        "compressed nonsense".to_owned(),
        [&COMPRESSED_MAGIC[..], b"!"].concat(),
    ));
    all
}

/// What preparation says.
fn said(blob: &[u8], rules: &Rules<'_>) -> Option<Rejection> {
    match prepare(blob, rules) {
        Ok(_) => None,
        Err(NotPrepared::Rejected(rejection)) => Some(rejection),
        Err(NotPrepared::Failed(failure)) => panic!("{failure}"),
    }
}

#[test]
fn all_users_say_the_same() {
    let functions = pvf_validation::function_types(false);
    let options = Profile::Polkadot.compile_options();
    let precheck = Rules::new(options.clone(), Purpose::Precheck(&functions));
    let execution = Rules::new(options, Purpose::Execution);
    let candidate = write("one-preparation", "candidate", CANDIDATE);
    let mut classes = BTreeMap::new();
    for (what, blob) in corpus() {
        let expected = said(&blob, &precheck);
        let class = expected.as_ref().map_or("accepted", |it| it.class.name());
        *classes.entry(class).or_insert(0) += 1;
        for (kind, rules) in [
            (PrepareJobKind::Prechecking, &precheck),
            (PrepareJobKind::Compilation, &execution),
        ] {
            assert_eq!(
                by_worker(&blob, kind),
                by_node(said(&blob, rules)),
                "{what}"
            );
        }
        let outcome = by_arbiter(&blob);
        assert_agrees(&what, expected.as_ref(), &outcome);
        assert_agrees(&what, expected.as_ref(), &by_adapter(&blob));
        let compiled = said(&blob, &execution);
        commands(
            &what,
            &blob,
            &candidate,
            expected.as_ref(),
            compiled.as_ref(),
        );
    }
    // The corpus has some of each.
    let found: Vec<&str> = classes.keys().copied().collect();
    let all = RejectionClass::ALL.map(RejectionClass::name);
    assert_eq!(found.len(), all.len() + 1, "{classes:?}");
}

/// A rejection as a node gives it.
fn by_node(rejection: Option<Rejection>) -> Result<(), PrepareError> {
    let Some(rejection) = rejection else {
        return Ok(());
    };
    let text = rejection.to_string();
    assert!(text.starts_with(rejection.rule.as_str()), "{text}");
    Err(match rejection.class {
        RejectionClass::Decompression => PrepareError::CouldNotDecompressCodeBlob(text),
        RejectionClass::Prevalidation => PrepareError::Prevalidation(text),
        RejectionClass::Preparation => PrepareError::Preparation(text),
        RejectionClass::RuntimeConstruction => PrepareError::RuntimeConstruction(text),
    })
}

fn by_worker(blob: &[u8], prep_kind: PrepareJobKind) -> Result<(), PrepareError> {
    let request = PrepareRequest {
        maybe_compressed_code: blob.to_vec(),
        validation_code_bomb_limit: 50 << 20,
        code_hash: [0; 32],
        executor_params: ExecutorParams::default(),
        prep_timeout: Duration::from_secs(60),
        prep_kind,
    };
    Compilation
        .prepare(&request, Verification::default())
        .map(|_| ())
}

/// Outcome, stage, class, rule and reason in the names of JSON output; the class and others may be missing.
fn by_arbiter(blob: &[u8]) -> Value {
    let ruling = arbitrate(&Question::new(blob, CANDIDATE)).expect("this machine can");
    assert!(ruling.is_deterministic());
    match &ruling.execution.outcome {
        Outcome::Rejected(rejection) => {
            let cause = ruling.cause.expect("it fails");
            assert_eq!(cause.rule, Some(rejection.rule));
            json!({"outcome": "rejected", "stage": rejection.stage().name(), "class": rejection.class,
                "rule": rejection.rule, "reason": cause.what})
        }
        _ => json!({"outcome": "not rejected"}),
    }
}

fn by_adapter(blob: &[u8]) -> Value {
    let module = write("one-preparation", "adapter", blob);
    let question = json!({"id": "", "wasm": module, "dialect": "network", "features": [], "max_memory_pages": 2080,
        "ignore_declared_maximum": true, "stack_native_max": 268_435_456, "stack_logical_max": 65_536,
        "steps": [{"validate": "0x00"}]});
    let mut answer = Vec::new();
    pvf_adapter::serve(question.to_string().as_bytes(), &mut answer).expect("it answers");
    serde_json::from_slice(&answer).expect("JSON")
}

/// What a user says agrees with preparation: the same rejection, or one that only an instance can show, or none.
#[track_caller]
fn assert_agrees(what: &str, expected: Option<&Rejection>, said: &Value) {
    match expected {
        Some(rejection) => {
            assert_eq!(said["outcome"], "rejected", "{what}: {said}");
            assert_eq!(said["stage"], rejection.stage().name(), "{what}: {said}");
            assert_eq!(said["rule"], rejection.rule.as_str(), "{what}: {said}");
            assert_eq!(said["reason"], rejection.reason(), "{what}: {said}");
            if let Some(class) = said["class"].as_str() {
                assert_eq!(class, rejection.class.name(), "{what}: {said}");
            }
        }
        None if said["outcome"] == "rejected" => {
            let rule = said["rule"].as_str().expect("a rule");
            assert!(WHEN_INSTANTIATED.contains(&rule), "{what}: {said}");
        }
        None => assert!(said["rule"].is_null(), "{what}: {said}"),
    }
}

/// `pvf prepare`, `pvf validate` and `pvf inspect`. Without `--precheck`, `pvf prepare` says what a node that compiles says.
fn commands(
    what: &str,
    blob: &[u8],
    candidate: &str,
    expected: Option<&Rejection>,
    compiled: Option<&Rejection>,
) {
    let code = write("one-preparation", "code", blob);
    let (code, artifact) = (code.as_str(), format!("{code}.artifact"));
    if matches!(blob.first(), Some(b'(' | b'{')) {
        // Tools take it for a text or a chain specification.
        return;
    }
    if !blob.starts_with(b"\0asm") && !blob.starts_with(&COMPRESSED_MAGIC) {
        // On the command line, what is nothing like code is a mistake.
        for args in [
            &["prepare", code, "-o", &artifact][..],
            &["validate", code, candidate],
            &["inspect", code],
        ] {
            assert_eq!(pvf(args).code, 2, "{what}: {args:?}");
        }
        return;
    }
    let json_of = |ran: Ran| (ran.code, ran.json());

    for (precheck, expected) in [(&["--precheck"][..], expected), (&[], compiled)] {
        let args = [&["prepare", "--json", code, "-o", &artifact], precheck].concat();
        let (exit, prepared) = json_of(pvf(args));
        assert_eq!(exit, i32::from(expected.is_some()), "{what}: {prepared}");
        assert_agrees(what, expected, &prepared);
    }

    let (code_of_validate, validated) = json_of(pvf(["validate", "--json", code, candidate]));
    assert!(code_of_validate <= 1, "{what}: {validated}");
    assert_agrees(what, expected, &validated);

    let (exit, inspected) = json_of(pvf(["inspect", "--json", code]));
    let accepted = inspected["accepted"].as_bool().expect("a verdict");
    assert_eq!(exit, i32::from(!accepted), "{what}: {inspected}");
    assert_eq!(accepted, expected.is_none(), "{what}: {inspected}");
    assert_eq!(accepted, inspected["rejection"].is_null());
    let rejection = match accepted {
        true => &json!({}),
        false => &inspected["rejection"],
    };
    assert_agrees(what, expected, rejection);
}

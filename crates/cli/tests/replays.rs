//! `pvf replay`: folders and lists of candidates, in worker processes that may die.

mod common;

use common::{fixture, program, pvf, scratch, write};
use pvf_corpus::Expected;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("results were written");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn ids(results: &[Value]) -> BTreeSet<String> {
    let id = |result: &Value| result["id"].as_str().expect("an id").to_owned();
    results.iter().map(id).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Every case of the fixtures, whose index says how many there are and what they give.
#[test]
fn fixtures_are_as_their_index_says() {
    let mut expected = BTreeMap::new();
    for chain in pvf_corpus::chains(&pvf_corpus::fixtures(), "").expect("can be read") {
        for case in chain.cases {
            let outcome = match case.expected {
                Expected::Result(_) => "valid",
                _ => "invalid",
            };
            *expected.entry(outcome).or_insert(0) += 1;
        }
    }
    let results = scratch("replay", "fixtures.jsonl");
    let ran = pvf([
        "replay",
        "--json",
        "--jobs",
        "2",
        &fixture(""),
        "-o",
        text(&results),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = ran.json();
    for (outcome, count) in &expected {
        assert_eq!(summary[outcome], *count, "{outcome}");
    }
    assert_eq!(summary["agree"], summary["items"]);
    let found = lines(&results);
    assert_eq!(found.len(), expected.values().sum::<i32>() as usize);

    // One of them says what `validate` says.
    let one = found
        .iter()
        .find(|it| it["id"].as_str().unwrap().ends_with("ledger/transfer"));
    let one = one.expect("the ledger's transfer");
    let (code, params) = (
        fixture("ledger/code.wasm"),
        fixture("ledger/transfer.params"),
    );
    let validated = pvf(["validate", "--json", &code, &params]).json();
    for key in [
        "outcome",
        "outcome_digest",
        "stack_native_peak",
        "stack_logical_peak",
        "memory_pages_peak",
    ] {
        assert_eq!(one[key], validated[key], "{key}");
    }
}

#[test]
fn parts_are_disjoint_and_complete() {
    let folder = fixture("forth");
    let mut all = Vec::new();
    for part in 1..=3 {
        let results = scratch("replay", &format!("part-{part}.jsonl"));
        let shard = format!("{part}/3");
        let ran = pvf(["replay", &folder, "--shard", &shard, "-o", text(&results)]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        all.extend(lines(&results));
    }
    let whole = scratch("replay", "whole.jsonl");
    assert_eq!(pvf(["replay", &folder, "-o", text(&whole)]).code, 0);
    assert_eq!(ids(&all), ids(&lines(&whole)));
    assert_eq!(all.len(), lines(&whole).len());
    for wrong in ["0/3", "4/3", "3", "a/b"] {
        assert_eq!(
            pvf(["replay", &folder, "--shard", wrong]).code,
            2,
            "{wrong}"
        );
    }
}

#[test]
fn an_interrupted_run_is_resumed() {
    let results = scratch("replay", "resumed.jsonl");
    let folder = fixture("ledger");
    let _ = std::fs::remove_file(&results);
    let resume = || pvf(["replay", "--json", &folder, "--resume", text(&results)]);
    let whole = resume().json();
    let written = std::fs::read_to_string(&results).unwrap();
    // A process that was killed: some lines are missing, the last is cut.
    let kept: Vec<&str> = written.lines().take(5).collect();
    let cut = &written.lines().nth(5).unwrap()[..40];
    std::fs::write(&results, format!("{}\n{cut}", kept.join("\n"))).unwrap();
    let again = resume();
    assert_eq!(again.code, 0, "{}", again.stderr);
    let again = again.json();
    assert_eq!(again["skipped"], 5);
    assert_eq!(
        again["items"].as_u64().unwrap() + 5,
        whole["items"].as_u64().unwrap()
    );
    // The line that was cut is gone.
    let found = lines(&results);
    assert_eq!(found.len() as u64, whole["items"].as_u64().unwrap());
    assert_eq!(ids(&found).len(), found.len());
    // And again: there is nothing left.
    assert_eq!(resume().json()["items"], 0);
    // What is no result at all is no file to append to.
    for text in ["not a result\n", "not a result", "{\"call\":1}"] {
        let other = write("replay", "other.txt", text);
        assert_eq!(pvf(["replay", &folder, "--resume", &other]).code, 2);
        let left = std::fs::read_to_string(&other).unwrap();
        assert_eq!(left, text, "it is left as it is");
    }
}

#[test]
fn unexpected_outcomes_and_failures_have_exit_codes() {
    let list = write("replay", "unexpected.jsonl", [
        json!({"code": fixture("adder/code.wasm"), "candidate": fixture("adder/add-1.params"), "outcome": "invalid"}),
        json!({"code": fixture("adder/code.wasm"), "candidate": fixture("adder/add-2.params"), "result": "0x00"}),
        json!({"code": fixture("adder/code.wasm"), "candidate": fixture("adder/wrap.params")}),
    ].map(|line| line.to_string()).join("\n"));
    let ran = pvf(["replay", "--json", &list]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(
        (&json["differ"], &json["without_expectation"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(json["remarkable"].as_array().unwrap().len(), 2);

    // A file that is not there is nobody's verdict.
    let list = write(
        "replay",
        "missing.jsonl",
        json!({"code": "nowhere.wasm", "candidate": fixture("adder/wrap.params")}).to_string(),
    );
    let ran = pvf(["replay", "--json", &list]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_eq!(ran.json()["failed"], 1);
    for wrong in ["{}\n", "not JSON\n", ""] {
        let list = write("replay", "wrong.jsonl", wrong);
        assert_eq!(pvf(["replay", &list]).code, 2, "{wrong}");
    }
    assert_eq!(pvf(["replay"]).code, 2);
}

/// A candidate that never ends, among others.
fn with_endless(name: &str) -> String {
    let endless = r#"(module (import "env" "memory" (memory 2)) (global (export "__heap_base") i32 (i32.const 1024))
        (func (export "validate_block") (param i32 i32) (result i64) (loop (br 0)) (i64.const 0)))"#;
    let code = write("replay", &format!("{name}.wat"), endless);
    let line = |code: &str, params: &str| json!({"code": code, "candidate": fixture(params)});
    let adder = fixture("adder/code.wasm");
    let all = [
        line(&adder, "adder/add-1.params"),
        line(&code, "adder/add-2.params"),
        line(&adder, "adder/wrap.params"),
    ];
    write(
        "replay",
        &format!("{name}.jsonl"),
        all.map(|line| line.to_string()).join("\n"),
    )
}

#[test]
fn a_candidate_that_hangs_ends_nothing_else() {
    let list = with_endless("hangs");
    let results = scratch("replay", "hangs-results.jsonl");
    let ran = pvf([
        "replay",
        "--json",
        "--jobs",
        "1",
        "--timeout",
        "200ms",
        &list,
        "-o",
        text(&results),
    ]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!((&json["valid"], &json["failed"]), (&json!(2), &json!(1)));
    let failed = lines(&results)
        .into_iter()
        .find(|it| !it["error"].is_null())
        .expect("a failure");
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("did not end within"),
        "{failed}"
    );
    assert!(failed["outcome"].is_null());
}

/// The process ids of a process's children: each of its threads has its own.
fn children(of: u32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{of}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<String> = lists.collect();
    all.iter()
        .flat_map(|list| list.split_whitespace())
        .filter_map(|id| id.parse().ok())
        .collect()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_dies_ends_nothing_else() {
    // Under an emulator the children are the emulator's.
    if std::env::var_os("PVF_TEST_RUNNER").is_some() {
        return;
    }
    let list = with_endless("dies");
    let results = scratch("replay", "dies-results.jsonl");
    let _ = std::fs::remove_file(&results);
    let child = program()
        .args([
            "replay",
            "--json",
            "--jobs",
            "1",
            &list,
            "-o",
            text(&results),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("pvf starts");
    let mut running = Running(child);
    let parent = running.0.id();
    // Kills every worker that is at the candidate that never ends: it has used more processor time than the others need.
    let deadline = Instant::now() + Duration::from_secs(50);
    let mut killed = BTreeSet::new();
    while running.0.try_wait().expect("it can be asked").is_none() {
        assert!(Instant::now() < deadline, "it goes on");
        for id in children(parent) {
            if busy_ticks(id).is_some_and(|ticks| ticks > 30) && killed.insert(id) {
                // SAFETY: the process is a child of this test's child, which has not waited for it yet.
                unsafe { libc::kill(id, libc::SIGKILL) };
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = running.0.wait().expect("it ended");
    assert_eq!(status.code(), Some(3));
    let found = lines(&results);
    let failed = found
        .iter()
        .find(|it| !it["error"].is_null())
        .expect("a failure");
    assert_eq!(failed["error"], "the process was killed by signal 9");
    assert_eq!(failed["attempts"], 2);
    assert_eq!(
        found.iter().filter(|it| it["outcome"] == "valid").count(),
        2
    );
    assert_eq!(killed.len(), 2);
}

/// Processor time of a process in ticks of 10 ms.
fn busy_ticks(id: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let behind = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// The layout that a recorder writes: code by hash, candidates with what they were judged with.
#[test]
fn recorded_candidates_bring_their_parameters() {
    use blake2::{Blake2b, Digest, digest::consts::U32};
    let folder = scratch("replay", "recorded");
    let _ = std::fs::remove_dir_all(&folder);
    let (code, candidates) = (folder.join("code"), folder.join("candidates/2026-11-30"));
    std::fs::create_dir_all(&code).unwrap();
    std::fs::create_dir_all(&candidates).unwrap();
    let blob = std::fs::read(fixture("adder/code.compressed.wasm")).unwrap();
    let hash = format!("0x{}", hex::encode(Blake2b::<U32>::digest(&blob)));
    std::fs::write(code.join(&hash), &blob).unwrap();
    let record = |name: &str, params: &str, about: Value| {
        std::fs::copy(fixture(params), candidates.join(format!("{name}.params"))).unwrap();
        std::fs::write(candidates.join(format!("{name}.json")), about.to_string()).unwrap();
    };
    let result = hex::encode(std::fs::read(fixture("adder/add-1.result")).unwrap());
    record(
        "one",
        "adder/add-1.params",
        json!({"version": 1, "code": hash, "outcome": "valid", "result": result, "kind": "backing"}),
    );
    // A session with 10 units of logical stack (`StackLogicalMax`, variant 2), of which the block takes 81.
    let few = format!("0x0402{}", hex::encode(10_u32.to_le_bytes()));
    record(
        "two",
        "adder/add-1.params",
        json!({"version": 1, "code": hash, "outcome": "invalid", "executor_params": few}),
    );
    record(
        "three",
        "adder/wrong-state.params",
        json!({"version": 1, "code": hash, "outcome": "invalid"}),
    );
    let results = scratch("replay", "recorded.jsonl");
    let ran = pvf(["replay", "--json", text(&folder), "-o", text(&results)]);
    let found = lines(&results);
    let outcome = |name: &str| {
        let result = found
            .iter()
            .find(|it| it["id"].as_str().unwrap().ends_with(name));
        result.expect("the result").clone()
    };
    assert_eq!(outcome("one")["agrees"], true, "{}", ran.stderr);
    assert_eq!(outcome("one")["code_hash"], hash.as_str());
    assert_eq!(outcome("three")["agrees"], true);
    // Its own parameters hold for the second.
    assert_eq!(outcome("two")["agrees"], true, "{}", outcome("two"));

    std::fs::write(candidates.join("three.json"), r#"{"code":"0x12"}"#).unwrap();
    let ran = pvf(["replay", text(&folder)]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("three.json"), "{}", ran.stderr);
}

#[test]
fn runtimes_are_prepared_without_candidates() {
    let folder = scratch("replay", "codes");
    let _ = std::fs::remove_dir_all(&folder);
    for (name, code) in [("good", "adder/code.wasm"), ("other", "ledger/code.wasm")] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        std::fs::copy(fixture(code), folder.join(name).join("code.wasm")).unwrap();
    }
    let run = || pvf(["replay", "--json", "--prepare-only", text(&folder)]);
    let ran = run();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.json()["accepted"], 2);
    std::fs::create_dir_all(folder.join("bad")).unwrap();
    let bad = "(module (func (result i32) (i32.extend8_s (i32.const 1))))";
    std::fs::write(folder.join("bad/code.wat"), bad).unwrap();
    let ran = run();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(
        (&json["accepted"], &json["rejected"]),
        (&json!(2), &json!(1))
    );
    assert!(json["remarkable"][0]["rule"].is_string(), "{json}");

    // Code that can be prepared, of which no candidate can be judged: `pvf check` says so, and so does this.
    std::fs::write(folder.join("bad/code.wat"), "(module (memory 1))").unwrap();
    let results = folder.join("results.jsonl");
    let run = [
        "replay",
        "--prepare-only",
        text(&folder),
        "-o",
        text(&results),
    ];
    assert_eq!(pvf(run).code, 1);
    let results = lines(&results);
    assert_eq!(results.len(), 3);
    for result in results {
        let code = result["code"].as_str().unwrap();
        let checked: Value = pvf(["check", "--json", code]).json();
        let names = |lines: &Value| -> Vec<(Value, Value)> {
            let lines = lines.as_array().unwrap().iter();
            lines
                .map(|line| (line["check"].clone(), line["status"].clone()))
                .collect()
        };
        assert_eq!(names(&result["checks"]), names(&checked["lines"]));
        assert_eq!(result["outcome"] == "accepted", checked["passes"] == true);
    }
}

/// A real runtime's candidates, where there are any.
#[test]
fn real_candidates_are_as_expected() {
    let Some(chain) = pvf_corpus::recorded_chain("shell").expect("the folder can be read") else {
        return;
    };
    let ran = pvf(["replay", "--json", text(&chain.folder)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert!(json["agree"].as_u64().unwrap() > 2, "{json}");
    assert_eq!(json["agree"], json["items"]);
}
